"""Checkpoints of a log as everybody's tools read them: signed notes (c2sp.org/signed-note, c2sp.org/tlog-checkpoint).

A checkpoint says how many entries a log has and what the root of their tree is. Its key signs nothing else, and is no
CA's key.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.errors import InvalidInput
from app.pki.merkle_tree import HASH_BYTES

_ED25519: Final = b"\x01"  # the signature type of signed-note
_KEY_BYTES: Final = 32
_DASH: Final = "\N{EM DASH}"
_BASE64: Final = "[A-Za-z0-9+/]+={0,2}"
_NOTE: Final = re.compile(
    rf"(?P<origin>\S+)\n(?P<size>0|[1-9][0-9]{{0,18}})\n(?P<root>{_BASE64})\n\n(?:{_DASH} \S+ {_BASE64}\n)+"
)
_SIGNATURE: Final = re.compile(rf"{_DASH} (?P<name>\S+) (?P<value>{_BASE64})\n")


@dataclass(frozen=True)
class Checkpoint:
    """The head of a log's tree, and the note that says so; ``origin`` is who says it."""

    origin: str
    size: int
    root: bytes
    note: str

    @property
    def text(self) -> str:
        """What of the note is signed."""
        return self.note.partition("\n\n")[0] + "\n"


class NoteVerifier:
    """The public key of a log, under the log's name."""

    def __init__(self, name: str, key: Ed25519PublicKey) -> None:
        """Take the name, which is also the origin of its checkpoints, and the key."""
        self.name = name
        self.key = key
        raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key_id = hashlib.sha256(name.encode() + b"\n" + _ED25519 + raw).digest()[:4]
        self._encoded = base64.b64encode(_ED25519 + raw).decode()

    def __str__(self) -> str:
        """Return the verifier key as Go's sumdb/note writes it: ``name+key id+key``."""
        return f"{self.name}+{self.key_id.hex()}+{self._encoded}"

    @classmethod
    def from_text(cls, text: str) -> NoteVerifier:
        """Return the verifier that ``str()`` wrote; raise :class:`InvalidInput` for other text."""
        name, _, rest = text.partition("+")
        raw = _decoded(rest.partition("+")[2])
        if not name or raw[:1] != _ED25519 or len(raw) != 1 + _KEY_BYTES:
            raise InvalidInput(f"{text[:80]!r} is no public key of an audit log.")
        return cls(name, Ed25519PublicKey.from_public_bytes(raw[1:]))

    def has_signed(self, checkpoint: Checkpoint) -> bool:
        """Return whether the checkpoint is this log's and signed by its key; other signatures are passed over."""
        signatures = [_split(value) for name, value in _SIGNATURE.findall(checkpoint.note) if name == self.name]
        ours = [signature for key_id, signature in signatures if key_id == self.key_id]
        return checkpoint.origin == self.name and bool(ours) and all(self._fits(checkpoint, one) for one in ours)

    def _fits(self, checkpoint: Checkpoint, signature: bytes) -> bool:
        try:
            self.key.verify(signature, checkpoint.text.encode())
        except InvalidSignature:
            return False
        return True


class NoteSigner:
    """The private key of a log. The log is named by its key, so two installations never have the same origin."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        """Take the key."""
        self._key = key
        raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.verifier = NoteVerifier(f"midca/audit/{hashlib.sha256(raw).hexdigest()[:16]}", key.public_key())

    def checkpoint(self, size: int, root: bytes) -> Checkpoint:
        """Return a signed checkpoint."""
        origin = self.verifier.name
        text = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
        signature = base64.b64encode(self.verifier.key_id + self._key.sign(text.encode())).decode()
        return Checkpoint(origin, size, root, f"{text}\n{_DASH} {origin} {signature}\n")


def read_checkpoints(text: str) -> tuple[list[Checkpoint], str]:
    """Return the checkpoints in a text, one behind the other, and what is left of the text without them."""
    found, left, at = [], [], 0
    for match in _NOTE.finditer(text):
        root = _decoded(match["root"])
        if len(root) != HASH_BYTES:
            continue
        found.append(Checkpoint(match["origin"], int(match["size"]), root, match[0]))
        left.append(text[at : match.start()])
        at = match.end()
    return found, "".join([*left, text[at:]]).strip()


def _split(value: str) -> tuple[bytes, bytes]:
    """Return key id and signature of a signature line."""
    raw = _decoded(value)
    return raw[:4], raw[4:]


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""
