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

import hashlib
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
from app.store.revocation_lists import ListDates, StoredList

blueprint: Final = Blueprint("distribution", __name__)
_CERTIFICATES_ARE_FRESH: Final = timedelta(days=1)
# Not until its end: a cache must not keep a revocation from being seen. Who asks again gets 304 while nothing is new.
_LISTS_ARE_FRESH: Final = timedelta(minutes=1)
_PARTITION: Final = re.compile("0|[1-9][0-9]{0,3}", re.ASCII)


@dataclass(frozen=True)
class _File:
    """What is sent, made only for who does not have it. ``tag``, ``changed`` and ``fresh_until`` are for caches."""

    content: Callable[[], bytes]
    tag: str
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
    response = Response(mimetype=made.mimetype)
    response.set_etag(made.tag)
    response.last_modified = made.changed
    seconds = int((made.fresh_until - services().revocation.now()).total_seconds())
    response.headers["Cache-Control"] = f"public, max-age={max(seconds, 0)}, must-revalidate"
    if conditional(response).status_code == HTTPStatus.OK:
        response.set_data(made.content())
    return response


def _certificate(authority: CertificateAuthority, which: tuple[str, ...]) -> _File:
    _check_whole(which)
    return _of_certificates(authority.certificate.public_bytes(Encoding.DER), "application/pkix-cert", authority)


def _chain(authority: CertificateAuthority, which: tuple[str, ...]) -> _File:
    _check_whole(which)
    return _of_certificates(_pem(authority.chain), "application/x-pem-file", authority)


def _list(authority: CertificateAuthority, which: tuple[str, ...]) -> _File:
    scope, kind = _scope(authority, which)
    lists = services().revocation_lists
    dates = lists.dates(authority, scope, kind)
    return _of_lists(lambda: lists.latest(authority, scope, kind).crl, "application/pkix-crl", [dates])


def _list_pem(authority: CertificateAuthority, which: tuple[str, ...]) -> _File:
    scope, kind = _scope(authority, which)
    lists = services().revocation_lists
    dates = lists.dates(authority, scope, kind)
    return _of_lists(lambda: _crl_pem(lists.latest(authority, scope, kind)), "application/x-pem-file", [dates])


def _bundle(authority: CertificateAuthority, which: tuple[str, ...]) -> _File:
    """Return the chain and the list of each CA in it: OpenSSL's ``-CAfile`` with ``-crl_check_all``."""
    _check_whole(which)
    chain = [ca for certificate in authority.chain for ca in services().authorities if ca.certificate == certificate]
    lists = services().revocation_lists
    dates = [lists.dates(ca) for ca in chain]

    def content() -> bytes:
        return _pem(authority.chain) + b"".join(_crl_pem(lists.latest(ca)) for ca in chain)

    return _of_lists(content, "application/x-pem-file", dates, authority.chain)


def _check_whole(which: tuple[str, ...]) -> None:
    if which:
        raise _no_such_file()


def _scope(authority: CertificateAuthority, which: tuple[str, ...]) -> tuple[ListScope, ListKind]:
    """Return which list is named by what stands behind the CA's name: nothing, a partition, ``delta``, or both."""
    kind = ListKind.DELTA if which[-1:] == (ListKind.DELTA,) else ListKind.COMPLETE
    partitions = which[:-1] if kind is ListKind.DELTA else which
    if not partitions:
        scope = POINT if POINT in services().revocation_lists.scopes(authority) else ALL
    elif len(partitions) == 1 and _PARTITION.fullmatch(partitions[0]):
        scope = ListScope(at_point=True, partition=int(partitions[0]))
    else:
        raise _no_such_file()
    return scope, kind


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
    fresh_until = services().revocation.now() + _CERTIFICATES_ARE_FRESH
    changed = max(certificate.not_valid_before_utc for certificate in authority.chain)
    return _File(lambda: content, hashlib.sha256(content).hexdigest(), mimetype, changed, fresh_until)


def _of_lists(
    content: Callable[[], bytes], mimetype: str, lists: list[ListDates], chain: tuple[x509.Certificate, ...] = ()
) -> _File:
    fresh_until = services().revocation.now() + _LISTS_ARE_FRESH
    # The number is at least the time and no two lists of a name share one: it tells apart two lists of one second.
    listed = datetime.fromtimestamp(max(dates.number for dates in lists), UTC) - BACKDATED
    changed = max([listed, *(certificate.not_valid_before_utc for certificate in chain)])
    tag = hashlib.sha256(repr([mimetype, lists, _pem(chain)]).encode()).hexdigest()
    return _File(content, tag, mimetype, changed, fresh_until)


def _pem(certificates: tuple[x509.Certificate, ...]) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def _crl_pem(stored: StoredList) -> bytes:
    return x509.load_der_x509_crl(stored.crl).public_bytes(Encoding.PEM)
