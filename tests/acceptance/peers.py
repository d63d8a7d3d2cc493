"""Those who get certificates: devices that enrol with openssl, and a mosquitto that asks for them."""

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.server import RunningServer, free_port
from tests.builders import wrapped
from tests.conftest import require_tool, run


@dataclass(frozen=True)
class Holder:
    """Someone with a certificate: its files, and the CA file the server handed out."""

    key: Path
    certificate: Path
    ca: Path

    @property
    def tls(self) -> tuple[str | Path, ...]:
        """The options of mosquitto's clients."""
        return ("--cafile", self.ca, "--cert", self.certificate, "--key", self.key)


def enrol(server: RunningServer, directory: Path, name: str, *options: str) -> Holder:
    """Register ``name``, make key and request with openssl (``options`` go there), and get it signed, as clients do."""
    openssl = require_tool("openssl")
    key, request, certificate, ca = (directory / f"{name}.{suffix}" for suffix in ("key", "csr", "crt", "ca.crt"))
    assert server.register(name, "dojot").status == 200
    new_key = ("-newkey", "rsa:2048", "-nodes", "-keyout", key)
    made = run(openssl, "req", "-new", *new_key, "-subj", f"/CN={name}", "-out", request, *options)
    assert made.returncode == 0, made.stderr
    one_line = "".join(request.read_text().splitlines()[1:-1])
    answer = server.sign(name, one_line, "dojot")
    assert answer.status == 200, answer
    certificate.write_text(wrapped(answer.certificate))
    ca.write_text(wrapped(server.get("/ca/IOTmidCA").body["certificate"]))
    return Holder(key, certificate, ca)


@dataclass(frozen=True)
class Mosquitto:
    """A running broker."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def address(self) -> tuple[str, ...]:
        """The options of mosquitto's clients."""
        return ("-h", "localhost", "-p", str(self.port))

    def accepts(self, holder: Holder) -> bool:
        """Return whether the holder can publish under its own name."""
        topic = f"/admin/{holder.certificate.stem}/attrs"
        publish = (require_tool("mosquitto_pub"), *self.address, *holder.tls, "-t", topic, "-q", "1", "-m", "1")
        return run(*publish, timeout=20).returncode == 0

    def reload(self) -> None:
        """Let the broker read its revocation list again."""
        before = self.log.read_text().count("Reloading config")
        self.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 60
        while self.log.read_text().count("Reloading config") == before:
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)


@contextmanager
def mosquitto(directory: Path, broker: Holder, *more: str) -> Iterator[Mosquitto]:
    """Run a broker that lets in who has a certificate of our CA, and only to the topic of the name in it."""
    port = free_port()
    (directory / "acl").write_text("pattern readwrite /admin/%u/attrs\npattern readwrite /admin/%u/config\n")
    (directory / "mosquitto.conf").write_text(
        f"user root\nlistener {port} 127.0.0.1\nacl_file {directory / 'acl'}\n"
        f"cafile {broker.ca}\ncertfile {broker.certificate}\nkeyfile {broker.key}\n"
        "require_certificate true\nuse_identity_as_username true\n" + "".join(f"{line}\n" for line in more)
    )
    command = [require_tool("mosquitto"), "-c", directory / "mosquitto.conf"]
    log_file = directory / "log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    deadline = time.monotonic() + 60
    while f" on port {port}" not in log_file.read_text():
        assert process.poll() is None, log_file.read_text()
        assert time.monotonic() < deadline, log_file.read_text()
        time.sleep(0.02)
    try:
        yield Mosquitto(process, port, log_file)
    finally:
        process.terminate()
        process.wait(10)
