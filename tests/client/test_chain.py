from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from app.client.certification_request import Names
from app.client.chain import check_certificate, read_certificates, to_pem, verified_chain
from app.client.errors import BadAnswer, NotVerified
from app.client.revocation_list import verify_list

NOW = datetime(2026, 1, 31, tzinfo=UTC)
KEYS = {name: ed25519.Ed25519PrivateKey.generate() for name in ("root", "mid", "device", "stranger")}
BASIC_CONSTRAINTS, KEY_USAGE = b"\x55\x1d\x13", b"\x55\x1d\x0f"  # OIDs
YEAR = timedelta(days=365)


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def certificate(
    subject: str,
    issuer: str,
    *,
    ca: bool = True,
    path_length: int | None = None,
    signer: str = "",
    begin: datetime = NOW - YEAR,
    end: datetime = NOW + YEAR,
    cert_sign: bool = True,
) -> x509.Certificate:
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(named(subject))
        .issuer_name(named(issuer))
        .public_key(KEYS[subject].public_key())
        .serial_number(7)
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length if ca else None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=True, key_cert_sign=cert_sign, crl_sign=True, **usage), critical=True
        )
        .sign(KEYS[signer or issuer], None)
    )


ROOT = certificate("root", "root")
MID = certificate("mid", "root", path_length=0)
DEVICE = certificate("device", "mid", ca=False)
NAMES = Names.of("device")


@pytest.mark.parametrize("given", [[MID, ROOT], [ROOT, MID]], ids=["root last", "root first"])
def test_a_chain_is_put_in_order_from_the_ca_to_the_root(given):
    assert verified_chain(given, NOW) == (MID, ROOT)


def test_a_root_alone_is_a_chain():
    assert verified_chain([ROOT], NOW) == (ROOT,)


@pytest.mark.parametrize(
    ("chain", "reason"),
    [
        ([MID], "no chain to a root"),
        ([MID, certificate("root", "root", signer="stranger")], "no chain to a root"),
        ([certificate("mid", "root", signer="stranger"), ROOT], "CN=mid is not signed by CN=root"),
        ([DEVICE, MID, ROOT], "CN=device is no CA"),
        ([certificate("mid", "root", cert_sign=False), ROOT], "CN=mid may not sign certificates"),
        ([MID, certificate("root", "root", path_length=0)], "CN=root may not have a CA so far below"),
        ([certificate("mid", "root", end=NOW), ROOT], "CN=mid ended at 2026-01-31"),
        ([MID, certificate("root", "root", begin=NOW + timedelta(hours=1))], "CN=root is not valid before"),
        ([ROOT] * 11, "a chain of 11"),
    ],
)
def test_a_chain_that_would_not_be_believed_in_tls_is_refused(chain, reason):
    with pytest.raises(NotVerified, match=reason):
        verified_chain(chain, NOW)


def test_a_certificate_of_the_ca_passes_and_a_clock_that_is_minutes_behind_does_not_matter():
    check_certificate(DEVICE, KEYS["device"], NAMES, (MID, ROOT), NOW - YEAR - timedelta(minutes=4))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (certificate("device", "mid", ca=False, signer="stranger"), "not issued by CN=mid"),
        (certificate("device", "root", ca=False), "not issued by CN=mid but by CN=root"),
        (certificate("device", "mid\x1b[2J", ca=False, signer="mid"), r"by CN=mid \[2J\."),
        (certificate("device", "mid"), "makes a CA of its holder"),
        (certificate("device", "mid", ca=False, end=NOW), "ended at"),
        (certificate("device", "mid", ca=False, begin=NOW + timedelta(hours=1)), "not valid before"),
    ],
)
def test_a_certificate_that_is_of_no_use_is_refused(wrong, reason):
    with pytest.raises(NotVerified, match=reason):
        check_certificate(wrong, KEYS["device"], NAMES, (MID, ROOT), NOW)


def test_a_certificate_with_an_extension_twice_is_refused():
    twice = certificate("device", "mid", ca=False).public_bytes(Encoding.DER).replace(KEY_USAGE, BASIC_CONSTRAINTS)

    with pytest.raises(NotVerified, match="holds something that cannot be read"):
        check_certificate(x509.load_der_x509_certificate(twice), KEYS["device"], NAMES, (MID, ROOT), NOW)


@pytest.mark.parametrize("value", [None, 1, "", "AAAA", "\N{SNOWMAN}", to_pem([ROOT]).decode()[:200]])
def test_a_value_that_holds_no_certificate_is_refused(value):
    with pytest.raises(BadAnswer, match="the answer is no certificate"):
        read_certificates(value, "the answer")


# ---------------------------------------------------------------------------------------------------- revocation lists


def crl(
    *extensions: x509.ExtensionType,
    signer: str = "mid",
    issuer: str = "mid",
    begin: datetime = NOW,
    end: datetime = NOW + timedelta(days=7),
) -> x509.CertificateRevocationList:
    builder = x509.CertificateRevocationListBuilder().issuer_name(named(issuer)).last_update(begin).next_update(end)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    return builder.sign(KEYS[signer], None)


def scope(**only: bool) -> x509.IssuingDistributionPoint:
    kinds = ("only_contains_user_certs", "only_contains_ca_certs", "indirect_crl", "only_contains_attribute_certs")
    where = None if only else [x509.UniformResourceIdentifier("http://ca.example/IOTmidCA.crl")]
    return x509.IssuingDistributionPoint(
        full_name=where, relative_name=None, only_some_reasons=None, **(dict.fromkeys(kinds, False) | only)
    )


@pytest.mark.parametrize("extensions", [(), (x509.CRLNumber(5),), (scope(),)], ids=["bare", "numbered", "with its URL"])
def test_the_full_list_of_the_ca_is_believed(extensions):
    verify_list(crl(*extensions), MID, NOW)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (crl(signer="stranger"), "not signed by CN=mid"),
        (crl(issuer="root"), "not signed by CN=mid"),
        (crl(begin=NOW - YEAR, end=NOW), "has run out"),
        (crl(begin=NOW + timedelta(hours=1)), "of a time yet to come"),
        (crl(x509.DeltaCRLIndicator(4)), "not the full one"),
        (crl(scope(only_contains_ca_certs=True)), "not the full one"),
        (crl(scope(indirect_crl=True)), "not the full one"),
    ],
)
def test_a_list_that_says_less_than_it_seems_is_refused(wrong, reason):
    with pytest.raises(NotVerified, match=reason):
        verify_list(wrong, MID, NOW)
