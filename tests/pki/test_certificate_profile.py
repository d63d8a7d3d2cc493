import dataclasses
import ipaddress
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from app.errors import NotAllowed, ProfileViolation
from app.pki import distinguished_name
from app.pki.certificate_profile import CertificateProfile
from app.pki.certification_request import CertificationRequest
from app.pki.enrolment_request import EnrolmentRequest
from app.pki.profile_rules import (
    NEVER_FROM_A_REQUEST,
    AlternativeNamesRule,
    BasicConstraintsRule,
    CertificatePoliciesRule,
    ExtendedKeyUsageRule,
    KeyRule,
    KeyUsageRule,
    Policy,
    ValidityRule,
    Verdict,
)
from tests.builders import csr, key

SUBJECT = distinguished_name.of_common_name("f60c28")
PROFILE = CertificateProfile(
    name="CFREE",
    sha256="0" * 64,
    cas=None,
    key=KeyRule(rsa_min_bits=2048, rsa_max_bits=4096),
    alternative_names=AlternativeNamesRule(dns=True, ip=True, maximum=3),
    key_usage=KeyUsageRule(frozenset({"digitalSignature", "keyEncipherment"}), critical=False),
    extended_key_usage=ExtendedKeyUsageRule(()),
    basic_constraints=BasicConstraintsRule(ca=False, critical=False),
    validity=ValidityRule(timedelta(days=730), timedelta(minutes=10)),
    hash_algorithm=hashes.SHA256(),
)
DNS = x509.DNSName("device.example")
IP = x509.IPAddress(ipaddress.ip_address("192.0.2.1"))


def asking(*extensions, signing_key=None) -> EnrolmentRequest:
    request = csr("somebody else", signing_key=signing_key, extensions=extensions)
    read = CertificationRequest.from_der(request.public_bytes(serialization.Encoding.DER))
    return EnrolmentRequest.of(read, "f60c28", SUBJECT)


def asking_for_names(*names) -> EnrolmentRequest:
    return asking((x509.SubjectAlternativeName(names), False))


def with_key(public_key) -> EnrolmentRequest:
    return dataclasses.replace(asking(), public_key=public_key)


def value(template, kind):
    return next(extension for extension in template.extensions if isinstance(extension.value, kind))


def test_subject_is_the_one_given_and_not_the_requests():
    """A01."""
    assert PROFILE.apply(asking()).subject == SUBJECT


def test_template_holds_the_requests_key_and_the_profiles_dates_and_names_the_profile():
    template = PROFILE.apply(asking())

    assert template.public_key == key().public_key()
    assert (template.validity, template.backdated) == (timedelta(days=730), timedelta(minutes=10))
    assert (template.profile, template.profile_sha256) == ("CFREE", "0" * 64)


def test_what_the_library_cannot_encode_is_a_refusal_and_no_failure():
    """Whatever a rule let through: it is known before anything is recorded or signed."""
    beyond = CertificatePoliciesRule((Policy(ExtensionOID.CERTIFICATE_POLICIES, "https://pki.ex\u00e4mple/"),))

    with pytest.raises(ProfileViolation, match="no certificate can be made of it"):
        dataclasses.replace(PROFILE, policies=beyond).apply(asking())


def test_plain_request_gets_exactly_the_profiles_extensions():
    template = PROFILE.apply(asking())

    assert [extension.oid for extension in template.extensions] == [
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
    ]
    assert value(template, x509.BasicConstraints).value == x509.BasicConstraints(ca=False, path_length=None)
    usage = value(template, x509.KeyUsage).value
    assert usage.digital_signature
    assert usage.key_encipherment
    assert not usage.content_commitment
    assert not usage.data_encipherment
    assert not usage.key_agreement
    assert not usage.key_cert_sign
    assert not usage.crl_sign


def test_subject_key_identifier_is_of_the_requests_key():
    expected = x509.SubjectKeyIdentifier.from_public_key(key().public_key())

    assert value(PROFILE.apply(asking()), x509.SubjectKeyIdentifier).value == expected


@pytest.mark.parametrize("critical", [False, True])
@pytest.mark.parametrize("path_length", [None, 0, 3])
def test_request_to_be_a_ca_makes_no_ca(critical, path_length):
    """A14."""
    request = asking((x509.BasicConstraints(ca=True, path_length=path_length), critical))

    template = PROFILE.apply(request)

    assert [e.value.ca for e in template.extensions if isinstance(e.value, x509.BasicConstraints)] == [False]


@pytest.mark.parametrize(
    "usage",
    [ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE, ExtendedKeyUsageOID.OCSP_SIGNING, ExtendedKeyUsageOID.CODE_SIGNING],
)
def test_extended_key_usage_asked_for_is_replaced_by_the_profiles(usage):
    """A15."""
    profile = dataclasses.replace(PROFILE, extended_key_usage=ExtendedKeyUsageRule((ExtendedKeyUsageOID.CLIENT_AUTH,)))

    template = profile.apply(asking((x509.ExtendedKeyUsage([usage]), True)))

    assert list(value(template, x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.CLIENT_AUTH]


@pytest.mark.parametrize("oid", sorted(NEVER_FROM_A_REQUEST, key=lambda oid: oid.dotted_string))
def test_extension_that_no_request_may_bring_is_never_copied(oid):
    """A16."""
    asked = x509.Extension(oid, False, x509.UnrecognizedExtension(oid, b"asked"))  # noqa: FBT003
    request = dataclasses.replace(asking(), extensions=x509.Extensions([asked]))

    assert asked not in PROFILE.apply(request).extensions


def test_unknown_extension_is_dropped():
    """A19."""
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")

    template = PROFILE.apply(asking((unknown, False)))

    assert unknown not in [extension.value for extension in template.extensions]


def test_unknown_extension_the_request_insists_on_is_refused_by_its_oid():
    """A19."""
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")

    with pytest.raises(ProfileViolation, match=r"1\.3\.6\.1\.4\.1\.55555\.1"):
        PROFILE.apply(asking((unknown, True)))


@pytest.mark.parametrize(
    ("public_key", "reason"),
    [
        (rsa.RSAPublicNumbers(65537, 2**1023 + 1).public_key(), "Illegal key length: 1024"),
        (rsa.RSAPublicNumbers(65537, 2**2046 + 1).public_key(), "Illegal key length: 2047"),
        (rsa.RSAPublicNumbers(65537, 2**4096 + 1).public_key(), "Illegal key length: 4097"),
        (rsa.RSAPublicNumbers(3, 2**2047 + 1).public_key(), "exponent is 3"),
        (rsa.RSAPublicNumbers(65535, 2**2047 + 1).public_key(), "exponent is 65535"),
        (ec.generate_private_key(ec.SECP256R1()).public_key(), "Illegal key length: 256"),
        (ec.generate_private_key(ec.SECP256K1()).public_key(), "secp256k1"),
        (ed25519.Ed25519PrivateKey.generate().public_key(), "Ed25519"),
    ],
    ids=["1024 bits", "2047 bits", "4097 bits", "e=3", "e=65535", "P-256", "secp256k1", "Ed25519"],
)
def test_key_the_profile_does_not_allow_is_refused(public_key, reason):
    """A26, A27, A32."""
    with pytest.raises(ProfileViolation, match=reason):
        PROFILE.apply(with_key(public_key))


@pytest.mark.parametrize("bits", [2048, 4096])
def test_key_at_the_edge_of_what_is_allowed_is_accepted(bits):
    """A26."""
    public_key = rsa.RSAPublicNumbers(65537, 2 ** (bits - 1) + 1).public_key()
    profile = dataclasses.replace(PROFILE, key=dataclasses.replace(PROFILE.key, refuse_weak=False))

    assert profile.apply(with_key(public_key)).public_key == public_key


@pytest.mark.parametrize(
    ("rule", "private"),
    [
        (KeyRule(curves=("secp256r1",)), ec.generate_private_key(ec.SECP256R1())),
        (KeyRule(ed25519=True), ed25519.Ed25519PrivateKey.generate()),
    ],
    ids=["P-256", "Ed25519"],
)
def test_profile_without_rsa_takes_its_own_kind_of_key_alone(rule, private):
    profile = dataclasses.replace(PROFILE, key=rule)

    assert profile.apply(with_key(private.public_key())).public_key == private.public_key()
    with pytest.raises(ProfileViolation, match="RSA"):
        profile.apply(asking())


def test_alternative_names_are_kept_as_asked():
    template = PROFILE.apply(asking_for_names(DNS, IP))

    assert list(value(template, x509.SubjectAlternativeName).value) == [DNS, IP]


@pytest.mark.parametrize(
    "name",
    [
        x509.RFC822Name("a@device.example"),
        x509.UniformResourceIdentifier("https://device.example"),
        x509.DirectoryName(SUBJECT),
        x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
        x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x01a"),
        x509.DNSName("*.example"),
        x509.DNSName("a_b.example"),
        x509.DNSName("-a.example"),
        x509.DNSName("a.example."),
        x509.DNSName("a..example"),
        x509.DNSName("a" * 64 + ".example"),
        x509.DNSName(".".join(["a" * 63] * 4)),
    ],
    ids=lambda name: f"{type(name).__name__} {str(name.value)[:12]}",
)
@pytest.mark.parametrize("place", [0, 1, 2], ids=["first", "middle", "last"])
def test_alternative_name_that_is_not_allowed_refuses_the_request_wherever_it_stands(name, place):
    """A02, A03."""
    names = [DNS, IP]
    names.insert(place, name)

    with pytest.raises(ProfileViolation, match="alternative name"):
        PROFILE.apply(asking_for_names(*names))


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        (AlternativeNamesRule(dns=False, ip=True, maximum=3), DNS),
        (AlternativeNamesRule(dns=True, ip=False, maximum=3), IP),
    ],
    ids=["DNS", "IP"],
)
def test_type_of_name_that_is_switched_off_is_refused(rule, name):
    with pytest.raises(ProfileViolation, match=type(name).__name__):
        dataclasses.replace(PROFILE, alternative_names=rule).apply(asking_for_names(name))


def test_more_alternative_names_than_allowed_are_refused():
    """A22."""
    names = [x509.DNSName(f"device{number}.example") for number in range(4)]

    assert PROFILE.apply(asking_for_names(*names[:3]))
    with pytest.raises(ProfileViolation, match="1 to 3 names, not 4"):
        PROFILE.apply(asking_for_names(*names))


def test_all_broken_rules_are_listed_together():
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
    email = x509.SubjectAlternativeName([x509.RFC822Name("a@device.example"), x509.DNSName("a_b")])
    request = dataclasses.replace(
        asking((unknown, True), (email, False)), public_key=rsa.RSAPublicNumbers(65537, 2**1023 + 1).public_key()
    )

    with pytest.raises(ProfileViolation) as violation:
        PROFILE.apply(request)

    found = violation.value.violations
    assert len(found) == 4
    for expected, sentence in zip(["1024", "RFC822Name", "a_b", "55555"], found, strict=True):
        assert expected in sentence
    assert str(violation.value) == " ".join(found)


def test_judgement_names_what_is_kept_written_and_dropped():
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
    request = asking((x509.SubjectAlternativeName([DNS]), False), (usage, False))

    findings = {(finding.field, finding.verdict) for _, finding in PROFILE.judge(request)}

    assert findings == {
        ("subject", Verdict.WRITTEN),
        ("subject of the request", Verdict.DROPPED),
        ("public key", Verdict.KEPT),
        ("validity", Verdict.WRITTEN),
        ("basicConstraints", Verdict.WRITTEN),
        ("keyUsage", Verdict.WRITTEN),
        ("subjectKeyIdentifier", Verdict.WRITTEN),
        ("subjectAltName", Verdict.KEPT),
        (ExtensionOID.EXTENDED_KEY_USAGE.dotted_string, Verdict.DROPPED),
    }


def test_every_rule_names_its_clause():
    assert all(rule.clause for rule in PROFILE.rules)


def test_profile_for_any_ca_may_be_used_with_every_ca():
    PROFILE.check_authority("IOTmidCA")


def test_profile_bound_to_one_ca_may_not_be_used_with_another():
    """A57."""
    bound = dataclasses.replace(PROFILE, cas=frozenset({"IOTmidCA"}))

    bound.check_authority("IOTmidCA")
    with pytest.raises(NotAllowed, match="may not be used with CA Other"):
        bound.check_authority("Other")
