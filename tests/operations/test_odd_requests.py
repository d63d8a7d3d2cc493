"""Every odd request of ``tests/vectors`` through issuance, under every shipped profile for end entities.

Refused: no signature, no row, the end entity as it was (A01 to A36). Issued: judged by another parser and the YAML.
That each case is refused for its reason is seen through HTTP, under CFREE, in ``tests/frontends/test_csr_vectors.py``.
"""

import pytest
import yaml
from asn1crypto import csr as asn1_csr
from asn1crypto import x509 as asn1
from cryptography.hazmat.primitives.serialization import Encoding

from app.errors import Refusal
from app.settings import shipped
from tests.pki.test_odd_requests import PROFILES, der_of
from tests.policy_judge import judge
from tests.vectors.cases import csr_cases

pytestmark = pytest.mark.one_database
PASSWORD = "0123456789abcdef0123456789abcdef"  # looks random, so it is not stretched


def state(installation) -> tuple:
    rows = installation.sql("SELECT * FROM end_entities ORDER BY username")
    return rows, installation.certificates(), len(installation.oracle.signed())


@pytest.mark.parametrize("path", [path for path in PROFILES if path.stem != "CFREE"], ids=lambda path: path.stem)
def test_odd_request_is_refused_without_a_trace_or_issued_within_the_profile(installation, path):
    allowed = yaml.safe_load((shipped("profiles") / path.name).read_text())
    chosen = {"password": PASSWORD, "certificate_profile": path.stem, "end_entity_profile": "EMPTY"}
    installation.add(**chosen)
    issued = 0
    for case in csr_cases():
        before = state(installation)
        try:
            certificate = installation.sign("f60c28", PASSWORD, case.field).certificate
        except Refusal:
            assert state(installation) == before, case.name
            continue
        issued += 1
        asked = asn1_csr.CertificationRequest.load(der_of(case.field))["certification_request_info"]
        judge(allowed, asn1.Certificate.load(certificate.public_bytes(Encoding.DER)), asked, case.name)
        installation.add(**chosen)
    assert issued
