"""One valid thing of each kind, to vary one part of."""

import base64
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.x509.oid import NameOID

HIERARCHY = """\
cas:
  - name: IOTrootCA
    dn: CN=IOTrootCA,O=EJBCA IOT,C=SE
    validity: 7305
    keysize: 2048
    end_entities: false
    subca:
      - name: IOTmidCA
        dn: CN=IOTmidCA,O=EJBCA IOT,C=SE
        validity: 3652
        keysize: 2048
        pathlen: 0
"""
"""The shipped hierarchy with keys that are made fast."""


@cache
def key(number: int = 0) -> rsa.RSAPrivateKey:
    """Return a key, a different one for each number, always the same within a run."""
    return rsa.generate_private_key(65537, 2048)


def csr(
    common_name: str = "device", *, signing_key: Any = None, extensions: tuple[tuple[Any, bool], ...] = ()
) -> x509.CertificateSigningRequest:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical=critical)
    signing_key = signing_key or key()
    return builder.sign(signing_key, None if isinstance(signing_key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def one_line(request: x509.CertificateSigningRequest) -> str:
    """Return the request as dojot's clients send it: base64 of DER on one line."""
    return base64.b64encode(request.public_bytes(serialization.Encoding.DER)).decode()


def wrapped(value: str) -> str:
    """Put BEGIN and END around a value of the server, as every client does."""
    return f"-----BEGIN CERTIFICATE-----\n{value}\n-----END CERTIFICATE-----\n"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


def profiles_directory(path: Path, *, hierarchy: str = HIERARCHY, **changed: str) -> Path:
    """Make a directory with the shipped profiles, small CA keys, and files to add or replace by name."""
    path.mkdir(exist_ok=True)
    for shipped in (Path(__file__).parent.parent / "profiles").glob("*.yaml"):
        (path / shipped.name).write_text(shipped.read_text())
    (path / "hierarchy.yaml").write_text(hierarchy)
    for name, content in changed.items():
        (path / f"{name}.yaml").write_text(content)
    return path
