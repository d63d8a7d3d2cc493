"""Who may do what at the other routes, and how midca finds itself."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

from app.client.errors import printable
from app.frontends.admin_cli.dojot_check.door import Door, Finding, Verdict, document, is_html, said
from app.frontends.admin_cli.dojot_check.gateway import MAKE_ROUTES

_NOBODY: Final = f"midca-check-{secrets.token_hex(4)}"


def look_at_sign(door: Door) -> Finding:
    """Return whether devices reach /sign; a GET changes nothing there."""
    answer = door.get(f"/sign/{_NOBODY}/pkcs10")
    if answer.status == HTTPStatus.METHOD_NOT_ALLOWED:
        return Finding("sign", Verdict.OK, "Devices reach /sign.")
    if answer.status == HTTPStatus.FORBIDDEN:
        return Finding("sign", Verdict.NOTE, "This user may not use /sign.", "dojot's permission for it is wo_sign.")
    return Finding("sign", Verdict.PROBLEM, f"/sign answers {said(answer)}.", MAKE_ROUTES)


def look_at_user(door: Door, *, gateway: str, is_midca: bool) -> Iterator[Finding]:
    """Return who may manage end entities: without a token, and with the one there is."""
    anonymous = door.get(f"/user/{_NOBODY}", anonymous=True)
    if anonymous.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        yield Finding("user", Verdict.OK, "Without a token nobody may manage end entities (/user).")
    elif is_html(anonymous) or anonymous.status not in {HTTPStatus.OK, HTTPStatus.NOT_FOUND}:
        yield Finding("user", Verdict.PROBLEM, f"/user answers {said(anonymous)}.", MAKE_ROUTES)
    elif gateway:
        next_step = "Have the gateway ask for a token, and take its address out of MIDCA_TRUSTED_NETWORKS."
        yield Finding("user", Verdict.PROBLEM, f"Whoever reaches {gateway} may manage end entities (/user).", next_step)
    elif is_midca:
        next_step = "Right for dojot's own containers; if this host is none of them, narrow MIDCA_TRUSTED_NETWORKS."
        yield Finding("user", Verdict.NOTE, "This host may manage end entities (/user) without a token.", next_step)
    else:
        next_step = "midca asks for a token, but in the networks that you name."
        yield Finding("user", Verdict.PROBLEM, "Whoever reaches this port may manage end entities (/user).", next_step)
    if door.token is not None and door.get(f"/user/{_NOBODY}").status == HTTPStatus.NOT_FOUND:
        seen = "The owner of the token may manage end entities (/user)."
        yield Finding("user of the token", Verdict.NOTE, seen, "In dojot only administrators should.")


def look_at_readiness(door: Door) -> Iterator[Finding]:
    """Return what midca says of itself; no gateway passes that on."""
    checks = document(door.get("/ready")).get("checks")
    if not isinstance(checks, dict):
        yield Finding("readiness", Verdict.UNKNOWN, "/ready is not shown here.", "Ask midca itself, with --direct.")
        return
    events = checks.pop("events", None)
    wrong = [f"{name}: {printable(str(what))}" for name, what in checks.items() if what != "ok"]
    if wrong:
        yield Finding("readiness", Verdict.PROBLEM, " ".join(wrong), "midca's log says more.")
    else:
        yield Finding("readiness", Verdict.OK, "midca is fit for its work.")
    if events == "ok":
        yield Finding("device events", Verdict.OK, "dojot's device events are read.")
    else:
        seen = "Nobody reads dojot's device events." if events is None else printable(str(events))
        next_step = "Set MIDCA_KAFKA_BROKERS, or run midca events: see docs/dojot.md."
        yield Finding("device events", Verdict.PROBLEM, seen, next_step)
