"""Opens the medium of an offline root, on any machine that has the hierarchy file and the profiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

from app.errors import ConfigurationError
from app.files.hierarchy_file import load_hierarchy
from app.files.presence import is_there
from app.files.profile_files import HIERARCHY_FILE, load_profiles
from app.files.root_medium import RootMedium
from app.operations.ceremony import Ceremony
from app.operations.ceremony_record import Circumstances
from app.operations.profiles import Profiles
from app.settings import Settings

Key = CertificateIssuerPrivateKeyTypes


@dataclass(frozen=True)
class Medium:
    """Where the root's key lies, its passphrase (None: beside it), and who asks for it."""

    directory: Path
    passphrase_file: Path | None
    circumstances: Circumstances


def open_ceremony(
    settings: Settings,
    medium: Medium,
    *,
    now: Callable[[], datetime],
    new_serial: Callable[[], int],
    signing_key: Callable[[Key], Key],
    create: bool = False,
) -> Ceremony:
    """Open the medium; ``create`` makes what is not there yet.

    Raises :class:`ConfigurationError` for a directory within the data directory: there the root's key never lies.
    """
    directory = medium.directory.absolute()
    for path in (directory, directory / "keys"):
        is_there(path)  # a loop of links is told of here, before it is followed
        if path.resolve().is_relative_to(settings.data.resolve()):
            raise ConfigurationError(f"{directory} lies in the data directory: the key of an offline root never does.")
    return Ceremony(
        RootMedium.open(directory, medium.passphrase_file, create=create),
        load_hierarchy(settings.profiles / HIERARCHY_FILE),
        Profiles(partial(load_profiles, settings.profiles)),
        settings.public_urls,
        medium.circumstances,
        now,
        new_serial,
        signing_key,
    )
