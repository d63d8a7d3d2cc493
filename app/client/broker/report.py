"""What the agent tells of itself: log lines, the file that ``--check`` reads, and one for Prometheus' node_exporter."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509

from ..errors import FileTrouble
from ..files import PUBLIC, read, write
from .alarms import Alarm, Level
from .trusted_files import TrustedFiles, number

FILE: Final = "agent.status"
_WRITE_AFTER: Final = timedelta(seconds=30)
_REPEAT_AFTER: Final = timedelta(minutes=10)
_STALE_AFTER: Final = timedelta(minutes=3)
_LEVELS: Final = {Level.WARNING: logging.WARNING, Level.ERROR: logging.ERROR}
_log = logging.getLogger("midca.broker")


@dataclass(frozen=True)
class Seen:
    """What a round saw. ``refreshed_at``: when the CA last said that the lists are the newest."""

    at: datetime
    alarms: Sequence[Alarm]
    trusted: TrustedFiles | None
    certificate: x509.Certificate | None
    refreshed_at: datetime | None
    sessions_ended: int


@dataclass
class Report:
    """Says at once what changes, and repeats now and then what does not."""

    directory: Path
    metrics_file: Path | None
    _told: dict[tuple[Level, str], datetime] = field(default_factory=dict, init=False)
    _written_at: datetime | None = field(default=None, init=False)

    def tell(self, seen: Seen) -> None:
        """Log, and write the files now and then; raise :class:`FileTrouble` when they cannot be written."""
        if self._log(seen) or self._written_at is None or seen.at - self._written_at >= _WRITE_AFTER:
            write(self.directory / FILE, _status(seen))
            if self.metrics_file is not None:
                write(self.metrics_file, metrics(seen))
                with suppress(OSError):  # whatever the umask is: node_exporter is another user
                    self.metrics_file.chmod(PUBLIC)
            self._written_at = seen.at

    def _log(self, seen: Seen) -> bool:
        """Log what is new, over, or due to be said again; return whether anything changed."""
        current = {(alarm.level, alarm.about) for alarm in seen.alarms}
        changed = current != self._told.keys()
        due = {key for key in current if key not in self._told or seen.at - self._told[key] >= _REPEAT_AFTER}
        for alarm in seen.alarms:
            if (alarm.level, alarm.about) in due:
                _log.log(_LEVELS[alarm.level], "%s", alarm.sentence)
        self._told |= dict.fromkeys(due, seen.at)
        for level, about in self._told.keys() - current:
            del self._told[level, about]
            if not any(about == other for _, other in current):
                _log.info("%s: good again", about)
        return changed


def last_alarms(directory: Path, now: datetime) -> Iterator[Alarm]:
    """Yield the alarms of the agent's last round, or one that there was none lately."""
    content = read(directory / FILE)
    if content is None:
        yield Alarm(Level.ERROR, "agent", "The agent has not run here yet.")
        return
    try:
        document = json.loads(content)
        at = datetime.fromisoformat(document["at"])
        alarms = [Alarm(Level(each["level"]), each["about"], each["sentence"]) for each in document["alarms"]]
        old = now - at > _STALE_AFTER
    except (ValueError, TypeError, LookupError) as error:
        raise FileTrouble(f"{directory / FILE} cannot be read: {error}.") from error
    if old:
        yield Alarm(Level.ERROR, "agent", f"The agent does not run: its last round was at {at:%Y-%m-%d %H:%M:%S} UTC.")
    yield from alarms


def metrics(seen: Seen) -> bytes:
    """Return the file for node_exporter's textfile collector."""
    return "".join(f"{line}\n" for line in _metrics(seen)).encode()


def _status(seen: Seen) -> bytes:
    alarms = [{"level": int(each.level), "about": each.about, "sentence": each.sentence} for each in seen.alarms]
    return json.dumps({"at": seen.at.isoformat(), "alarms": alarms}, indent=1).encode() + b"\n"


def _metrics(seen: Seen) -> Iterator[str]:
    yield from _gauge("round_timestamp_seconds", "When the agent last looked.", [("", seen.at.timestamp())])
    if seen.refreshed_at is not None:
        yield from _gauge(
            "lists_refreshed_timestamp_seconds",
            "When the CA last said that the revocation lists are the newest.",
            [("", seen.refreshed_at.timestamp())],
        )
    if seen.trusted is not None:
        ends = [(_ca(crl), crl.next_update_utc.timestamp()) for crl in seen.trusted.lists if crl.next_update_utc]
        yield from _gauge("list_end_timestamp_seconds", "When the revocation list in use runs out.", ends)
        numbers = [(_ca(crl), number(crl)) for crl in seen.trusted.lists]
        yield from _gauge("list_number", "Number of the revocation list in use.", numbers)
    if seen.certificate is not None:
        end = seen.certificate.not_valid_after_utc.timestamp()
        yield from _gauge("certificate_end_timestamp_seconds", "When the broker's certificate ends.", [("", end)])
    counts = [
        (f'{{level="{level.name.lower()}"}}', sum(each.level is level for each in seen.alarms)) for level in Level
    ]
    yield from _gauge("alarms", "Alarms there are now.", counts)
    yield "# HELP midca_broker_sessions_ended_total Names whose sessions were ended after a revocation."
    yield "# TYPE midca_broker_sessions_ended_total counter"
    yield f"midca_broker_sessions_ended_total {seen.sessions_ended}"


def _gauge(name: str, about: str, values: Iterable[tuple[str, float]]) -> Iterator[str]:
    yield f"# HELP midca_broker_{name} {about}"
    yield f"# TYPE midca_broker_{name} gauge"
    for labels, value in values:
        yield f"midca_broker_{name}{labels} {value:.0f}"


def _ca(crl: x509.CertificateRevocationList) -> str:
    name = crl.issuer.rfc4514_string().replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{{ca="{name}"}}'
