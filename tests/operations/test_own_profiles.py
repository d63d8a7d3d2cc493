"""CAs and OCSP responders say what root-ca, sub-ca and ocsp-responder say, judged by another parser."""

import hashlib

import pytest
import yaml
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.errors import ConfigurationError, NotAllowed, ProfileViolation
from app.pki import certificate_lint
from app.settings import shipped
from tests.builders import HIERARCHY, csr, one_line, profiles_directory
from tests.conftest import ACTOR, Installation
from tests.policy_judge import KEY_USAGE, POINTERS

CURVES = HIERARCHY.replace("keysize: 2048", "keytype: P-256")
NO_PATHLEN = (
    CURVES.replace("    validity: 7305\n", "")
    .replace("        validity: 3652\n", "")
    .replace("        pathlen: 0\n", "")
)
EXTENSIONS = {"basic_constraints", "key_usage", "key_identifier", "authority_key_identifier", *POINTERS}


def document(name: str) -> dict:
    return yaml.safe_load((shipped("profiles") / f"{name}.yaml").read_text())


@pytest.fixture
def made(tmp_path):
    """Make an installation from a hierarchy file and changed profiles."""
    opened = []

    def make(hierarchy: str = CURVES, **changed: dict) -> Installation:
        files = {name.replace("_", "-"): yaml.safe_dump(content) for name, content in changed.items()}
        profiles_directory(tmp_path / "profiles", hierarchy=hierarchy, **files)
        opened.append(Installation(tmp_path, MIDCA_PUBLIC_URL="https://pki.example"))
        return opened[-1]

    yield make
    for installation in opened:
        installation.check()
        installation.services.database.close()


def certificate(installation, name: str) -> asn1.Certificate:
    found = installation.services.authorities.named(name).certificate
    return asn1.Certificate.load(found.public_bytes(Encoding.DER))


def responder(installation, name: str) -> asn1.Certificate:
    authority = installation.services.authorities.named(name)
    found = installation.services.ocsp.responders.current(authority).certificate
    return asn1.Certificate.load(found.public_bytes(Encoding.DER))


def extensions(found: asn1.Certificate) -> dict[str, tuple[bool, object]]:
    listed = found["tbs_certificate"]["extensions"]
    return {each["extn_id"].native: (each["critical"].native, each["extn_value"].parsed.native) for each in listed}


def days(found: asn1.Certificate) -> int:
    validity = found["tbs_certificate"]["validity"].native
    return (validity["not_after"] - validity["not_before"]).days


def test_shipped_profiles_make_the_cas_and_their_responders(installation):
    for name, profile in (("IOTrootCA", "root-ca"), ("IOTmidCA", "sub-ca")):
        allowed, found = document(profile), extensions(certificate(installation, name))
        assert found.keys() <= EXTENSIONS
        assert found["basic_constraints"][0] is allowed["basic_constraints"]["critical"]
        assert found["basic_constraints"][1]["ca"] is True
        bits = {**KEY_USAGE, "key_cert_sign": "keyCertSign", "crl_sign": "cRLSign"}
        assert {bits[bit] for bit in found["key_usage"][1]} == set(allowed["key_usage"]["bits"])
        assert found["key_usage"][0] is allowed["key_usage"]["critical"]
    allowed, found = document("ocsp-responder"), responder(installation, "IOTmidCA")
    assert extensions(found).keys() == EXTENSIONS - POINTERS | {"extended_key_usage", "ocsp_no_check"}
    assert extensions(found)["extended_key_usage"] == (False, ["ocsp_signing"])
    assert days(found) == allowed["validity"]


def test_record_and_audit_log_name_the_profile_and_the_hash_of_its_file(installation):
    rows = installation.sql("SELECT username, certificate_profile, profile_sha256 FROM certificates ORDER BY username")

    hashes = {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in shipped("profiles").glob("*.yaml")}
    own = {"IOTmidCA": "sub-ca", "IOTrootCA": "root-ca"}
    expected = own | {f"{name}/OCSP": "ocsp-responder" for name in own}
    assert rows == [(name, profile, hashes[profile]) for name, profile in sorted(expected.items())]
    entries = installation.services.readiness.audit.entries()
    told = {(entry["profile"], entry["profile_sha256"]) for entry in entries if "profile_sha256" in entry}
    assert told == {(profile, hashes[profile]) for profile in ("root-ca", "sub-ca", "ocsp-responder")}


def test_profile_of_its_own_makes_the_ca_that_names_it(made):
    policy = {"oid": "1.3.6.1.4.1.55555.1", "cps": "https://pki.example/cps"}
    mine = document("sub-ca") | {
        "validity": "2y",
        "key_usage": {"bits": ["keyCertSign", "cRLSign"], "critical": True},
        "name_constraints": {
            "permitted": {"dns": ["devices.example"]},
            "excluded": {"ip": ["0.0.0.0/0"], "directory": ["O=evil"]},
        },
        "policies": [policy],
        "extensions": [{"oid": "1.3.6.1.4.1.55555.2", "der": "0c05646f6a6f74"}],
        "authority_information": [],
    }
    hierarchy = CURVES.replace("validity: 3652", "validity: 365").replace(
        "pathlen: 0", "pathlen: 0\n        profile: devices-ca"
    )
    installation = made(hierarchy, devices_ca=mine)

    found = certificate(installation, "IOTmidCA")

    assert days(found) == 365
    own = extensions(found)
    assert own["key_usage"][1] == {"key_cert_sign", "crl_sign"}
    assert own["basic_constraints"][1]["path_len_constraint"] == 0
    critical, constraints = own["name_constraints"]
    assert critical is True
    assert [tree["base"] for tree in constraints["permitted_subtrees"]] == ["devices.example"]
    assert [tree["base"] for tree in constraints["excluded_subtrees"]] == [
        "0.0.0.0/0",
        {"organization_name": "evil"},
    ]
    assert own["certificate_policies"][1][0]["policy_identifier"] == policy["oid"]
    assert own["1.3.6.1.4.1.55555.2"][0] is False
    assert "authority_information_access" not in own
    assert "crl_distribution_points" in own
    assert "name_constraints" not in extensions(certificate(installation, "IOTrootCA"))


def test_profile_says_length_and_pathlen_where_the_hierarchy_does_not(made):
    root, sub = document("root-ca"), document("sub-ca")
    sub |= {"validity": 400, "basic_constraints": {"ca": True, "critical": True, "pathlen": 2}}
    installation = made(NO_PATHLEN, root_ca=root | {"validity": "3y"}, sub_ca=sub)

    assert days(certificate(installation, "IOTrootCA")) == 3 * 365
    mid = certificate(installation, "IOTmidCA")
    assert (days(mid), extensions(mid)["basic_constraints"][1]["path_len_constraint"]) == (400, 2)
    # Both may change once the CAs are there: they count for those that are made from then on.
    installation.services.database.close()
    files = {"root-ca": yaml.safe_dump(root), "sub-ca": yaml.safe_dump(document("sub-ca"))}
    profiles_directory(installation.base / "profiles", hierarchy=NO_PATHLEN, **files)
    installation.services = installation.open().services


@pytest.mark.parametrize(
    ("sub", "problem"),
    [
        ({"validity": "1y"}, "its validity is 3652 days, and the profile sub-ca gives 365"),
        ({"name_constraints": {"permitted": {"directory": ["O=dojot"]}}}, "could not certify its own OCSP responder"),
    ],
    ids=str,
)
def test_ca_that_its_profile_does_not_allow_is_not_made(made, sub, problem):
    with pytest.raises(ConfigurationError, match=f"The CA IOTmidCA cannot be made: .*{problem}"):
        made(sub_ca=document("sub-ca") | sub)


def test_ca_with_more_below_it_than_its_profile_allows_is_not_made(made):
    none_below = {"basic_constraints": {"ca": True, "critical": True, "pathlen": 0}}

    with pytest.raises(ConfigurationError, match="it has CAs below it, and the profile root-ca gives pathlen 0"):
        made(root_ca=document("root-ca") | none_below)
    with pytest.raises(ConfigurationError, match="its pathlen is 1, and the profile sub-ca gives 0"):
        made(CURVES.replace("pathlen: 0", "pathlen: 1"), sub_ca=document("sub-ca") | none_below)


def test_ca_below_a_constrained_one_is_held_to_its_constraints(made):
    constrained = {"name_constraints": {"permitted": {"directory": ["O=EJBCA IOT"]}}}
    loose = CURVES.replace("CN=IOTrootCA,O=EJBCA IOT,C=SE", "O=EJBCA IOT,CN=IOTrootCA")

    with pytest.raises(ConfigurationError, match="The CA IOTmidCA cannot be made: The CA may certify only names below"):
        made(loose, root_ca=document("root-ca") | constrained)


def test_constrained_ca_refuses_a_device_beyond_it_and_says_so_before(made):
    """RFC 5280 section 4.2.1.10."""
    installation = made(sub_ca=document("sub-ca") | {"name_constraints": {"permitted": {"dns": ["devices.example"]}}})
    names = x509.SubjectAlternativeName([x509.DNSName("evil.example")])
    evil, good = one_line(csr(extensions=((names, False),))), one_line(csr())
    installation.add()
    before = installation.oracle.signed()

    explained = installation.services.explanations.explain(
        installation.services.profiles["CFREE"], evil, ACTOR, entity="f60c28"
    )

    assert [decision.field for decision in explained.decisions if decision.verdict == "refused"] == ["names"]
    with pytest.raises(ProfileViolation, match=r"only names below dns:devices.example, and not 'dns:evil.example'"):
        installation.sign("f60c28", "dojot", evil)
    assert installation.oracle.signed() == before
    assert installation.certificates() == 0
    assert installation.sign("f60c28", "dojot", good)


def test_no_end_entity_gets_a_profile_of_the_program(installation):
    for name in ("root-ca", "sub-ca", "ocsp-responder"):
        with pytest.raises(NotAllowed, match="not for end entities"):
            installation.add(certificate_profile=name, end_entity_profile="EMPTY")
    installation.add()
    installation.sql("UPDATE end_entities SET certificate_profile = 'sub-ca'")
    with pytest.raises(NotAllowed, match="not for end entities"):
        installation.sign("f60c28", "dojot", one_line(csr()))


def test_explanation_by_a_profile_of_the_program_tells_what_it_writes_and_refuses(installation):
    explained = installation.services.explanations.explain(
        installation.services.profiles["sub-ca"], one_line(csr()), ACTOR, subject="CN=a"
    )

    assert explained.refused
    told = {decision.field: decision for decision in explained.decisions}
    assert "no request is certified by it" in told["certificate"].reason
    assert told["basicConstraints"].reason == "CA:TRUE; critical"


# OCSP responders


def test_responder_says_what_its_profile_says(made):
    mine = document("ocsp-responder") | {
        "validity": 7,
        "ocsp_nocheck": False,
        "crl_distribution_points": True,
        "signature_hash": "SHA512",
    }
    found = responder(made(ocsp_responder=mine), "IOTmidCA")

    assert days(found) == 7
    assert "ocsp_no_check" not in extensions(found)
    assert "crl_distribution_points" in extensions(found)
    assert found["signature_algorithm"].native["algorithm"] == "sha512_ecdsa"


def test_changed_profile_counts_from_the_next_renewal_on(installation):
    path = installation.base / "profiles" / "ocsp-responder.yaml"
    path.write_text(path.read_text().replace("validity: 30", "validity: 10"))
    installation.services.profiles.reload()
    installation.clock.advance(days=14)
    assert installation.services.ocsp.responders.renew_due(ACTOR) == 0
    installation.clock.advance(days=1)

    assert installation.services.ocsp.responders.renew_due(ACTOR) == 2
    assert days(responder(installation, "IOTmidCA")) == 10


def test_broken_profile_of_responders_leaves_the_one_in_use(installation, caplog):
    path = installation.base / "profiles" / "ocsp-responder.yaml"
    path.write_text(path.read_text().replace("[OCSPSigning]", "[clientAuth]"))

    installation.services.profiles.reload()

    assert "ocsp-responder.yaml: extended_key_usage" in caplog.text
    installation.clock.advance(days=15)
    assert installation.services.ocsp.responders.renew_due(ACTOR) == 2


def test_own_certificates_are_linted_where_their_profile_says_so(made, monkeypatch):
    seen = []
    monkeypatch.setattr(certificate_lint, "findings", lambda found, _level: seen.append(found) or [])
    installation = made(
        **{
            name.replace("-", "_"): document(name) | {"lint": "error"}
            for name in ("root-ca", "sub-ca", "ocsp-responder")
        }
    )

    authorities = list(installation.services.authorities)
    own = [authority.certificate for authority in authorities]
    own += [installation.services.ocsp.responders.current(authority).certificate for authority in authorities]
    assert {found.tbs_certificate_bytes for found in seen} == {found.tbs_certificate_bytes for found in own}


@pytest.mark.parametrize(
    ("name", "bits", "refusal"),
    [
        ("root-ca", ["keyCertSign", "cRLSign"], ConfigurationError),
        ("sub-ca", ["keyCertSign", "cRLSign"], ConfigurationError),
        ("ocsp-responder", ["digitalSignature"], ProfileViolation),
    ],
)
def test_finding_of_the_linter_stops_a_ca_and_a_responder(made, name, bits, refusal):
    """A key usage that is not critical is a warning (RFC 5280 section 4.2.1.3)."""
    warned = {"lint": "warning", "key_usage": {"bits": bits, "critical": False}}

    with pytest.raises(refusal, match=r"The linter refuses the certificate: .*key_usage_extension_not_critical"):
        made(**{name.replace("-", "_"): document(name) | warned})


@pytest.mark.parametrize("name", ["root-ca", "sub-ca", "ocsp-responder"])
def test_shipped_profile_passes_the_linter(made, name):
    """All three at the strictest level."""
    made(**{name.replace("-", "_"): document(name) | {"lint": "warning"}})
