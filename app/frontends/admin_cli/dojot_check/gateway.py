"""What stands between here and the CA, and whether it lets this caller through."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from app.client.http_server import Answer
from app.frontends.admin_cli.dojot_check.door import Door, Finding, Verdict, document, is_html, said

MAKE_ROUTES: Final = "Make the routes: deploy/kong/kong-0.11.sh or deploy/kong/kong.yml."
_CLOCK_TOLERANCE: Final = timedelta(minutes=5)
_NO_ROUTE: Final = ("no route matched", "no api found")  # Kong 2 and 3, Kong 0.11
_REFUSALS: Final[dict[int, tuple[str, str]]] = {
    HTTPStatus.UNAUTHORIZED: ("The token is not accepted", "Log in again."),
    HTTPStatus.FORBIDDEN: (
        "This user may not read /ca",
        "Give a group of the user dojot's permissions ro_ca and wo_sign.",
    ),
    **dict.fromkeys(
        (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT),
        ("The gateway does not reach the CA", "Does the service ejbca run, on port 5583?"),
    ),
}
_UNKNOWN: Final = ("No CA answers at /ca", "Is that the URL of dojot's gateway, or of midca?")


def gateway_of(answer: Answer) -> str:
    """Return what stands in between, by the marks it leaves; empty if nothing is seen."""
    headers = {name.lower(): value.lower() for name, value in answer.headers.items()}
    if "kong" in headers.get("via", "") + headers.get("server", "") or any("x-kong-" in name for name in headers):
        return "Kong"
    return "nginx" if "nginx" in headers.get("server", "") else ""


def look_at_way(door: Door, anonymous: Answer) -> Iterator[Finding]:
    """Return what is seen of the way itself in an answer to nobody in particular."""
    yield _transport(door)
    yield _clock(door, anonymous)
    gateway = gateway_of(anonymous)
    if anonymous.status == HTTPStatus.UNAUTHORIZED:
        yield Finding("token", Verdict.OK, f"{gateway or 'The gateway'} lets nobody through without a token (JWT).")
    elif gateway == "Kong" and isinstance(document(anonymous).get("CAs"), list):
        yield Finding(
            "token",
            Verdict.PROBLEM,
            "Kong passes /ca on without a token, and so /user and /sign too.",
            "Add its jwt plugin: deploy/kong/kong-0.11.sh or deploy/kong/kong.yml.",
        )
    else:
        yield Finding("token", Verdict.OK, "No token is needed to get here.")


def look_at_answer(door: Door, answer: Answer) -> Finding:
    """Return whether it is a CA that answers at /ca."""
    if isinstance(document(answer).get("CAs"), list):
        return Finding("answer", Verdict.OK, "A CA answers at /ca.")
    if is_html(answer):
        seen = f"/ca answers {answer.status} with a web page: the gateway has no route for it, and shows its own pages."
        return Finding("answer", Verdict.PROBLEM, seen, MAKE_ROUTES)
    if any(words in said(answer).lower() for words in _NO_ROUTE):
        return Finding("answer", Verdict.PROBLEM, f"The gateway has no route for /ca: {said(answer)}.", MAKE_ROUTES)
    if answer.status == HTTPStatus.UNAUTHORIZED and door.token is None:
        next_step = "Name a user (-u) or a token (--token-file); the CA itself may be asked with --direct."
        return Finding("answer", Verdict.UNKNOWN, "What is behind the gateway is not shown without a token.", next_step)
    seen, next_step = _REFUSALS.get(answer.status, _UNKNOWN)
    return Finding("answer", Verdict.PROBLEM, f"{seen}: {said(answer)}.", next_step)


def _transport(door: Door) -> Finding:
    if door.server.tls or door.server.is_local:
        return Finding("transport", Verdict.OK, "Passwords and tokens are not shown to others on the way.")
    return Finding(
        "transport",
        Verdict.NOTE,
        "http:// shows passwords and tokens to the network in between.",
        "Well between containers of one machine; from outside have the gateway, or nginx (deploy/nginx), speak https.",
    )


def _clock(door: Door, answer: Answer) -> Finding:
    try:
        apart = abs(door.now() - parsedate_to_datetime(answer.headers.get("Date", "")))
    except (ValueError, TypeError):
        return Finding("clock", Verdict.UNKNOWN, "The answer does not say what time it is there.")
    if apart > _CLOCK_TOLERANCE:
        seen = f"The clocks there and here are {apart.total_seconds() / 60:.0f} minutes apart."
        return Finding("clock", Verdict.PROBLEM, seen, "Set them: certificates are good by the clock.")
    return Finding("clock", Verdict.OK, "The clocks there and here agree.")
