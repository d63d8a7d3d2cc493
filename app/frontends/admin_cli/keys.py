"""``midca keys``: the private keys, and the secrets that protect them and the passwords."""

from __future__ import annotations

import click

from app.frontends.admin_cli.context import (
    Failed,
    json_option,
    operator,
    print_done,
    print_rows,
    refusals_fail,
    services,
    utc_time,
)
from app.operations.key_list import GOOD, OFFLINE
from app.operations.key_rotation import PepperUse

_SHOWN = 16


@click.group()
def keys() -> None:
    """Look at the private keys, and change the secrets that protect them."""


@keys.command("list")
@json_option
@refusals_fail
def list_keys(*, as_json: bool) -> None:
    """Try out every private key, and count the passwords that wait for each pepper."""
    opened = services()
    states = list(opened.key_list.states())
    uses = opened.key_rotation.pepper_uses()
    rows = [{"key": one.key, "kind": one.kind, "id": one.public_key_sha256, "state": one.state} for one in states]
    rows += [
        {"key": "pepper", "kind": "HMAC-SHA256", "id": use.kid, "state": _state(use, current=number == 0)}
        for number, use in enumerate(uses)
    ]
    print_rows(rows if as_json else [{**row, "id": row["id"][:_SHOWN]} for row in rows], as_json=as_json)
    if any(one.state not in {GOOD, OFFLINE} for one in states):
        raise Failed("Not every key is as it should be.")


@keys.command("rotate-passphrase")
@json_option
@refusals_fail
def rotate_passphrase(*, as_json: bool) -> None:
    """Seal all private keys with a new passphrase; the server goes on."""
    rotation = services().key_rotation
    number = rotation.rotate_passphrase(operator())
    source = rotation.passphrase.source
    told = f"{number} keys are sealed with the new passphrase.\n" + (
        f"It is in {source}: back it up apart from the keys. Backups of before need the old one."
        if source.is_ours
        else f"Now take the old one out of {source}, and restart the server."
    )
    print_done(told, {"keys": number, "passphrase": str(source), "ours": source.is_ours}, as_json=as_json)


@keys.command("rotate-pepper")
@click.option("--until", metavar="TIME", help="Passwords that were set before count until then (ISO 8601, UTC).")
@json_option
@refusals_fail
def rotate_pepper(until: str | None, *, as_json: bool) -> None:
    """Hash new enrolment passwords with a new pepper; the server goes on, and old passwords count on."""
    rotation = services().key_rotation
    pepper = rotation.rotate_pepper(operator(), utc_time(until) if until else None)
    waiting = sum(use.waiting for use in rotation.pepper_uses() if use.kid != pepper.kid)
    told = (
        f"New passwords are hashed with the pepper {pepper.kid}, in {rotation.pepper.source}: back it up.\n"
        f"{waiting} passwords wait with an old one; see midca keys list."
    )
    fields = {"pepper": pepper.kid, "source": str(rotation.pepper.source), "waiting_with_old": waiting}
    print_done(told, fields, as_json=as_json)


@keys.command("drop-pepper")
@click.option("--needed", is_flag=True, help="Also those that passwords wait for: these then have to be set anew.")
@json_option
@refusals_fail
def drop_pepper(*, needed: bool, as_json: bool) -> None:
    """Remove the old peppers that no password waits for any more, or whose time is over."""
    rotation = services().key_rotation
    dropped = rotation.drop_peppers(operator(), needed=needed)
    kept = [use for use in rotation.pepper_uses()[1:] if use.pepper is not None]
    told = [f"The pepper {use.kid} is gone; {use.waiting} passwords that could be used are void." for use in dropped]
    told += [f"The pepper {use.kid} is kept: {_state(use, current=False)}." for use in kept]
    fields = {
        "dropped": [{"pepper": use.kid, "void": use.waiting} for use in dropped],
        "kept": [{"pepper": use.kid, "waiting": use.waiting} for use in kept],
    }
    print_done("\n".join(told) or "There is no old pepper.", fields, as_json=as_json)


def _state(use: PepperUse, *, current: bool) -> str:
    waiting = f"{use.waiting} passwords wait, {use.spent} are used up"
    if current:
        return f"for new passwords: {waiting}"
    if use.pepper is None:
        return f"gone: {use.waiting} passwords are void"
    until = f", until {use.pepper.until.isoformat(timespec='seconds')}" if use.pepper.until else ""
    return f"old: {waiting}{until}"
