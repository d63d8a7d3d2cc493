"""An installation whose root is offline, and ceremonies with its medium."""

import re
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.bootstrap import open_services
from app.offline_root import Medium, open_ceremony
from app.operations.ceremony import Ceremony
from app.operations.ceremony_record import CeremonialFile, Circumstances
from tests.builders import HIERARCHY, profiles_directory
from tests.conftest import ACTOR, Installation, settings_for
from tests.signer_oracle import recorded

FAST = HIERARCHY.replace("keysize: 2048", "keytype: P-256")
CIRCUMSTANCES = Circumstances("Ada Lovelace", "midca init --root-out medium", "midca test")


class OfflineInstallation(Installation):
    """The first start is ``midca init --root-out``; each later :meth:`open` does without the medium."""

    def __init__(self, base: Path, *, hierarchy: str = FAST, **environment: str) -> None:
        self.medium = base / "medium"
        self.with_medium = True
        self.all_opened = []
        if not (base / "profiles").exists():
            profiles_directory(base / "profiles", hierarchy=hierarchy)
        super().__init__(base, **environment)
        self.services.database.close()
        self.with_medium = False
        self.opened = self.open()
        self.services = self.opened.services

    def open(self):
        medium = Medium(self.medium, None, CIRCUMSTANCES) if self.with_medium else None
        self.all_opened.append(
            open_services(self.settings, create=True, now=self.clock, signing_key=self.oracle.wrap, medium=medium)
        )
        return self.all_opened[-1]

    def check(self) -> None:
        """Nothing was signed that is recorded neither here nor on the medium."""
        records = "".join(path.read_text() for path in self.base.glob("*/records/*.txt"))
        on_medium = set(re.findall(r"^to be signed, SHA-256: +([0-9a-f]{64})$", records, re.MULTILINE))
        assert set(self.oracle.signed()) <= recorded(self.settings.database) | on_medium

    def close(self) -> None:
        for opened in self.all_opened:
            opened.services.database.close()

    def ceremony(self, *, medium: Path | None = None, **environment: str) -> Ceremony:
        """Open the medium on a machine that has no data directory; its signatures are the oracle's business too."""
        settings = settings_for(self.base, **environment, MIDCA_DATA="/nonexistent")
        return open_ceremony(
            settings,
            Medium(medium or self.medium, None, CIRCUMSTANCES),
            now=self.clock,
            new_serial=x509.random_serial_number,
            signing_key=self.oracle.wrap,
        )

    def renew(self, name: str = "IOTmidCA", **environment: str) -> x509.Certificate:
        """Request, sign, import."""
        request = pem(self.services.renewal.request(name, ACTOR))
        held = self.ceremony(**environment)
        signed = held.sign(held.propose(request))
        return self.services.renewal.install(name, CeremonialFile.from_text(signed), ACTOR)

    def make_list(self, **options) -> int:
        """Sign a list, import it."""
        signed = self.ceremony().revocation_lists(**options)
        return self.take_list(signed)

    def take_list(self, text: str, name: str = "IOTrootCA") -> int:
        authority = self.services.authorities.named(name)
        return self.services.list_import.take(authority, CeremonialFile.from_text(text), ACTOR)

    @property
    def mid(self) -> x509.Certificate:
        """The certificate of IOTmidCA that is on disk."""
        path = self.settings.authority_files / "certificates" / "IOTmidCA.pem"
        return x509.load_pem_x509_certificate(path.read_bytes())


def pem(request: x509.CertificateSigningRequest) -> str:
    return request.public_bytes(Encoding.PEM).decode()
