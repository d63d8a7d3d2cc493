"""A CA that answers over HTTP in this process, with a clock that is moved, and what was set up for a broker of it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from werkzeug.serving import make_server

from app.client.broker.agent import Agent
from app.client.broker.configuration import load
from app.client.broker.setup import Wishes, set_up
from app.client.broker.trusted_files import TrustedFiles
from app.client.certification_request import Names
from app.client.private_key import KeyKind
from app.frontends.admin_cli.broker import LocalRegistrar
from app.pki.revocation import RevocationReason
from app.web import create_app
from tests.builders import csr, key, one_line
from tests.conftest import ACTOR, Installation

NAME = "mosca"


@dataclass
class World:
    """The CA, where it answers, and a broker's directory whose programs leave notes beside it."""

    installation: Installation
    directory: Path
    port: int
    devices: int = 0

    @property
    def clock(self):
        return self.installation.clock

    @property
    def reloads(self) -> int:
        return len(self._notes("reloads"))

    @property
    def ended(self) -> list[str]:
        """The names whose sessions were ended, in that order."""
        return self._notes("ended")

    @property
    def used(self) -> TrustedFiles:
        return TrustedFiles.installed(self.directory)

    @property
    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.directory.iterdir() if path.suffix == ".pem"}

    def get(self, path: str) -> bytes:
        """What the CA answers."""
        answer = create_app(self.installation.services).test_client().get(path)
        assert answer.status_code == 200, answer.text
        return answer.data

    def agent(self) -> Agent:
        """A new agent, as after a start."""
        return Agent(load(self.directory), self.clock)

    def change(self, old: str, new: str) -> None:
        """Change ``agent.toml``."""
        path = self.directory / "agent.toml"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    def enrol(self, name: str, **fields) -> str:
        """Return the serial of a device's new certificate."""
        self.devices += 1
        self.installation.add(name, **fields)
        return self.installation.sign(name, "dojot", one_line(csr(name, signing_key=key(self.devices)))).serial

    def revoke(self, name: str) -> None:
        self.installation.services.end_entities.revoke(name, RevocationReason.UNSPECIFIED, ACTOR)

    def issue_lists(self) -> None:
        """Issue the lists that are due, a second later than the last ones."""
        self.clock.advance(seconds=1)
        self.installation.services.revocation_lists.issue_due(ACTOR)

    def _notes(self, name: str) -> list[str]:
        path = self.directory.parent / name
        return path.read_text().split() if path.exists() else []


@contextmanager
def serving(installation: Installation) -> Iterator[int]:
    """Answer as the server does; yield the port."""
    server = make_server("127.0.0.1", 0, create_app(installation.services))

    def serve() -> None:
        server.serve_forever(poll_interval=0.02)
        installation.services.database.close()  # a connection is its thread's

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def broker_directory(installation: Installation, base: Path, url: str, *, profile: str = "broker", **changed) -> Path:
    """Set a broker up whose programs note in files that they were run."""
    directory = base / "broker"
    wishes = Wishes(
        **{
            "broker": "mosquitto",
            "names": Names.of(NAME, ["localhost", "mqtt.example"], ["192.0.2.7"]),
            "key": KeyKind("p256"),
            "ca": "IOTmidCA",
            "url": url,
            "out": directory,
            "place": directory,
            "port": 8883,
            "pid_file": base / "pid",
            "token": installation.settings.admin_token.read_text().strip(),
            "root_pin": None,
            "https_ca": None,
            "replace": False,
            **changed,
        }
    )
    set_up(wishes, LocalRegistrar(installation.services, "IOTmidCA", profile, "EMPTY"), installation.clock)
    toml = (directory / "agent.toml").read_text().partition("[reload]")[0]
    (directory / "agent.toml").write_text(
        f"{toml}[reload]\ncommand = ['sh', '-c', 'echo reload >> {base / 'reloads'}']\n"
        f"[sessions]\nbroker = 'command'\ncommand = ['sh', '-c', 'echo {{name}} >> {base / 'ended'}']\n"
    )
    return directory


@contextmanager
def standing_in(body: bytes, status: int = 200, **headers: str) -> Iterator[int]:
    """Answer every GET with that; yield the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):  # and POST, whose body is small enough to be left unread
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 -- http.server's name

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
