"""Measures one kind of CA key, round by round, so that a slow minute of the machine hits limit and server alike."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from bench.devices import Device
from bench.installation import Installation
from bench.load import LoadClient
from bench.plan import CONNECTIONS, GUESSING_CONNECTIONS, Plan
from bench.raw_limit import RawCommits, RawSigners
from bench.results import Figures, KeyResult, Scenario
from bench.server import Memory, Server


def measure(directory: Path, ca_key: str, plan: Plan, devices: Sequence[Device]) -> KeyResult:
    """Make an installation in ``directory``, load it, and start it again and again."""
    installation = Installation.create(directory, ca_key)
    installation.register(devices)
    bench = _Bench(installation, plan, devices)
    with ExitStack() as stack:
        signers = stack.enter_context(RawSigners(installation.issuer_key))
        commits = RawCommits(directory / "scratch.sqlite")
        client = stack.enter_context(LoadClient())
        server = stack.enter_context(Server(directory))
        bench.warm_up(client, server)
        for _ in range(plan.rounds):
            bench.round(signers, commits, client, server)
        memory = server.memory()
    certificates = installation.issued()
    starts = [_cold_start(directory) for _ in range(plan.starts)]
    return bench.result(ca_key, memory, starts, certificates)


def _cold_start(directory: Path) -> float:
    with Server(directory) as server:
        return server.started_in


@dataclass
class _Bench:
    installation: Installation
    plan: Plan
    devices: Sequence[Device]
    signatures: list[float] = field(default_factory=list)
    commits: list[float] = field(default_factory=list)
    issues: dict[int, list[Figures]] = field(default_factory=lambda: {number: [] for number in CONNECTIONS})
    guesses: list[Figures] = field(default_factory=list)

    def warm_up(self, client: LoadClient, server: Server) -> None:
        """Let every thread of every worker open its database connection."""
        enrolments = [device.enrolment() for device in self.devices]
        client.burst(server.port, enrolments, max(CONNECTIONS)).expect(HTTPStatus.OK)
        self.installation.rearm(self.devices)

    def round(self, signers: RawSigners, commits: RawCommits, client: LoadClient, server: Server) -> None:
        """Measure the limits, wrong passwords, and enrolments at each number of connections."""
        self.signatures.append(signers.signatures_per_second(self.plan.raw_seconds))
        self.commits.append(commits.commits_per_second(self.plan.raw_seconds / 2))
        # One guess for each device: none is locked, and the enrolments that follow forget it.
        guesses = [device.guess() for device in self.devices]
        self.guesses.append(self._burst(client, server, guesses, GUESSING_CONNECTIONS, HTTPStatus.BAD_REQUEST))
        for connections, figures in self.issues.items():
            devices = self._enrolling(connections)
            before = self.installation.issued()
            enrolments = [device.enrolment() for device in devices]
            figures.append(self._burst(client, server, enrolments, connections, HTTPStatus.OK))
            if self.installation.issued() - before != len(devices):
                raise RuntimeError("the database does not hold one new certificate for each answer")
            self.installation.rearm(devices)

    def result(self, ca_key: str, memory: Memory, starts: list[float], certificates: int) -> KeyResult:
        """Return the medians of all rounds."""
        return KeyResult(
            ca_key=ca_key,
            journal_mode=self.installation.journal,
            raw_signatures=self.signatures,
            raw_signatures_median=statistics.median(self.signatures),
            raw_commits=self.commits,
            raw_commits_median=statistics.median(self.commits),
            issue=[
                scenario(connections, len(self._enrolling(connections)), self.issues[connections])
                for connections in sorted(self.issues)
            ],
            wrong_password=scenario(GUESSING_CONNECTIONS, len(self.devices), self.guesses),
            memory=memory,
            cold_starts=starts,
            cold_start_median=statistics.median(starts),
            certificates_at_cold_start=certificates,
        )

    def _enrolling(self, connections: int) -> Sequence[Device]:
        return self.devices if connections > 1 else self.devices[: self.plan.devices_alone]

    def _burst(
        self, client: LoadClient, server: Server, requests: Sequence[bytes], connections: int, status: HTTPStatus
    ) -> Figures:
        cpu = server.cpu_seconds()
        burst = client.burst(server.port, requests, connections)
        cpu = server.cpu_seconds() - cpu
        burst.expect(status)
        return Figures.of(burst, cpu, self.signatures[-1])


def scenario(connections: int, requests: int, rounds: list[Figures]) -> Scenario:
    """Return what came of all rounds of one kind of request."""
    return Scenario(connections, requests * len(rounds), Figures.median(rounds), rounds)
