"""A self-signed CA of each kind of key, to vary one part of."""

import dataclasses
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from app.files.profile_files import load_profile
from app.files.shipped import shipped
from app.pki import distinguished_name
from app.pki.certificate_authority import CertificateAuthority, self_signed
from app.pki.certificate_template import CertificateTemplate, extension
from app.pki.declared_authority import DeclaredAuthority
from tests.builders import key

NOW = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)

DECLARED = DeclaredAuthority(
    name="Test CA",
    subject=distinguished_name.parse("CN=Test CA,O=Example"),
    validity=timedelta(days=3650),
    key_type="RSA",
    key_size=2048,
    path_length=0,
    signs_end_entities=True,
    issuer=None,
    profile="root-ca",
)
ROOT_CA = load_profile(shipped("profiles") / "root-ca.yaml")

TEMPLATE = CertificateTemplate(
    subject=distinguished_name.of_common_name("device"),
    public_key=key().public_key(),
    validity=timedelta(days=730),
    backdated=timedelta(minutes=10),
    extensions=(extension(x509.BasicConstraints(ca=False, path_length=None), critical=False),),
    hash_algorithm=hashes.SHA256(),
    profile="CFREE",
    profile_sha256="0" * 64,
)


@cache
def authority_key(key_type: str) -> Any:
    return dataclasses.replace(DECLARED, key_type=key_type).generate_key()


def authority(key_type: str = "RSA", **changed: Any) -> CertificateAuthority:
    declared = dataclasses.replace(DECLARED, key_type=key_type, **changed)
    private = authority_key(key_type)
    certificate = self_signed(
        declared.template(ROOT_CA, private.public_key()), private, serial=1, not_before=NOW, record=lambda _: None
    )
    return CertificateAuthority(declared.name, (certificate,), private)
