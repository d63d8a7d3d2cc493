"""Whether the database and the directory of the CAs belong together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding

from app.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.files.authority_files import AuthorityFiles
    from app.pki.declared_authority import DeclaredAuthority
    from app.store.certificates import CertificateStore


def check_remembered(files: AuthorityFiles, declared: Iterable[DeclaredAuthority], database: CertificateStore) -> None:
    """Refuse a database and a directory that do not know the same CAs: they do not belong together."""
    for name in sorted({*files.names(), *(authority.name for authority in declared)}):
        stored, certificate = database.own_of_authority(name), files.certificate(name)
        if certificate is not None and stored is None:
            raise ConfigurationError(
                f"The database knows nothing of the CA {name}, which is on disk in {files.directory}; put the right "
                "one back from your backup."
            )
        if stored is not None and not _is_of(files, name, stored.certificate):
            raise ConfigurationError(
                f"The database knows the CA {name}, but {files.directory} does not hold its key and certificate; copy "
                "ca/ and secrets/ from the server that made it."
            )


def _is_of(files: AuthorityFiles, name: str, stored: bytes | None) -> bool:
    """Return whether the CA on disk is that of the database; a key alone is a set-up that was interrupted."""
    certificate = files.certificate(name)
    return files.has_key(name) if certificate is None else certificate.public_bytes(Encoding.DER) == stored
