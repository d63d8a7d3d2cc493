"""``midca events`` as an operator starts it, beside a broker and dojot's services."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from app.store.sqlite_library import sqlite3
from tests.acceptance.server import MIDCA, environment
from tests.conftest import run

GROUP = "ejbca-group"
TOPIC = "admin.dojot.device-manager.device"


def dojot_at(url: str) -> dict[str, str]:
    """Return where dojot's services are, in dojot's own names, as its compose file sets them."""
    return {"KAFKA_GROUP_ID": GROUP, "DATA_BROKER_URL": url, "AUTH_URL": url, "DEVICE_MANAGER_URL": url}


class Events:
    """The process on ``base/data``; a context manager that starts and stops it, any number of times."""

    def __init__(self, base: Path, brokers: str, dojot_url: str, **settings: str) -> None:
        self.base = base
        self.database = base / "data" / "midca.sqlite"
        self.log_file = base / "events.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.environment = environment(base) | dojot_at(dojot_url) | {"KAFKA_HOSTS": brokers, **settings}

    def __enter__(self) -> Self:
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [MIDCA, "events"], env=self.environment, cwd=self.base, stdout=log, stderr=log, start_new_session=True
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.stop()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(30)
        self.process = None
        assert status == 0, self.log

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def once(self, *, status: int = 0) -> dict[str, Any]:
        """Run it with ``--once``; return what it counted."""
        done = run(MIDCA, "events", "--once", env=self.environment, cwd=self.base, timeout=120)
        with self.log_file.open("a") as log:
            log.write(done.stderr)
        assert done.returncode == status, done.stdout + done.stderr
        return json.loads(done.stdout)

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def lines(self, message: str) -> list[dict[str, Any]]:
        """Return the log lines with that message."""
        lines = [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]
        return [line for line in lines if line["message"] == message]

    def sql(self, statement: str, *parameters: Any) -> list[tuple]:
        connection = sqlite3.connect(self.database, timeout=10)
        try:
            return connection.execute(statement, parameters).fetchall()
        finally:
            connection.close()

    def statuses(self) -> dict[str, int]:
        return dict(self.sql("SELECT username, status FROM end_entities"))

    def audit(self) -> list[tuple[str, str]]:
        """Return action and object of what was done because of events."""
        entries = [json.loads(row[0]) for row in self.sql("SELECT entry FROM audit_log ORDER BY seq")]
        return [(entry["action"], entry["object"]) for entry in entries if entry["actor"] == "device events"]

    def wait(self, condition: Callable[[], bool], seconds: float = 40) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.log[-5000:]
            time.sleep(0.05)

    def wait_for(self, **statuses: int) -> None:
        """Wait until these end entities have these statuses."""
        self.wait(lambda: statuses.items() <= self.statuses().items())
