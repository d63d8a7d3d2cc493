"""What is explained is what is issued, field by field; and explaining signs nothing and writes nothing."""

import dataclasses
import math
import re
import tempfile
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
import yaml
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import InvalidInput, MalformedRequest, Refusal, UnknownAuthority, UnknownEndEntity
from app.files.profile_files import load_profile
from app.operations.profiles import Profiles
from app.pki import alternative_name
from app.pki.certificate_fields import to_be_signed_text
from app.pki.distribution_points import DistributionPoints
from app.pki.period import Period
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
    "cRLDistributionPoints": "2.5.29.31",
    "freshestCRL": "2.5.29.46",
    "authorityInfoAccess": "1.3.6.1.5.5.7.1.1",
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
    extensions = [(value, draw(st.sampled_from([False, False, True]))) for value in asked.values()]
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
            "rsa": {"min": draw(st.sampled_from([2048, 2048, 2048, 3072])), "max": 4096},
            "curves": draw(st.sampled_from([["P-256", "P-384"], ["P-256", "P-384"], ["P-256"], []])),
            "ed25519": draw(st.booleans()),
        },
        "validity": draw(st.sampled_from([1, 730, 30000, "36h", "2y 3mo"])),
        "backdate": draw(st.integers(0, 60)),
        "no_end_on": draw(st.sampled_from([[], ["saturday", "sunday"]])),
        "signature_hash": draw(st.sampled_from(["SHA256", "SHA512", "inherit"])),
        "subject": draw(
            st.sampled_from(
                ["entity", {"attributes": ["O", "CN"]}, {"template": "CN=x-{username},O=y"}, {"common_name": "[a-z]+"}]
            )
        ),
        "alternative_names": {
            "source": draw(st.sampled_from(["both", "entity", "request"])),
            "dns": draw(st.sampled_from([True, False, [r"[a-z]+\.devices\.example"]])),
            "uri": draw(st.booleans()),
            "email": draw(st.booleans()),
            "templates": draw(st.sampled_from([[], ["dns:{username}.example"], ["email:{username}@devices.example"]])),
            "required": False,
            "otherwise": draw(st.sampled_from(["drop", "drop", "refuse"])),
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
    if document["validity"] in {1, "36h"}:  # too short to move its end
        del document["no_end_on"]
    if (longest := draw(st.sampled_from(["99y", 30000, "99y", None]))) is not None:
        document["validity_override"] = longest
    source = draw(st.sampled_from(["none", "kept", "static"]))
    if source == "kept":
        document["keep_extensions"] = [UNKNOWN.dotted_string, "2.5.29.32"]
    if source == "static":
        document["extensions"] = [{"oid": UNKNOWN.dotted_string, "der": "0500", "critical": draw(st.booleans())}]
    if source != "kept" and draw(st.booleans()):
        document["policies"] = [{"oid": "1.3.6.1.4.1.55555.9", "notice": "For devices."}]
    return document


def profile_of(document):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "CFREE.yaml"
        path.write_text(yaml.safe_dump(document))
        return load_profile(path)


PARTITION = re.compile(rb"~[0-9](?=(~delta)?\.crl)")  # one digit, so that no length changes


def comparable(certificate: x509.Certificate):
    """All but serial and signature, by a parser that is not the one that wrote it."""
    body = asn1.Certificate.load(certificate.public_bytes(Encoding.DER))["tbs_certificate"]
    return {name: PARTITION.sub(b"~?", body[name].dump()) for name in body if name != "serial_number"}


POINTS = st.builds(
    DistributionPoints,
    ca_name=st.just("IOTmidCA"),
    base_urls=st.just(("https://pki.example", "http://pki.example")),
    partitions=st.sampled_from([0, 2, 10]),
    deltas=st.booleans(),
)


PERIODS = st.builds(
    Period,
    start=st.none() | st.timedeltas(timedelta(0), timedelta(days=10)),
    end=st.none() | st.timedeltas(timedelta(days=9), timedelta(days=4000)),
)
REGISTERED = {
    "subject_alt_name": st.sampled_from(["", "DNS:a.example", "DNS:b.devices.example,URI:urn:dojot:a", "IP:10.1.2.3"]),
    "end_time": st.sampled_from(["", "", "20:0:0", "2030-01-01 00:00:00+00:00"]),
}


@given(
    document=profiles(),
    asked=requests(),
    points=st.none() | POINTS,
    beside=st.tuples(st.fixed_dictionaries(REGISTERED), st.none() | PERIODS),
)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_explained_is_what_is_issued(installation, document, asked, points, beside):
    object.__setattr__(installation.services.authorities.named("IOTmidCA"), "points", points)
    (username, request), (registered, period) = asked, beside
    profile = profile_of(document)
    object.__setattr__(installation.services.issuance, "profiles", Profiles(lambda: {"CFREE": profile}))
    installation.add(username, PASSWORD, subject_dn=f"CN={username},O=dojot", end_entity_profile="EMPTY")
    store, entity = installation.services.end_entities.store, installation.services.end_entities.find(username)
    names = alternative_name.to_string(alternative_name.parse(registered["subject_alt_name"]))
    with installation.services.database.transaction():  # the profile may have changed since it was registered
        store.save(dataclasses.replace(entity, **registered | {"subject_alt_name": names}))

    explanation = installation.services.explanations.explain(profile, request, ACTOR, entity=username, period=period)

    refused = [decision for decision in explanation.decisions if decision.verdict is Verdict.REFUSED]
    if explanation.refused:
        with pytest.raises(Refusal) as refusal:
            installation.services.issuance.issue(username, PASSWORD, request, ACTOR, period)
        assert refused
        assert all(decision.reason in str(refusal.value) for decision in refused)
        return
    assert not refused
    issued = installation.services.issuance.issue(username, PASSWORD, request, ACTOR, period).certificate
    assert comparable(issued) == comparable(explanation.draft)
    said = {
        FIELDS.get(decision.field, decision.field)
        for decision in explanation.decisions
        if decision.verdict in {Verdict.KEPT, Verdict.WRITTEN}
    } - {"subject", "public key", "validity", "issuer", "serialNumber"}
    for decision in explanation.decisions:
        if decision.verdict in {Verdict.KEPT, Verdict.WRITTEN} and (oid := FIELDS.get(decision.field)):
            critical = issued.extensions.get_extension_for_oid(x509.ObjectIdentifier(oid)).critical
            assert ("; critical" in decision.reason, "; not critical" in decision.reason) == (critical, not critical)
    assert said == {extension.oid.dotted_string for extension in issued.extensions}


def profile(installation, name="CFREE"):
    return installation.services.profiles.named(name)


def test_explaining_signs_nothing_takes_no_serial_and_writes_nothing(installation):
    installation.add()
    object.__setattr__(installation.services.issuance, "new_serial", None)
    before, signed = installation.database_bytes(), installation.oracle.signed()

    explanation = installation.services.explanations.explain(profile(installation), REQUEST, ACTOR, entity="f60c28")

    assert not explanation.refused
    assert installation.oracle.signed() == signed
    assert installation.database_bytes() == before


def test_partition_that_the_serial_will_decide_is_not_named(installation):
    points = DistributionPoints("IOTmidCA", ("https://pki.example",), partitions=4, deltas=True)
    object.__setattr__(installation.services.authorities.named("IOTmidCA"), "points", points)

    explanation = installation.services.explanations.explain(profile(installation), REQUEST, ACTOR, subject="CN=a")

    told = [decision.reason for decision in explanation.decisions if "one of 4" in decision.reason]
    assert len(told) == 2
    text = to_be_signed_text(explanation.draft)
    assert "/pki/IOTmidCA~<by serial>.crl" in text
    assert "/pki/IOTmidCA~<by serial>~delta.crl" in text
    assert "~1" not in text


def test_text_of_a_draft_leaves_out_its_own_serial_alone(installation):
    name = "CN=a,O=Serial Number: 5"

    explanation = installation.services.explanations.explain(profile(installation), REQUEST, ACTOR, subject=name)

    text = to_be_signed_text(explanation.draft)
    assert "Serial Number: drawn when it is signed" in text
    assert "O=Serial Number: 5" in text


def test_ca_without_its_key_is_refused_in_the_explanation_too(installation):
    object.__setattr__(installation.services.authorities.named("IOTmidCA"), "key", None)

    assert "offline" in reasons(installation, subject="CN=a")[0]


def test_name_that_is_registered_for_another_is_refused_in_the_explanation_too(installation):
    installation.add("first", subject_dn="CN=second,O=dojot", end_entity_profile="EMPTY")

    assert "'first'" in reasons(installation, subject="CN=second,O=dojot")[0]


def test_draft_is_not_signed_by_the_ca(installation):
    explanation = installation.services.explanations.explain(profile(installation), REQUEST, ACTOR, subject="CN=f60c28")
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
        installation.services.explanations.explain(profile(installation), REQUEST, ACTOR, **arguments)


def test_request_that_cannot_be_read_is_refused(installation):
    with pytest.raises(MalformedRequest):
        installation.services.explanations.explain(profile(installation), "AAAA", ACTOR, subject="CN=a")


def reasons(installation, request=REQUEST, changed=None, **for_whom):
    found = changed or profile(installation)
    explanation = installation.services.explanations.explain(found, request, ACTOR, **for_whom)
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


def other_exponent(private):
    """The same two primes with the next exponent that fits: whoever holds one key holds the other."""
    numbers = private.private_numbers()
    p, q = numbers.p, numbers.q
    e = next(e for e in range(65539, 70000, 2) if math.gcd(e, (p - 1) * (q - 1)) == 1)
    d = pow(e, -1, math.lcm(p - 1, q - 1))
    public = rsa.RSAPublicNumbers(e, p * q)
    return rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public).private_key()


def test_compromised_modulus_is_refused_with_another_exponent_too(installation):
    """A31."""
    installation.add()
    installation.sign("f60c28", "dojot", REQUEST)
    installation.services.end_entities.revoke("f60c28", RevocationReason.KEYCOMPROMISE, ACTOR)
    installation.add()
    installation.add("second")
    same = one_line(csr(signing_key=other_exponent(key())))

    with pytest.raises(Refusal, match="compromised and is never certified again"):
        installation.sign("f60c28", "dojot", same)
    with pytest.raises(Refusal, match="use same key as another user"):
        installation.sign("second", "dojot", same)


def test_certificate_revoked_for_another_reason_can_be_reported_as_compromised(installation):
    """A31: the date of the revocation stays, and the next list tells the new reason."""
    revoke = installation.services.revocation
    installation.add()
    serial = installation.sign("f60c28", "dojot", REQUEST).serial
    revoke.change("IOTmidCA", serial, RevocationReason.SUPERSEDED, ACTOR)
    before = revoke.find("IOTmidCA", serial)
    installation.clock.advance(hours=1)

    with pytest.raises(Refusal, match="already revoked"):
        revoke.change("IOTmidCA", serial, RevocationReason.KEYCOMPROMISE, ACTOR)
    revoke.change("IOTmidCA", serial, RevocationReason.KEYCOMPROMISE, ACTOR, correcting=True)

    after = revoke.find("IOTmidCA", serial)
    assert (after.revocation_reason, after.revoked_at) == (RevocationReason.KEYCOMPROMISE, before.revoked_at)
    assert after.revocation_revision > before.revocation_revision
    with pytest.raises(Refusal, match="already revoked"):
        revoke.change("IOTmidCA", serial, RevocationReason.SUPERSEDED, ACTOR, correcting=True)
    installation.add()
    with pytest.raises(Refusal, match="compromised and is never certified again"):
        installation.sign("f60c28", "dojot", REQUEST)


@pytest.mark.parametrize("ended_first", [True, False])
def test_key_of_an_ended_certificate_can_be_reported_as_compromised(installation, ended_first):
    """A31: also after a reason that says nothing of the key, whether it had ended by then or not."""
    revoke = installation.services.end_entities.revoke
    installation.add()
    serial = installation.sign("f60c28", "dojot", REQUEST).serial
    installation.clock.advance(days=731 if ended_first else 1)
    assert revoke("f60c28", RevocationReason.SUPERSEDED, ACTOR) == 1
    before = installation.services.revocation.find("IOTmidCA", serial)
    installation.clock.advance(days=731)

    assert revoke("f60c28", RevocationReason.KEYCOMPROMISE, ACTOR) == 1
    assert revoke("f60c28", RevocationReason.KEYCOMPROMISE, ACTOR) == 0
    assert revoke("f60c28", RevocationReason.SUPERSEDED, ACTOR) == 0
    assert installation.services.revocation.find("IOTmidCA", serial).revoked_at == before.revoked_at
    assert installation.services.audit_verification.run().findings.found == []
    installation.add()
    with pytest.raises(Refusal, match="compromised and is never certified again"):
        installation.sign("f60c28", "dojot", REQUEST)


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


def test_registered_name_that_a_profile_gave_to_another_is_refused_too(installation):
    """A13: the same two names in the other order."""
    template = profile_of({**VALID, "subject": {"template": "CN=x-{username}"}})
    both = {"CFREE": profile(installation), "T": template}
    profiles = Profiles(lambda: both, lambda: installation.services.profiles._end_entity_profiles)
    object.__setattr__(installation.services.issuance, "profiles", profiles)
    object.__setattr__(installation.services.end_entities, "profiles", profiles)
    installation.add("b", certificate_profile="T", end_entity_profile="EMPTY")
    installation.add("x-b")
    other = one_line(csr(signing_key=key(1)))

    installation.sign("b", "dojot", REQUEST)

    assert "'b'" in reasons(installation, other, entity="x-b")[0]
    with pytest.raises(Refusal, match="same subject DN as the user"):
        installation.sign("x-b", "dojot", other)


@pytest.mark.parametrize("held", [False, True])
def test_name_of_a_deleted_end_entity_is_taken_while_its_certificate_is_good(installation, held):
    installation.add("first", subject_dn="CN=same")
    serial = installation.sign("first", "dojot", REQUEST).serial
    if held:
        installation.services.revocation.change("IOTmidCA", serial, RevocationReason.CERTIFICATEHOLD, ACTOR)
    installation.services.end_entities.delete("first", ACTOR)
    installation.add("second", subject_dn="CN=same")
    other = one_line(csr(signing_key=key(1)))

    with pytest.raises(Refusal, match="same subject DN as the user"):
        installation.sign("second", "dojot", other)
    installation.services.revocation.change("IOTmidCA", serial, RevocationReason.SUPERSEDED, ACTOR)
    assert installation.sign("second", "dojot", other)


def test_name_is_free_again_when_the_other_certificate_has_ended(installation):
    installation.add("first", subject_dn="CN=same")
    installation.sign("first", "dojot", REQUEST)
    installation.services.end_entities.delete("first", ACTOR)
    installation.add("second", subject_dn="CN=same")
    installation.clock.advance(days=731)

    assert installation.sign("second", "dojot", one_line(csr(signing_key=key(1))))


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
