"""A CA whose certificates and revocation list have been verified, so that what it signs can be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from . import files
from .authority import Authority
from .certification_request import Names
from .chain import Chain, check_certificate, fingerprint, to_pem
from .errors import ClientError, NotVerified, Refused
from .private_key import PrivateKey
from .revocation_list import is_listed


@dataclass(frozen=True)
class TrustedAuthority:
    """The CA, its ``chain`` up to the root, and its list unless none is wanted."""

    authority: Authority
    chain: Chain
    crl: x509.CertificateRevocationList | None
    now: Callable[[], datetime]

    def issue(
        self, names: Names, password: str, key: PrivateKey, request: x509.CertificateSigningRequest
    ) -> x509.Certificate:
        """Return a certificate for the request that is of that key and those names, by this CA, and not revoked."""
        try:
            certificate = self.authority.sign(names.common_name, password, request)
        except Refused as error:
            raise _explained(error, names.common_name) from error
        check_certificate(certificate, key, names, self.chain, self.now())
        if self.crl is not None and is_listed(self.crl, certificate):
            raise NotVerified(
                f"The certificate {certificate.serial_number:X} is revoked already.",
                "Have the device registered again, and run this with -w: that makes a new key.",
            )
        return certificate

    def write(self, directory: Path) -> None:
        """Write ``<ca>.crt`` (for ``--cafile``) and ``<ca>.crl``, both PEM."""
        files.write(ca_file(directory, self.authority), to_pem(self.chain))
        if self.crl is not None:
            files.write(crl_file(directory, self.authority), self.crl.public_bytes(Encoding.PEM))


def ca_file(directory: Path, authority: Authority) -> Path:
    """Return the file of the CA's certificate and those above it."""
    return directory / f"{authority.name}.crt"


def crl_file(directory: Path, authority: Authority) -> Path:
    """Return the file of the CA's revocation list."""
    return directory / f"{authority.name}.crl"


def check_pin(chain: Chain, pin: str) -> None:
    """Raise :class:`NotVerified` unless a certificate of the chain has the SHA-256 fingerprint ``pin``."""
    if pin.replace(":", "").upper() not in {fingerprint(each).replace(":", "") for each in chain}:
        found = ", ".join(fingerprint(each) for each in chain)
        raise NotVerified(
            f"No certificate of the CA has the fingerprint that is asked for; they have {found}.",
            "Compare with what the CA's administrator has: that may be somebody else's CA.",
        )


def check_same_root(chain: Chain, path: Path) -> None:
    """Raise :class:`NotVerified` if there is a CA file already, and its root is not that of the chain."""
    pem = files.read(path)
    if pem is not None and chain[-1].public_bytes(Encoding.PEM) not in pem.replace(b"\r\n", b"\n"):
        raise NotVerified(
            f"The CA is not the one of {path}: its root has the fingerprint {fingerprint(chain[-1])} now.",
            "Compare that with what the CA's administrator has. If it is right, move the file away.",
        )


def _explained(error: Refused, name: str) -> ClientError:
    """Say what to do about EJBCA's refusals, whose words midca uses too."""
    message = str(error)
    if "status GENERATED" in message:
        advice = f"{name} has had its certificate; register it again (midca entity rearm {name}) for another one."
    elif "status REVOKED" in message:
        advice = f"{name} was removed or revoked; it has to be registered again."
    elif "Wrong username" in message:
        advice = f"Is there a device with the id {name}? Its label does not count."
    elif "invalid password" in message:
        advice = "Give the device's own enrolment password (--device-password-file)."
    else:
        return error
    return Refused(message, advice, error.status, error.where)
