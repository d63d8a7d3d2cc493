"""Every shipped profile, judged by programs that are not ours: what it issues is good to all of them."""

import json
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from app.files.profile_files import load_profiles
from app.settings import shipped
from tests.builders import csr, key, one_line
from tests.conftest import require_tool, run

pytestmark = pytest.mark.one_database

KEYS = {
    "RSA": key,
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}
CASES = [
    (name, kind)
    for name, profile in load_profiles(shipped("profiles")).items()
    for kind, allowed in (
        ("RSA", profile.key.rsa_min_bits is not None),
        ("P-256", "secp256r1" in profile.key.curves),
        ("Ed25519", profile.key.ed25519),
    )
    if allowed
]


@pytest.fixture
def issued(installation, tmp_path, request) -> tuple[Path, Path, Path]:
    """The certificate of a shipped profile, the CA that signed it and the root, as PEM files."""
    profile, kind = request.param
    installation.add("mqtt.example.org", certificate_profile=profile, end_entity_profile="EMPTY")
    names = x509.SubjectAlternativeName([x509.DNSName("mqtt.example.org")])
    signed = csr(signing_key=KEYS[kind](), extensions=((names, False),))
    certificate = installation.sign("mqtt.example.org", "dojot", one_line(signed)).certificate
    mid, root = installation.services.authorities.named("IOTmidCA").chain
    paths = []
    for name, content in (("leaf", certificate), ("mid", mid), ("root", root)):
        paths.append(tmp_path / f"{name}.pem")
        paths[-1].write_bytes(content.public_bytes(Encoding.PEM))
    return tuple(paths)


for_every_profile = pytest.mark.parametrize("issued", CASES, indirect=True, ids="-".join)


@for_every_profile
def test_openssl_verifies_it_strictly(issued):
    leaf, mid, root = issued
    done = run(require_tool("openssl"), "verify", "-x509_strict", "-CAfile", root, "-untrusted", mid, leaf)

    assert done.returncode == 0, done.stdout + done.stderr


@for_every_profile
def test_gnutls_verifies_it(issued, tmp_path):
    leaf, mid, root = issued
    chain = tmp_path / "chain.pem"
    chain.write_text(leaf.read_text() + mid.read_text())
    done = run(require_tool("certtool"), "--verify", "--load-ca-certificate", root, "--infile", chain)

    assert done.returncode == 0, done.stdout + done.stderr


@for_every_profile
def test_pkilint_finds_no_error(issued):
    linter = Path(sys.executable).parent / "lint_pkix_cert"
    done = run(linter, "lint", "--severity", "ERROR", "--format", "JSON", issued[0])

    assert [
        found["code"] for result in json.loads(done.stdout)["results"] for found in result["finding_descriptions"]
    ] == []
