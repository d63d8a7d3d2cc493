"""All checks of a door, each building on what those before it saw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from app.client.chain import Chain
from app.client.errors import ClientError
from app.frontends.admin_cli.dojot_check.authority import (
    chain_at,
    look_at_authority,
    look_at_list,
    look_at_software,
    software_at,
)
from app.frontends.admin_cli.dojot_check.door import Door, Finding, Verdict
from app.frontends.admin_cli.dojot_check.gateway import gateway_of, look_at_answer, look_at_way
from app.frontends.admin_cli.dojot_check.routes import look_at_readiness, look_at_sign, look_at_user


@dataclass
class Examination:
    """What was found at a door; ``chain`` are the certificates the CA showed there."""

    findings: list[Finding] = field(default_factory=list)
    chain: Chain | None = None

    @classmethod
    def of(cls, door: Door) -> Examination:
        """Look at everything; what keeps one from looking further is a finding too."""
        examination = cls()
        try:
            examination.findings.extend(examination._look(door))
        except ClientError as error:
            examination.findings.append(Finding("answer", Verdict.PROBLEM, str(error), error.advice))
        return examination

    def _look(self, door: Door) -> Iterator[Finding]:
        anonymous = door.get("/ca", anonymous=True)
        yield from look_at_way(door, anonymous)
        yield (answer := look_at_answer(door, anonymous if door.token is None else door.get("/ca")))
        if answer.verdict is not Verdict.OK:
            return
        software = software_at(door)
        is_midca = software.startswith("midca")
        yield look_at_software(software)
        yield from self._look_at_authority(door)
        yield look_at_sign(door)
        yield from look_at_user(door, gateway=gateway_of(anonymous), is_midca=is_midca)
        if is_midca:
            yield from look_at_readiness(door)

    def _look_at_authority(self, door: Door) -> Iterator[Finding]:
        try:
            self.chain = chain_at(door)
            yield from look_at_authority(door, self.chain)
        except ClientError as error:
            yield Finding("authority", Verdict.PROBLEM, str(error), error.advice)
        if self.chain is not None:
            try:
                yield look_at_list(door, self.chain)
            except ClientError as error:
                yield Finding("revocation list", Verdict.PROBLEM, str(error), error.advice)


def same_authority(through_gateway: Examination, directly: Examination) -> Iterator[Finding]:
    """Return whether both ways lead to one CA, nothing where that was not seen."""
    if through_gateway.chain is None or directly.chain is None:
        return
    if through_gateway.chain[0] == directly.chain[0]:
        yield Finding("same CA", Verdict.OK, "The gateway leads to that very CA.")
    else:
        seen = "The gateway leads to another CA than the one that answers directly."
        yield Finding("same CA", Verdict.PROBLEM, seen, "Its upstream is the old one: see deploy/kong.")
