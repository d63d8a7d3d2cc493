"""``/.well-known/est``: CA certificates, enrolment with a password, renewal with a certificate.

Name and one-time password of an end entity come by HTTP's Basic authentication (RFC 7030 section 3.2.3), the name
percent-encoded as in the path of a URL. What the RFC leaves optional is not there (404): a label in the path,
``csrattrs``, ``serverkeygen`` and ``fullcmc``.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from itertools import chain
from typing import Final
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from flask import Blueprint, Response, request

from app.errors import EnrolmentRefused, InvalidInput, NotAuthenticated, Refusal
from app.http_access import check_holder, shown_certificate, tls_unique
from app.http_description import described
from app.http_frontend import HttpRefusal, actor, note, read_body, services
from app.operations.issuance import IssuedCertificate
from app.pki.certification_request import CertificationRequest

blueprint: Final = Blueprint("est", __name__, url_prefix="/.well-known/est")
_REQUEST: Final = "application/pkcs10"
_CERTIFICATES: Final = "application/pkcs7-mime"
_CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="midca", charset="UTF-8"'}
_REFUSALS: Final = {
    400: "The request, or the state of the end entity, is not good.",
    401: "Nobody was named, or the password or certificate is no good.",
    404: "The CA or the profile of the end entity is no more.",
    409: "The key or the subject is another's, or the key was revoked as compromised.",
    415: "The body is of another type, or compressed.",
    429: "Too many wrong passwords for this name; `Retry-After` says when the next one is looked at.",
}


class NobodyShown(HttpRefusal):
    """Who asks did not show whom they are asking for; the answer says how they can (RFC 7617 section 2)."""

    def __init__(self, cause: Refusal) -> None:
        """Take why the CA refused what was shown, if anything was."""
        super().__init__(str(cause), HTTPStatus.UNAUTHORIZED, _CHALLENGE)
        self._cause = cause

    @property
    def code(self) -> str:
        """That of the cause."""
        return self._cause.code


@blueprint.get("/cacerts")
@described({200: (_CERTIFICATES,)})
def get_cacerts() -> Response:
    """Answer with the certificates of all CAs, roots too, as base64 of a certs-only PKCS#7 (RFC 7030 section 4.1)."""
    return _certs_only(dict.fromkeys(chain.from_iterable(authority.chain for authority in services().authorities)))


@blueprint.post("/simpleenroll")
@described({200: (_CERTIFICATES,)}, body=(_REQUEST,), refusals=_REFUSALS)
def simpleenroll() -> Response:
    """Answer with the certificate for the end entity whose name and password come by Basic authentication.

    The body is a PKCS#10 request as base64 of DER, or as PEM; the answer is base64 of a certs-only PKCS#7 (RFC 7030
    section 4.2).
    """
    return _by_password()


@blueprint.post("/simplereenroll")
@described({200: (_CERTIFICATES,)}, body=(_REQUEST,), refusals=_REFUSALS)
def simplereenroll() -> Response:
    """Answer with the next certificate for the end entity whose present one was shown in the TLS handshake.

    The names in the request must be those of the certificate, and its profile must let it be renewed by now
    (``renewal_window``). With a name and a password it is as ``simpleenroll``.
    """
    certificate = shown_certificate()
    if certificate is None or request.authorization is not None:
        return _by_password()
    with _challenge():
        holder = services().reenrolment.holder(certificate)
        note(entity=holder.username)
        return _issued(services().reenrolment.issue(holder, _csr(), actor(), _check_linked))


def _by_password() -> Response:
    with _challenge():
        username, password = _name_and_password()
        note(entity=username[:200])
        check_holder(username)
        return _issued(services().issuance.issue(username, password, _csr(), actor(), look=_check_linked))


def _name_and_password() -> tuple[str, str]:
    """Return what comes by Basic authentication, where a colon ends the name: one inside of it is written %3A."""
    given = request.authorization
    basic = given.parameters if given is not None and given.type == "basic" else {}
    username, password = unquote(basic.get("username") or ""), basic.get("password") or ""
    if not username or not password:
        raise NotAuthenticated("Name and password of the end entity are needed (HTTP Basic authentication).")
    return username, password


@contextmanager
def _challenge() -> Iterator[None]:
    """Have who showed nobody, or with a wrong password, asked for one."""
    try:
        yield
    except NotAuthenticated as refusal:
        raise NobodyShown(refusal) from refusal
    except EnrolmentRefused as refusal:
        if refusal.wrong_password:
            raise NobodyShown(refusal) from refusal
        raise


def _csr() -> str:
    if request.mimetype != _REQUEST:
        raise HttpRefusal(f"The body must be of the type {_REQUEST}.", HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    return read_body().decode("latin-1")  # what is not base64 is found where it is read


def _check_linked(csr: CertificationRequest) -> None:
    """Raise when the request says of which TLS session it is, and that is not this one (RFC 7030 section 3.5)."""
    unique = tls_unique() or b""
    given = csr.challenge_password
    if given is not None and not (unique and hmac.compare_digest(given, base64.b64encode(unique))):
        raise InvalidInput(
            "The request's challengePassword must be the tls-unique of this TLS session, which a proxy ends for "
            "itself; or leave it out."
        )


def _issued(issued: IssuedCertificate) -> Response:
    note(serial=issued.serial)
    return _certs_only([issued.certificate])


def _certs_only(certificates: Iterable[x509.Certificate]) -> Response:
    """Return the certificates as base64, with the header that once said so (RFC 8951 section 3).

    On one line: strongSwan does not skip the ends of lines.
    """
    from cryptography.hazmat.primitives.serialization import pkcs7  # noqa: PLC0415 -- a third of a megabyte a worker

    der = pkcs7.serialize_certificates(list(certificates), Encoding.DER)
    response = Response(base64.b64encode(der), content_type=f"{_CERTIFICATES}; smime-type=certs-only")
    response.headers["Content-Transfer-Encoding"] = "base64"
    return response
