"""A mosquitto that was set up by ``midca broker setup``, its agent, and devices with open sessions."""

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from paho.mqtt import client as mqtt
from paho.mqtt import enums

from tests.acceptance.peers import Holder
from tests.acceptance.server import MIDCA, RunningServer, free_port
from tests.conftest import require_tool, run

SOON = 60  # seconds in which a slow machine has done what takes a moment


def wait_until(condition: Callable[[], bool], what: object = "") -> None:
    deadline = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.02)


def set_up(server: RunningServer, out: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``midca broker setup`` on the server's machine, for an agent that has the admin's token."""
    (out.parent / "token").write_text(server.admin_token)
    command = ["broker", "setup", "--name", "mosca", "--out", out, "--agent-token-file", out.parent / "token"]
    command += ["--agent-url", f"http://127.0.0.1:{server.port}", "--key-type", "p256", *options]
    return run(MIDCA, *command, env=server.environment | environment, cwd=server.base)


@dataclass
class Broker:
    """The mosquitto of a directory; it is started and stopped by the test."""

    directory: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def pid_file(self) -> Path:
        return self.directory.parent / "mosquitto.pid"

    @property
    def log(self) -> str:
        return (self.directory.parent / "mosquitto.log").read_text(errors="replace")

    def start(self) -> None:
        """Include the configuration as Debian's own does."""
        included = self.directory.parent / "conf.d"
        included.mkdir(exist_ok=True)
        (included / "midca.conf").write_text((self.directory / "mosquitto.conf").read_text())
        main = self.directory.parent / "main.conf"
        main.write_text(f"user root\npid_file {self.pid_file}\nlog_type all\ninclude_dir {included}\n")
        with (self.directory.parent / "mosquitto.log").open("wb") as log:
            command = [require_tool("mosquitto"), "-c", main]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(lambda: self.process.poll() is not None or f" on port {self.port}" in self.log)
        assert self.process.poll() is None, self.log

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)

    def reloads(self) -> int:
        return self.log.count("Reloading config")


@contextmanager
def running_broker(server: RunningServer, base: Path, *options: str) -> Iterator[Broker]:
    """Set a mosquitto up below ``base``, and run it."""
    base.mkdir(exist_ok=True)
    broker = Broker(base / "broker", free_port())
    files = ("--port", str(broker.port), "--pid-file", broker.pid_file)
    made = set_up(server, broker.directory, "--dns", "localhost", *files, *options)
    assert made.returncode == 0, made.stderr
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def agent(directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return run(MIDCA, "broker", "agent", directory, *options, timeout=60)


@dataclass
class Agent:
    """``midca broker agent`` as a process."""

    directory: Path
    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(SOON)


def start_agent(directory: Path) -> Agent:
    log_file = directory.parent / "agent.log"
    with log_file.open("ab") as log:
        process = subprocess.Popen([MIDCA, "broker", "agent", directory], stdout=log, stderr=log)
    return Agent(directory, process, log_file)


@contextmanager
def running_agent(directory: Path) -> Iterator[Agent]:
    started = start_agent(directory)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.stop()


@dataclass
class Device:
    """A device that publishes all the time and comes back when it is cut off."""

    holder: Holder
    port: int
    connects: int = 0
    cut_off: int = 0
    published: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        name = self.holder.certificate.stem
        self.client = mqtt.Client(enums.CallbackAPIVersion.VERSION2, client_id=name)
        self.client.tls_set(str(self.holder.ca), str(self.holder.certificate), str(self.holder.key))
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = lambda *_: self._count("connects")
        self.client.on_disconnect = lambda *_: self._count("cut_off")
        self.client.on_publish = lambda *_: self._count("published")
        self.topic = f"/admin/{name}/attrs"
        self.client.connect_async("localhost", self.port)
        self.client.loop_start()
        threading.Thread(target=self._publish, daemon=True).start()

    @property
    def is_connected(self) -> bool:
        return self.client.is_connected()

    def stop(self) -> None:
        self._stop.set()
        self.client.disconnect()
        self.client.loop_stop()

    def publishes_on(self) -> None:
        """Wait until something that was sent from now on has reached the broker."""
        before = self.published
        wait_until(lambda: self.published >= before + 3, f"{self.topic} is silent")

    def _publish(self) -> None:
        while not self._stop.wait(0.05):
            if self.client.is_connected():
                self.client.publish(self.topic, "1", qos=1)

    def _count(self, what: str) -> None:
        setattr(self, what, getattr(self, what) + 1)
