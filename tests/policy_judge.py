"""Judges what was issued by the profile's own YAML and another parser, so that no code judges itself."""

from typing import Any

from asn1crypto import csr as asn1_csr
from asn1crypto import x509 as asn1

KEY_USAGE = {
    "digital_signature": "digitalSignature",
    "non_repudiation": "nonRepudiation",
    "key_encipherment": "keyEncipherment",
    "data_encipherment": "dataEncipherment",
    "key_agreement": "keyAgreement",
}
USAGES = {"client_auth": "clientAuth", "server_auth": "serverAuth", "email_protection": "emailProtection"}
KINDS = {"dns_name": "dns", "ip_address": "ip", "uniform_resource_identifier": "uri", "rfc822_name": "email"}

POINTERS = {"crl_distribution_points", "freshest_crl", "authority_information_access"}
"""What the CA of the cases writes, with its own URL."""


def judge(
    allowed: dict[str, Any], certificate: asn1.Certificate, asked: asn1_csr.CertificationRequestInfo, name: str
) -> None:
    """Raise :class:`AssertionError` with ``name`` unless the certificate is a part of what the profile allows.

    ``allowed`` is the profile's file as YAML; the end entity is ``CN=f60c28``.
    """
    body = certificate["tbs_certificate"]
    assert body["subject"].native == {"common_name": "f60c28"}, name
    extensions = {extension["extn_id"].native: extension for extension in body["extensions"]}
    assert len(extensions) == len(body["extensions"]), name
    assert extensions.keys() <= {
        "basic_constraints",
        "key_usage",
        "extended_key_usage",
        "key_identifier",
        "authority_key_identifier",
        "subject_alt_name",
        *POINTERS,
    }, name
    for pointer in POINTERS & extensions.keys():
        assert b"https://pki.example/" in extensions[pointer]["extn_value"].contents, name
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
