"""``midca backup`` and ``midca restore``: one file with all that cannot be made again."""

from __future__ import annotations

from pathlib import Path

import click

from app.frontends.admin_cli.context import (
    json_option,
    operator,
    print_fields,
    program,
    read_password,
    refusals_fail,
)
from app.operations.backup import verify_backup

_file = click.Path(dir_okay=False, path_type=Path)
_existing = click.Path(exists=True, dir_okay=False, path_type=Path)
_passphrase_option = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path, allow_dash=True),
    help="File with the passphrase of the secrets (- for standard input); asked for without it.",
)


class _CreateByDefault(click.Group):
    """``midca backup FILE`` is ``midca backup create FILE``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, *ctx.help_option_names}:
            args = ["create", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_CreateByDefault)
def backup() -> None:
    """Back up database, CA certificates, profiles, and with --with-keys the keys; verify a backup.

    `midca backup FILE` is short for `midca backup create FILE`.
    """


@backup.command()
@click.argument("file", type=_file)
@click.option("--with-keys", is_flag=True, help="CA keys and secrets too, sealed with a passphrase of their own.")
@_passphrase_option
@json_option
@refusals_fail
def create(file: Path, *, with_keys: bool, passphrase_file: Path | None, as_json: bool) -> None:
    """Write a backup to the new file FILE; the server may be at work."""
    passphrase = None
    if with_keys:
        passphrase = read_password(passphrase_file, "Passphrase for the secrets in the backup", confirm=True)
    made = program().backup().make(file, operator(), passphrase=passphrase)
    print_fields(
        {
            "file": made.path,
            "bytes": made.octets,
            "sha256": made.sha256,
            "audit entries": made.entries,
            "keys": "sealed in it" if made.with_keys else "not in it: keep copies of ca/keys and secrets elsewhere",
        },
        as_json=as_json,
    )


@backup.command()
@click.argument("file", type=_existing)
@json_option
@refusals_fail
def verify(file: Path, *, as_json: bool) -> None:
    """Read the backup FILE from end to end, and have SQLite check the database in it."""
    manifest = verify_backup(file)
    print_fields(
        {
            "file": file,
            "made": manifest.made_at.isoformat(timespec="seconds"),
            "by midca": manifest.made_by,
            "files": len(manifest.files),
            "audit entries": manifest.entries,
            "keys": "sealed in it" if manifest.seal else "not in it",
        },
        as_json=as_json,
    )


@click.command()
@click.argument("file", type=_existing)
@click.option("--audit", "export", type=_existing, help="An export of the audit log: what it tells of is done again.")
@click.option("--keep-credentials", is_flag=True, help="Leave enrolment passwords and access tokens in force.")
@_passphrase_option
@json_option
@refusals_fail
def restore(
    file: Path, *, export: Path | None, keep_credentials: bool, passphrase_file: Path | None, as_json: bool
) -> None:
    """Restore the backup FILE into the data directory, which must be empty.

    Enrolment passwords and access tokens end, for one that the backup calls good may have been spent or revoked since.
    """
    restoring = program().restoring()
    done = restoring.run(
        file,
        operator(),
        passphrase=lambda: read_password(passphrase_file, "Passphrase of the secrets in the backup"),
        export=export,
        keep_credentials=keep_credentials,
    )
    print_fields(
        {
            "backup of": done.made_at.isoformat(timespec="seconds"),
            "audit entries": done.entries,
            "done again": done.replayed,
            "known to be lost": done.lost,
            "passwords ended": done.passwords_ended,
            "tokens ended": done.tokens_ended,
            "profiles": done.profiles or "the same as those in use",
            "keys": "restored" if done.with_keys else "not in the backup: put ca/keys and secrets in their place",
        },
        as_json=as_json,
    )
