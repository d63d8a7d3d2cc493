"""Renewal by EST: a certificate in the place of the password, shown to a proxy or here (RFC 7030 section 4.2.2)."""

import logging
import re
import ssl
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.operations.access_tokens import Grant
from app.operations.principal import Role
from app.pki.end_entity import EndEntityStatus
from app.pki.revocation import RevocationReason
from app.web import create_app
from tests.builders import csr, key, one_line, profiles_directory
from tests.conftest import ACTOR
from tests.frontends.est import basic, certificates, challenged, enrol, refused

PROXY = {"REMOTE_ADDR": "10.9.0.1"}
NAMES = x509.SubjectAlternativeName([x509.DNSName("f60c28.example.org")])


class Behind:
    """A CA behind a proxy that ends TLS, whose profile CFREE lets certificates be renewed in their last 30 days."""

    def __init__(self, make_installation, *, renewal: str = "renewal_window: 30", single: bool = False) -> None:
        self.installation = make_installation(MIDCA_AUTH="tokens,certificates", MIDCA_TRUSTED_PROXIES="10.9.0.0/24")
        directory = self.installation.base / "profiles"
        cfree = (directory / "CFREE.yaml").read_text()
        if single:
            cfree = cfree.replace("single_active_certificate: false", "single_active_certificate: true")
        profiles_directory(directory, CFREE=f"{cfree}\n{renewal}\n")
        self.installation.services.profiles.reload()
        self.client = create_app(self.installation.services).test_client()
        self.secret = (self.installation.settings.data / "secrets" / "proxy-secret").read_text().strip()
        self.installation.add()

    def first(self, **options) -> x509.Certificate:
        request = one_line(csr("f60c28", **options))
        (certificate,) = certificates(enrol(self.client, request=request, headers=basic()))
        return certificate

    def near_end(self, certificate) -> None:
        self.installation.clock.now = certificate.not_valid_after_utc
        self.installation.clock.advance(days=-29)

    def renew(self, certificate, *, request=None, number: int = 1, headers=None, peer=PROXY):
        pem = certificate if isinstance(certificate, str) else certificate.public_bytes(Encoding.PEM).decode()
        shown = {
            "X-Midca-Proxy-Secret": self.secret,
            "X-SSL-Client-Verify": "SUCCESS",
            "X-SSL-Client-Cert": quote(pem),
        }
        request = request or one_line(csr("f60c28", signing_key=key(number)))
        return enrol(
            self.client, request=request, operation="simplereenroll", headers=shown | (headers or {}), peer=peer
        )


@pytest.fixture
def behind(make_installation):
    return Behind(make_installation)


def test_device_renews_with_its_certificate(behind):
    first = behind.first()
    behind.near_end(first)

    (second,) = certificates(behind.renew(first))

    assert second.public_key() == key(1).public_key()
    assert second.subject == first.subject
    assert second.not_valid_after_utc > first.not_valid_after_utc
    entry = behind.installation.last_audit()
    assert (entry["actor"], entry["how"], entry["address"]) == ("f60c28", "entity certificate", "10.9.0.1")
    assert behind.installation.services.end_entities.find("f60c28").status is EndEntityStatus.GENERATED


def test_renewal_whose_answer_was_lost_gives_the_same_certificate(make_installation):
    """Although the certificate that is shown was superseded by it."""
    behind = Behind(make_installation, single=True)
    first = behind.first()
    behind.near_end(first)

    assert certificates(behind.renew(first)) == certificates(behind.renew(first))
    assert challenged(behind.renew(first, number=2)) == "The client certificate is revoked."


def test_renewal_before_its_time_is_refused(behind):
    first = behind.first()

    assert "renewal_window" in refused(behind.renew(first), 400)
    assert behind.installation.last_audit()["result"] == "WrongStatus"


def test_nothing_is_renewed_by_the_shipped_profile(make_installation):
    behind = Behind(make_installation, renewal="")
    first = behind.first()
    behind.near_end(first)

    assert "renewal_window" in refused(behind.renew(first), 400)


def test_newer_certificate_decides_when_an_older_one_is_shown(behind):
    first = behind.first()
    behind.near_end(first)
    certificates(behind.renew(first))

    assert "renewal_window" in refused(behind.renew(first, number=2), 400)


@pytest.mark.parametrize("reason", [RevocationReason.KEYCOMPROMISE, RevocationReason.CERTIFICATEHOLD])
def test_revoked_certificate_renews_nothing(behind, reason):
    first = behind.first()
    behind.near_end(first)
    serial = f"{first.serial_number:X}"
    behind.installation.services.revocation.change("IOTmidCA", serial, reason, ACTOR)

    assert challenged(behind.renew(first)) == "The client certificate is revoked."
    assert behind.installation.last_audit()["object"] == "f60c28"


def test_certificate_that_has_ended_renews_nothing(behind):
    first = behind.first()
    behind.near_end(first)
    behind.installation.clock.advance(days=30)

    assert "has ended" in challenged(behind.renew(first))


def test_password_that_waits_is_not_spent_by_a_certificate(behind):
    first = behind.first()
    behind.near_end(first)
    behind.installation.add(password="another")

    assert "registered anew" in refused(behind.renew(first), 400)
    assert certificates(
        enrol(behind.client, request=one_line(csr("f60c28", signing_key=key(2))), headers=basic(password="another"))
    )


def test_forgotten_end_entity_renews_nothing(behind):
    first = behind.first()
    behind.near_end(first)
    behind.installation.services.end_entities.delete("f60c28", ACTOR)

    assert challenged(behind.renew(first)) == "There is no end entity f60c28 any more."


def test_revoked_end_entity_renews_nothing(behind):
    first = behind.first()
    behind.near_end(first)
    behind.installation.sql("UPDATE end_entities SET status = 50")

    assert "status REVOKED" in refused(behind.renew(first), 400)


def test_certificate_that_is_none_of_an_end_entity_renews_nothing(behind):
    behind.first()
    for ca in behind.installation.services.authorities:
        assert "not one that this CA issued" in challenged(behind.renew(ca.certificate))


@pytest.mark.parametrize("version", [1, 3])
def test_certificate_of_a_version_that_there_is_not_renews_nothing(behind, version):
    """What a CA that is accepted beside this one may have signed."""
    der = behind.first().public_bytes(Encoding.DER).replace(b"\xa0\x03\x02\x01\x02", bytes([0xA0, 3, 2, 1, version]), 1)

    assert "cannot be read" in refused(behind.renew(ssl.DER_cert_to_PEM_cert(der)), 401)


def test_line_of_the_log_tells_whose_certificate_was_to_be_renewed(behind, caplog):
    caplog.set_level(logging.INFO)
    first = behind.first()
    caplog.clear()

    refused(behind.renew(first), 400)

    (line,) = (record.fields for record in caplog.records if record.name == "midca.request")
    assert (line["entity"], line["outcome"]) == ("f60c28", "WrongStatus")


@pytest.mark.parametrize(
    "request_",
    [csr("another", signing_key=key(1)), csr("f60c28", signing_key=key(1), extensions=((NAMES, False),))],
    ids=["subject", "alternative names"],
)
def test_request_for_other_names_than_the_certificates_is_refused(behind, request_):
    first = behind.first()
    behind.near_end(first)

    assert "must be the certificate's" in refused(behind.renew(first, request=one_line(request_)), 400)


def test_alternative_names_stay(behind):
    first = behind.first(extensions=((NAMES, False),))
    behind.near_end(first)
    request = csr("f60c28", signing_key=key(1), extensions=((NAMES, False),))

    (second,) = certificates(behind.renew(first, request=one_line(request)))

    assert second.extensions.get_extension_for_class(x509.SubjectAlternativeName).value == NAMES


@pytest.mark.parametrize(("may_bring", "status"), [("", 400), ("otherwise: drop", 200), ("dns: true", 200)])
def test_names_that_the_profile_writes_stay_when_a_request_may_bring_them(behind, may_bring, status):
    cfree = (behind.installation.base / "profiles" / "CFREE.yaml").read_text()
    names = f'alternative_names: {{templates: ["dns:{{username}}.example.org"], {may_bring}}}'
    cfree = re.sub(r"^alternative_names:.*\n(?: .*\n)*", f"{names}\n", cfree, flags=re.MULTILINE)
    profiles_directory(behind.installation.base / "profiles", CFREE=cfree)
    behind.installation.services.profiles.reload()
    first = behind.first()
    behind.near_end(first)
    assert first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value == NAMES

    assert behind.renew(first, request=one_line(csr("f60c28", signing_key=key(1)))).status_code == 400
    request = csr("f60c28", signing_key=key(1), extensions=((NAMES, False),))
    assert behind.renew(first, request=one_line(request)).status_code == status


def test_certificate_in_a_header_counts_from_the_proxy_alone(behind):
    first = behind.first()
    behind.near_end(first)

    assert challenged(behind.renew(first, peer={"REMOTE_ADDR": "10.8.0.1"})).startswith("Name and password")
    assert challenged(behind.renew(first, headers={"X-SSL-Client-Verify": "NONE"})).startswith("Name and password")
    assert "X-Midca-Proxy-Secret" in refused(behind.renew(first, headers={"X-Midca-Proxy-Secret": "x" * 16}), 401)


def test_certificate_in_a_header_counts_for_nothing_where_the_proxy_verifies_none(make_installation):
    """Kong would pass on what a client wrote there."""
    behind = Behind(make_installation)
    first = behind.first()
    behind.near_end(first)
    kong = make_installation(MIDCA_AUTH="tokens,kong", MIDCA_TRUSTED_PROXIES="10.9.0.0/24")
    behind.client = create_app(kong.services).test_client()
    behind.secret = (kong.settings.data / "secrets" / "proxy-secret").read_text().strip()

    assert challenged(behind.renew(first)).startswith("Name and password")


def test_password_counts_where_both_are_shown(behind):
    first = behind.first()

    assert "GENERATED" in challenged(behind.renew(first, headers=basic(password="wrong")))


def test_certificate_renews_after_a_restore_has_taken_the_password(behind):
    first = behind.first()
    behind.near_end(first)
    behind.installation.sql("UPDATE end_entities SET password_verifier = NULL")

    assert certificates(behind.renew(first))


# Tenants


def test_tenants_caller_enrols_nobody_of_another_tenant(behind):
    """Who shows an admitted certificate is of its tenant, whatever password they know."""
    shown = behind.first()
    grant = Grant(Role.REGISTRAR, "A")
    behind.installation.services.tokens.admit("alice", shown.public_bytes(Encoding.DER), ACTOR, grant)
    for number, (name, status) in enumerate({"A:dev": 200, "dev": 200, "B:dev": 403}.items(), start=1):
        behind.installation.add(name)
        request = one_line(csr(signing_key=key(number)))

        assert behind.renew(shown, request=request, headers=basic(name)).status_code == status


@pytest.mark.both_databases
def test_two_renewals_at_once_make_one_certificate(behind):
    first = behind.first()
    behind.near_end(first)
    numbers = [1, 1, 1, 2, 2, 2]

    with ThreadPoolExecutor(len(numbers)) as pool:
        answers = list(pool.map(lambda number: behind.renew(first, number=number), numbers))

    assert len({answer.data for answer in answers if answer.status_code == 200}) == 1
    assert sum(answer.status_code == 200 for answer in answers) == 3
    assert behind.installation.certificates() == 2
