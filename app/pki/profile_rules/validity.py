"""From when to when a certificate is good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Final

from app.pki.period import in_words
from app.pki.profile_rules.rule import Finding, Rule, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.pki.enrolment_request import EnrolmentRequest
    from app.pki.period import Moment

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True)
class ValidityRule(Rule):
    """How long the certificate is good, or until when; the CA's own end caps it.

    ``validity`` counts from the start, which lies ``backdated`` before the moment of signing. An end entity or a
    request may ask for other dates up to ``longest`` after that; None: nobody may. ``no_end_on`` are numbers of
    weekdays (UTC); the end moves to the last day before it that is none of them.
    """

    validity: Moment
    backdated: timedelta
    longest: Moment | None = None
    no_end_on: frozenset[int] = frozenset()

    key: ClassVar[str] = "validity"
    clause: ClassVar[str] = (
        "RFC 5280 section 4.1.2.5; EJBCA encodedvalidity, certificatevalidityoffset, allowvalidityoverride"
    )

    def describe(self) -> str:
        length, minutes = in_words(self.validity), int(self.backdated.total_seconds() // 60)
        parts = [f"{length}, or to the end of the CA if sooner; starts {minutes} minutes before it is signed"]
        if self.longest is not None:
            parts.append(f"other dates may be asked for ({in_words(self.longest)} at most)")
        if self.no_end_on:
            parts.append(f"never ends on {', '.join(WEEKDAYS[day] for day in sorted(self.no_end_on))}, but before")
        return "; ".join(parts) + "."

    def judge(self, request: EnrolmentRequest) -> Iterator[Finding]:
        for asked in request.asked:
            if self.longest is None:
                reason = f"The profile lets nobody choose the dates of a certificate: {asked} was asked for."
                yield Finding("validity", Verdict.REFUSED, reason)
            else:
                yield Finding("validity", Verdict.KEPT, f"As asked for: {asked}; {in_words(self.longest)} at most.")
        if not request.asked:
            yield self._unasked

    def has_ended(self, now: datetime) -> bool:
        """Return whether the date of the end is past, so that nothing can be issued any more."""
        return isinstance(self.validity, datetime) and self.validity <= now

    @cached_property
    def _unasked(self) -> Finding:
        reason = f"{in_words(self.validity)}, or to the end of the CA if sooner."
        return Finding("validity", Verdict.WRITTEN, reason)
