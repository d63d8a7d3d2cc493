"""``midca audit``: what was done, and whether the log of it can be believed."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import click

from app.errors import NotFound, Unavailable
from app.files.presence import is_there
from app.files.protected import writing_once
from app.frontends.admin_cli.context import (
    Failed,
    json_option,
    print_fields,
    print_rows,
    refusals_fail,
    services,
    utc_time,
    visible,
)
from app.operations.audit_verification import Verification
from app.pki.merkle_tree import consistency_path, inclusion_path, leaf_hash, root_of

_file = click.Path(exists=True, dir_okay=False, path_type=Path)
_seq = click.IntRange(1, 2**63 - 1)  # what the database counts to
_SHOWN = ("seq", "at", "actor", "address", "action", "object", "result")


@click.group()
def audit() -> None:
    """Look at the audit log, and verify it."""


@audit.command("list")
@click.option(
    "--since", metavar="TIME", help="Only entries from this time on (ISO 8601; UTC unless it says otherwise)."
)
@click.option("--action", help="Only this action, or with `token` all of tokens.")
@click.option("--object", "name", help="Only acts on this end entity, CA or token.")
@click.option("--limit", type=click.IntRange(1, 100000), default=100, show_default=True)
@json_option
@refusals_fail
def list_entries(since: str | None, action: str | None, name: str | None, limit: int, *, as_json: bool) -> None:
    """List entries, newest first."""
    log = services().checkpoints.log
    found = log.search(limit, since=utc_time(since) if since else None, action=action, name=name)
    print_rows(found if as_json else [_row(entry) for entry in found], as_json=as_json)


@audit.command()
@click.argument("seq", type=_seq)
@json_option
@refusals_fail
def show(seq: int, *, as_json: bool) -> None:
    """Show entry SEQ, and the proof that the newest checkpoint covers it."""
    checkpoints = services().checkpoints
    row, head = checkpoints.log.find(seq), checkpoints.store.newest()
    if row is None:
        raise NotFound(f"There is no audit entry {seq}.")
    fields: dict[str, Any] = {"entry": row["entry"], "leaf": leaf_hash(row["entry"].encode()).hex()}
    if head is None or head.size < seq:
        fields["checkpoint"] = None
    else:
        path = inclusion_path(seq - 1, head.size)
        fields["proof"] = [root_of(checkpoints.log.leaves(beside)).hex() for beside in path]
        fields["checkpoint"] = head.note
    if not as_json:
        fields = {name: "\n".join(value) if isinstance(value, list) else value for name, value in fields.items()}
        fields["checkpoint"] = fields["checkpoint"] or "not yet"
    print_fields(fields, as_json=as_json)


@audit.command()
@click.argument("old", type=click.IntRange(0), metavar="SIZE")
@refusals_fail
def consistency(old: int) -> None:
    """Prove that the newest checkpoint continues the log of SIZE entries (RFC 6962 section 2.1.2).

    It is printed as c2sp.org/tlog-witness has it sent to a witness: `old SIZE`, the proof, and the checkpoint.
    """
    checkpoints = services().checkpoints
    head = checkpoints.store.newest()
    size = head.size if head else 0
    if head is None or size < old:
        raise NotFound(f"The newest checkpoint covers {size} entries, not {old}.")
    proof = [root_of(checkpoints.log.leaves(beside)) for beside in (consistency_path(old, size) if old else [])]
    click.echo("\n".join([f"old {old}", *(base64.b64encode(each).decode() for each in proof), "", head.note]), nl=False)


@audit.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path), default="-")
@click.option("--from", "first", type=_seq, default=1, show_default=True, metavar="SEQ")
@refusals_fail
def export(file: Path, first: int) -> None:
    """Write the entries from SEQ on as JSON lines, and the newest checkpoint behind them [to standard output].

    FILE is a new one that nobody else may read (0600): names and addresses are in it.
    """
    checkpoints, end = services().checkpoints, None
    try:
        checkpoints.write()
        end = checkpoints.store.newest()
    except Unavailable as problem:  # a log that contradicts its checkpoints is evidence, and is handed out as it is
        click.echo(f"midca: WARNING: {problem}", err=True)
    to_output = str(file) == "-"
    try:
        if not to_output and is_there(file):
            raise Failed(f"{file} is there already; an export replaces nothing.")
        if to_output and sys.stdout is None:
            raise Failed("The output is closed; name a file.")
        with click.open_file("-", "wb") if to_output else writing_once(file) as output:
            for page in checkpoints.log.pages(after=first - 1):
                output.writelines(f"{entry}\n".encode() for seq, _, entry, _ in page if end is None or seq <= end.size)
            head = end or checkpoints.store.newest()
            output.write(head.note.encode() if head else b"")
            output.flush()  # while there is somebody to tell that it cannot be written
    except OSError as error:
        if to_output:
            raise
        raise Failed(f"{file} cannot be written: {error.strerror}.") from error


@audit.command()
@click.option("--checkpoints", multiple=True, type=_file, help="A copy of the file of checkpoints, kept elsewhere.")
@click.option("--export", "exports", multiple=True, type=_file, help="An export, kept elsewhere.")
@json_option
@refusals_fail
def verify(checkpoints: tuple[Path, ...], exports: tuple[Path, ...], *, as_json: bool) -> None:
    """Verify chain, tree, checkpoints, and that certificates, lists and tokens are as the log tells."""
    done = services().audit_verification.run(checkpoints, exports)
    if as_json:
        click.echo(json.dumps(_described(done), indent=2))
    else:
        for note in done.notes:
            click.echo(note)
        for finding in done.findings.found:
            click.echo(f"{finding.kind}: {visible(finding.sentence)}")
        more = done.findings.counts.total() - len(done.findings.found)
        if more:
            click.echo(f"... and {more} more.")
        click.echo(f"{done.entries} entries, {done.checkpoints} checkpoints, root {done.root.hex()}.")
    if done.findings.counts:
        raise Failed("The audit log does not verify.")


@audit.command()
@refusals_fail
def key() -> None:
    """Print the public key of the checkpoints, as programs that read signed notes take it."""
    click.echo(str(services().checkpoints.signer.verifier))


def _row(entry: dict[str, Any]) -> dict[str, Any]:
    tenant = f" of {entry['actor_tenant']}" if "actor_tenant" in entry else ""
    return {field: entry[field] for field in _SHOWN} | {"actor": entry["actor"] + tenant}


def _described(done: Verification) -> dict[str, Any]:
    return {
        "entries": done.entries,
        "checkpoints": done.checkpoints,
        "root": done.root.hex(),
        "notes": done.notes,
        "counts": {str(kind): count for kind, count in done.findings.counts.items()},
        "findings": [{"kind": str(finding.kind), "sentence": finding.sentence} for finding in done.findings.found],
    }
