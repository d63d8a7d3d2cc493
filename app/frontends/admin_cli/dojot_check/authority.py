"""Which CA it is, and whether its clients can work with what it hands out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final
from urllib.parse import quote

from app.client.chain import Chain, fingerprint, read_certificates, verified_chain
from app.client.errors import printable
from app.client.revocation_list import list_number, read_list, verify_list
from app.frontends.admin_cli.dojot_check.door import Door, Finding, Verdict, document

_SOON: Final = timedelta(hours=12)
_OLD_CLIENTS_BREAK_AT: Final = 64  # they break the value into lines of so many, and choke on an empty last one


def software_at(door: Door) -> str:
    """Return what calls itself a CA there. A gateway passes on only what is below /ca, where midca answers in JSON."""
    version = document(door.get("/ejbca/version")).get("version")
    if isinstance(version, str):
        return printable(version)
    refusal = document(door.get(f"/ca/{_quoted(door)}/nothing-of-that-name"))
    return "midca" if {"message", "status"} <= refusal.keys() else "EJBCA-REST"


def look_at_software(software: str) -> Finding:
    """Return whether it is midca."""
    if software.startswith("midca"):
        return Finding("software", Verdict.OK, f"{software}.")
    next_step = "Replace it as docs/dojot.md says, step by step."
    return Finding("software", Verdict.PROBLEM, f"Not midca but {software}.", next_step)


def chain_at(door: Door) -> Chain | None:
    """Return the CA and those above it, None where there is no CA of that name; raise what is wrong with them."""
    if door.ca_name not in _names(door):
        return None
    value = document(door.get(f"/ca/{_quoted(door)}")).get("certificate")
    return verified_chain(read_certificates(value, f"What /ca/{door.ca_name} answers"), door.now())


def look_at_authority(door: Door, chain: Chain | None) -> Iterator[Finding]:
    """Return what clients have to know of the CA."""
    if chain is None:
        seen = f"There is no CA {door.ca_name}, but {printable(', '.join(_names(door))) or 'none at all'}."
        yield Finding(
            "authority", Verdict.PROBLEM, seen, "dojot's clients ask for IOTmidCA; --ca looks at another one."
        )
        return
    until = min(each.not_valid_after_utc for each in chain)
    seen = f"{door.ca_name} is good until {until:%Y-%m-%d}; the SHA-256 of its root is {fingerprint(chain[-1])}."
    yield Finding("authority", Verdict.OK, seen)
    if len(chain) == 1:
        yield Finding("chain", Verdict.OK, "It is self-signed: a client's --cafile needs this one certificate.")
    else:
        seen = f"A client's --cafile needs all {len(chain)} certificates that /ca/{door.ca_name} hands out."
        next_step = "Scripts that keep only the first one (VerneMQ of dojot v0.5.0-alpha) need hierarchy: flat."
        yield Finding("chain", Verdict.NOTE, seen, next_step)


def look_at_list(door: Door, chain: Chain) -> Finding:
    """Return whether the revocation list is one that brokers can use; raise when it is not good."""
    value = document(door.get(f"/ca/{_quoted(door)}/crl")).get("CRL")
    crl = read_list(value, f"What /ca/{door.ca_name}/crl answers")
    verify_list(crl, chain[0], door.now())
    end = crl.next_update_utc or door.now()
    seen = f"List number {list_number(crl)} is good until {end:%Y-%m-%d %H:%M} UTC."
    if len(str(value)) % _OLD_CLIENTS_BREAK_AT == 0:
        next_step = "iotagent-mosca v0.4.3 cannot read a list of that length: have another one issued (PUT)."
        return Finding("revocation list", Verdict.PROBLEM, seen, next_step)
    if end < door.now() + _SOON:
        next_step = "With one that has run out brokers refuse every device: have a new one issued in time."
        return Finding("revocation list", Verdict.NOTE, seen, next_step)
    return Finding("revocation list", Verdict.OK, seen)


def _quoted(door: Door) -> str:
    return quote(door.ca_name, safe="")


def _names(door: Door) -> list[str]:
    found = document(door.get("/ca")).get("CAs")
    return [str(ca.get("name")) for ca in found if isinstance(ca, dict)] if isinstance(found, list) else []
