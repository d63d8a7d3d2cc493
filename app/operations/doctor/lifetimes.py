"""Checks of what ends: CA certificates, revocation lists, OCSP responders."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from app.operations.doctor.finding import Finding, ok, problem, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.operations.doctor.patient import Patient
    from app.pki.certificate_authority import CertificateAuthority

CA_ENDS_SOON: Final = timedelta(days=90)
_OVERDUE: Final = 0.75  # of a life: a server at work renews at half
_START: Final = "Is the server running? It renews them. Its log says why not."


def ca_lifetimes(patient: Patient) -> Iterator[Finding]:
    """How long do the CAs live?"""
    now = patient.now()
    for authority in patient.services.authorities:
        end = authority.certificate.not_valid_after_utc
        which = f"The certificate of CA {authority.name}"
        if end <= now:
            yield problem(f"{which} ended on {end:%Y-%m-%d}.", "Nothing it signed counts any more: replace the CA.")
        elif end - now < CA_ENDS_SOON:
            yield warning(
                f"{which} ends in {(end - now).days} days.",
                "Plan the rollover (docs/operations.md); no device outlives it.",
            )
        else:
            yield ok(f"{which} ends on {end:%Y-%m-%d}.")


def revocation_lists(patient: Patient) -> Iterator[Finding]:
    """Is every list there, good, and renewed in time?"""
    said = patient.readiness["crl"]
    if said != "ok":
        yield problem(said, f"Brokers refuse every device by a list that has run out. {_START}")
    now, store = patient.now(), patient.services.revocation_lists.store
    for authority in _with_key(patient):
        for name, dates in store.newest(authority.name).items():
            if _is_overdue(dates.this_update, dates.next_update, now):
                which = f"The CRL {dates.number} ({name.scope}, {name.kind}) of CA {authority.name}"
                yield warning(f"{which} is good until {dates.next_update:%Y-%m-%d %H:%M} and overdue.", _START)
    if said == "ok":
        yield ok("Every CRL is good.")


def ocsp_responders(patient: Patient) -> Iterator[Finding]:
    """Can every responder answer, and is it renewed in time?"""
    said = patient.readiness["ocsp"]
    if said != "ok":
        yield problem(said, _START)
    now = patient.now()
    for authority in _with_key(patient):
        responder = patient.services.ocsp.responders.on_disk(authority)
        if responder is not None and _is_overdue(responder.begin, responder.end, now):
            yield warning(f"The OCSP responder of CA {authority.name} ends on {responder.end:%Y-%m-%d %H:%M}.", _START)
    if said == "ok":
        yield ok("Every OCSP responder can answer.")


def offline_keys(patient: Patient) -> Iterator[Finding]:
    """What has a key that is kept elsewhere to sign before long?"""
    warnings = patient.services.offline_alarm.warnings()
    for sentence in warnings:
        yield warning(sentence, "No server at work renews it.")
    if not warnings:
        away = [authority.name for authority in patient.services.authorities if authority.offline]
        yield ok(f"The key of {', '.join(away)} is offline, and no ceremony is due." if away else "No key is offline.")


def _with_key(patient: Patient) -> list[CertificateAuthority]:
    return [authority for authority in patient.services.authorities if not authority.offline]


def _is_overdue(begin: datetime, end: datetime, now: datetime) -> bool:
    return begin + (end - begin) * _OVERDUE < now < end
