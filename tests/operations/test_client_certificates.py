"""A client certificate that an admin admitted counts until it is revoked, whatever is left of it on record."""

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from app.errors import NotAuthenticated
from app.operations.callers import Shown
from app.operations.client_certificates import ClientCertificates
from app.operations.principal import Role
from app.pki.revocation import RevocationReason
from tests.builders import csr, one_line
from tests.conftest import ACTOR


@pytest.fixture
def admitted(installation):
    """The serial of a certificate that is an admin's, and what its way says of who shows it."""
    installation.add()
    issued = installation.sign("f60c28", "dojot", one_line(csr()))
    installation.services.tokens.admit("ada", issued.certificate.public_bytes(Encoding.DER), ACTOR)
    way = ClientCertificates(installation.services.tokens, installation.services.certificates, installation.clock)
    shown = Shown(certificate=issued.certificate.public_bytes(Encoding.PEM).decode())
    assert way.principal(shown).roles == {Role.ADMIN}
    return issued.serial, lambda: way.principal(shown)


def test_revoked_certificate_is_refused(installation, admitted):
    serial, principal = admitted
    installation.services.revocation.change("IOTmidCA", serial, RevocationReason.KEYCOMPROMISE, ACTOR)

    with pytest.raises(NotAuthenticated, match="is revoked"):
        principal()


def test_revoked_certificate_of_which_the_record_alone_is_left_is_refused(installation, admitted):
    """What comes back from the log with a restore, or was revoked by its serial, has no bytes to compare it with."""
    serial, principal = admitted
    installation.services.revocation.change("IOTmidCA", serial, RevocationReason.KEYCOMPROMISE, ACTOR)
    installation.sql("UPDATE certificates SET certificate = NULL WHERE serial = ?", serial)

    with pytest.raises(NotAuthenticated, match="is revoked"):
        principal()
