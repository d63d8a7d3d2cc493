"""Lists of the URLs that certificates name: with openssl, GnuTLS, NSS and pkilint as second readers."""

import base64
import json
import sys
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID

from app.operations.certificate_import import CertificateImport
from app.pki.distribution_points import partition_of
from app.pki.revocation import RevocationReason
from app.web import create_app
from tests.builders import HIERARCHY, csr, key, one_line
from tests.conftest import ACTOR, Installation, require_tool, run

URL = "http://ca.example.org:5583"
SETTINGS = {"MIDCA_PUBLIC_URL": URL, "MIDCA_DELTA_CRL_HOURS": "24"}


class World:
    """A CA with public URLs, and a relying party that fetches what a certificate names."""

    def __init__(self, installation: Installation, directory: Path) -> None:
        self.installation = installation
        self.lists = installation.services.revocation_lists
        self.client = create_app(installation.services).test_client()
        self.directory = directory
        self.lists.issue_due(ACTOR)

    def issue(self, name: str, number: int = 0) -> x509.Certificate:
        self.installation.add(name)
        request = one_line(csr(name, signing_key=key(number)))
        return self.installation.sign(name, "dojot", request).certificate

    def change(self, certificate: x509.Certificate, reason: RevocationReason) -> None:
        serial = f"{certificate.serial_number:X}"
        self.installation.services.revocation.change("IOTmidCA", serial, reason, ACTOR)
        self.lists.issue_due(ACTOR)

    def fetch(self, url: str) -> x509.CertificateRevocationList:
        assert url.startswith(URL)
        answer = self.client.get(urlsplit(url).path)
        assert answer.status_code == 200, (url, answer.json)
        return x509.load_der_x509_crl(answer.data)

    def file(self, name: str, *items) -> Path:
        path = self.directory / name
        path.write_bytes(b"".join(item.public_bytes(Encoding.PEM) for item in items))
        return path

    @property
    def chain(self) -> Path:
        return self.file("chain.pem", *self.installation.services.authorities.named("IOTmidCA").chain)

    def openssl(self, certificate: x509.Certificate, *crls, deltas: bool = False):
        lists, leaf = self.file("lists.pem", *crls), self.file("leaf.pem", certificate)
        options = ["-extended_crl", "-use_deltas"] if deltas else ["-extended_crl"]
        command = ("verify", "-x509_strict", "-crl_check", *options, "-CAfile", self.chain, "-CRLfile", lists, leaf)
        return run(require_tool("openssl"), *command)


@pytest.fixture
def world(make_installation, tmp_path) -> World:
    return World(make_installation(**SETTINGS), tmp_path)


@pytest.fixture
def partitioned(make_installation, tmp_path) -> World:
    return World(partitioned_by(make_installation(**SETTINGS), 3), tmp_path)


def partitioned_by(installation: Installation, partitions: int) -> Installation:
    """Open the installation again with so many partitions for IOTmidCA."""
    file = installation.base / "profiles" / "hierarchy.yaml"
    file.write_text(HIERARCHY + f"        crl_partitions: {partitions}\n")
    installation.services.database.close()
    installation.services = installation.open().services
    return installation


def urls(certificate: x509.Certificate, kind) -> list[str]:
    points = certificate.extensions.get_extension_for_class(kind).value
    return [name.value for point in points for name in point.full_name]


def test_a_certificate_names_its_list_its_delta_its_issuer_and_the_responder(world):
    certificate = world.issue("f60c28")
    assert urls(certificate, x509.CRLDistributionPoints) == [f"{URL}/pki/IOTmidCA.crl"]
    assert urls(certificate, x509.FreshestCRL) == [f"{URL}/pki/IOTmidCA~delta.crl"]
    access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    assert {(entry.access_method, entry.access_location.value) for entry in access} == {
        (AuthorityInformationAccessOID.OCSP, f"{URL}/ocsp"),
        (AuthorityInformationAccessOID.CA_ISSUERS, f"{URL}/pki/IOTmidCA.crt"),
    }
    issuer = world.client.get("/pki/IOTmidCA.crt").data
    certificate.verify_directly_issued_by(x509.load_der_x509_certificate(issuer))


def test_without_a_public_url_nothing_is_named(installation):
    installation.add()
    certificate = installation.sign("f60c28", "dojot", one_line(csr())).certificate
    named = {x509.CRLDistributionPoints.oid, x509.FreshestCRL.oid, x509.AuthorityInformationAccess.oid}
    assert named.isdisjoint(extension.oid for extension in certificate.extensions)


def test_a_profile_decides_what_is_named(make_installation, tmp_path):
    installation = make_installation(**SETTINGS)
    profile = (installation.base / "profiles" / "CFREE.yaml").read_text()
    profile = profile.replace("freshest_crl: true", "freshest_crl: false").replace("[caIssuers, ocsp]", "[]")
    (installation.base / "profiles" / "CFREE.yaml").write_text(profile)
    installation.services.database.close()
    installation.services = installation.open().services
    certificate = World(installation, tmp_path).issue("f60c28")
    oids = {extension.oid for extension in certificate.extensions}
    assert x509.CRLDistributionPoints.oid in oids
    assert {x509.FreshestCRL.oid, x509.AuthorityInformationAccess.oid}.isdisjoint(oids)


def test_the_list_of_the_url_says_so_and_the_one_for_old_clients_does_not(world):
    certificate = world.issue("f60c28")
    at_url = world.fetch(urls(certificate, x509.CRLDistributionPoints)[0])
    says = at_url.extensions.get_extension_for_class(x509.IssuingDistributionPoint)
    assert says.critical
    assert [name.value for name in says.value.full_name] == urls(certificate, x509.CRLDistributionPoints)
    delta = world.fetch(urls(certificate, x509.FreshestCRL)[0])
    assert delta.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value == says.value
    old = world.lists.latest(world.installation.services.authorities.named("IOTmidCA"))
    with pytest.raises(x509.ExtensionNotFound):
        x509.load_der_x509_crl(old.crl).extensions.get_extension_for_class(x509.IssuingDistributionPoint)


def test_openssl_goes_by_the_list_of_the_url_and_by_the_one_that_covers_all(world):
    good, bad = world.issue("good", 0), world.issue("bad", 1)
    world.change(bad, RevocationReason.KEYCOMPROMISE)
    at_url = world.fetch(f"{URL}/pki/IOTmidCA.crl")
    covers_all = x509.load_der_x509_crl(
        world.lists.latest(world.installation.services.authorities.named("IOTmidCA")).crl
    )
    for crl in (at_url, covers_all):
        assert world.openssl(good, crl).returncode == 0
        assert "certificate revoked" in world.openssl(bad, crl).stderr


def test_openssl_sees_a_revocation_and_a_release_on_the_delta_of_an_older_list(world):
    revoked, held = world.issue("revoked", 0), world.issue("held", 1)
    world.change(held, RevocationReason.CERTIFICATEHOLD)
    base = world.fetch(f"{URL}/pki/IOTmidCA.crl")
    world.change(revoked, RevocationReason.KEYCOMPROMISE)
    world.change(held, RevocationReason.NOTREVOKED)
    delta = world.fetch(f"{URL}/pki/IOTmidCA~delta.crl")

    assert "certificate revoked" in world.openssl(held, base).stderr
    assert world.openssl(revoked, base).returncode == 0
    assert world.openssl(held, base, delta, deltas=True).returncode == 0
    assert "certificate revoked" in world.openssl(revoked, base, delta, deltas=True).stderr


def test_a_delta_holds_what_changed_since_its_base_and_has_the_number_of_its_complete_list(world):
    early, late, held = (world.issue(name, number) for number, name in enumerate(("early", "late", "held")))
    world.change(early, RevocationReason.UNSPECIFIED)
    world.change(held, RevocationReason.CERTIFICATEHOLD)
    world.installation.clock.advance(days=8)  # nobody goes by the lists of before any more
    world.lists.issue_due(ACTOR)
    base = world.fetch(f"{URL}/pki/IOTmidCA.crl")
    world.change(late, RevocationReason.UNSPECIFIED)
    world.change(held, RevocationReason.REMOVEFROMCRL)

    complete, delta = world.fetch(f"{URL}/pki/IOTmidCA.crl"), world.fetch(f"{URL}/pki/IOTmidCA~delta.crl")
    indicator = delta.extensions.get_extension_for_class(x509.DeltaCRLIndicator)
    assert (indicator.critical, indicator.value.crl_number) == (True, number_of(base))
    assert number_of(delta) == number_of(complete) > number_of(base)
    assert {entry.serial_number for entry in delta} == {late.serial_number, held.serial_number}
    removed = delta.get_revoked_certificate_by_serial_number(held.serial_number)
    assert removed.extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.remove_from_crl
    assert {entry.serial_number for entry in complete} == {early.serial_number, late.serial_number}


def number_of(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def test_a_delta_is_issued_at_half_its_own_life(world):
    before = world.fetch(f"{URL}/pki/IOTmidCA~delta.crl"), world.fetch(f"{URL}/pki/IOTmidCA.crl")
    world.installation.clock.advance(hours=11)
    assert world.lists.issue_due(ACTOR) == 0
    world.installation.clock.advance(hours=2)
    assert world.lists.issue_due(ACTOR) == 2
    after = world.fetch(f"{URL}/pki/IOTmidCA~delta.crl"), world.fetch(f"{URL}/pki/IOTmidCA.crl")
    assert number_of(after[0]) > number_of(before[0])
    assert after[1] == before[1]


def test_old_clients_get_the_delta_too_and_are_told_when_there_is_none(world, client):
    world.change(world.issue("f60c28"), RevocationReason.UNSPECIFIED)
    assert len(world.client.get("/ca/IOTmidCA/crl?delta=true").json["CRL"]) % 64
    assert client.get("/ca/IOTmidCA/crl?delta=true").status_code == 404


def test_each_certificate_is_on_the_list_of_its_partition_and_on_the_one_of_all(partitioned):
    certificates = [partitioned.issue(f"device{number}", number) for number in range(8)]
    for certificate in certificates:
        partitioned.change(certificate, RevocationReason.UNSPECIFIED)
    everything = {certificate.serial_number for certificate in certificates}
    assert {entry.serial_number for entry in partitioned.fetch(f"{URL}/pki/IOTmidCA.crl")} == everything
    seen = []
    for partition in range(3):
        url = f"{URL}/pki/IOTmidCA~{partition}.crl"
        wanted = {ours.serial_number for ours in certificates if urls(ours, x509.CRLDistributionPoints) == [url]}
        assert {entry.serial_number for entry in partitioned.fetch(url)} == wanted
        seen.extend(wanted)
    assert sorted(seen) == sorted(everything)


def test_a_revocation_makes_only_the_lists_anew_that_show_it(partitioned):
    certificate = partitioned.issue("f60c28")
    own = urls(certificate, x509.CRLDistributionPoints)[0]
    others = [f"{URL}/pki/IOTmidCA~{partition}.crl" for partition in range(3)]
    others.remove(own)
    before = {url: number_of(partitioned.fetch(url)) for url in (own, *others)}
    partitioned.change(certificate, RevocationReason.UNSPECIFIED)
    after = {url: number_of(partitioned.fetch(url)) for url in (own, *others)}
    assert after[own] > before[own]
    assert {url: after[url] for url in others} == {url: before[url] for url in others}
    assert partitioned.lists.issue_due(ACTOR) == 0


def test_an_ended_certificate_is_on_every_list_once_more(world):
    certificate = world.issue("f60c28")
    world.change(certificate, RevocationReason.SUPERSEDED)
    mid = world.installation.services.authorities.named("IOTmidCA")
    world.installation.clock.advance(days=731)
    world.lists.issue_if_older(mid, ACTOR, timedelta(0))  # of the list that covers all, alone
    world.lists.issue_due(ACTOR)
    assert len(world.fetch(f"{URL}/pki/IOTmidCA.crl")) == 1


def test_a_certificate_that_names_its_delta_alone_is_on_that_of_its_partition(partitioned):
    profile = partitioned.installation.base / "profiles" / "CFREE.yaml"
    profile.write_text(profile.read_text().replace("crl_distribution_points: true", "crl_distribution_points: false"))
    partitioned.installation.services.profiles.reload()
    certificate = partitioned.issue("f60c28")
    partitioned.change(certificate, RevocationReason.KEYCOMPROMISE)
    [url] = urls(certificate, x509.FreshestCRL)
    assert "IOTmidCA~" in url.removesuffix("~delta.crl")
    assert [entry.serial_number for entry in partitioned.fetch(url)] == [certificate.serial_number]
    [(recorded,)] = partitioned.installation.sql("SELECT crl_partition FROM certificates WHERE username = 'f60c28'")
    assert partition_of(certificate) == recorded


def test_what_is_revoked_by_its_serial_alone_is_on_the_list_it_names_however_many_there_are_now(
    partitioned,
):
    certificates = [partitioned.issue(f"device{number}", number) for number in range(8)]
    partitioned.installation.sql("DELETE FROM certificates WHERE certificate_type = 1")
    world = World(partitioned_by(partitioned.installation, 7), partitioned.directory)
    services = world.installation.services
    importing = CertificateImport(
        services.database,
        services.certificates,
        services.end_entities.store,
        services.signing.audit,
        services.authorities,
        world.installation.clock,
    )
    for certificate in certificates:
        importing.revoke_unknown("IOTmidCA", f"{certificate.serial_number:X}", RevocationReason.KEYCOMPROMISE, ACTOR)
    world.lists.issue_due(ACTOR)
    for certificate in certificates:
        crl = world.fetch(urls(certificate, x509.CRLDistributionPoints)[0])
        assert crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None
    partitioned.installation.oracle.file.write_bytes(b"")  # what was signed was forgotten on purpose


def test_openssl_takes_the_list_of_the_right_partition_alone(partitioned):
    certificate = partitioned.issue("f60c28")
    partitioned.change(certificate, RevocationReason.KEYCOMPROMISE)
    right = urls(certificate, x509.CRLDistributionPoints)[0]
    others = [f"{URL}/pki/IOTmidCA~{partition}.crl" for partition in range(3)]
    others.remove(right)
    assert "certificate revoked" in partitioned.openssl(certificate, partitioned.fetch(right)).stderr
    refused = partitioned.openssl(certificate, *(partitioned.fetch(url) for url in others))
    assert refused.returncode != 0
    assert "certificate revoked" not in refused.stderr
    everything = partitioned.openssl(certificate, partitioned.fetch(right), *(partitioned.fetch(url) for url in others))
    assert "certificate revoked" in everything.stderr


def test_certificates_keep_their_partition_when_there_are_fewer_later(partitioned):
    certificates = [partitioned.issue(f"device{number}", number) for number in range(8)]
    world = World(partitioned_by(partitioned.installation, 0), partitioned.directory)
    for certificate in certificates:
        world.change(certificate, RevocationReason.KEYCOMPROMISE)
        crl = world.fetch(urls(certificate, x509.CRLDistributionPoints)[0])
        assert crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None
    assert urls(world.issue("late", 9), x509.CRLDistributionPoints) == [f"{URL}/pki/IOTmidCA.crl"]


def test_the_list_answers_to_an_older_url_too(world, tmp_path):
    certificate = world.issue("f60c28")
    world.change(certificate, RevocationReason.KEYCOMPROMISE)
    world.installation.services.database.close()
    moved = world.installation.again(**SETTINGS | {"MIDCA_PUBLIC_URL": f"http://new.example.org,{URL}"})
    try:
        moved_world = World(moved, tmp_path)
        moved_world.lists.issue(moved.services.authorities.named("IOTmidCA"), ACTOR)
        assert "certificate revoked" in world.openssl(certificate, moved_world.fetch(f"{URL}/pki/IOTmidCA.crl")).stderr
        assert urls(moved_world.issue("new", 1), x509.CRLDistributionPoints) == [
            "http://new.example.org/pki/IOTmidCA.crl"
        ]
    finally:
        moved.services.database.close()


@pytest.mark.parametrize(
    "file",
    [
        "IOTmidCA~3.crl",
        "IOTmidCA~x.crl",
        "IOTmidCA~0~1.crl",
        "IOTmidCA~delta~0.crl",
        "IOTmidCA~-1.crl",
        "IOTmidCA~00.crl",
        "IOTmidCA~.crl",
        "IOTmidCA~0.crt",
    ],
)
def test_a_list_that_is_not_issued_is_not_found(partitioned, file):
    assert partitioned.client.get(f"/pki/{file}").status_code == 404


@pytest.mark.parametrize("name", ["IOTmidCA.crl", "IOTmidCA~0.crl", "IOTmidCA~delta.crl", "IOTmidCA~0~delta.crl"])
def test_gnutls_and_pkilint_accept_every_list(partitioned, name):
    for number in range(4):
        partitioned.change(partitioned.issue(f"device{number}", number), RevocationReason.CERTIFICATEHOLD)
    path = partitioned.file("list.pem", partitioned.fetch(f"{URL}/pki/{name}"))
    by_gnutls = run(
        require_tool("certtool"), "--verify-crl", "--load-ca-certificate", partitioned.chain, "--infile", path
    )
    assert by_gnutls.returncode == 0, by_gnutls.stdout + by_gnutls.stderr
    options = ("--type", "CRL", "--profile", "PKIX", "--severity", "WARNING", "--format", "JSON")
    linted = run(Path(sys.executable).parent / "lint_crl", "lint", *options, path)
    assert json.loads(linted.stdout) == {"results": []}


def test_pkilint_accepts_a_certificate_that_names_its_lists(partitioned):
    path = partitioned.file("leaf.pem", partitioned.issue("f60c28"))
    linted = run(
        Path(sys.executable).parent / "lint_pkix_cert", "lint", "--severity", "ERROR", "--format", "JSON", path
    )
    assert json.loads(linted.stdout) == {"results": []}


def test_nss_refuses_the_revoked_certificate_and_takes_the_other(world):
    good, bad = world.issue("good", 0), world.issue("bad", 1)
    world.change(bad, RevocationReason.KEYCOMPROMISE)
    mid, root = world.installation.services.authorities.named("IOTmidCA").chain
    database = f"sql:{world.directory}"
    certutil, crlutil = require_tool("certutil"), require_tool("crlutil")
    assert run(certutil, "-N", "-d", database, "--empty-password").returncode == 0
    for name, certificate in {"root": root, "mid": mid, "good": good, "bad": bad}.items():
        trust = "CT,C,C" if name == "root" else ",,"
        path = world.file(f"{name}.pem", certificate)
        assert run(certutil, "-A", "-d", database, "-n", name, "-t", trust, "-a", "-i", path).returncode == 0
    path = world.directory / "list.der"
    path.write_bytes(base64.b64decode(world.client.get("/ca/IOTmidCA/crl").json["CRL"]))
    assert run(crlutil, "-I", "-d", database, "-i", path, "-t", "1").returncode == 0
    assert run(certutil, "-V", "-d", database, "-n", "good", "-u", "C").returncode == 0
    refused = run(certutil, "-V", "-d", database, "-n", "bad", "-u", "C")
    assert "revoked" in refused.stdout + refused.stderr
