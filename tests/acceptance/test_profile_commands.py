"""``midca profile`` as an operator types it."""

import json
import shutil

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.files.profile_schemas import profile_json_schema
from app.settings import shipped
from tests.acceptance.server import MIDCA, environment
from tests.acceptance.test_cli import empty, midca, request_file  # noqa: F401 -- fixtures
from tests.builders import csr
from tests.conftest import run
from tests.files.test_profile_files import VALID

FRESHEST = (
    x509.FreshestCRL(
        [
            x509.DistributionPoint(
                [x509.UniformResourceIdentifier("https://pki.example/pki/momentary~delta.crl")], None, None, None
            )
        ]
    )
    .public_bytes()
    .hex()
)


def test_list_and_show_read_the_files_without_a_data_directory(empty):  # noqa: F811
    names = ["CFREE", "X509Identity", "broker", "device-ec", "ocsp-responder", "root-ca", "sub-ca"]
    assert [row["name"] for row in empty.json("profile", "list")] == names
    rules = {row["key"]: row for row in empty.json("profile", "show", "device-ec")}
    assert rules["key"]["rule"] == "P-256, Ed25519."
    assert "device-ec" in empty("profile", "show", "device-ec")
    assert "no profile None; there are CFREE" in empty("profile", "show", "None", status=1)


def test_check_names_file_key_and_line_of_each_problem(empty, tmp_path):  # noqa: F811
    good = (shipped("profiles") / "CFREE.yaml").read_text()
    (tmp_path / "A.yaml").write_text(good.replace("validity: 730", "validity: 0"))
    (tmp_path / "B.yaml").write_text(good.replace("ca: false", "ca: true"))

    assert empty("profile", "check").count(": good") == 3
    told = empty("profile", "check", tmp_path / "A.yaml", tmp_path / "B.yaml", status=1)

    line = good.splitlines().index(next(line for line in good.splitlines() if line.startswith("validity"))) + 1
    assert f"A.yaml: validity: must be from one minute to 36525 days (line {line})" in told
    assert "B.yaml: basic_constraints.ca: a profile for end entities makes no CA" in told


def test_check_tells_of_a_date_that_is_past_and_of_a_ca_that_is_not_there(empty, tmp_path):  # noqa: F811
    good = (shipped("profiles") / "CFREE.yaml").read_text()
    (tmp_path / "A.yaml").write_text(good.replace("validity: 730", "validity: 2020-12-31"))
    (empty.base / "profiles" / "CFREE.yaml").write_text(good.replace("cas: any", "cas: [NoCA]"))

    assert "the date is past" in empty("profile", "check", tmp_path / "A.yaml", status=1)
    assert "there is no CA NoCA" in empty("profile", "check", status=1)
    assert "there is no CA NoCA" in empty("profile", "check", empty.base / "profiles", status=1)


def test_explain_shows_what_would_be_signed(midca, request_file):  # noqa: F811
    told = midca("profile", "explain", "CFREE", request_file, "--subject", "CN=f60c28,O=things")
    explained = midca.json("profile", "explain", "CFREE", request_file, "--subject", "CN=f60c28")

    assert "would be issued" in told
    assert "Subject: CN=f60c28, O=things" in told
    assert explained["certificate"]["subject"] == "CN=f60c28"
    assert {decision["field"] for decision in explained["decisions"]} >= {"subject", "public key", "keyUsage", "issuer"}


def test_changed_file_is_explained_before_any_server_reads_it(midca, request_file, tmp_path):  # noqa: F811
    draft = tmp_path / "DRAFT.yaml"
    draft.write_text((shipped("profiles") / "CFREE.yaml").read_text().replace("validity: 730", "validity: 3"))

    explained = midca.json("profile", "explain", draft, request_file, "--subject", "CN=f60c28")

    assert explained["certificate"]["days"] == 3


def test_explain_ends_with_status_1_when_the_profile_refuses(midca, request_file):  # noqa: F811
    midca("profile", "explain", "device-ec", request_file, "--subject", "CN=f60c28", status=1)
    assert "either an end entity or a subject" in midca("profile", "explain", "CFREE", request_file, status=1)


def test_shipped_cases_pass_and_every_shipped_profile_has_some(empty):  # noqa: F811
    results = empty.json("profile", "test", shipped("profiles"))

    assert {row["result"] for row in results} == {"ok"}
    assert {row["profile"] for row in results} == {row["name"] for row in empty.json("profile", "list")}


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ({"issued": {"days": 731}}, "days is 730, not 731"),
        ({"refused": "because"}, "issued, where 'because' was to refuse it"),
        ({"request": {"key": "P-256"}, "issued": {}}, "refused: Illegal key length"),
        ({"request": {"key": "P-256"}, "refused": "because"}, "but not for 'because'"),
        ({"request": {"alternative_names": ["ip:nonsense"]}, "issued": {}}, "the request cannot be made"),
        ({"request": {"subject": "nonsense"}, "refused": "no attribute"}, "the request cannot be made"),
        ({"request": {"alternative_names": ["dns:a_b"]}, "issued": {}}, "is not a host name"),
        ({"csr": "request.csr", "issued": {"subject": "CN=other"}}, "subject is 'CN=f60c28', not 'CN=other'"),
        (
            {"alternative_names": ["dns:a.b"], "issued": {"alternative_names": ["dns:a.c"]}},
            "['dns:a.b'], not ['dns:a.c']",
        ),
        ({"end_time": "30:0:0", "issued": {}}, "refused: The profile lets nobody choose the dates"),
    ],
    ids=str,
)
def test_case_that_does_not_come_true_ends_with_status_1(empty, tmp_path, case, told):  # noqa: F811
    directory = tmp_path / "own"
    (directory / "cases").mkdir(parents=True)
    shutil.copy(shipped("profiles") / "CFREE.yaml", directory)
    (directory / "cases" / "request.csr").write_bytes(csr().public_bytes(Encoding.PEM))
    cases = directory / "cases" / "CFREE.yaml"

    cases.write_text(json.dumps({"cases": [{"name": "one", **case}]}))
    empty("profile", "test", directory, status=1)
    cases.write_text(json.dumps({"cases": [{"name": "one", **case}, {"name": "two", "issued": {"days": 730}}]}))

    done = run(MIDCA, "profile", "test", directory, env=environment(empty.base))
    assert told in done.stdout
    assert done.stdout.rstrip().endswith("ok")


CHANGED = {
    "signature_hash: SHA256": ("signature_hash: SHA384", {"hash": "SHA256"}),
    "backdate: 10": ("backdate: 20", {"backdate": 10}),
    "validity: 36h": ("validity: 47h", {"hours": 36}),
    "notice: For devices.": ("notice: For all.", {"notices": ["For devices."]}),
    "cps: https://a.example/": ("cps: https://b.example/", {"cps": ["https://a.example/"]}),
    "der: '0500'": ("der: '0c0161'", {"values": {"1.3.6.1.4.1.55555.1": "0500"}}),
    "cas: any": ("cas: [IOTmidCA]", {"cas": "any"}),
    "freshest_crl: true": ("freshest_crl: false", {"values": {"2.5.29.46": FRESHEST}}),
}


@pytest.mark.parametrize("written", CHANGED)
def test_case_notices_a_changed_key_of_its_profile(empty, tmp_path, written):  # noqa: F811
    document = VALID | {
        "validity": "36h",
        "policies": [{"oid": "1.2.3", "cps": "https://a.example/", "notice": "For devices."}],
        "extensions": [{"oid": "1.3.6.1.4.1.55555.1", "der": "0500"}],
        "freshest_crl": True,
    }
    changed, issued = CHANGED[written]
    (tmp_path / "own" / "cases").mkdir(parents=True)
    (tmp_path / "own" / "cases" / "A.yaml").write_text(json.dumps({"cases": [{"name": "one", "issued": issued}]}))
    text = yaml.safe_dump(document)
    assert written in text

    (tmp_path / "own" / "A.yaml").write_text(text)
    assert empty.json("profile", "test", tmp_path / "own")[0]["result"] == "ok"
    (tmp_path / "own" / "A.yaml").write_text(text.replace(written, changed))
    done = run(MIDCA, "profile", "test", tmp_path / "own", env=environment(empty.base))
    assert done.returncode == 1
    assert f"{next(iter(issued))} is " in done.stdout


def test_profiles_without_cases_are_named(empty, tmp_path):  # noqa: F811
    directory = tmp_path / "own"
    (directory / "cases").mkdir(parents=True)
    for name in ("A", "B"):
        (directory / f"{name}.yaml").write_text(yaml.safe_dump(VALID))

    assert "There are no cases in" in empty("profile", "test", directory, status=1)
    (directory / "cases" / "A.yaml").write_text(json.dumps({"cases": [{"name": "one", "issued": {"days": 730}}]}))
    done = run(MIDCA, "profile", "test", directory, env=environment(empty.base))
    assert done.returncode == 0
    assert "no cases of B" in done.stderr


@pytest.mark.parametrize(
    "case",
    [
        {},
        {"issued": {}, "refused": "a"},
        {"issued": {"unknown": 1}},
        {"csr": "a", "request": {}, "refused": "a"},
    ],
    ids=str,
)
def test_case_that_makes_no_sense_is_refused_by_file_and_key(empty, case):  # noqa: F811
    directory = empty.base / "profiles" / "cases"
    directory.mkdir()
    (directory / "CFREE.yaml").write_text(json.dumps({"cases": [{"name": "one", **case}]}))

    assert "CFREE.yaml: cases.0" in empty("profile", "test", status=3)


def test_schema_is_printed(empty):  # noqa: F811
    assert empty("profile", "schema") == profile_json_schema()
    for of_type in ("ca", "ocsp_responder"):
        assert f'"enum": [\n    "{of_type}"\n' in empty("profile", "schema", "--type", of_type)
        assert f"`{of_type}`" in empty("profile", "schema", "--type", of_type, "--markdown")


@pytest.mark.parametrize("case", [{"alternative_names": ["upn:a"]}, {"end_time": "soon"}], ids=str)
def test_case_of_an_end_entity_that_cannot_be_is_refused_by_its_name(empty, case):  # noqa: F811
    directory = empty.base / "profiles" / "cases"
    directory.mkdir()
    (directory / "CFREE.yaml").write_text(json.dumps({"cases": [{"name": "one", "issued": {}, **case}]}))

    assert "CFREE.yaml: one: " in empty("profile", "test", status=3)


def test_dates_that_are_asked_for_are_explained_and_signed(midca, request_file, tmp_path):  # noqa: F811
    asked = ("--not-before", "0:0:0", "--not-after", "20:0:0")
    explained = midca.json("profile", "explain", "X509Identity", request_file, "--subject", "CN=a", *asked)
    refused = midca("profile", "explain", "CFREE", request_file, "--subject", "CN=a", *asked, status=1)
    (tmp_path / "password").write_text("correct horse")
    chosen = ("--profile", "X509Identity", "--entity-profile", "EMPTY", "--password-file", tmp_path / "password")
    midca("entity", "add", "a", *chosen)
    pem = midca("sign", "a", request_file, "--password-file", tmp_path / "password", *asked)

    assert 14 <= explained["certificate"]["days"] <= 20
    told = [decision["reason"] for decision in explained["decisions"] if decision["field"] == "validity"]
    assert told == ["As asked for: from 0:0:0 until 20:0:0; 10950 days at most."]
    assert refused == ""
    certificate = x509.load_pem_x509_certificate(pem.encode())
    assert 14 <= (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days <= 20
