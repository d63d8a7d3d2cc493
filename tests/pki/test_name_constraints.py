"""What a constrained CA may certify: by our rules, and by OpenSSL's, which must never be stricter than ours."""

import ipaddress
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from app.errors import ProfileViolation
from app.pki import distinguished_name
from app.pki.alternative_name import parse
from app.pki.certificate_authority import CertificateAuthority
from app.pki.name_constraints import problems
from tests.conftest import require_tool, run
from tests.pki.authorities import TEMPLATE

NOW = datetime.now(UTC).replace(microsecond=0)
DNS = x509.DNSName("devices.example")
NETWORK = x509.IPAddress(ipaddress.ip_network("10.0.0.0/8"))
EVERY_ADDRESS = [x509.IPAddress(ipaddress.ip_network(text)) for text in ("0.0.0.0/0", "::/0")]
MAIL_HOST, MAIL_DOMAIN, MAILBOX = map(x509.RFC822Name, ("b.example", ".b.example", "a@b.example"))
URI_HOST, URI_DOMAIN = map(x509.UniformResourceIdentifier, ("b.example", ".b.example"))
DIRECTORY = x509.DirectoryName(distinguished_name.parse("O=dojot,OU=lab"))

PERMITTED, EXCLUDED = "permitted", "excluded"
CASES = [
    # constraint, subject, alternative names, allowed
    ({PERMITTED: [DNS]}, "CN=a", "DNS:devices.example", True),
    ({PERMITTED: [DNS]}, "CN=a", "DNS:a.DEVICES.example", True),
    ({PERMITTED: [DNS]}, "CN=a", "DNS:adevices.example", False),
    ({PERMITTED: [DNS]}, "CN=a", "DNS:a.devices.example,DNS:b.example", False),
    ({PERMITTED: [DNS]}, "CN=a", "IP:192.0.2.1", True),
    ({PERMITTED: [DNS]}, "CN=evil.example", "", False),
    ({PERMITTED: [DNS]}, "CN=e_v.example", "", False),
    ({PERMITTED: [DNS]}, "CN=192.0.2.1", "", False),
    ({PERMITTED: [DNS]}, "CN=f60c28", "", True),
    ({PERMITTED: [DNS]}, "CN=a-.example", "", True),
    ({PERMITTED: [DNS]}, "CN=evil.example", "DNS:a.devices.example", True),
    ({EXCLUDED: [DNS]}, "CN=a", "DNS:a.devices.example", False),
    ({EXCLUDED: [DNS]}, "CN=a.devices.example", "", False),
    ({EXCLUDED: [DNS]}, "CN=a", "DNS:b.example", True),
    ({PERMITTED: [NETWORK]}, "CN=a", "IP:10.1.2.3", True),
    ({PERMITTED: [NETWORK]}, "CN=a", "IP:11.1.2.3", False),
    ({PERMITTED: [NETWORK]}, "CN=a", "IP:2001:db8::1", False),
    ({EXCLUDED: EVERY_ADDRESS}, "CN=a", "IP:2001:db8::1", False),
    ({EXCLUDED: EVERY_ADDRESS}, "CN=a", "DNS:a.example", True),
    (
        {PERMITTED: [NETWORK], EXCLUDED: [x509.IPAddress(ipaddress.ip_network("10.1.0.0/16"))]},
        "CN=a",
        "IP:10.1.2.3",
        False,
    ),
    ({PERMITTED: [MAIL_HOST]}, "CN=a", "email:a@b.example", True),
    ({PERMITTED: [MAIL_HOST]}, "CN=a", "email:a@c.b.example", False),
    ({PERMITTED: [MAIL_DOMAIN]}, "CN=a", "email:a@c.b.example", True),
    ({PERMITTED: [MAIL_DOMAIN]}, "CN=a", "email:a@b.example", False),
    ({PERMITTED: [MAILBOX]}, "CN=a", "email:a@B.example", True),
    ({PERMITTED: [MAILBOX]}, "CN=a", "email:b@b.example", False),
    ({PERMITTED: [MAIL_HOST]}, "CN=a,E=a@c.example", "", False),
    ({EXCLUDED: [MAIL_HOST]}, "CN=a,E=a@b.example", "", False),
    ({PERMITTED: [URI_HOST]}, "CN=a", "URI:https://b.example/x", True),
    ({PERMITTED: [URI_HOST]}, "CN=a", "URI:https://a.b.example/x", False),
    ({PERMITTED: [URI_DOMAIN]}, "CN=a", "URI:https://a.b.example/x", True),
    ({PERMITTED: [URI_HOST]}, "CN=a", "URI:urn:dojot:a", False),
    ({EXCLUDED: [URI_HOST]}, "CN=a", "URI:https://b.example/x", False),
    ({PERMITTED: [DIRECTORY]}, "O=dojot,OU=lab,CN=a", "", True),
    ({PERMITTED: [DIRECTORY]}, "O=Dojot,OU=LAB,CN=a", "", True),
    ({PERMITTED: [DIRECTORY]}, "O=dojot,CN=a", "", False),
    ({PERMITTED: [DIRECTORY]}, "CN=a,O=dojot,OU=lab", "", False),
    ({EXCLUDED: [DIRECTORY]}, "O=dojot,OU=lab,CN=a", "", False),
]
STRICTER_THAN_OPENSSL = [
    ({EXCLUDED: [URI_HOST]}, "CN=a", "URI:urn:dojot:a"),  # RFC 5280: a URI without a host must be rejected
    ({EXCLUDED: [URI_HOST]}, "CN=a", "URI:https://192.0.2.1/"),
]


@cache
def keys() -> tuple[ec.EllipticCurvePrivateKey, ec.EllipticCurvePrivateKey]:
    return ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())


def constrained(constraint) -> CertificateAuthority:
    key = keys()[0]
    name = distinguished_name.of_common_name("Constrained")
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, NOW - timedelta(days=1), NOW + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.NameConstraints(constraint.get(PERMITTED), constraint.get(EXCLUDED)), critical=True)
        .sign(key, hashes.SHA256())
    )
    return CertificateAuthority("Constrained", (certificate,), key)


def told(constraint, subject, names) -> list[str]:
    value = x509.NameConstraints(constraint.get(PERMITTED), constraint.get(EXCLUDED))
    return list(problems([value], distinguished_name.parse(subject), parse(names)))


@pytest.mark.parametrize(("constraint", "subject", "names", "allowed"), CASES)
def test_name_is_within_the_constraints_or_refused(constraint, subject, names, allowed):
    assert (told(constraint, subject, names) == []) is allowed


@pytest.mark.parametrize(("constraint", "subject", "names"), STRICTER_THAN_OPENSSL)
def test_uri_without_a_name_of_a_host_is_refused_where_uris_are_constrained(constraint, subject, names):
    assert told(constraint, subject, names)


def test_openssl_thinks_the_same_of_every_case(tmp_path):
    """What we allow, it verifies; what we refuse, it refuses too. The certificates are signed around our check."""
    openssl = require_tool("openssl")
    for number, (constraint, subject, names, allowed) in enumerate(CASES):
        authority, leaf = constrained(constraint), tmp_path / f"{number}.pem"
        (tmp_path / "ca.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
        builder = x509.CertificateBuilder(
            authority.certificate.subject,
            distinguished_name.parse(subject),
            keys()[1].public_key(),
            2,
            NOW - timedelta(hours=1),
            NOW + timedelta(hours=1),
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(parse(names)), critical=False)
        leaf.write_bytes(builder.sign(keys()[0], hashes.SHA256()).public_bytes(Encoding.PEM))

        verified = run(openssl, "verify", "-CAfile", tmp_path / "ca.pem", leaf)

        assert (verified.returncode == 0) is allowed, (constraint, subject, names, verified.stderr)


def test_constrained_ca_signs_nothing_beyond_its_constraints():
    authority = constrained({PERMITTED: [DIRECTORY]})
    recorded = []

    with pytest.raises(ProfileViolation, match=r"only names below directory:O=dojot,OU=lab, and not 'directory:CN=dev"):
        authority.sign(TEMPLATE, serial=5, now=NOW, record=recorded.append)
    assert recorded == []
