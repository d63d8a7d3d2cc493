"""A64. What is brought to the CA may name addresses as it likes: nothing makes it ask there."""

import os
import sys
import urllib.request
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, CertificatePoliciesOID, NameOID

from app.web import create_app
from tests.builders import csr, key, one_line
from tests.children import in_child

CONNECTED = 99
URL = x509.UniformResourceIdentifier("http://198.51.100.1/evil")
EXTENSIONS = (
    x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(method, URL)
            for method in (AuthorityInformationAccessOID.OCSP, AuthorityInformationAccessOID.CA_ISSUERS)
        ]
    ),
    x509.CRLDistributionPoints([x509.DistributionPoint([URL], None, None, None)]),
    x509.FreshestCRL([x509.DistributionPoint([URL], None, None, None)]),
    x509.CertificatePolicies([x509.PolicyInformation(CertificatePoliciesOID.CPS_QUALIFIER, ["http://198.51.100.1/"])]),
)


def end_if_it_connects(event: str, _arguments: object) -> None:
    """Where any Python code asks for a name or an address; nothing the CA is made of connects by itself."""
    if event in {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}:
        os._exit(CONNECTED)


def certificate() -> str:
    """A client certificate full of URLs, as nginx passes it on."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "device")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key().public_key(), 1, now, now + timedelta(days=1))
    for value in EXTENSIONS:
        builder = builder.add_extension(value, critical=False)
    return quote(builder.sign(key(), hashes.SHA256()).public_bytes(Encoding.PEM))


def ask(client, secret: str, request: str) -> None:
    sys.addaudithook(end_if_it_connects)
    signed = client.post("/sign/f60c28/pkcs10", json={"passwd": "dojot", "certificate": request})
    headers = {"X-Midca-Proxy-Secret": secret, "X-SSL-Client-Verify": "SUCCESS", "X-SSL-Client-Cert": certificate()}
    shown = client.get("/user/f60c28", headers=headers)
    assert (signed.status_code, shown.status_code) == (200, 401), signed.text + shown.text


def test_addresses_in_requests_and_certificates_are_not_asked(make_installation):
    installation = make_installation(MIDCA_AUTH="tokens,certificates", MIDCA_TRUSTED_PROXIES="127.0.0.1/32")
    installation.add()
    installation.services.database.close()
    secret = (installation.settings.data / "secrets" / "proxy-secret").read_text().strip()
    client = create_app(installation.services).test_client()
    request = one_line(csr(extensions=tuple((value, False) for value in EXTENSIONS)))

    assert in_child(lambda: ask(client, secret, request)) == 0


def test_the_watch_above_sees_a_connection():
    def connect() -> None:
        sys.addaudithook(end_if_it_connects)
        urllib.request.urlopen(URL.value, timeout=1)

    assert in_child(connect) == CONNECTED
