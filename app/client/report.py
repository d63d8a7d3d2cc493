"""What came of the devices, for people and for programs."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .authority import Authority
from .device_files import CERTIFICATE, CHAIN, KEY, REQUEST, DeviceFiles
from .errors import ClientError
from .files import is_there
from .retrieval import Outcome, Result
from .trusted_authority import ca_file, crl_file


@dataclass(frozen=True)
class Report:
    """Knows where the files are, and where the broker is for the line to try."""

    directory: Path
    authority: Authority
    broker: tuple[str, int]
    tenant: str

    def fields(self, outcome: Outcome) -> dict[str, Any]:
        """Return one outcome for a program."""
        about = {"device": outcome.device.name, "result": outcome.result.value}
        if outcome.error is not None:
            return about | error_fields(outcome.error)
        if outcome.certificate is None:
            return about
        return about | {
            "serial": f"{outcome.certificate.serial_number:X}",
            "until": outcome.certificate.not_valid_after_utc.isoformat(),
            **{name: str(path) for name, path in self._paths(outcome)},
            "mosquitto_pub": self.mosquitto_pub(outcome.device.name),
        }

    def all_fields(self, outcomes: Sequence[Outcome]) -> dict[str, Any]:
        """Return all outcomes and their number for a program."""
        return _counts(outcomes) | {"devices": [self.fields(outcome) for outcome in outcomes]}

    def text(self, outcome: Outcome) -> str:
        """Return what one device that has its certificate is told at length."""
        how = "has its certificate" if outcome.result is Result.RETRIEVED else "has a certificate already (-w: another)"
        lines = [f"{outcome.device.name} {how}, {_until(outcome)}:"]
        lines += [f"  {path}" for _, path in self._paths(outcome)]
        return "\n".join([*lines, "To try it:", f"  {self.mosquitto_pub(outcome.device.name)}"])

    def table(self, outcomes: Sequence[Outcome]) -> str:
        """Return a line a device, and the sum."""
        width = max(len(outcome.device.name) for outcome in outcomes)
        lines = [f"{each.device.name:{width}}  {each.result.value:9}  {_line(each)}" for each in outcomes]
        sums = ", ".join(f"{count} {name}" for name, count in _counts(outcomes).items())
        lines.append(f"{len(outcomes)} devices: {sums}")
        if any(outcome.error for outcome in outcomes):
            lines.append("Run the same again for those that failed.")
        return "\n".join(lines)

    def mosquitto_pub(self, name: str) -> str:
        """Return the command that publishes as the device: dojot 0.5's topic for ``tenant:device``, else 0.4's."""
        client, topic = (
            (name, f"{name}/attrs") if ":" in name else (f"{self.tenant}:{name}", f"/{self.tenant}/{name}/attrs")
        )
        files, (host, port) = DeviceFiles(self.directory, name), self.broker
        options: dict[str, Any] = {
            "-h": host,
            "-p": port,
            "--cafile": ca_file(self.directory, self.authority),
            "--cert": files.path(CERTIFICATE),
            "--key": files.path(KEY),
            "-i": client,
            "-t": topic,
            "-q": 1,
            "-m": '{"temperature": 23}',
        }
        return shlex.join(["mosquitto_pub", *(str(word) for option in options.items() for word in option)])

    def _paths(self, outcome: Outcome) -> Iterator[tuple[str, Path]]:
        files = DeviceFiles(self.directory, outcome.device.name)
        paths = {
            "key": files.path(KEY),
            "request": files.path(REQUEST),
            "certificate": files.path(CERTIFICATE),
            "chain": files.path(CHAIN),
            "ca": ca_file(self.directory, self.authority),
            "crl": crl_file(self.directory, self.authority),
        }
        return ((name, path) for name, path in paths.items() if is_there(path))


def error_fields(error: ClientError) -> dict[str, str]:
    """Return an error for a program."""
    return {"step": error.step, "error": str(error), "advice": error.advice}


def _counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    counted = Counter(outcome.result for outcome in outcomes)
    return {result.value: counted[result] for result in Result}


def _line(outcome: Outcome) -> str:
    if outcome.error is None:
        return _until(outcome)
    return f"{outcome.error.step}: {outcome.error} {outcome.error.advice}".strip()


def _until(outcome: Outcome) -> str:
    return f"valid until {outcome.certificate.not_valid_after_utc:%Y-%m-%d}" if outcome.certificate else ""
