"""Checkpoints as signed notes; openssl checks the signature without knowing anything of ours."""

import base64
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.pki.checkpoint import NoteSigner, NoteVerifier, read_checkpoints
from tests.conftest import require_tool

ROOT = bytes(range(32))


@pytest.fixture
def key():
    return Ed25519PrivateKey.from_private_bytes(b"0123456789abcdef" * 2)


@pytest.fixture
def signer(key):
    return NoteSigner(key)


def test_key_id_and_verifier_key_are_those_of_go(signer):
    """The key of the examples in golang.org/x/mod/sumdb/note."""
    encoded = "ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    raw = base64.b64decode(encoded)
    assert raw[:1] == b"\x01"

    verifier = NoteVerifier("PeterNeumann", Ed25519PublicKey.from_public_bytes(raw[1:]))

    assert str(verifier) == f"PeterNeumann+c74f20a3+{encoded}"


def test_note_has_the_form_of_the_specification(signer):
    note = signer.checkpoint(1234, ROOT).note

    origin, size, root, empty, signature, end = note.split("\n")
    assert (size, base64.b64decode(root), empty, end) == ("1234", ROOT, "", "")
    assert " " not in origin
    assert "+" not in origin
    assert signature.startswith(f"\N{EM DASH} {origin} ")
    assert len(base64.b64decode(signature.rpartition(" ")[2])) == 4 + 64


def test_openssl_verifies_the_signature_over_the_text(signer, key, tmp_path):
    openssl = require_tool("openssl")
    text, _, signature = signer.checkpoint(1234, ROOT).note.partition("\n\n")
    (tmp_path / "text").write_text(text + "\n")
    (tmp_path / "signature").write_bytes(base64.b64decode(signature.rstrip("\n").rpartition(" ")[2])[4:])
    (tmp_path / "key").write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    command = [
        openssl,
        "pkeyutl",
        "-verify",
        "-rawin",
        "-pubin",
        "-inkey",
        "key",
        "-in",
        "text",
        "-sigfile",
        "signature",
    ]

    assert subprocess.run(command, cwd=tmp_path, check=False, capture_output=True).returncode == 0
    (tmp_path / "text").write_text(text.replace("1234", "1235") + "\n")
    assert subprocess.run(command, cwd=tmp_path, check=False, capture_output=True).returncode != 0


def test_checkpoints_are_read_back_one_behind_the_other(signer):
    written = [signer.checkpoint(size, ROOT) for size in (0, 1, 10**15)]

    found, rest = read_checkpoints("\n".join(checkpoint.note for checkpoint in written))

    assert found == written
    assert rest == ""
    assert all(map(signer.verifier.has_signed, found))


@pytest.mark.parametrize(
    ("old", "new"),
    [("\n12\n", "\n13\n"), ("\n12\n", "\n012\n"), ("AAEC", "AAED"), ("midca/audit/", "midca/other/"), ("\n\n", "\n")],
)
def test_checkpoint_that_was_changed_is_not_read_or_not_signed(signer, old, new):
    note = signer.checkpoint(12, ROOT).note
    assert old in note

    found, rest = read_checkpoints(note.replace(old, new))

    assert rest or not any(map(signer.verifier.has_signed, found))


def test_another_logs_checkpoint_is_not_this_logs(signer):
    other = NoteSigner(Ed25519PrivateKey.generate())

    assert not signer.verifier.has_signed(other.checkpoint(12, ROOT))
    assert other.verifier.name != signer.verifier.name


def test_signature_of_a_witness_beside_ours_is_passed_over(signer):
    note = signer.checkpoint(12, ROOT).note + f"\N{EM DASH} witness.example {base64.b64encode(bytes(76)).decode()}\n"

    (found,), rest = read_checkpoints(note)

    assert rest == ""
    assert signer.verifier.has_signed(found)


def test_witness_alone_does_not_vouch(signer):
    text = signer.checkpoint(12, ROOT).text
    (found,), _ = read_checkpoints(f"{text}\n\N{EM DASH} witness.example {base64.b64encode(bytes(76)).decode()}\n")

    assert not signer.verifier.has_signed(found)


def test_root_of_another_length_is_no_checkpoint(signer):
    found, rest = read_checkpoints(signer.checkpoint(12, b"short").note)

    assert found == []
    assert rest
