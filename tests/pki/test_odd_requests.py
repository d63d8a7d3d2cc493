"""Every odd request of ``tests/vectors`` under every shipped profile: what is issued is a part of what is allowed.

What is allowed is read from the profile's YAML here, and what is issued by another parser, so that the code that issues
does not judge itself.
"""

from base64 import b64decode
from datetime import UTC, datetime

import pytest
import yaml
from asn1crypto import csr as asn1_csr
from asn1crypto import x509 as asn1
from cryptography.hazmat.primitives.serialization import Encoding

from app.errors import Refusal
from app.files.profile_files import HIERARCHY_FILE, OWN_PROFILES, load_profile
from app.operations.profile_cases import ProfileCases
from app.pki import distinguished_name
from app.pki.certification_request import CertificationRequest
from app.pki.enrolment_request import EnrolmentRequest
from app.settings import shipped
from tests.policy_judge import judge
from tests.vectors.cases import csr_cases

FILES = sorted(path for path in shipped("profiles").glob("*.yaml") if path.name != HIERARCHY_FILE)
OWN = [path for path in FILES if path.stem in OWN_PROFILES]
PROFILES = [path for path in FILES if path not in OWN]
SUBJECT = distinguished_name.of_common_name("f60c28")
WRITTEN_OUT = {"ec_point_compressed", "ec_explicit_parameters"}
"""The certificate names the curve and writes the point out (RFC 5480 section 2.1.1), whatever the request did."""


def issued_by(path) -> list[tuple[str, asn1.Certificate, asn1_csr.CertificationRequestInfo]]:
    profile, runner = load_profile(path), ProfileCases()
    found = []
    for case in csr_cases():
        try:
            request = CertificationRequest.from_text(case.field)
            template = profile.apply(EnrolmentRequest.of(request, "f60c28", SUBJECT))
        except Refusal:
            continue
        draft = runner._authority.draft(template, serial=1, now=datetime.now(UTC), key=runner._key)
        asked = asn1_csr.CertificationRequest.load(der_of(case.field))["certification_request_info"]
        found.append((case.name, asn1.Certificate.load(draft.public_bytes(Encoding.DER)), asked))
    return found


def der_of(field: str) -> bytes:
    body = [line for line in field.splitlines() if not line.startswith("-----")]
    return b64decode("".join("".join(body).split()))


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_no_request_is_certified_by_a_profile_of_cas_or_responders(path):
    assert issued_by(path) == []


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_what_is_issued_is_part_of_what_is_allowed(path):
    allowed = yaml.safe_load(path.read_text())
    issued = issued_by(path)

    assert issued, "no odd request was issued, so nothing was looked at"
    for name, certificate, asked in issued:
        judge(allowed, certificate, asked, name)
        if name not in WRITTEN_OUT:
            issued_key = certificate["tbs_certificate"]["subject_public_key_info"].dump()
            assert issued_key == asked["subject_pk_info"].dump(), name
