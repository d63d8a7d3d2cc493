"""What an operator has to know, long before it locks everybody out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final

from cryptography import x509

from ..revocation_list import is_listed
from .certificate import renewal_time
from .configuration import OwnCertificate
from .trusted_files import TrustedFiles

# The CA issues a list anew at half of its life, so that one with less than that left is late already.
_LIST_WARNING: Final = 0.4
_LIST_ERROR: Final = 0.2


class Level(IntEnum):
    """How bad it is: soon, or now."""

    WARNING = 1
    ERROR = 2


@dataclass(frozen=True)
class Alarm:
    """A sentence on one subject: ``list``, ``certificate``, ``reload``, ``sessions`` or ``agent``."""

    level: Level
    about: str
    sentence: str


def of_lists(trusted: TrustedFiles | None, now: datetime) -> Iterator[Alarm]:
    """Yield an alarm for each list that will run out soon: then the broker refuses every device."""
    if trusted is None:
        yield Alarm(Level.ERROR, "list", "The broker has no revocation list that can be read.")
        return
    for crl in trusted.lists:
        left, whole = left_of(crl, now), left_of(crl, crl.last_update_utc)
        if left > _LIST_WARNING * whole:
            continue
        level = Level.ERROR if left <= _LIST_ERROR * whole else Level.WARNING
        name = crl.issuer.rfc4514_string()
        if left <= timedelta(0):
            yield Alarm(level, "list", f"The revocation list of {name} has run out: the broker refuses every device.")
        else:
            yield Alarm(
                level,
                "list",
                f"The revocation list of {name} runs out in {shown(left)}; then the broker refuses every device.",
            )


def of_certificate(
    certificate: x509.Certificate | None, wanted: OwnCertificate, trusted: TrustedFiles | None, now: datetime
) -> Iterator[Alarm]:
    """Yield an alarm for the broker's own certificate when it is revoked, or should have been renewed long ago."""
    if certificate is None:
        yield Alarm(Level.ERROR, "certificate", "The broker has no certificate.")
        return
    left, due = certificate.not_valid_after_utc - now, renewal_time(certificate, wanted.renew_before)
    if left <= timedelta(0):
        yield Alarm(Level.ERROR, "certificate", "The broker's certificate has ended: every device refuses the broker.")
    elif left <= due:
        level = Level.ERROR if left <= due / 2 else Level.WARNING
        yield Alarm(level, "certificate", f"The broker's certificate ends in {shown(left)} and is not renewed yet.")
    if trusted is not None and is_listed(trusted.lists[0], certificate):
        yield Alarm(Level.ERROR, "certificate", "The broker's certificate is revoked: set the broker up anew.")


def time_left(used: TrustedFiles, now: datetime) -> str:
    """Return a sentence on how long the lists in use are good."""
    return f"The list in use is good for {shown(min(left_of(crl, now) for crl in used.lists))} more."


def left_of(crl: x509.CertificateRevocationList, now: datetime) -> timedelta:
    """Return how long the list is good from ``now`` on."""
    return timedelta(0) if crl.next_update_utc is None else crl.next_update_utc - now


def shown(time: timedelta) -> str:
    """Return a time for people."""
    hours, seconds = divmod(max(int(time.total_seconds()), 0), 3600)
    if hours >= 48:  # noqa: PLR2004 -- two days
        return f"{hours // 24} days"
    return f"{hours} hours" if hours >= 2 else f"{hours * 60 + seconds // 60} minutes"  # noqa: PLR2004 -- two hours
