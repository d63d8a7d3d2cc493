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
from app.files.profile_files import HIERARCHY_FILE, load_profile
from app.operations.profile_cases import ProfileCases
from app.pki import distinguished_name
from app.pki.certification_request import CertificationRequest
from app.settings import shipped
from tests.vectors.cases import csr_cases

PROFILES = sorted(path for path in shipped("profiles").glob("*.yaml") if path.name != HIERARCHY_FILE)
SUBJECT = distinguished_name.of_common_name("f60c28")
KEY_USAGE = {
    "digital_signature": "digitalSignature",
    "non_repudiation": "nonRepudiation",
    "key_encipherment": "keyEncipherment",
    "data_encipherment": "dataEncipherment",
    "key_agreement": "keyAgreement",
}
USAGES = {"client_auth": "clientAuth", "server_auth": "serverAuth", "email_protection": "emailProtection"}
KINDS = {"dns_name": "dns", "ip_address": "ip", "uniform_resource_identifier": "uri", "rfc822_name": "email"}
WRITTEN_OUT = {"ec_point_compressed", "ec_explicit_parameters"}
"""The certificate names the curve and writes the point out (RFC 5480 section 2.1.1), whatever the request did."""


def issued_by(path) -> list[tuple[str, asn1.Certificate, asn1_csr.CertificationRequestInfo]]:
    profile, runner = load_profile(path), ProfileCases()
    found = []
    for case in csr_cases():
        try:
            request = CertificationRequest.from_text(case.field)
            template = profile.apply(request, SUBJECT)
        except Refusal:
            continue
        draft = runner._authority.draft(template, serial=1, now=datetime.now(UTC), key=runner._key)
        asked = asn1_csr.CertificationRequest.load(der_of(case.field))["certification_request_info"]
        found.append((case.name, asn1.Certificate.load(draft.public_bytes(Encoding.DER)), asked))
    return found


def der_of(field: str) -> bytes:
    body = [line for line in field.splitlines() if not line.startswith("-----")]
    return b64decode("".join("".join(body).split()))


def names_of(extensions) -> set[bytes]:
    return {
        name.dump()
        for extension in extensions
        if extension["extn_id"].native == "subject_alt_name"
        for name in extension["extn_value"].parsed
    }


def asked_extensions(asked):
    for attribute in asked["attributes"]:
        if attribute["type"].native == "extension_request":
            return attribute["values"][0]
    return []


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_what_is_issued_is_part_of_what_is_allowed(path):
    allowed = yaml.safe_load(path.read_text())
    issued = issued_by(path)

    assert issued, "no odd request was issued, so nothing was looked at"
    for name, certificate, asked in issued:
        body = certificate["tbs_certificate"]
        assert body["subject"].native == {"common_name": "f60c28"}, name
        if name not in WRITTEN_OUT:
            assert body["subject_public_key_info"].dump() == asked["subject_pk_info"].dump(), name
        extensions = {extension["extn_id"].native: extension for extension in body["extensions"]}
        assert len(extensions) == len(body["extensions"]), name
        assert extensions.keys() <= {
            "basic_constraints",
            "key_usage",
            "extended_key_usage",
            "key_identifier",
            "authority_key_identifier",
            "subject_alt_name",
        }, name
        assert certificate.ca is False, name
        bits = {KEY_USAGE[bit] for bit in certificate.key_usage_value.native}
        assert bits, name
        assert bits <= set(allowed["key_usage"]["bits"]), name
        assert extensions["key_usage"]["critical"].native == allowed["key_usage"]["critical"], name
        usages = certificate.extended_key_usage_value
        assert [USAGES[usage] for usage in (usages.native if usages else [])] == allowed["extended_key_usage"], name
        assert names_of(body["extensions"]) <= names_of(asked_extensions(asked)), name
        names = certificate.subject_alt_name_value or []
        assert all(allowed["alternative_names"][KINDS[alternative.name]] is True for alternative in names), name
        assert names or not allowed["alternative_names"].get("required"), name
