"""The files of a device: ``<device>.key``, ``.csr``, ``.crt`` and ``-chain.crt``, all of one certificate at any time.

What is new waits under another name (``.<device>.key.next``) until the certificate has come and is verified. Key and
request wait there from before the CA is asked: if its answer is lost, the next run asks with the same request, to which
midca gives the same certificate again, and no device is left without its key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from . import files
from .certification_request import Names, make_request, serves
from .chain import Chain, check_certificate, to_pem
from .errors import ClientError, NotVerified
from .files import is_there
from .private_key import KeyKind, PrivateKey, key_from_pem, key_to_pem

KEY: Final = ".key"
REQUEST: Final = ".csr"
CHAIN: Final = "-chain.crt"
CERTIFICATE: Final = ".crt"
_SUFFIXES: Final = (KEY, REQUEST, CHAIN, CERTIFICATE)
"""In the order they get their names: the certificate is the last, and says that all are there."""


@dataclass(frozen=True)
class DeviceFiles:
    """Where the files of the device ``name`` lie."""

    directory: Path
    name: str

    def path(self, suffix: str) -> Path:
        """Return the path of one of them."""
        return self.directory / f"{self.name}{suffix}"

    def settle(self) -> bool:
        """Finish what a run that was stopped had begun, giving verified files their names; return whether it had."""
        begun = is_there(self._next(CERTIFICATE))
        if begun:
            self._put_in_place()
        return begun

    def current(self, names: Names, now: datetime) -> x509.Certificate | None:
        """Return the certificate that is there, None if there is none; raise :class:`NotVerified` for a useless one."""
        pem = files.read(self.path(CERTIFICATE))
        if pem is None:
            return None
        try:
            certificate = _read_certificate(pem)
            check_certificate(certificate, self._own_key(), names, None, now)
        except ClientError as error:
            raise NotVerified(
                f"{self.path(CERTIFICATE)} is there, but of no use: {error}", "-w gets another in its place."
            ) from error
        return certificate

    def prepare(
        self, names: Names, wanted: KeyKind, *, new_key: bool
    ) -> tuple[PrivateKey, x509.CertificateSigningRequest]:
        """Return key and request: those that are there, those that wait, or else new ones, which wait from now on.

        ``new_key``: the key that is there is to be replaced.
        """
        if not new_key and is_there(self.path(KEY)):
            self._next(KEY).unlink(missing_ok=True)
            key = self._own_key()
        else:
            key = self._waiting_key(wanted) or self._make_key(wanted)
        for path in (self._next(REQUEST), self.path(REQUEST)):
            request = _read_request(files.read(path))
            if request is not None and serves(request, key, names):
                return key, request
        request = make_request(key, names)
        files.write(self._next(REQUEST), request.public_bytes(Encoding.PEM))
        return key, request

    def finish(self, certificate: x509.Certificate, chain: Chain) -> None:
        """Write the certificate, and give everything its name."""
        below_root = [each for each in chain if each.subject != each.issuer]
        files.write(self._next(CHAIN), to_pem([certificate, *below_root]))
        files.write(self._next(CERTIFICATE), to_pem([certificate]))
        self._put_in_place()

    def _put_in_place(self) -> None:
        for suffix in _SUFFIXES:
            if is_there(self._next(suffix)):
                files.move(self._next(suffix), self.path(suffix))

    def _next(self, suffix: str) -> Path:
        return self.directory / f".{self.name}{suffix}.next"

    def _own_key(self) -> PrivateKey:
        return key_from_pem(files.read_secret(self.path(KEY)), self.path(KEY))

    def _waiting_key(self, wanted: KeyKind) -> PrivateKey | None:
        if not is_there(self._next(KEY)):
            return None
        key = key_from_pem(files.read_secret(self._next(KEY)), self._next(KEY))
        return key if wanted.is_of(key) else None

    def _make_key(self, wanted: KeyKind) -> PrivateKey:
        key = wanted.make()
        files.write(self._next(KEY), key_to_pem(key), files.SECRET)
        return key


def check_file_names(names: Sequence[str], ca: str) -> None:
    """Raise :class:`ClientError` if a name cannot be part of a file's, or if two would write the same file."""
    taken = {f"{ca}.crt": f"the CA {ca}", f"{ca}.crl": f"the CA {ca}"}
    for name in [ca, *names]:
        if not name or not name.isprintable() or "/" in name or name.startswith((".", "-")):
            raise ClientError(f"{name!r} cannot be the name of a file.")
    for name in names:
        for suffix in _SUFFIXES:
            file = f"{name}{suffix}"
            if file in taken:
                raise ClientError(f"The device {name} and {taken[file]} would both write the file {file}.")
            taken[file] = f"the device {name}"


def _read_certificate(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise NotVerified("it holds no certificate that can be read.") from error


def _read_request(pem: bytes | None) -> x509.CertificateSigningRequest | None:
    """Return the request; one that cannot be read is as good as none, for it can be made again."""
    try:
        return None if pem is None else x509.load_pem_x509_csr(pem)
    except ValueError:
        return None
