"""``/pki/<file>``: a file for each CA in the forms that brokers, operating systems and verifiers take.

=====================  ==========================================================  ============================
``<CA>.crt``           the CA's certificate, DER                                   RFC 2585 section 4.1
``<CA>.pem``           the CA's certificate and those above it, PEM                RFC 7468 section 5
``<CA>.crl``           the CA's revocation list, DER                               RFC 2585 section 4.2
``<CA>.crl.pem``       the same as PEM
``<CA>.bundle.pem``    the certificates and all their revocation lists, PEM
=====================  ==========================================================  ============================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from flask import Blueprint, Response

from app.http_description import described
from app.http_frontend import HttpRefusal, conditional, services
from app.pki.certificate_authority import CertificateAuthority
from app.store.revocation_lists import StoredList

blueprint: Final = Blueprint("distribution", __name__)
_CERTIFICATES_ARE_FRESH: Final = timedelta(days=1)


@dataclass(frozen=True)
class _File:
    """What is sent. ``changed`` and ``fresh_until`` are for caches."""

    content: bytes
    mimetype: str
    changed: datetime
    fresh_until: datetime


@blueprint.get("/pki/<file>")
@described(
    {200: ("application/pkix-cert", "application/pkix-crl", "application/x-pem-file")},
    refusals={404: "There is no such file.", 503: "There is no list that is good; ask again later."},
    conditional=True,
)
def get_file(file: str) -> Response:
    """Answer with the file; a client that has it already gets 304 (RFC 9110 section 13)."""
    for suffix, make in _FILES.items():
        if file.endswith(suffix):
            return _answer(make(services().authorities.named(file.removesuffix(suffix))))
    raise HttpRefusal(f"There is no such file; there are <CA>{', <CA>'.join(_FILES)}.", HTTPStatus.NOT_FOUND)


def _answer(made: _File) -> Response:
    response = Response(made.content, mimetype=made.mimetype)
    response.last_modified = made.changed
    # Not the time of a list's end: who asks again at its half-life finds the next one.
    seconds = int((made.fresh_until - services().revocation.now()).total_seconds())
    response.headers["Cache-Control"] = f"public, max-age={max(seconds, 0)}, must-revalidate"
    return conditional(response)


def _certificate(authority: CertificateAuthority) -> _File:
    return _of_certificates(authority.certificate.public_bytes(Encoding.DER), "application/pkix-cert", authority)


def _chain(authority: CertificateAuthority) -> _File:
    return _of_certificates(_pem(authority.chain), "application/x-pem-file", authority)


def _list(authority: CertificateAuthority) -> _File:
    stored = services().revocation_lists.latest(authority)
    return _of_lists(stored.crl, "application/pkix-crl", [stored])


def _list_pem(authority: CertificateAuthority) -> _File:
    stored = services().revocation_lists.latest(authority)
    return _of_lists(_crl_pem(stored), "application/x-pem-file", [stored])


def _bundle(authority: CertificateAuthority) -> _File:
    """Return the chain and the list of each CA in it: OpenSSL's ``-CAfile`` with ``-crl_check_all``."""
    chain = [ca for certificate in authority.chain for ca in services().authorities if ca.certificate == certificate]
    lists = [services().revocation_lists.latest(ca) for ca in chain]
    content = _pem(authority.chain) + b"".join(_crl_pem(stored) for stored in lists)
    return _of_lists(content, "application/x-pem-file", lists)


_FILES: Final[dict[str, Callable[[CertificateAuthority], _File]]] = {
    ".bundle.pem": _bundle,
    ".crl.pem": _list_pem,
    ".crl": _list,
    ".crt": _certificate,
    ".pem": _chain,
}
"""By the end of the name, longer ones first."""


def _of_certificates(content: bytes, mimetype: str, authority: CertificateAuthority) -> _File:
    now = services().revocation.now()
    return _File(content, mimetype, authority.certificate.not_valid_before_utc, now + _CERTIFICATES_ARE_FRESH)


def _of_lists(content: bytes, mimetype: str, lists: list[StoredList]) -> _File:
    half_life = min(stored.this_update + (stored.next_update - stored.this_update) / 2 for stored in lists)
    return _File(content, mimetype, max(stored.this_update for stored in lists), half_life)


def _pem(certificates: tuple[x509.Certificate, ...]) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def _crl_pem(stored: StoredList) -> bytes:
    return x509.load_der_x509_crl(stored.crl).public_bytes(Encoding.PEM)
