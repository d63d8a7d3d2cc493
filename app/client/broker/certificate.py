"""``broker.pem``: the broker's key, its certificate and those of the CAs above, in one file so that they always fit.

Brokers take a file of several things both as certificate and as key. Two files could be caught apart by a kill.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ..authority import Authority
from ..certification_request import make_request, serves
from ..chain import Chain, check_certificate, to_pem
from ..errors import BadAnswer, ClientError, FileTrouble
from ..files import SECRET, is_there, read_secret, write
from ..private_key import PrivateKey, key_from_pem, key_to_pem
from .configuration import OwnCertificate

_log = logging.getLogger("midca.broker")
FILE: Final = "broker.pem"
PASSWORD_FILE: Final = "enrolment.password"  # noqa: S105 -- its name
_NEXT: Final = "broker.next.pem"
# A refusal is not asked for again and again, nor a certificate that is due when it is new, as a profile may make them.
_PAUSE: Final = timedelta(minutes=10)


def installed(directory: Path) -> x509.Certificate | None:
    """Return the certificate the broker has now; raise :class:`FileTrouble` for a file that holds none."""
    path = directory / FILE
    if not is_there(path):
        return None
    try:
        return x509.load_pem_x509_certificates(read_secret(path))[0]
    except ValueError as error:
        raise FileTrouble(f"{path} holds no certificate.", "Remove it, or set the broker up anew.") from error


def install(directory: Path, key: PrivateKey, certificate: x509.Certificate, chain: Chain) -> None:
    """Put key and certificate in place; the root is left out, since who trusts it has it."""
    above = chain[:-1] if len(chain) > 1 else ()
    write(directory / FILE, key_to_pem(key) + to_pem((certificate, *above)), SECRET)


@dataclass
class Renewal:
    """Enrols again shortly before the certificate ends, with a new key, by the password of the first enrolment.

    The certificate profile's ``renewal_window`` lets it. Key and request are kept until the certificate is there, so
    that an answer that got lost is answered again.
    """

    directory: Path
    wanted: OwnCertificate
    authority: Authority
    now: Callable[[], datetime]
    _paused_until: datetime | None = field(default=None, init=False)
    _refusal: ClientError | None = field(default=None, init=False)

    def renew_if_due(self, chain: Chain) -> bool:
        """Return whether there is a new certificate; raise :class:`ClientError` as long as one is due and refused."""
        current = installed(self.directory)
        if current is not None:
            left = current.not_valid_after_utc - self.now()
            if left > renewal_time(current, self.wanted.renew_before):
                return False
        if self._paused_until is not None and self.now() < self._paused_until:
            if self._refusal is not None:
                raise self._refusal
            return False
        self._paused_until = self.now() + _PAUSE
        try:
            self._renew(chain)
        except ClientError as error:
            self._refusal = error
            raise
        self._refusal = None
        return True

    def _renew(self, chain: Chain) -> None:
        password = read_secret(self.directory / PASSWORD_FILE).decode(errors="replace").strip()
        key, request = self._next()
        name = self.wanted.names.common_name
        certificate = self.authority.sign(name, password, request)
        check_certificate(certificate, key, self.wanted.names, chain, self.now())
        install(self.directory, key, certificate, chain)
        (self.directory / _NEXT).unlink(missing_ok=True)
        _log.info("the broker has a new certificate, until %s", f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC")

    def _next(self) -> tuple[PrivateKey, x509.CertificateSigningRequest]:
        """Return the key and request that are waiting for a certificate, or new ones."""
        path = self.directory / _NEXT
        if is_there(path):
            content = read_secret(path)
            key, request = key_from_pem(content, path), _request(content)
            if serves(request, key, self.wanted.names):
                return key, request
        key = self.wanted.key.make()
        request = make_request(key, self.wanted.names)
        write(path, key_to_pem(key) + request.public_bytes(Encoding.PEM), SECRET)
        return key, request


def renewal_time(certificate: x509.Certificate, renew_before: timedelta) -> timedelta:
    """Return how long before its end a certificate is renewed: never before two thirds of its life are over."""
    return min(renew_before, (certificate.not_valid_after_utc - certificate.not_valid_before_utc) / 3)


def _request(content: bytes) -> x509.CertificateSigningRequest:
    try:
        return x509.load_pem_x509_csr(content[content.index(b"-----BEGIN CERTIFICATE REQUEST") :])
    except ValueError as error:
        raise BadAnswer(f"{_NEXT} holds no request.", "Remove it.") from error
