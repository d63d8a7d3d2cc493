"""From when to when a certificate will be good: what the profile gives, what was asked for, and the CA's own dates."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from app.errors import ProfileViolation
from app.pki.period import Moment, after

if TYPE_CHECKING:
    from collections.abc import Collection

    from app.pki.certificate_template import CertificateTemplate


def certificate_dates(
    template: CertificateTemplate, now: datetime, issuer: tuple[datetime, datetime]
) -> tuple[datetime, datetime]:
    """Return notBefore and notAfter in whole seconds, within the issuer's; raise :class:`ProfileViolation` for none.

    What was asked for only narrows: nothing starts before the profile has it start, and nothing ends later than
    ``longest`` after that. Where several asked, the latest start and the earliest end count.
    """
    second = now.replace(microsecond=0)
    earliest = max(second - template.backdated, issuer[0])
    not_before = max([earliest, *(_at(asked.start, second) for asked in template.asked if asked.start is not None)])
    ends = [_at(asked.end, second) for asked in template.asked if asked.end is not None]
    latest = min(issuer[1], after(earliest, template.longest)) if any(template.asked) else issuer[1]
    wanted = min(ends, default=after(not_before, template.validity))
    end = min(wanted, latest)
    not_after = _on_a_good_day(end, template.no_end_on) if end > now else end  # the year 1 has no day before its first
    if not_after <= max(not_before, now):
        raise ProfileViolation([_no_time_left(template, not_before, not_after)])
    return not_before, not_after


def _at(asked: Moment, now: datetime) -> datetime:
    return after(now, asked)


def _on_a_good_day(end: datetime, no_end_on: Collection[int]) -> datetime:
    """Return the end, or the same time on the last day before it on which a certificate may end."""
    return next(
        (day for days in range(7) if (day := end - timedelta(days=days)).weekday() not in no_end_on),
        end,
    )


def _no_time_left(template: CertificateTemplate, not_before: datetime, not_after: datetime) -> str:
    if any(template.asked):
        return (
            f"By the profile {template.profile} and what was asked for, the certificate would be good from "
            f"{not_before} to {not_after}, which is no time at all."
        )
    return f"By the profile {template.profile} every certificate has ended at {not_after}."
