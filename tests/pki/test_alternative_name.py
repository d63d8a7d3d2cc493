"""Alternative names as EJBCA and OpenSSL write them: read, written, and refused."""

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidInput
from app.pki.alternative_name import MAX_NAMES, made_name, parse, to_string

WRITTEN = (
    "dNSName=a.example, iPAddress=192.0.2.1, iPAddress=2001:db8::1, "
    r"uniformResourceIdentifier=urn:dojot:a\,b, rfc822Name=a@b.example"
)
LABELS = st.from_regex(r"[a-z][a-z0-9]{0,9}", fullmatch=True)
NAMES = st.one_of(
    LABELS.map(lambda label: made_name("dns", f"{label}.example")),
    st.ip_addresses().filter(lambda address: "%" not in str(address)).map(x509.IPAddress),
    LABELS.map(lambda label: made_name("uri", f"urn:dojot:{label},{label}")),
    LABELS.map(lambda label: made_name("email", f"{label}@b.example")),
)


def test_names_are_written_as_ejbca_does():
    assert to_string(parse(WRITTEN)) == WRITTEN
    assert [type(name) for name in parse(WRITTEN)] == [
        x509.DNSName,
        x509.IPAddress,
        x509.IPAddress,
        x509.UniformResourceIdentifier,
        x509.RFC822Name,
    ]


@given(names=st.lists(NAMES, unique=True, max_size=10))
def test_what_is_written_is_read_again(names):
    assert parse(to_string(names)) == tuple(names)


@pytest.mark.parametrize(
    "text",
    [
        "DNS:a.example,IP:192.0.2.1",
        "dns=a.example, ip=192.0.2.1",
        "DNSNAME=a.example,IPADDRESS=192.0.2.1",
        " dNSName = a.example , iPAddress = 192.0.2.1 ",
        "DNS:a.example,IP:192.0.2.1,DNS:a.example",
    ],
)
def test_other_ways_to_write_the_same_are_read(text):
    assert to_string(parse(text)) == "dNSName=a.example, iPAddress=192.0.2.1"


@pytest.mark.parametrize("text", ["", "  "])
def test_nothing_is_no_name(text):
    assert parse(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        "a.example",
        "dNSName",
        "dNSName=",
        "dNSName=a_b",
        "dNSName=*.example",
        "dNSName=a.example,",
        ",",
        "dNSName=a\nb",
        "dNSName=a\x00b",
        "dNSName=a.example\\",
        "iPAddress=300.1.1.1",
        "iPAddress=10.0.0.0/8",
        "iPAddress=fe80::1%eth0",
        "uniformResourceIdentifier=nonsense",
        "rfc822Name=nobody",
        "directoryName=CN=admin",
        "upn=admin@example.org",
        "dNSName=" + "a" * 300,
        "dNSName=a" + " " * 60_000 + "b",
        " " * 60_000 + "dNSName",
        ",".join(f"DNS:a{number}.example" for number in range(MAX_NAMES + 1)),
    ],
    ids=lambda text: ascii(text)[:40],
)
def test_what_is_no_name_is_refused(text):
    """A03, A04, A05: whoever registers is held to the same names as who requests."""
    with pytest.raises(InvalidInput):
        parse(text)
