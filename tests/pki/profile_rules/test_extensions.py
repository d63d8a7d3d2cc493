import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from app.pki.profile_rules import (
    NEVER_FROM_A_REQUEST,
    BasicConstraintsRule,
    CertificatePoliciesRule,
    ExtendedKeyUsageRule,
    KeyUsageRule,
    MustStapleRule,
    OtherExtensionsRule,
    Policy,
    StaticExtensionsRule,
    SubjectKeyIdentifierRule,
)
from app.pki.profile_rules.rule import Rule
from tests.pki.profile_rules.requests import asking, verdicts, written

OID = x509.ObjectIdentifier("1.3.6.1.4.1.55555.1")
ASKED = x509.UnrecognizedExtension(OID, b"\x05\x00")
KEYS = {
    "RSA": None,
    "EC": ec.generate_private_key(ec.SECP256R1()).public_key(),
    "Ed25519": ed25519.Ed25519PrivateKey.generate().public_key(),
}
MICROSOFT = x509.ObjectIdentifier("1.3.6.1.4.1.311.21.10")  # its application policies
ALL_BITS = frozenset(KeyUsageRule.NAMES) - {"keyCertSign", "cRLSign", "decipherOnly"}


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        ("RSA", {"keyAgreement", "encipherOnly"}),
        ("EC", {"keyEncipherment", "dataEncipherment"}),
        ("Ed25519", {"keyAgreement", "encipherOnly", "keyEncipherment", "dataEncipherment"}),
    ],
)
def test_key_usage_bit_goes_only_to_keys_that_can_do_it(kind, missing):
    rule = KeyUsageRule(ALL_BITS, critical=True)
    request = asking(public_key=KEYS[kind])

    (finding,) = rule.judge(request)
    assert set(finding.reason.removesuffix("; critical").split(", ")) == ALL_BITS - missing
    (usage,) = written(rule, request)
    assert usage.key_encipherment == ("keyEncipherment" not in missing)
    assert usage.key_agreement == ("keyAgreement" not in missing)


def test_policies_are_written_with_their_practice_statement():
    rule = CertificatePoliciesRule((Policy(OID, "https://pki.example/cps"), Policy(ExtendedKeyUsageOID.CLIENT_AUTH)))

    (policies,) = written(rule, asking())

    assert [(p.policy_identifier, p.policy_qualifiers) for p in policies] == [
        (OID, ["https://pki.example/cps"]),
        (ExtendedKeyUsageOID.CLIENT_AUTH, None),
    ]
    assert written(CertificatePoliciesRule(), asking()) == []


def test_must_staple_is_the_tls_feature_status_request():
    assert written(MustStapleRule(must_staple=True), asking()) == [
        x509.TLSFeature([x509.TLSFeatureType.status_request])
    ]
    assert written(MustStapleRule(), asking()) == []


def test_static_extension_is_written_whatever_is_asked():
    value = x509.Extension(OID, True, x509.UnrecognizedExtension(OID, b"\x0c\x01a"))  # noqa: FBT003

    assert list(StaticExtensionsRule((value,)).extensions(asking((ASKED, False)))) == [value]


@pytest.mark.parametrize("critical", [False, True])
def test_listed_extension_is_kept_as_it_was_asked(critical):
    rule = OtherExtensionsRule(kept=frozenset({OID}))

    assert verdicts(rule, asking((ASKED, critical))) == ["kept"]
    (kept,) = rule.extensions(asking((ASKED, critical)))
    assert (kept.value, kept.critical) == (ASKED, critical)


@pytest.mark.parametrize(
    "value", [b"", b"\x05", b"\x05\x81\x00", b"\x05\x00\x05\x00", b"\x30\x80\x00\x00"], ids=bytes.hex
)
def test_listed_extension_that_is_not_der_is_refused(value):
    rule = OtherExtensionsRule(kept=frozenset({OID}))

    assert verdicts(rule, asking((x509.UnrecognizedExtension(OID, value), False))) == ["refused"]


def test_listed_extension_that_would_be_written_otherwise_is_refused():
    rule = OtherExtensionsRule(kept=frozenset({ExtensionOID.CERTIFICATE_POLICIES}))
    policies = x509.CertificatePolicies([x509.PolicyInformation(OID, None)])
    request = asking((policies, False))

    assert verdicts(rule, request) == ["kept"]
    object.__setattr__(request, "extension_values", {policies.oid: policies.public_bytes() + b"\0"})
    assert verdicts(rule, request) == ["refused"]


@pytest.mark.parametrize(
    "oid",
    sorted(
        NEVER_FROM_A_REQUEST | {MICROSOFT, ExtensionOID.SUBJECT_ALTERNATIVE_NAME, ExtensionOID.EXTENDED_KEY_USAGE},
        key=str,
    ),
    ids=lambda oid: oid.dotted_string,
)
def test_extension_that_no_request_may_bring_is_not_kept_even_where_it_is_listed(oid):
    """A16, A23."""
    rule = OtherExtensionsRule(kept=frozenset({oid}))
    request = asking((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\x05\x00"), False))
    asked = x509.Extension(oid, False, x509.UnrecognizedExtension(oid, b"\x05\x00"))  # noqa: FBT003
    object.__setattr__(request, "extensions", x509.Extensions([asked]))

    assert list(rule.extensions(request)) == []


def test_critical_extension_that_the_profile_writes_itself_is_overwritten_and_not_refused():
    assert verdicts(OtherExtensionsRule(written=frozenset({OID})), asking((ASKED, True))) == ["dropped"]
    assert verdicts(OtherExtensionsRule(), asking((ASKED, True))) == ["refused"]


@pytest.mark.parametrize(
    "rule",
    [
        BasicConstraintsRule(ca=False, critical=True),
        KeyUsageRule(ALL_BITS, critical=True),
        ExtendedKeyUsageRule((ExtendedKeyUsageOID.CLIENT_AUTH,)),
        SubjectKeyIdentifierRule(),
        CertificatePoliciesRule((Policy(OID),)),
        MustStapleRule(must_staple=True),
        OtherExtensionsRule(kept=frozenset({OID})),
    ],
    ids=lambda rule: type(rule).__name__,
)
def test_rule_that_contributes_an_extension_says_so_in_a_finding_and_in_its_description(rule: Rule):
    request = asking((ASKED, False))

    assert len(verdicts(rule, request)) == len(written(rule, request)) == 1
    assert rule.describe() != type(rule).__name__
    assert rule.clause


def test_policy_is_written_with_its_statement_and_its_notice():
    policy = Policy(OID, "https://pki.example/cps", "For devices of dojot.")

    (value,) = written(CertificatePoliciesRule((policy,)), asking())

    assert value[0].policy_qualifiers == ["https://pki.example/cps", x509.UserNotice(None, "For devices of dojot.")]
