"""`midca retrieve` as a user of dojot types it."""

from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from app.client.command import retrieve
from tests.gateway import PASSWORD, USER, Gateway

CA, CRL = "/ca/IOTmidCA", "/ca/IOTmidCA/crl"
SMALL_KEYS = {"certificateProfileName": "device-ec", "endEntityProfileName": "EMPTY"}
"""What lets a device have an elliptic key."""


class Retriever:
    """Types `midca retrieve` with the user and the password of dojot, in a folder of its own."""

    def __init__(self, gateway: Gateway, folder: Path) -> None:
        self.gateway = gateway
        self.folder = folder

    def __call__(self, *arguments: str | Path, status: int = 0, password: str = PASSWORD, url: str = "") -> Result:
        command = [url or self.gateway.url, *map(str, arguments), "--out", str(self.folder)]
        environment = {"DOJOT_USERNAME": USER, "DOJOT_PASSWORD": password}
        done = CliRunner().invoke(retrieve, command, env=environment, catch_exceptions=False)
        assert done.exit_code == status, done.output
        return done

    def fails(self, *arguments: str | Path, **options: str) -> str:
        """Return what it says on standard error."""
        return self(*arguments, status=1, **options).stderr

    def written(self) -> set[str]:
        """The files that are there, without those that wait for their certificate."""
        return {path.name for path in self.folder.glob("[!.]*")}

    def content(self, device: str) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.glob(f"{device}*")}

    def certificate(self, device: str) -> x509.Certificate:
        return x509.load_pem_x509_certificate((self.folder / f"{device}.crt").read_bytes())

    def key(self, device: str) -> Any:
        return serialization.load_pem_private_key((self.folder / f"{device}.key").read_bytes(), None)


def files_of(*devices: str) -> set[str]:
    return {f"{device}{suffix}" for device in devices for suffix in (".key", ".csr", ".crt", "-chain.crt")} | {
        "IOTmidCA.crt",
        "IOTmidCA.crl",
    }
