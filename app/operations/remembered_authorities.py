"""Whether the database and the directory of the CAs belong together."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from app.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from app.files.authority_files import AuthorityFiles
    from app.pki.declared_authority import DeclaredAuthority
    from app.store.certificates import CertificateStore, StoredCertificate


def check_remembered(
    files: AuthorityFiles,
    declared: Iterable[DeclaredAuthority],
    certificates: CertificateStore,
    offline: Collection[str],
) -> None:
    """Refuse a database and a directory that do not know the same CAs: they do not belong together.

    ``offline`` are the CAs whose key is not on this machine. The certificate on disk may be one before the newest: the
    import of a renewed one can have been cut off.
    """
    for name in sorted({*files.names(), *(authority.name for authority in declared)}):
        own = certificates.all_own_of_authority(name)
        if files.certificate(name) is not None and not own:
            raise ConfigurationError(
                f"The database knows nothing of the CA {name}, which is on disk in {files.directory}; put the right "
                "one back from your backup."
            )
        if own and not ((name in offline or files.has_key(name)) and _is_one_of(files, name, own)):
            raise ConfigurationError(
                f"The database knows the CA {name}, but {files.directory} does not hold its key and certificate; copy "
                "ca/ and secrets/ from the server that made it."
            )


def _is_one_of(files: AuthorityFiles, name: str, own: Iterable[StoredCertificate]) -> bool:
    """Return whether the CA on disk is that of the database; a key alone is a set-up that was interrupted.

    Of a certificate that a restore knows by the audit log alone the bytes are not on record, but their hash is.
    """
    certificate = files.certificate(name)
    if certificate is None:
        return True
    tbs_sha256 = hashlib.sha256(certificate.tbs_certificate_bytes).hexdigest()
    return any(stored.tbs_sha256 == tbs_sha256 for stored in own)
