"""What a start tells of what it has made: where it lies, and what to type next."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from app.files.presence import is_there
from app.pki.certificate_authority import fingerprint

if TYPE_CHECKING:
    from pathlib import Path

    from app.bootstrap import Opened
    from app.offline_root import Medium
    from app.settings import Settings


def made(settings: Settings, opened: Opened) -> dict[str, Any]:
    """Return what was made and where it lies."""
    named = opened.services.authorities.named
    passphrase = settings.key_passphrase.default
    return {
        "data": str(settings.data),
        "cas": [{"name": name, "sha256": fingerprint(named(name).certificate)} for name in opened.created],
        "keys": str(settings.authority_files / "keys") if opened.created else None,
        "passphrase": str(passphrase) if opened.created and is_there(passphrase) else None,
        "admin_token": str(settings.admin_token) if opened.token_written else None,
    }


def welcome(settings: Settings, opened: Opened) -> str:
    """Return what a first start tells, once: what was made, where it lies, what to type next."""
    new = made(settings, opened)
    lines = [f"  CA {ca['name']}, SHA-256 {ca['sha256']}" for ca in new["cas"]]
    if new["keys"]:
        lines += [f"  CA keys, encrypted, in {new['keys']}"]
    if new["passphrase"]:
        lines += [f"  their passphrase in {new['passphrase']}: back it up apart from the rest"]
    if new["admin_token"]:
        lines += [
            f"  the admin token in {new['admin_token']}",
            "Next, with the server running, register a device f60c28 (README goes on from there):",
            f'  curl -H "Authorization: Bearer $(cat {shlex.quote(new["admin_token"])})" \\',
            '    -H "Content-Type: application/json" -d \'{"username": "f60c28", "password": "one-time-secret"}\' \\',
            f"    {settings.url}/user",
        ]
    return "\n".join([f"New in {settings.data}:", *lines]) if lines else ""


def offline_key(medium: Medium, data: Path) -> str:
    """Return what is to be done with the medium; ``data`` is the data directory."""
    lines = [f"The key of the root is in {medium.directory} and nowhere else: make a copy, and lock both away."]
    if medium.directory.stat().st_dev == data.stat().st_dev:
        lines.append("That is the file system of the data directory: was the medium mounted? If not, begin anew.")
    if medium.passphrase_file is None:
        lines.append("Its passphrase lies beside it: move key-passphrase off the medium, and keep it apart.")
    return "\n".join([*lines, "The server runs without it; docs/keys.md tells when it is needed again."])
