"""Every odd request of ``tests/vectors`` through HTTP: refused without a trace, or issued with what is allowed."""

import re

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtensionOID, NameOID

from tests.builders import wrapped
from tests.vectors.cases import CsrCase, csr_cases

pytestmark = pytest.mark.one_database

STATUS = {"refused": 400, "issued": 200, "too_large": 413}


@pytest.mark.parametrize("case", csr_cases(), ids=lambda case: f"{case.case}-{case.name}")
def test_request_is_refused_or_issued_as_written(case: CsrCase, installation, client):
    installation.add()
    before = installation.sql("SELECT * FROM end_entities")

    answer = client.post("/sign/f60c28/pkcs10", json={"passwd": "dojot", "certificate": case.field})

    assert answer.status_code == STATUS[case.outcome], answer.text
    if case.outcome == "issued":
        check_certificate(case, x509.load_pem_x509_certificate(wrapped(answer.json["status"]["data"]).encode()))
        return
    assert set(answer.json) == {"message", "status"}
    assert installation.certificates() == 0
    assert installation.sql("SELECT * FROM end_entities") == before
    if case.outcome == "refused":
        assert re.search(case.message or "", answer.json["message"], re.IGNORECASE), answer.json["message"]
        assert installation.last_audit()["action"] == "certificate.refused"


def check_certificate(case: CsrCase, certificate: x509.Certificate) -> None:
    assert [(a.oid, a.value) for a in certificate.subject] == [(NameOID.COMMON_NAME, "f60c28")]
    allowed = {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    }
    present = {extension.oid for extension in certificate.extensions}
    assert present <= allowed
    assert not {oid.dotted_string for oid in present} & set(case.absent)
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert not usage.key_cert_sign
    assert not usage.crl_sign
    if case.san is not None:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        kinds = {x509.DNSName: "DNS", x509.IPAddress: "IP"}
        assert {f"{kinds[type(name)]}:{name.value}" for name in names} == set(case.san)
