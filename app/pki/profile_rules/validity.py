"""From when to when a certificate is good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from app.pki.profile_rules.rule import Finding, Rule, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.pki.enrolment_request import EnrolmentRequest


@dataclass(frozen=True)
class ValidityRule(Rule):
    """How long the certificate is good, or until when; the CA's own end caps it.

    ``validity`` counts from the start, which lies ``backdated`` before the moment of signing.
    """

    validity: timedelta | datetime
    backdated: timedelta

    key: ClassVar[str] = "validity"
    clause: ClassVar[str] = "RFC 5280 section 4.1.2.5; EJBCA encodedvalidity, certificatevalidityoffset"

    def describe(self) -> str:
        minutes = int(self.backdated.total_seconds() // 60)
        return f"{self._length}, or to the end of the CA if sooner; starts {minutes} minutes before it is signed."

    def judge(self, request: EnrolmentRequest) -> Iterator[Finding]:
        yield self._finding

    def has_ended(self, now: datetime) -> bool:
        """Return whether the date of the end is past, so that nothing can be issued any more."""
        return isinstance(self.validity, datetime) and self.validity <= now

    @cached_property
    def _finding(self) -> Finding:
        return Finding("validity", Verdict.WRITTEN, f"{self._length}, or to the end of the CA if sooner.")

    @property
    def _length(self) -> str:
        if isinstance(self.validity, datetime):
            return f"Until {self.validity.isoformat()}"
        days, rest = divmod(self.validity, timedelta(days=1))
        return f"{days} days" if not rest else f"{days} days and {rest}" if days else str(rest)
