"""``/pki/<file>``: a file for each CA in the forms that brokers, operating systems and verifiers take.

=====================  ==========================================================  ============================
``<CA>.crt``           the CA's certificate, DER                                   RFC 2585 section 4.1
``<CA>.pem``           the CA's certificate and those above it, PEM                RFC 7468 section 5
``<CA>.crl``           the CA's revocation list, DER                               RFC 2585 section 4.2
``<CA>.crl.pem``       the same as PEM
``<CA>~3.crl``         the list of one partition, where there are some; also PEM
``<CA>~delta.crl``     what changed since an earlier list (``<CA>~3~delta.crl``)   RFC 5280 section 5.2.4
``<CA>.bundle.pem``    the certificates and all their revocation lists, PEM
=====================  ==========================================================  ============================

Where certificates name these URLs, the lists say that they are those of the URL (RFC 5280 section 5.2.5). The bundle
holds the lists that cover all of a CA: OpenSSL, and so mosquitto, refuses a certificate that names no URL when the list
does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from flask import Blueprint, Response

from app.http_description import described
from app.http_frontend import HttpRefusal, conditional, services
from app.operations.list_contents import BACKDATED
from app.pki.certificate_authority import CertificateAuthority
from app.pki.distribution_points import ALL, POINT, SEPARATOR, ListKind, ListScope
from app.store.revocation_lists import StoredList

blueprint: Final = Blueprint("distribution", __name__)
_CERTIFICATES_ARE_FRESH: Final = timedelta(days=1)
# Not until its end: a cache must not keep a revocation from being seen. Who asks again gets 304 while nothing is new.
_LISTS_ARE_FRESH: Final = timedelta(minutes=1)
_PARTITION: Final = re.compile("0|[1-9][0-9]{0,3}", re.ASCII)


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
            name, *which = file.removesuffix(suffix).split(SEPARATOR)
            return _answer(make(services().authorities.named(name), tuple(which)))
    raise _no_such_file()


def _answer(made: _File) -> Response:
    response = Response(made.content, mimetype=made.mimetype)
    response.last_modified = made.changed
    seconds = int((made.fresh_until - services().revocation.now()).total_seconds())
    response.headers["Cache-Control"] = f"public, max-age={max(seconds, 0)}, must-revalidate"
    return conditional(response)


def _certificate(authority: CertificateAuthority, which: tuple[str, ...]) -> _File:
    _check_whole(which)
    return _of_certificates(authority.certificate.public_bytes(Encoding.DER), "application/pkix-cert", authority)


def _chain(authority: CertificateAuthority, which: tuple[str, ...]) -> _File:
    _check_whole(which)
    return _of_certificates(_pem(authority.chain), "application/x-pem-file", authority)


def _list(authority: CertificateAuthority, which: tuple[str, ...]) -> _File:
    stored = _latest(authority, which)
    return _of_lists(stored.crl, "application/pkix-crl", [stored])


def _list_pem(authority: CertificateAuthority, which: tuple[str, ...]) -> _File:
    stored = _latest(authority, which)
    return _of_lists(_crl_pem(stored), "application/x-pem-file", [stored])


def _bundle(authority: CertificateAuthority, which: tuple[str, ...]) -> _File:
    """Return the chain and the list of each CA in it: OpenSSL's ``-CAfile`` with ``-crl_check_all``."""
    _check_whole(which)
    chain = [ca for certificate in authority.chain for ca in services().authorities if ca.certificate == certificate]
    lists = [services().revocation_lists.latest(ca) for ca in chain]
    content = _pem(authority.chain) + b"".join(_crl_pem(stored) for stored in lists)
    return _of_lists(content, "application/x-pem-file", lists)


def _check_whole(which: tuple[str, ...]) -> None:
    if which:
        raise _no_such_file()


def _latest(authority: CertificateAuthority, which: tuple[str, ...]) -> StoredList:
    """Return the list that is named by what stands behind the CA's name: nothing, a partition, ``delta``, or both."""
    kind = ListKind.DELTA if which[-1:] == (ListKind.DELTA,) else ListKind.COMPLETE
    partitions = which[:-1] if kind is ListKind.DELTA else which
    if not partitions:
        scope = ALL if authority.points is None else POINT
    elif len(partitions) == 1 and _PARTITION.fullmatch(partitions[0]):
        scope = ListScope(at_point=True, partition=int(partitions[0]))
    else:
        raise _no_such_file()
    return services().revocation_lists.latest(authority, scope, kind)


_FILES: Final[dict[str, Callable[[CertificateAuthority, tuple[str, ...]], _File]]] = {
    ".bundle.pem": _bundle,
    ".crl.pem": _list_pem,
    ".crl": _list,
    ".crt": _certificate,
    ".pem": _chain,
}
"""By the end of the name, longer ones first."""


def _no_such_file() -> HttpRefusal:
    return HttpRefusal(f"There is no such file; there are <CA>{', <CA>'.join(_FILES)}.", HTTPStatus.NOT_FOUND)


def _of_certificates(content: bytes, mimetype: str, authority: CertificateAuthority) -> _File:
    now = services().revocation.now()
    return _File(content, mimetype, authority.certificate.not_valid_before_utc, now + _CERTIFICATES_ARE_FRESH)


def _of_lists(content: bytes, mimetype: str, lists: list[StoredList]) -> _File:
    fresh_until = services().revocation.now() + _LISTS_ARE_FRESH
    # The number is at least the time and no two lists share one, so this tells apart two lists of one second.
    changed = datetime.fromtimestamp(max(stored.number for stored in lists), UTC) - BACKDATED
    return _File(content, mimetype, changed, fresh_until)


def _pem(certificates: tuple[x509.Certificate, ...]) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def _crl_pem(stored: StoredList) -> bytes:
    return x509.load_der_x509_crl(stored.crl).public_bytes(Encoding.PEM)
