import re
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from cryptography import x509

from app.errors import ConfigurationError
from app.files.profile_case_files import load_cases
from app.files.profile_files import OWN_PROFILES, load_profile, load_profiles
from app.pki import distinguished_name
from app.pki.certificate_template import extension
from app.pki.profile_rules import WEEKDAYS, CertificatePoliciesRule
from tests.builders import profiles_directory

VALID = {
    "key": {"rsa": {"min": 2048, "max": 4096}},
    "signature_hash": "SHA256",
    "validity": 730,
    "backdate": 10,
    "subject": "entity",
    "alternative_names": {"dns": True, "ip": True, "max": 100},
    "key_usage": {"bits": ["digitalSignature"], "critical": False},
    "extended_key_usage": ["clientAuth"],
    "basic_constraints": {"ca": False, "critical": False},
    "cas": "any",
}


@pytest.fixture
def write(tmp_path):
    def write(document):
        path = tmp_path / "DEVICES.yaml"
        path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
        return path

    return write


def test_valid_profile_is_named_for_its_file(write):
    profile = load_profile(write(VALID))

    assert profile.name == "DEVICES"
    assert profile.validity.validity.days == 730
    assert profile.cas is None


def test_hash_of_a_profile_changes_with_its_file(write):
    before = load_profile(write(VALID)).sha256

    assert load_profile(write(VALID | {"validity": 731})).sha256 != before


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"unknown": 1}, "unknown"),
        ({"key": {"rsa": {"min": 2048, "max": 4096, "unknown": 1}}}, "key.rsa.unknown"),
        ({"validity": 0}, "validity"),
        ({"validity": -1}, "validity"),
        ({"validity": 10**6}, "validity"),
        ({"validity": 1.5}, "validity"),
        ({"backdate": 61}, "backdate"),
        ({"backdate": -1}, "backdate"),
        ({"key_usage": {"bits": ["digitalSignature", "keyCertSign"], "critical": False}}, "key_usage"),
        ({"key_usage": {"bits": ["cRLSign"], "critical": False}}, "key_usage"),
        ({"key_usage": {"bits": ["unknown"], "critical": False}}, "key_usage.bits"),
        ({"key_usage": {"bits": [], "critical": False}}, "key_usage.bits"),
        ({"basic_constraints": {"ca": True, "critical": True}}, "basic_constraints.ca"),
        ({"key": {"rsa": {"min": 4096, "max": 2048}}}, "key.rsa"),
        ({"key": {"rsa": {"min": 1024, "max": 2048}}}, "key.rsa.min"),
        ({"key": {"rsa": {"min": 2048, "max": 16384}}}, "key.rsa.max"),
        ({"key": {"curves": ["secp256k1"]}}, "key.curves"),
        ({"key": {}}, "key"),
        ({"signature_hash": "SHA1"}, "signature_hash"),
        ({"subject": "request"}, "subject"),
        ({"extended_key_usage": ["anyExtendedKeyUsage"]}, "extended_key_usage"),
        ({"extended_key_usage": ["ocspSigning"]}, "extended_key_usage"),
        ({"alternative_names": {"dns": True, "ip": True, "directory": True}}, "alternative_names.directory"),
        ({"alternative_names": {"dns": True, "ip": True, "max": 0}}, "alternative_names.max"),
        ({"cas": []}, "cas"),
        ({"cas": "IOTmidCA"}, "cas"),
        ({"cas": [1]}, "cas"),
    ],
    ids=str,
)
def test_profile_that_makes_no_sense_is_refused_by_file_and_key(write, change, key):
    """A23, A72."""
    with pytest.raises(ConfigurationError, match=rf"DEVICES\.yaml: (.*; )?{re.escape(key)}[:.]"):
        load_profile(write(VALID | change))


STATIC = {"oid": "1.3.6.1.4.1.55555.1", "der": "0500"}
UNENCODABLE = extension(
    x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3"), ["https://pki.ex\u00e4mple/"])]),
    critical=False,
)
NO_NAMES = {"dns": False, "ip": False}


@pytest.mark.parametrize(
    ("change", "key", "reason"),
    [
        ({"alternative_names": NO_NAMES | {"required": True}}, "alternative_names", "no kind of name"),
        ({"alternative_names": NO_NAMES, "extended_key_usage": ["serverAuth"]}, "alternative_names", "RFC 9525"),
        ({"alternative_names": {"dns": ["(a+)+"]}}, "alternative_names.dns", "repeats a group"),
        ({"alternative_names": {"ip": ["10.0.0.1/8"]}}, "alternative_names.ip", "host bits"),
        ({"alternative_names": {"templates": ["dir:x"]}}, "alternative_names.templates.0", "not like"),
        ({"key_usage": {"bits": ["encipherOnly"], "critical": False}}, "key_usage", "without keyAgreement"),
        ({"key_usage": {"bits": ["keyAgreement"], "critical": False}}, "key_usage", "for RSA keys"),
        (
            {"key": {"curves": ["P-256"]}, "key_usage": {"bits": ["keyEncipherment"], "critical": True}},
            "key_usage",
            "EC",
        ),
        ({"key_usage": {"bits": ["nonRepudiation"], "critical": True}}, "extended_key_usage", "TLS needs"),
        ({"extended_key_usage": ["1.3.6.1.5.5.7.3.9"]}, "extended_key_usage", "answer for the CA"),
        ({"extended_key_usage": ["2.5.29.37.0"]}, "extended_key_usage", "every usage"),
        ({"extended_key_usage": ["clientAuth", "1.3.6.1.5.5.7.3.2"]}, "extended_key_usage", "twice"),
        ({"subject": {"template": "CN=device"}}, "subject", "the same name"),
        ({"subject": {"template": "O={username}"}}, "subject", "no CN"),
        ({"subject": {"template": "nonsense"}}, "subject", "no attribute"),
        ({"subject": {"attributes": ["CN", "O", "CN"]}}, "subject.attributes", "twice"),
        ({"alternative_names": {"dns": ["a"] * 9}}, "alternative_names.dns", "more than 8"),
        ({"policies": [{"oid": "1.2.3", "cps": "https://pki.exämple/cps"}]}, "policies.0.cps", "ASCII"),
        ({"subject": {"attributes": ["O"]}}, "subject.attributes", "CN"),
        ({"subject": {"attributes": ["CN"], "template": "CN={username}"}}, "subject", "contradict"),
        ({"subject": {"common_name": "("}}, "subject.common_name", "no regular expression"),
        ({"extensions": [{"oid": "2.5.29.19", "der": "30030101ff"}]}, "extensions", "CA's alone"),
        ({"extensions": [{"oid": "2.5.29.17", "der": "3000"}]}, "extensions", "alternative_names is for"),
        ({"extensions": [STATIC, STATIC]}, "extensions", "twice"),
        ({"extensions": [STATIC], "keep_extensions": [STATIC["oid"]]}, "keep_extensions", "two sources"),
        ({"extensions": [STATIC | {"der": "ff"}]}, "extensions", "not the DER"),
        ({"extensions": [{"oid": "2.5.29.18", "der": "0500"}]}, "extensions", "not the DER"),
        ({"extensions": [STATIC | {"der": "no"}]}, "extensions.0.der", "hex or base64"),
        ({"keep_extensions": ["2.5.29.15"]}, "keep_extensions", "CA's alone"),
        ({"keep_extensions": ["2.5.29.37"]}, "keep_extensions", "extended_key_usage is for"),
        ({"keep_extensions": ["1.3.6.1.5.5.7.1.24"], "must_staple": True}, "keep_extensions", "must_staple is for"),
        ({"keep_extensions": [2.5]}, "keep_extensions.0", "not an OID"),
        ({"policies": [{"oid": "1.2.3"}, {"oid": "1.2.3"}]}, "policies", "twice"),
        ({"validity": "0001-01-01T00:00:00+02:00"}, "validity", "does not exist in UTC"),
        ({"subject": {"template": "CN={username}-{serial}"}}, "subject", "{serial}"),
        ({"alternative_names": {"templates": ["dns:{device}.example"]}}, "alternative_names", "{device}"),
        ({"alternative_names": {"templates": ["dns:{username.example"]}}, "alternative_names", "{username.example"),
        ({"alternative_names": {"templates": ["ip:300.1.1.1"]}}, "alternative_names", "never comes out"),
        ({"alternative_names": {"templates": ["dns:{username}.1"]}}, "alternative_names", "never comes out"),
        (
            {
                "key": {"curves": ["P-256"]},
                "key_usage": {"bits": ["keyEncipherment", "nonRepudiation"], "critical": True},
            },
            "key_usage",
            "no use in TLS",
        ),
        ({"policies": [{"oid": "9.9.9"}]}, "policies.0.oid", "not an OID"),
        ({"validity": "3 weeks"}, "validity", "2y 3mo"),
        ({"validity": "0d"}, "validity", "one minute"),
        ({"validity": "999999y"}, "validity", "36525"),
        ({"validity": True}, "validity", "number of days"),
        ({"validity": "10m", "backdate": 10}, "validity", "no longer than backdate"),
        ({"validity_override": "1y"}, "validity_override", "shorter than validity"),
        ({"validity": 7, "no_end_on": ["sunday"]}, "no_end_on", "less than 8 days"),
        ({"no_end_on": list(WEEKDAYS)}, "no_end_on", "no day to end on"),
        ({"no_end_on": ["someday"]}, "no_end_on.0", "Must be one of"),
        ({"alternative_names": {"dns": True, "source": "csr"}}, "alternative_names.source", "Must be one of"),
        ({"policies": [{"oid": "1.2.3", "notice": "a" * 201}]}, "policies.0.notice", "200"),
        ({"policies": [{"oid": "1.2.3", "notice": "a\nb"}]}, "policies.0.notice", "cannot be shown"),
        ({"type": "sub_ca"}, "type", "is one of end_entity, ca, ocsp_responder"),
    ],
    ids=str,
)
def test_contradiction_stops_the_start_with_file_key_and_reason(write, change, key, reason):
    """A23."""
    with pytest.raises(ConfigurationError, match=rf"DEVICES\.yaml: (.*; )?{re.escape(key)}: [^;]*{re.escape(reason)}"):
        load_profile(write(VALID | change))


def test_profile_by_which_nothing_can_be_encoded_is_refused_by_its_file(write, monkeypatch):
    """Whatever a rule lets through: no enrolment is the first to find out."""
    monkeypatch.setattr(CertificatePoliciesRule, "extensions", lambda *_: iter([UNENCODABLE]))

    with pytest.raises(ConfigurationError, match=r"DEVICES\.yaml: no certificate can be made by it"):
        load_profile(write(VALID))


def test_refusal_names_the_line_of_the_key(write):
    text = yaml.safe_dump(VALID, sort_keys=False)
    line = text.splitlines().index("validity: 730") + 1

    with pytest.raises(ConfigurationError, match=rf"validity: .* \(line {line}\)"):
        load_profile(write(text.replace("validity: 730", "validity: 0")))
    with pytest.raises(ConfigurationError, match=r"key\.rsa\.max: .* \(line 4\)"):
        load_profile(write(text.replace("max: 4096", "max: 1")))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (90, timedelta(days=90)),
        ("2y 3mo 4d 5h", timedelta(days=2 * 365 + 3 * 30 + 4, hours=5)),
        ("36h", timedelta(hours=36)),
        ("11m", timedelta(minutes=11)),
        ("2040-12-31", datetime(2040, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("'2040-12-31'", datetime(2040, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2040-12-31T12:00:00Z", datetime(2040, 12, 31, 12, tzinfo=UTC)),
        ("2040-12-31T12:00:00+02:00", datetime(2040, 12, 31, 10, tzinfo=UTC)),
    ],
    ids=str,
)
def test_validity_is_days_a_length_or_a_date(write, written, meant):
    path = write(yaml.safe_dump(VALID).replace("validity: 730", f"validity: {written}"))

    assert load_profile(path).validity.validity == meant


def test_every_key_reaches_the_rule_it_is_for(write):
    profile = load_profile(
        write(
            VALID
            | {
                "key": {"rsa": {"min": 2048, "max": 3072}, "curves": ["P-256"], "ed25519": True},
                "signature_hash": "inherit",
                "subject": {"template": "CN={username},O=x", "common_name": "[a-z]+"},
                "alternative_names": {
                    "dns": ["[a-z]+"],
                    "ip": ["10.0.0.0/8"],
                    "uri": True,
                    "email": ["[a-z]+@b"],
                    "templates": ["uri:urn:{username}"],
                    "required": True,
                    "otherwise": "drop",
                    "max": 7,
                    "critical": True,
                },
                "extended_key_usage": {"usages": ["clientAuth", "1.2.3"], "critical": True},
                "policies": [{"oid": "1.2.4", "cps": "https://a.example/"}],
                "must_staple": True,
                "extensions": [STATIC | {"critical": True}],
                "keep_extensions": ["1.2.5"],
                "renewal_with_same_key": False,
            }
        )
    )

    names = profile.alternative_names
    assert (names.dns, names.uri, names.email, names.maximum) == (("[a-z]+",), True, ("[a-z]+@b",), 7)
    assert [str(network) for network in names.ip] == ["10.0.0.0/8"]
    assert (names.required, names.drop, names.critical) == (True, True, True)
    assert [(template.kind, template.text) for template in names.templates] == [("uri", "urn:{username}")]
    assert profile.hash_algorithm is None
    assert (profile.key.curves, profile.key.ed25519) == (("secp256r1",), True)
    assert distinguished_name.to_string(profile.subject.template) == "CN={username},O=x"
    assert profile.subject.common_name == "[a-z]+"
    assert [oid.dotted_string for oid in profile.extended_key_usage.usages] == ["1.3.6.1.5.5.7.3.2", "1.2.3"]
    assert profile.extended_key_usage.critical
    assert profile.policies.policies[0].practice_statement == "https://a.example/"
    assert profile.must_staple.must_staple
    assert [(value.critical, value.value.value) for value in profile.static_extensions.values] == [(True, b"\x05\x00")]
    assert [oid.dotted_string for oid in profile.other_extensions.kept] == ["1.2.5"]
    assert not profile.renewal_with_same_key


@pytest.mark.parametrize("key", [key for key in VALID if key not in {"backdate", "extended_key_usage"}])
def test_profile_without_a_necessary_key_is_refused_by_its_name(write, key):
    with pytest.raises(ConfigurationError, match=f"DEVICES.yaml: {key}:"):
        load_profile(write({name: value for name, value in VALID.items() if name != key}))


def test_key_that_is_there_twice_is_refused(write):
    with pytest.raises(ConfigurationError, match="'validity' is there twice"):
        load_profile(write(yaml.safe_dump(VALID) + "validity: 36500\n"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "- a",
        "text",
        "a: [",
        "\0",
        "!!python/object/apply:os.getcwd []",
        "? [a]\n: b",
        "&a [*a]",
        "a: 1\n---\nb: 2",
    ],
)
def test_file_that_is_no_profile_at_all_is_refused(write, text):
    with pytest.raises(ConfigurationError, match=r"DEVICES\.yaml"):
        load_profile(write(text))


def test_file_that_is_not_utf_8_is_refused(tmp_path):
    path = tmp_path / "DEVICES.yaml"
    path.write_bytes(yaml.safe_dump(VALID).encode("utf-16"))

    with pytest.raises(ConfigurationError, match=r"DEVICES\.yaml is not valid YAML"):
        load_profile(path)


@pytest.mark.parametrize(
    "number", ["0730", "2:30", "1_000", "0x1F4", "0b11", "1_0.5", "1.0e+3", ".5", "1:30.5", "+.inf"]
)
def test_number_that_yaml_reads_as_another_than_it_says_is_refused_with_its_line(write, number):
    text = yaml.safe_dump(VALID)
    line = text.splitlines().index("validity: 730") + 1

    with pytest.raises(ConfigurationError, match=rf"no decimal number(.|\n)*line {line},"):
        load_profile(write(text.replace("validity: 730", f"validity: {number}")))


@pytest.mark.parametrize("folder", [".", "cases"])
def test_hidden_file_is_left_alone_and_one_that_would_be_ignored_is_refused(tmp_path, folder):
    (tmp_path / "cases").mkdir()
    (tmp_path / "A.yaml").write_text(yaml.safe_dump(VALID))
    for stray in (".#A.yaml", "._A.yaml", ".A.yaml.swp", "A.yaml~"):
        (tmp_path / folder / stray).write_bytes(b"\xff")

    assert load_profiles(tmp_path).keys() == {"A", *OWN_PROFILES}
    assert load_cases(tmp_path) == {}
    (tmp_path / folder / "B.yml").write_text("")
    with pytest.raises(ConfigurationError, match=r"B\.yml: only files that end in \.yaml"):
        load_profiles(tmp_path) and load_cases(tmp_path)


@pytest.mark.parametrize("oid", ["1.3.6.1.4.1.311.21.10", "1.3.6.1.4.1.311.25.2", "2.5.29.1", "2.5.29.10", "2.5.29.27"])
def test_alias_of_what_is_the_cas_is_not_given_away(write, oid):
    for change in ({"keep_extensions": [oid]}, {"extensions": [{"oid": oid, "der": "0500"}]}):
        with pytest.raises(ConfigurationError, match="CA's alone"):
            load_profile(write(VALID | change))


@pytest.mark.parametrize(
    ("cas", "told"),
    [(["IOTmidCa"], "no CA IOTmidCa in hierarchy.yaml"), (["IOTmidCA", "IOTrootCA"], "signs other CAs only")],
)
def test_ca_that_is_not_there_or_signs_no_end_entities_is_refused(tmp_path, cas, told):
    profiles_directory(tmp_path, A=yaml.safe_dump(VALID | {"cas": cas}))

    with pytest.raises(ConfigurationError, match=rf"A\.yaml: cas: .*{told}"):
        load_profiles(tmp_path)


@pytest.mark.parametrize(
    "template", ["ip:{username}", "email:{username}", "uri:https://{username}/", "dns:{common_name}"]
)
def test_template_that_some_end_entity_can_fill_is_good(write, template):
    assert load_profile(write(VALID | {"alternative_names": {"templates": [template]}}))


def test_directory_without_a_profile_is_refused(tmp_path):
    (tmp_path / "hierarchy.yaml").write_text("cas: []")

    with pytest.raises(ConfigurationError, match="no certificate profile"):
        load_profiles(tmp_path)
