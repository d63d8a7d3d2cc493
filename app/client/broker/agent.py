"""``midca broker agent``: rounds of looking at the CA, for as long as the broker runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Final

from ..authority import Authority
from ..errors import ClientError, Refused, Unreachable
from ..files import sole_user
from ..http_server import HttpServer, refusal
from . import alarms, certificate, report
from .alarms import Alarm, Level
from .certificate import Renewal
from .configuration import Configuration
from .ending import Ending
from .revocation_feed import Feed
from .trusted_files import TrustedFiles, bundle_path, number

_GRACE: Final = timedelta(minutes=1)  # a CA that is restarted is no alarm
_TOO_LONG: Final = timedelta(minutes=10)  # for revoked devices to stay connected
_LATER: Final = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE}
_log = logging.getLogger("midca.broker")


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


@dataclass
class Lists:
    """The CA's certificates and lists, as they are in use and as the CA hands them out."""

    directory: Path
    server: HttpServer
    ca: str
    root_sha256: str
    now: Callable[[], datetime]
    used: TrustedFiles | None = field(init=False)
    refreshed_at: datetime | None = field(default=None, init=False)
    _tag: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Begin with what is in use."""
        self.used = TrustedFiles.installed(self.directory)

    def refresh(self) -> bool:
        """Return whether there is something new in place; raise :class:`ClientError` and leave all as it was."""
        path = bundle_path(self.ca)
        answer = self.server.ask("GET", path, headers={"If-None-Match": self._tag} if self._tag else {})
        new = False
        if answer.status != HTTPStatus.NOT_MODIFIED:
            where = f"{self.server.url}{path}"
            if answer.status != HTTPStatus.OK:
                raise refusal(answer, where)
            found = TrustedFiles.parse(answer.body, where).verified(self.root_sha256, self.now())
            if found != self.used:
                if self.used is not None:
                    found.check_not_older(self.used)
                found.write(self.directory)
                self.used, new = found, True
                _log.info("list %d of %s is in use", number(found.lists[0]), self.ca)
            self._tag = answer.headers.get("ETag")
        self.refreshed_at = self.now()
        return new


@dataclass(frozen=True)
class _Problem:
    error: ClientError
    since: datetime


class Agent:
    """One broker's agent. A failure of one step leaves the others to be done, but for those that build on it."""

    def __init__(self, configuration: Configuration, now: Callable[[], datetime] = utc_now) -> None:
        """Take what ``agent.toml`` says."""
        directory, ca = configuration.directory, configuration.ca
        self._configuration, self._now = configuration, now
        self.lists = Lists(directory, ca.server, ca.name, ca.root_sha256, now)
        self._renewal = Renewal(directory, configuration.certificate, Authority(ca.name, ca.server.json), now)
        self._ending = None
        if configuration.sessions is not None and ca.token_file is not None:
            self._ending = Ending(directory, Feed(ca.server, ca.name, ca.token_file), configuration.sessions, now)
        self._report = report.Report(directory, configuration.metrics_file)
        self._problems: dict[str, _Problem] = {}
        # What a killed agent wrote, the broker may not have read.
        self._reload_is_due = True

    def run(self, stop: threading.Event) -> None:
        """Make rounds until ``stop``; raise :class:`ClientError` only for what keeps them from being made."""
        with sole_user(self._configuration.directory):
            if self._ending is None:
                _log.warning(
                    "open sessions of revoked devices are not ended: agent.toml has no token_file or no broker"
                )
            while not stop.is_set():
                self.round(_GRACE)
                stop.wait(self._configuration.ca.interval.total_seconds())

    def once(self) -> list[Alarm]:
        """Make one round; return what is wrong."""
        with sole_user(self._configuration.directory):
            return self.round(timedelta(0))

    def round(self, grace: timedelta) -> list[Alarm]:
        """Do all that is due, and tell; return what is wrong, but not what may pass within ``grace``."""
        if self._done("list", self.lists.refresh):
            self._reload_is_due = True
        if (used := self.lists.used) is not None and self._done(
            "certificate", lambda: self._renewal.renew_if_due(used.chain)
        ):
            self._reload_is_due = True
        if self._reload_is_due:
            self._reload_is_due = not self._done("reload", self._reload)
        if (ending := self._ending) is not None and used is not None and not self._reload_is_due:
            self._done("sessions", lambda: ending.run(used))
        return self._tell(grace)

    def _done(self, step: str, do: Callable[[], bool | None]) -> bool:
        """Do a step; return what it returns, False when it failed, and remember why."""
        try:
            done = do()
        except ClientError as error:
            since = self._problems[step].since if step in self._problems else self._now()
            self._problems[step] = _Problem(error, since)
            return False
        self._problems.pop(step, None)
        return bool(done)

    def _reload(self) -> bool:
        self._configuration.reload()
        return True

    def _tell(self, grace: timedelta) -> list[Alarm]:
        now, used, wanted = self._now(), self.lists.used, self._configuration.certificate
        found = list(_of_problems(self._problems, used, now, grace))
        own = None
        try:
            own = certificate.installed(self._configuration.directory)
            found += alarms.of_certificate(own, wanted, used, now)
        except ClientError as error:
            found.append(Alarm(Level.ERROR, "certificate", _sentence(error)))
        found += alarms.of_lists(used, now)
        ended = self._ending.state.ended if self._ending is not None else 0
        try:
            self._report.tell(report.Seen(now, found, used, own, self.lists.refreshed_at, ended))
        except ClientError as error:  # a full disk is no reason to let revoked devices in
            _log.error("%s", error)
        return found


def check(configuration: Configuration, now: datetime) -> list[Alarm]:
    """Return what is wrong by the files alone: of the lists, the certificate, and the agent's last round."""
    directory = configuration.directory
    used = TrustedFiles.installed(directory)
    return [
        *alarms.of_lists(used, now),
        *alarms.of_certificate(certificate.installed(directory), configuration.certificate, used, now),
        *report.last_alarms(directory, now),
    ]


def _of_problems(
    problems: Mapping[str, _Problem], used: TrustedFiles | None, now: datetime, grace: timedelta
) -> Iterator[Alarm]:
    for step, problem in problems.items():
        passes, age = _may_pass(problem.error), now - problem.since
        if passes and age < grace:
            continue
        # What is not fetched or not renewed becomes an error by the time that is left.
        mild = (passes and (step != "sessions" or age < _TOO_LONG)) or step == "certificate"
        left = f" {alarms.time_left(used, now)}" if step == "list" and used is not None else ""
        yield Alarm(Level.WARNING if mild else Level.ERROR, step, _sentence(problem.error) + left)


def _may_pass(error: ClientError) -> bool:
    return isinstance(error, Unreachable) or (isinstance(error, Refused) and error.status in _LATER)


def _sentence(error: ClientError) -> str:
    return f"{error} {error.advice}".strip()
