"""What is explained is what is issued, field by field; and explaining signs nothing and writes nothing."""

import dataclasses
import tempfile
from functools import cache
from pathlib import Path

import pytest
import yaml
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import InvalidInput, MalformedRequest, Refusal, UnknownAuthority, UnknownEndEntity
from app.files.profile_files import load_profile
from app.operations.profiles import Profiles
from app.pki.profile_rules import Verdict
from app.pki.revocation import RevocationReason
from tests.builders import csr, key, one_line
from tests.conftest import ACTOR
from tests.files.test_profile_files import VALID

REQUEST = one_line(csr())
PASSWORD = "0123456789abcdef0123456789abcdef"  # looks random, so it is not stretched
USERNAMES = ["f60c28", "abc", "a b"]
UNKNOWN = x509.ObjectIdentifier("1.3.6.1.4.1.55555.1")
FIELDS = {
    "basicConstraints": "2.5.29.19",
    "keyUsage": "2.5.29.15",
    "extKeyUsage": "2.5.29.37",
    "subjectKeyIdentifier": "2.5.29.14",
    "subjectAltName": "2.5.29.17",
    "certificatePolicies": "2.5.29.32",
    "tlsFeature": "1.3.6.1.5.5.7.1.24",
    "authorityKeyIdentifier": "2.5.29.35",
}


@cache
def keys(holder: int):
    """One key, one holder: each end entity has keys of its own."""
    return {
        "RSA": key(10 + holder),
        "P-256": ec.generate_private_key(ec.SECP256R1()),
        "P-384": ec.generate_private_key(ec.SECP384R1()),
        "Ed25519": ed25519.Ed25519PrivateKey.generate(),
    }


NAMES = st.sampled_from(
    [
        x509.DNSName("a.example"),
        x509.DNSName("b.devices.example"),
        x509.DNSName("a_b"),
        x509.UniformResourceIdentifier("urn:dojot:a"),
        x509.RFC822Name("a@devices.example"),
        x509.RegisteredID(UNKNOWN),
    ]
)
EXTENSIONS = st.sampled_from(
    [
        x509.BasicConstraints(ca=True, path_length=None),
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]),
        x509.UnrecognizedExtension(UNKNOWN, b"\x05\x00"),
        x509.TLSFeature([x509.TLSFeatureType.status_request]),
        x509.CertificatePolicies([x509.PolicyInformation(UNKNOWN, None)]),
        x509.OCSPNoCheck(),
    ]
)


@st.composite
def requests(draw):
    asked = {value.oid: value for value in draw(st.lists(EXTENSIONS, max_size=3))}
    extensions = [(value, draw(st.booleans())) for value in asked.values()]
    if names := draw(st.lists(NAMES, max_size=3)):
        extensions.append((x509.SubjectAlternativeName(names), draw(st.booleans())))
    username = draw(st.sampled_from(USERNAMES))
    signing_key = keys(USERNAMES.index(username))[draw(st.sampled_from(["RSA", "RSA", "P-256", "P-384", "Ed25519"]))]
    return username, one_line(csr("asked", signing_key=signing_key, extensions=tuple(extensions)))


@st.composite
def profiles(draw):
    """Documents that are good profiles; keys that could contradict each other are drawn together."""
    document = {
        **VALID,
        "key": {
            "rsa": {"min": draw(st.sampled_from([2048, 3072])), "max": 4096},
            "curves": draw(st.sampled_from([[], ["P-256"], ["P-256", "P-384"]])),
            "ed25519": draw(st.booleans()),
        },
        "validity": draw(st.sampled_from([1, 730, 30000, "36h", "2y 3mo"])),
        "backdate": draw(st.integers(0, 60)),
        "signature_hash": draw(st.sampled_from(["SHA256", "SHA512", "inherit"])),
        "subject": draw(
            st.sampled_from(
                ["entity", {"attributes": ["O", "CN"]}, {"template": "CN=x-{username},O=y"}, {"common_name": "[a-z]+"}]
            )
        ),
        "alternative_names": {
            "dns": draw(st.sampled_from([True, False, [r"[a-z]+\.devices\.example"]])),
            "uri": draw(st.booleans()),
            "email": draw(st.booleans()),
            "templates": draw(st.sampled_from([[], ["dns:{username}.example"], ["email:{username}@devices.example"]])),
            "required": False,
            "otherwise": draw(st.sampled_from(["refuse", "drop"])),
            "critical": draw(st.booleans()),
        },
        "key_usage": {
            "bits": draw(
                st.sampled_from([["digitalSignature"], ["digitalSignature", "keyAgreement", "keyEncipherment"]])
            ),
            "critical": draw(st.booleans()),
        },
        "extended_key_usage": draw(st.sampled_from([[], ["clientAuth"], {"usages": ["1.2.3"], "critical": True}])),
        "must_staple": draw(st.booleans()),
    }
    source = draw(st.sampled_from(["none", "kept", "static"]))
    if source == "kept":
        document["keep_extensions"] = [UNKNOWN.dotted_string, "2.5.29.32"]
    if source == "static":
        document["extensions"] = [{"oid": UNKNOWN.dotted_string, "der": "0500", "critical": draw(st.booleans())}]
    if source != "kept" and draw(st.booleans()):
        document["policies"] = [{"oid": "1.3.6.1.4.1.55555.9"}]
    return document


def profile_of(document):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "CFREE.yaml"
        path.write_text(yaml.safe_dump(document))
        return load_profile(path)


def comparable(certificate: x509.Certificate):
    """All but serial and signature, by a parser that is not the one that wrote it."""
    body = asn1.Certificate.load(certificate.public_bytes(Encoding.DER))["tbs_certificate"]
    return {name: body[name].dump() for name in body if name != "serial_number"}


@given(document=profiles(), asked=requests())
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_explained_is_what_is_issued(installation, document, asked):
    username, request = asked
    profile = profile_of(document)
    object.__setattr__(installation.services.issuance, "profiles", Profiles(lambda: {"CFREE": profile}))
    installation.add(username, PASSWORD, subject_dn=f"CN={username},O=dojot", end_entity_profile="EMPTY")

    explanation = installation.services.explanations.explain(profile, request, entity=username)

    refused = [decision for decision in explanation.decisions if decision.verdict is Verdict.REFUSED]
    if explanation.refused:
        with pytest.raises(Refusal) as refusal:
            installation.sign(username, PASSWORD, request)
        assert refused
        assert all(decision.reason in str(refusal.value) for decision in refused)
        return
    assert not refused
    issued = installation.sign(username, PASSWORD, request).certificate
    assert comparable(issued) == comparable(explanation.draft)
    said = {
        FIELDS.get(decision.field, decision.field)
        for decision in explanation.decisions
        if decision.verdict in {Verdict.KEPT, Verdict.WRITTEN}
    } - {"subject", "public key", "validity", "issuer", "serialNumber"}
    assert said == {extension.oid.dotted_string for extension in issued.extensions}


def profile(installation, name="CFREE"):
    return installation.services.profiles.named(name)


def test_explaining_signs_nothing_takes_no_serial_and_writes_nothing(installation):
    installation.add()
    object.__setattr__(installation.services.issuance, "new_serial", None)
    before, signed = installation.settings.database.read_bytes(), installation.oracle.signed()

    explanation = installation.services.explanations.explain(profile(installation), REQUEST, entity="f60c28")

    assert not explanation.refused
    assert installation.oracle.signed() == signed
    assert installation.settings.database.read_bytes() == before


def test_draft_is_not_signed_by_the_ca(installation):
    explanation = installation.services.explanations.explain(profile(installation), REQUEST, subject="CN=f60c28")
    authority = installation.services.authorities.named("IOTmidCA").certificate

    assert explanation.draft.issuer == authority.subject
    with pytest.raises(InvalidSignature):
        explanation.draft.verify_directly_issued_by(authority)


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        ({}, InvalidInput),
        ({"entity": "f60c28", "subject": "CN=f60c28"}, InvalidInput),
        ({"entity": "nobody"}, UnknownEndEntity),
        ({"subject": "nonsense"}, InvalidInput),
        ({"subject": "CN=a", "ca": "None"}, UnknownAuthority),
    ],
    ids=str,
)
def test_question_that_cannot_be_answered_is_refused(installation, arguments, refusal):
    with pytest.raises(refusal):
        installation.services.explanations.explain(profile(installation), REQUEST, **arguments)


def test_request_that_cannot_be_read_is_refused(installation):
    with pytest.raises(MalformedRequest):
        installation.services.explanations.explain(profile(installation), "AAAA", subject="CN=a")


def reasons(installation, request=REQUEST, changed=None, **for_whom):
    found = changed or profile(installation)
    explanation = installation.services.explanations.explain(found, request, **for_whom)
    assert explanation.refused
    return [decision.reason for decision in explanation.decisions if decision.verdict is Verdict.REFUSED]


def test_key_of_another_end_entity_is_refused_in_the_explanation_too(installation):
    installation.add("first")
    installation.sign("first", "dojot", REQUEST)

    assert "same key" in reasons(installation, subject="CN=second")[0]


def test_subject_of_a_ca_and_a_ca_that_may_not_use_the_profile_are_refused_in_the_explanation_too(installation):
    bound = dataclasses.replace(profile(installation), cas=frozenset({"other"}))

    assert "subject of a CA" in reasons(installation, subject="CN=IOTmidCA,O=EJBCA IOT,C=SE")[0]
    assert "may not be used" in reasons(installation, subject="CN=a", changed=bound)[0]


def test_end_that_lies_in_the_past_is_refused_in_the_explanation_too(installation):
    ended = profile_of({**VALID, "validity": "2020-01-01"})

    assert "has ended" in reasons(installation, subject="CN=a", changed=ended)[0]


def test_absolute_end_is_the_end_of_what_is_issued(installation):
    until = profile_of({**VALID, "validity": "2030-01-01T00:00:00Z"})
    object.__setattr__(installation.services.issuance, "profiles", Profiles(lambda: {"CFREE": until}))
    installation.add()

    certificate = installation.sign("f60c28", "dojot", REQUEST).certificate

    assert certificate.not_valid_after_utc.isoformat() == "2030-01-01T00:00:00+00:00"


def test_compromised_key_is_refused_for_ever_for_the_same_end_entity_too(installation):
    """A31."""
    installation.add()
    installation.sign("f60c28", "dojot", REQUEST)
    installation.services.end_entities.revoke("f60c28", RevocationReason.KEYCOMPROMISE, ACTOR)
    installation.add()

    with pytest.raises(Refusal, match="compromised and is never certified again"):
        installation.sign("f60c28", "dojot", REQUEST)
    assert "compromised" in reasons(installation, entity="f60c28")[0]


@pytest.mark.parametrize("reason", [RevocationReason.SUPERSEDED, RevocationReason.CERTIFICATEHOLD])
def test_key_that_was_revoked_for_another_reason_may_be_certified_again(installation, reason):
    installation.add()
    installation.sign("f60c28", "dojot", REQUEST)
    installation.services.end_entities.revoke("f60c28", reason, ACTOR)
    installation.add()

    assert installation.sign("f60c28", "dojot", REQUEST)


def test_two_end_entities_never_come_out_with_one_name(installation):
    """A13: a profile that keeps less of the names than tells them apart."""
    shortened = profile_of({**VALID, "subject": {"attributes": ["CN"]}})
    object.__setattr__(installation.services.issuance, "profiles", Profiles(lambda: {"CFREE": shortened}))
    installation.add("first", subject_dn="CN=same,O=a", end_entity_profile="EMPTY")
    installation.add("second", subject_dn="CN=same,O=b", end_entity_profile="EMPTY")
    installation.sign("first", "dojot", REQUEST)
    other = one_line(csr(signing_key=key(1)))

    assert "'first'" in reasons(installation, other, shortened, entity="second")[0]
    with pytest.raises(Refusal, match="same subject DN as the user"):
        installation.sign("second", "dojot", other)
    installation.services.end_entities.revoke("first", RevocationReason.SUPERSEDED, ACTOR)
    assert installation.sign("second", "dojot", other).certificate.subject.rfc4514_string() == "CN=same"


def test_profile_decides_whether_a_key_is_certified_again(installation):
    """A29."""
    once = dataclasses.replace(profile(installation), renewal_with_same_key=False)
    object.__setattr__(installation.services.issuance, "profiles", Profiles(lambda: {"CFREE": once}))
    installation.add()
    first = installation.sign("f60c28", "dojot", REQUEST)

    assert installation.sign("f60c28", "dojot", REQUEST) == first  # a lost answer is no renewal
    installation.add()
    with pytest.raises(Refusal, match="certifies a key once"):
        installation.sign("f60c28", "dojot", REQUEST)
    assert installation.sign("f60c28", "dojot", one_line(csr(signing_key=key(1))))
