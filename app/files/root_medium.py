"""The directory, on a medium that lies in a safe, of a root whose key is offline.

=====================  =================================================================
``keys/``              the root's key, encrypted
``certificates/``      the root's certificate
``key-passphrase``     what opens the key, unless it is kept elsewhere
``issued/``            the certificates it signed since
``lists/``             its newest revocation lists: the next one names all that these do
``records/``           one text for each ceremony
=====================  =================================================================
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.errors import ConfigurationError
from app.files.authority_files import AuthorityFiles
from app.files.presence import is_directory, is_there
from app.files.private_keys import PrivateKeys
from app.files.protected import make_directory, write_once, write_over, writing_once
from app.files.secrets import SecretSource
from app.pki.revocation_list import lists_from_pem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_PASSPHRASE: Final = "key-passphrase"  # noqa: S105 -- the name of its file


@dataclass(frozen=True)
class RootMedium:
    """``files`` are the keys and certificates of the roots on it."""

    directory: Path
    files: AuthorityFiles

    @classmethod
    def open(cls, directory: Path, passphrase_file: Path | None, *, create: bool = False) -> RootMedium:
        """Open the medium; ``create`` makes what is not there. The passphrase is in a file on it, or in the given one.

        Raises :class:`ConfigurationError` when it cannot be used.
        """
        path = passphrase_file or directory / _PASSPHRASE
        if create:
            make_directory(directory)
            _check_writable(directory)
        elif not is_directory(directory):
            raise ConfigurationError(f"{directory} is no directory.")
        fresh = create and not is_there(directory / "keys")
        passphrase = SecretSource("of the root's key", None, None, None, path).read(create=fresh)
        return cls(directory, AuthorityFiles(directory, PrivateKeys(lambda: passphrase)))

    def lists(self, name: str) -> list[x509.CertificateRevocationList]:
        """Return the newest lists of a root."""
        path = self._lists(name)
        if not is_there(path):
            return []
        try:
            return lists_from_pem(path.read_bytes())
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{path} holds no revocation lists.") from error

    def save_lists(self, name: str, lists: Sequence[x509.CertificateRevocationList]) -> None:
        """Put lists in the place of those before them."""
        path = self._lists(name)
        make_directory(path.parent)
        with _writing(path):
            write_over(path, b"".join(each.public_bytes(Encoding.PEM) for each in lists), mode=0o644)

    def save_issued(self, name: str, certificate: x509.Certificate) -> None:
        """Keep a certificate that a root of the medium signed."""
        path = self.directory / "issued" / f"{name}-{certificate.serial_number:X}.pem"
        make_directory(path.parent)
        with _writing(path):
            write_once(path, certificate.public_bytes(Encoding.PEM), mode=0o644)

    def new_record(self, name: str) -> Callable[[str], None]:
        """Begin the record of a ceremony; return what writes its text, as far as it is known by then."""
        directory = self.directory / "records"
        make_directory(directory)
        for number in count(1):
            path = directory / (f"{name}.txt" if number == 1 else f"{name}-{number}.txt")
            with suppress(FileExistsError), _writing(path):  # it is that of another ceremony in the same second
                write_once(path, b"")
                break

        def save(text: str) -> None:
            with _writing(path):
                write_over(path, text.encode())

        return save

    def _lists(self, name: str) -> Path:
        return self.directory / "lists" / f"{name}.crl.pem"


def _check_writable(directory: Path) -> None:
    probe = directory / ".probe"
    with _writing(probe):
        probe.unlink(missing_ok=True)
        with writing_once(probe):
            pass
        probe.unlink()


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written: {error.strerror}. The medium needs space, and a file system that knows owners "
            "and links, such as ext4."
        ) from error
