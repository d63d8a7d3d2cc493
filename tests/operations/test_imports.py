"""What an offline key signs is checked as if a stranger had brought it, on both sides."""

import base64
import dataclasses
import hashlib
import shutil
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.ocsp import OCSPCertStatus

from app.bootstrap import open_services
from app.errors import (
    ConfigurationError,
    Conflict,
    InvalidInput,
    NotAllowed,
    ProofOfPossessionFailed,
    SigningUnavailable,
)
from app.operations.ceremony_record import CeremonialFile
from app.pki.certificate_template import extension
from app.pki.declared_authority import KEY_TYPES, DeclaredAuthority
from app.pki.distinguished_name import parse
from app.pki.profile_rules import Verdict
from app.pki.revocation import RevocationReason
from tests import ocsp
from tests.builders import csr, key, one_line
from tests.conftest import ACTOR, settings_for
from tests.offline import FAST, OfflineInstallation, pem

DAY = timedelta(days=1)
MID = parse("CN=IOTmidCA,O=EJBCA IOT,C=SE")
THREE_LEVELS = """\
cas:
  - name: IOTrootCA
    validity: 7305
    keytype: P-256
    end_entities: false
    subca:
      - name: IOTsubCA
        validity: 5000
        keytype: P-256
        end_entities: false
        subca:
          - {name: IOTmidCA, validity: 3652, keytype: P-256}
"""


def entries(offline, action: str) -> list[dict]:
    return [entry for entry in offline.services.checkpoints.log.entries() if entry["action"] == action]


def install(offline, text: str, name: str = "IOTmidCA") -> x509.Certificate:
    return offline.services.renewal.install(name, CeremonialFile.from_text(text), ACTOR)


@pytest.fixture
def three_levels(make_offline):
    """A CA stands between the offline root and the one that signs end entities."""
    return make_offline(hierarchy=THREE_LEVELS)


def between(offline) -> x509.Certificate:
    return offline.services.authorities.named("IOTsubCA").certificate


def root_key(offline):
    """The root's key, to sign with what a ceremony never would."""
    return offline.ceremony().medium.files.key("IOTrootCA")


# Renewal of a CA.


def test_renewed_ca_keeps_key_and_name_and_what_it_issued(offline):
    before = offline.mid
    offline.add()
    issued = offline.sign("f60c28", "dojot", one_line(csr())).certificate
    offline.clock.advance(days=1000)

    renewed = offline.renew()

    assert offline.mid == renewed != before
    assert (renewed.public_key(), renewed.subject) == (before.public_key(), before.subject)
    assert renewed.not_valid_after_utc > before.not_valid_after_utc
    issued.verify_directly_issued_by(renewed)
    services = offline.open().services
    assert services.authorities.named("IOTmidCA").certificate == renewed
    assert services.audit_verification.run().findings.found == []


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_ca_with_any_kind_of_key_can_be_renewed(make_offline, key_type):
    hierarchy = FAST.replace("keytype: P-256", f"keytype: {key_type}\n{{}}keysize: 2048")
    offline = make_offline(hierarchy=hierarchy.format("    ", "        "))
    offline.clock.advance(days=1)

    assert (
        offline.renew().not_valid_before_utc
        > offline.services.authorities.named("IOTmidCA").certificate.not_valid_before_utc
    )


def test_renewal_is_on_record_with_the_record_of_its_ceremony(offline):
    request = pem(offline.services.renewal.request("IOTmidCA", ACTOR))
    held = offline.ceremony()
    signed = held.sign(held.propose(request))
    renewed = install(offline, signed)

    (path,) = (offline.medium / "records").glob("*-sign-*")
    assert signed.startswith(path.read_text())
    issued = entries(offline, "certificate.issued")[-1]
    assert issued["ceremony_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert issued["certificate_sha256"] == renewed.fingerprint(hashes.SHA256()).hex()
    assert issued["certificate_sha256"] in path.read_text()
    assert hashlib.sha256(renewed.tbs_certificate_bytes).hexdigest() in path.read_text()
    assert (offline.medium / "issued" / f"IOTrootCA-{renewed.serial_number:X}.pem").exists()
    requested = entries(offline, "ca.requested")[-1]
    assert (requested["object"], requested["actor"]) == ("IOTmidCA", "tester")


def test_import_may_be_repeated(offline):
    request = pem(offline.services.renewal.request("IOTmidCA", ACTOR))
    held = offline.ceremony()
    signed = held.sign(held.propose(request))

    assert install(offline, signed) == install(offline, signed)
    assert len(entries(offline, "certificate.issued")) == 5  # two CAs, two responders, one renewal


def test_certificate_that_is_revoked_is_not_installed_again(offline):
    request = pem(offline.services.renewal.request("IOTmidCA", ACTOR))
    held = offline.ceremony()
    signed = held.sign(held.propose(request))
    revoked = install(offline, signed)
    offline.clock.advance(days=1)
    offline.make_list(revoked=[(revoked, RevocationReason.CESSATIONOFOPERATION)])

    with pytest.raises(Conflict, match="is revoked"):
        install(offline, signed)


@pytest.mark.parametrize("name", ["IOTmidCA", "IOTrootCA"], ids=["CA", "OCSP responder"])
def test_certificate_that_was_revoked_before_it_was_imported_is_not_installed(offline, name):
    renewal = offline.services.renewal
    asked = renewal.request(name, ACTOR) if name == "IOTmidCA" else renewal.request_responder(name, ACTOR)
    offline.clock.advance(days=1)
    held = offline.ceremony()
    signed = held.sign(held.propose(pem(asked)))
    certificate = x509.load_pem_x509_certificate(CeremonialFile.from_text(signed).pem)
    number = offline.make_list(revoked=[(certificate, RevocationReason.SUPERSEDED)])

    with pytest.raises(Conflict, match=f"is revoked: list {number} of its CA names it"):
        install(offline, signed, name)

    assert offline.services.certificates.find("IOTrootCA", f"{certificate.serial_number:X}") is None
    assert set(offline.services.readiness.check().values()) == {"ok"}


def test_import_that_was_cut_off_before_the_file_is_finished_by_another(offline, monkeypatch):
    request = pem(offline.services.renewal.request("IOTmidCA", ACTOR))
    held = offline.ceremony()
    signed = held.sign(held.propose(request))

    def fail(*_args):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr("app.files.protected.os.replace", fail)
        with pytest.raises(OSError, match="Input"):
            install(offline, signed)
    before = offline.mid
    assert install(offline, signed) == offline.mid != before


def test_import_that_was_cut_off_before_the_file_is_finished_by_a_start(offline, monkeypatch):
    """So is that of another server on the same PostgreSQL."""
    before = offline.mid
    offline.clock.advance(days=1)
    with monkeypatch.context() as patched:
        patched.setattr("app.files.authority_files.AuthorityFiles.renew_certificate", lambda *_: None)
        renewed = offline.renew()
    assert offline.mid == before != renewed
    services = open_services(offline.settings, now=offline.clock).services  # a command works meanwhile
    assert services.authorities.named("IOTmidCA").certificate == before
    services.database.close()

    assert offline.open().services.authorities.named("IOTmidCA").certificate == renewed == offline.mid


def signed_by_hand(offline, signer, **changed) -> str:
    """A certificate for IOTmidCA as a ceremony makes it, but for what is changed."""
    mid = offline.mid
    fields = {
        "issuer": mid.issuer,
        "subject": mid.subject,
        "public_key": mid.public_key(),
        "days": 3652,
        "before": offline.clock().replace(microsecond=0) - timedelta(minutes=10),
        "extensions": {each.oid: each for each in mid.extensions},
    } | changed
    builder = x509.CertificateBuilder(
        issuer_name=fields["issuer"],
        subject_name=fields["subject"],
        public_key=fields["public_key"],
        serial_number=x509.random_serial_number(),
        not_valid_before=fields["before"],
        not_valid_after=fields["before"] + fields["days"] * DAY,
        extensions=list(fields["extensions"].values()),
    )
    return builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def with_extension(value, *, critical: bool):
    def change(offline):
        kept = {each.oid: each for each in offline.mid.extensions}
        return {"extensions": kept | {value.oid: extension(value, critical=critical)}}

    return change


USAGE = {
    "digital_signature": True,
    "key_cert_sign": True,
    "crl_sign": True,
    "content_commitment": False,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": False,
    "encipher_only": False,
    "decipher_only": False,
}
WRONG = {
    "another key": (
        lambda _: {"public_key": ec.generate_private_key(ec.SECP256R1()).public_key()},
        "its key is another",
    ),
    "another subject": (lambda _: {"subject": parse("CN=Other")}, "its subject is another one"),
    "another issuer's name": (lambda _: {"issuer": parse("CN=Other")}, "not signed by IOTrootCA"),
    "longer": (lambda _: {"days": 3653}, "its validity is 3652 days"),
    "a longer path": (
        with_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True),
        r"extension 2\.5\.29\.19 is not as declared.*its pathlen is 0",
    ),
    "any path": (
        with_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True),
        r"extension 2\.5\.29\.19 is not as declared",
    ),
    "another key usage": (
        with_extension(x509.KeyUsage(**USAGE | {"key_encipherment": True}), critical=True),
        r"extension 2\.5\.29\.15 is not as declared",
    ),
    "key usage that is not critical": (
        with_extension(x509.KeyUsage(**USAGE), critical=False),
        r"extension 2\.5\.29\.15 is not as declared",
    ),
    "constraints nobody declared": (
        with_extension(x509.NameConstraints([x509.DNSName("example.org")], None), critical=True),
        r"it has an extension 2\.5\.29\.30",
    ),
    "not yet": (lambda offline: {"before": offline.clock().replace(microsecond=0) + DAY}, "it is not valid now"),
    "over": (
        lambda offline: {"before": offline.clock().replace(microsecond=0) - 4000 * DAY},
        "it is not valid now",
    ),
}


@pytest.mark.parametrize("fault", WRONG)
def test_certificate_that_is_not_the_declared_ca_is_not_installed(offline, fault):
    change, reason = WRONG[fault]
    before = offline.mid
    text = signed_by_hand(offline, root_key(offline), **change(offline))

    with pytest.raises(InvalidInput, match=reason):
        install(offline, text)
    assert offline.mid == before
    assert len(entries(offline, "certificate.issued")) == 4


def test_good_one_made_by_hand_is_installed(offline):
    """So that those above are refused for their fault."""
    offline.clock.advance(days=1)
    assert install(offline, signed_by_hand(offline, root_key(offline))) == offline.mid
    assert entries(offline, "certificate.issued")[-1]["ceremony_sha256"] is None


def test_certificate_by_another_key_is_not_installed(offline):
    text = signed_by_hand(offline, ec.generate_private_key(ec.SECP256R1()))

    with pytest.raises(InvalidInput, match="not signed by IOTrootCA"):
        install(offline, text)


def test_certificate_that_ends_before_the_one_that_is_there_is_not_installed(offline):
    old = signed_by_hand(offline, root_key(offline))
    offline.clock.advance(days=1)
    offline.renew()
    offline.opened = offline.open()

    with pytest.raises(Conflict, match="ends before the one that is there"):
        offline.opened.services.renewal.install("IOTmidCA", CeremonialFile.from_text(old), ACTOR)


@pytest.mark.parametrize("text", ["", "junk", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_file_that_is_no_certificate_is_not_installed(offline, text):
    with pytest.raises(InvalidInput, match=r"holds no (PEM|certificate)"):
        install(offline, text)


@pytest.mark.parametrize("name", ["IOTmidCA", "IOTrootCA"], ids=["key here", "key offline"])
def test_certificate_of_a_device_is_not_installed(offline, name):
    offline.add()
    issued = offline.sign("f60c28", "dojot", one_line(csr())).certificate

    with pytest.raises(InvalidInput, match="neither one of a CA nor one of an OCSP responder"):
        install(offline, issued.public_bytes(Encoding.PEM).decode(), name)


def test_root_itself_is_neither_requested_nor_replaced(offline):
    root = (offline.settings.authority_files / "certificates" / "IOTrootCA.pem").read_text()
    for act in (
        lambda: offline.services.renewal.request("IOTrootCA", ACTOR),
        lambda: offline.services.renewal.renew("IOTrootCA", ACTOR),
        lambda: install(offline, root, "IOTrootCA"),
    ):
        with pytest.raises(NotAllowed, match="is a root"):
            act()


def test_where_the_issuers_key_is_here_one_step_renews_and_the_ways_round_it_are_closed(installation):
    renewal = installation.services.renewal
    before = installation.services.authorities.named("IOTmidCA").certificate
    installation.clock.advance(days=100)
    with pytest.raises(NotAllowed, match="midca ca renew IOTmidCA"):
        renewal.request("IOTmidCA", ACTOR)
    with pytest.raises(NotAllowed, match="midca ca renew IOTmidCA"):
        renewal.install("IOTmidCA", CeremonialFile.from_text(before.public_bytes(Encoding.PEM).decode()), ACTOR)
    with pytest.raises(NotAllowed, match="renews itself"):
        renewal.request_responder("IOTmidCA", ACTOR)

    renewed = renewal.renew("IOTmidCA", ACTOR)

    assert renewed.not_valid_after_utc - before.not_valid_after_utc > 99 * DAY
    services = installation.open().services
    assert services.authorities.named("IOTmidCA").certificate == renewed
    assert services.audit_verification.run().findings.found == []
    services.database.close()


def test_offline_issuer_does_not_renew_in_one_step(offline):
    with pytest.raises(NotAllowed, match="midca ca request IOTmidCA"):
        offline.services.renewal.renew("IOTmidCA", ACTOR)


def test_renewed_ca_is_taken_over_by_a_process_that_is_told(offline):
    services = offline.services
    offline.clock.advance(days=1)
    renewed = offline.renew()
    assert services.authorities.named("IOTmidCA").certificate != renewed

    services.authorities.take_over(services.hierarchy.load)

    assert services.authorities.named("IOTmidCA").certificate == renewed
    offline.add()
    offline.sign("f60c28", "dojot", one_line(csr())).certificate.verify_directly_issued_by(renewed)


def test_process_that_is_told_keeps_its_cas_when_a_key_is_not_right(offline, caplog):
    """F17: replaced while running."""
    services, path = offline.services, offline.settings.authority_files / "keys" / "IOTmidCA.pem"
    path.write_bytes(services.key_rotation.private_keys.seal(ec.generate_private_key(ec.SECP256R1())))

    services.authorities.take_over(services.hierarchy.load)

    assert "the CAs stay as they were: The key of CA IOTmidCA does not fit its certificate" in caplog.text
    offline.add()
    offline.sign("f60c28", "dojot", one_line(csr())).certificate.verify_directly_issued_by(offline.mid)
    with pytest.raises(ConfigurationError, match="does not fit"):
        offline.open()


# What the ceremony signs.


def request(signer, subject: x509.Name) -> str:
    return pem(x509.CertificateSigningRequestBuilder(subject).sign(signer, hashes.SHA256()))


P256 = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (request(P256, parse("CN=Stranger")), "CN=Stranger is neither a CA"),
        (request(P256, parse("CN=IOTrootCA,O=EJBCA IOT,C=SE")), "is neither a CA"),
        (request(P256, parse("CN=IOTmidCA OCSP,O=EJBCA IOT,C=SE")), "is neither a CA"),
        (request(key(), MID), "declares IOTmidCA with P-256, not RSA 2048"),
        (request(key(), parse("CN=IOTrootCA OCSP,O=EJBCA IOT,C=SE")), "is neither a CA"),
        ("junk", "."),
    ],
    ids=["stranger", "the root", "responder of another CA", "another kind of key", "responder with RSA", "junk"],
)
def test_ceremony_signs_only_what_the_hierarchy_puts_under_the_root(offline, text, reason):
    held = offline.ceremony()

    with pytest.raises(InvalidInput, match=reason):
        held.propose(text)


def test_request_that_its_key_did_not_sign_is_refused(offline):
    broken = x509.CertificateSigningRequestBuilder(MID).sign(P256, hashes.SHA256()).public_bytes(Encoding.DER)
    text = base64.b64encode(broken[:-1] + bytes([broken[-1] ^ 1])).decode()
    with pytest.raises(ProofOfPossessionFailed):
        offline.ceremony().propose(text)


def test_what_the_request_asks_for_beside_its_name_and_key_is_not_signed(offline):
    """The hierarchy disposes."""
    builder = x509.CertificateSigningRequestBuilder(MID)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=9), critical=True)
    held = offline.ceremony()
    signed = held.sign(held.propose(pem(builder.sign(P256, hashes.SHA256()))))
    certificate = x509.load_pem_x509_certificate(CeremonialFile.from_text(signed).pem)
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0


def test_proposal_shows_what_the_server_showed(offline):
    shown = offline.ceremony().propose(pem(offline.services.renewal.request("IOTmidCA", ACTOR))).describe()

    assert shown["public key, SHA-256"] == offline.services.authorities.named("IOTmidCA").public_key_sha256
    assert shown["subject"] == "CN=IOTmidCA,O=EJBCA IOT,C=SE"


def test_nothing_is_signed_that_the_medium_could_not_record(offline, monkeypatch):
    held = offline.ceremony()
    proposal = held.propose(pem(offline.services.renewal.request("IOTmidCA", ACTOR)))
    signed = offline.oracle.signed()

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("app.files.protected.os.fsync", full)
    for act in (lambda: held.sign(proposal), held.revocation_lists):
        with pytest.raises(ConfigurationError, match="No space left"):
            act()
    assert offline.oracle.signed() == signed


def test_medium_whose_key_is_another_does_not_sign(offline):
    """F17."""
    files = offline.ceremony().medium.files
    files.key_path("IOTrootCA").write_bytes(files.private_keys.seal(P256))

    with pytest.raises(ConfigurationError, match="does not fit its certificate"):
        offline.ceremony().revocation_lists()


@pytest.mark.parametrize("fault", ["gone", "open to others", "another passphrase"])
def test_medium_that_cannot_be_used_is_refused(offline, fault):
    """F17."""
    if fault == "gone":
        shutil.rmtree(offline.medium)
    elif fault == "open to others":
        (offline.medium / "keys" / "IOTrootCA.pem").chmod(0o644)
    else:
        (offline.medium / "key-passphrase").write_text("another passphrase")

    with pytest.raises(ConfigurationError, match=r"is no directory|must be 0600|wrong passphrase"):
        offline.ceremony().revocation_lists()


# Its list.


def test_new_list_is_good_from_now_and_follows_the_one_before(offline):
    root = offline.services.authorities.named("IOTrootCA")
    first = offline.services.revocation_lists.latest(root)
    offline.clock.advance(days=300)

    number = offline.make_list(validity=100 * DAY)

    stored = offline.services.revocation_lists.latest(root)
    assert stored.number == number > first.number
    assert stored.next_update - offline.clock() <= 100 * DAY
    assert offline.services.audit_verification.run().findings.found == []
    assert entries(offline, "crl.issued")[-1]["ceremony_sha256"]


def test_revoked_ca_is_on_every_list_from_then_on_and_revoked_here(offline):
    root, old = offline.services.authorities.named("IOTrootCA"), offline.mid
    offline.clock.advance(days=1)
    offline.renew()
    reason = RevocationReason.SUPERSEDED

    offline.make_list(revoked=[(old, reason)])
    offline.clock.advance(days=1)
    offline.make_list()

    listed = x509.load_der_x509_crl(offline.services.revocation_lists.latest(root).crl)
    assert [entry.serial_number for entry in listed] == [old.serial_number]
    answer = ocsp.load(offline.services.ocsp.answer(ocsp.request(root.certificate, old.serial_number)).der)
    assert answer.certificate_status is OCSPCertStatus.REVOKED
    assert entries(offline, "certificate.revoked")[-1]["reason"] == "SUPERSEDED"
    assert offline.services.audit_verification.run().findings.found == []
    assert set(offline.services.readiness.check().values()) == {"ok"}
    assert offline.services.offline_alarm.warnings() == []


def test_ca_that_was_revoked_makes_the_installation_unready(offline):
    offline.clock.advance(days=1)
    offline.make_list(revoked=[(offline.mid, RevocationReason.KEYCOMPROMISE)])

    assert "was revoked by its issuer" in offline.services.readiness.check()["keys"]


def test_ca_that_was_revoked_certifies_nobody_and_spends_no_password(offline):
    offline.add()
    offline.clock.advance(days=1)
    offline.make_list(revoked=[(offline.mid, RevocationReason.KEYCOMPROMISE)])

    with pytest.raises(SigningUnavailable, match="IOTmidCA was revoked by its issuer"):
        offline.sign("f60c28", "dojot", one_line(csr()))

    assert offline.certificates() == 0
    assert offline.services.end_entities.find("f60c28").may_enrol


def test_ca_that_was_renewed_certifies_though_its_old_certificate_was_revoked(offline):
    old = offline.mid
    offline.clock.advance(days=1)
    offline.renew()
    offline.make_list(revoked=[(old, RevocationReason.SUPERSEDED)])
    offline.add()

    assert offline.sign("f60c28", "dojot", one_line(csr()))


def test_ca_below_one_that_was_revoked_certifies_nobody_and_is_not_ready(three_levels):
    three_levels.add()
    three_levels.clock.advance(days=1)
    assert three_levels.services.readiness.check()["keys"] == "ok"

    three_levels.make_list(revoked=[(between(three_levels), RevocationReason.CACOMPROMISE)])

    with pytest.raises(SigningUnavailable, match="CA IOTsubCA above the signing CA IOTmidCA was revoked by its issuer"):
        three_levels.sign("f60c28", "dojot", one_line(csr()))
    assert three_levels.certificates() == 0
    assert three_levels.services.end_entities.find("f60c28").may_enrol
    assert "was revoked by its issuer" in three_levels.services.readiness.check()["keys"]


@pytest.mark.parametrize(("hierarchy", "revoked"), [(FAST, "IOTmidCA"), (THREE_LEVELS, "IOTsubCA")])
@pytest.mark.parametrize("cas", [None, frozenset({"IOTrootCA"})], ids=["any", "another"])
def test_explain_refuses_by_a_ca_that_was_revoked_as_issuing_does(make_offline, hierarchy, revoked, cas):
    """Before it looks whether the profile may be used with the CA."""
    offline, request = make_offline(hierarchy=hierarchy), one_line(csr())
    services = offline.services
    profile = dataclasses.replace(services.profiles.named("CFREE"), cas=cas)
    offline.add()
    offline.clock.advance(days=1)
    certificate = services.authorities.named(revoked).certificate
    offline.make_list(revoked=[(certificate, RevocationReason.KEYCOMPROMISE)])

    explanation = services.explanations.explain(profile, request, ACTOR, entity="f60c28")

    with pytest.raises(SigningUnavailable) as issuing:
        offline.sign("f60c28", "dojot", request)
    refused = [each for each in explanation.decisions if each.verdict is Verdict.REFUSED]
    assert [(each.field, each.reason) for each in refused] == [("issuer", str(issuing.value))]
    assert explanation.draft is None


def test_ca_below_one_that_was_renewed_certifies_though_that_ones_old_certificate_was_revoked(three_levels):
    old = between(three_levels)
    three_levels.clock.advance(days=1)
    three_levels.renew("IOTsubCA")
    three_levels.make_list(revoked=[(old, RevocationReason.SUPERSEDED)])
    three_levels.add()

    assert three_levels.sign("f60c28", "dojot", one_line(csr()))
    assert three_levels.services.readiness.check()["keys"] == "ok"


def test_certificate_that_nobody_here_knows_can_be_revoked(offline):
    """The root's key was misused, and the certificate found somewhere."""
    root = offline.services.authorities.named("IOTrootCA")
    rogue = x509.load_pem_x509_certificate(signed_by_hand(offline, root_key(offline)).encode())
    offline.clock.advance(days=1)

    offline.make_list(revoked=[(rogue, RevocationReason.CACOMPROMISE)])

    listed = x509.load_der_x509_crl(offline.services.revocation_lists.latest(root).crl)
    assert [entry.serial_number for entry in listed] == [rogue.serial_number]
    assert offline.services.audit_verification.run().findings.found == []


def test_certificate_of_another_issuer_is_not_put_on_the_list(offline):
    offline.add()
    device = offline.sign("f60c28", "dojot", one_line(csr())).certificate

    with pytest.raises(InvalidInput, match="was not issued by IOTrootCA"):
        offline.ceremony().revocation_lists(revoked=[(device, RevocationReason.KEYCOMPROMISE)])


def test_list_of_an_old_copy_of_the_medium_takes_no_revocation_back(offline):
    copy = offline.base / "copy"
    shutil.copytree(offline.medium, copy)
    offline.clock.advance(days=1)
    offline.make_list(revoked=[(offline.mid, RevocationReason.KEYCOMPROMISE)])
    offline.clock.advance(days=1)

    with pytest.raises(Conflict, match="takes back the revocation"):
        offline.take_list(offline.ceremony(medium=copy).revocation_lists())


def test_list_is_imported_once(offline):
    offline.clock.advance(days=1)
    text = offline.ceremony().revocation_lists()
    offline.take_list(text)

    with pytest.raises(Conflict, match="there is one with"):
        offline.take_list(text)


def test_older_list_is_not_imported(offline):
    offline.clock.advance(days=1)
    older = offline.ceremony().revocation_lists()
    offline.clock.advance(days=1)
    offline.make_list()

    with pytest.raises(Conflict, match="there is one with"):
        offline.take_list(older)


def test_list_of_another_clock_is_not_imported(offline):
    offline.clock.advance(days=30)
    future = offline.ceremony().revocation_lists(validity=10 * DAY)
    offline.clock.advance(days=-29)
    with pytest.raises(InvalidInput, match="one of the two clocks is wrong"):
        offline.take_list(future)
    offline.clock.advance(days=60)
    with pytest.raises(InvalidInput, match="has run out"):
        offline.take_list(future)


def test_list_of_another_root_is_not_imported(offline, make_offline):
    other = make_offline()
    other.clock.advance(days=1)

    with pytest.raises(InvalidInput, match="not signed by CA IOTrootCA"):
        offline.take_list(other.ceremony().revocation_lists())


def test_list_of_a_ca_whose_key_is_here_is_not_imported(offline):
    with pytest.raises(NotAllowed, match="its lists are made here"):
        offline.take_list(offline.ceremony().revocation_lists(), "IOTmidCA")


@pytest.mark.parametrize("text", ["junk", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"])
def test_file_that_is_no_list_is_not_imported(offline, text):
    with pytest.raises(InvalidInput, match="holds no"):
        offline.take_list(text)


def with_urls(make_offline) -> OfflineInstallation:
    offline = make_offline(MIDCA_PUBLIC_URL="http://ca.example.org")
    offline.clock.advance(days=1)
    return offline


def test_lists_of_all_urls_come_together(make_offline):
    offline = with_urls(make_offline)
    text = offline.ceremony(MIDCA_PUBLIC_URL="http://ca.example.org").revocation_lists()
    number = offline.take_list(text)

    assert text.count("BEGIN X509 CRL") == 2
    rows = offline.sql("SELECT scope FROM revocation_lists WHERE number = ? AND state = 'issued'", number)
    assert sorted(rows) == [("all",), ("point",)]


def test_list_of_other_urls_is_not_imported(make_offline):
    offline = with_urls(make_offline)
    text = offline.ceremony(MIDCA_PUBLIC_URL="http://other.example.org").revocation_lists()

    with pytest.raises(InvalidInput, match="MIDCA_PUBLIC_URL"):
        offline.take_list(text)


def served(offline) -> dict[str, int]:
    """The number of the newest list of each scope."""
    newest = offline.services.revocation_lists.store.newest("IOTrootCA")
    return {str(name.scope): stored.number for name, stored in newest.items()}


def test_list_of_the_urls_that_certificates_name_must_be_among_them(make_offline):
    offline = with_urls(make_offline)
    before = served(offline)

    with pytest.raises(InvalidInput, match="hold the ceremony with the server's MIDCA_PUBLIC_URL"):
        offline.make_list(revoked=[(offline.mid, RevocationReason.CACOMPROMISE)])

    assert served(offline) == before


def test_list_of_urls_that_the_server_lost_is_not_left_behind(make_offline):
    offline = with_urls(make_offline)
    offline.services.database.close()
    offline.settings = settings_for(offline.base)
    offline.services = offline.open().services

    with pytest.raises(InvalidInput, match="Set it here again"):
        offline.make_list()


def test_list_of_urls_that_were_set_later_must_be_among_them(offline):
    offline.services.database.close()
    offline.settings = settings_for(offline.base, MIDCA_PUBLIC_URL="http://ca.example.org")
    offline.services = offline.open().services
    offline.clock.advance(days=1)

    with pytest.raises(InvalidInput, match="hold the ceremony with the server's MIDCA_PUBLIC_URL"):
        offline.make_list()
    offline.take_list(offline.ceremony(MIDCA_PUBLIC_URL="http://ca.example.org").revocation_lists())

    assert served(offline).keys() == {"all", "point"}


def test_list_that_covers_all_must_be_among_them(make_offline):
    offline = with_urls(make_offline)
    text = offline.ceremony(MIDCA_PUBLIC_URL="http://ca.example.org").revocation_lists()
    _, *_, last = text.partition("-----END X509 CRL-----\n")

    with pytest.raises(InvalidInput, match="covers all certificates of the CA is missing"):
        offline.take_list(last)


def test_import_that_fails_half_way_changes_nothing(offline):
    root = offline.services.authorities.named("IOTrootCA")
    before = offline.services.revocation_lists.latest(root)
    offline.clock.advance(days=1)
    text = offline.ceremony().revocation_lists(revoked=[(offline.mid, RevocationReason.KEYCOMPROMISE)])
    offline.sql(
        "CREATE TRIGGER broken BEFORE INSERT ON audit_log WHEN NEW.entry LIKE '%crl.issued%' "
        "BEGIN SELECT RAISE(FAIL, 'x'); END"
    )

    with pytest.raises(Exception, match="cannot be used now"):
        offline.take_list(text)

    offline.sql("DROP TRIGGER broken")
    assert offline.services.revocation_lists.latest(root) == before
    assert offline.sql("SELECT count(*) FROM certificates WHERE revocation_reason >= 0") == [(0,)]


# Its OCSP responder.


def test_responder_of_an_offline_ca_is_renewed_with_a_new_key(offline):
    responders, root = offline.services.ocsp.responders, offline.services.authorities.named("IOTrootCA")
    before = responders.current(root).certificate
    offline.clock.advance(days=340)
    assert len(offline.services.offline_alarm.warnings()) == 2
    renewal = offline.services.renewal
    asked, again = (renewal.request_responder("IOTrootCA", ACTOR) for _ in range(2))
    assert asked.public_key() == again.public_key()  # so that it does not matter which of them is signed
    held = offline.ceremony()

    install(offline, held.sign(held.propose(pem(asked))), "IOTrootCA")

    after = responders.current(root).certificate
    assert after.public_key() != before.public_key()
    assert after.not_valid_after_utc - offline.clock() > 365 * DAY
    offline.make_list()
    assert offline.services.offline_alarm.warnings() == []
    assert sorted(path.name for path in responders.files.directory.iterdir()) == ["IOTmidCA.pem", "IOTrootCA.pem"]
    offline.services.ocsp.answer(ocsp.request(root.certificate, offline.mid.serial_number))
    assert offline.services.audit_verification.run().findings.found == []


def test_certificate_of_a_responder_that_nobody_asked_for_is_not_installed(offline):
    held = offline.ceremony()
    signed = held.sign(held.propose(request(P256, parse("CN=IOTrootCA OCSP,O=EJBCA IOT,C=SE"))))
    with pytest.raises(Conflict, match="No certificate was asked for"):
        install(offline, signed, "IOTrootCA")

    offline.services.renewal.request_responder("IOTrootCA", ACTOR)
    with pytest.raises(InvalidInput, match="its key is another one"):
        install(offline, signed, "IOTrootCA")


def test_rotation_reaches_the_key_that_waits_for_its_certificate(offline):
    asked = pem(offline.services.renewal.request_responder("IOTrootCA", ACTOR))
    offline.services.key_rotation.rotate_passphrase(ACTOR)
    held = offline.ceremony()

    install(offline, held.sign(held.propose(asked)), "IOTrootCA")


def test_declared_authority_tells_its_key_as_a_key_is_told():
    fields = {field.name: None for field in dataclasses.fields(DeclaredAuthority)}
    declared = DeclaredAuthority(**fields | {"key_type": "RSA", "key_size": 3072})
    assert declared.described_key == "RSA 3072"
