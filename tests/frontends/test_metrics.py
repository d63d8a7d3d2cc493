"""``/metrics`` as Prometheus reads it."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import Encoding
from prometheus_client.parser import text_string_to_metric_families

from app.files.end_entity_profile_files import END_ENTITIES
from app.pki.revocation import RevocationReason
from app.settings import shipped
from app.store.certificate_counts import counts
from app.store.event_readers import EventReader
from app.web import create_app
from tests import ocsp
from tests.backups import back_up
from tests.builders import csr, key, one_line
from tests.conftest import ACTOR, require_tool, run
from tests.operations.test_end_entity_profiles import own_profiles
from tests.statements import noted, plan_of

DOCS = Path(__file__).parent.parent.parent / "docs" / "monitoring.md"


@pytest.fixture
def scrape(client, admin):
    def scrape() -> dict:
        answer = client.get("/metrics", headers=admin)
        assert answer.status_code == 200, answer.text
        return read(answer.text)

    return scrape


def read(text: str) -> dict:
    """Return the value of each sample by its name and its labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def grown(before: dict, after: dict, *name: str) -> float:
    return after.get(name, 0) - before.get(name, 0)


def test_a_certificate_is_counted_once_however_often_it_is_asked_for(installation, client, scrape):
    installation.add()
    body = {"passwd": "dojot", "certificate": one_line(csr())}
    for _ in range(3):
        assert client.post("/sign/f60c28/pkcs10", json=body).status_code == 200

    values = scrape()
    assert values["midca_certificates_issued_total", "IOTmidCA", "CFREE"] == 1
    assert values["midca_certificates_pending",] == 0
    assert (values["midca_end_entities", "GENERATED"], values["midca_end_entities", "NEW"]) == (1, 0)


def test_revoked_certificates_are_counted_by_reason(installation, scrape):
    for number, reason in enumerate((RevocationReason.KEYCOMPROMISE, RevocationReason.CERTIFICATEHOLD)):
        installation.add(f"device{number}")
        serial = installation.sign(f"device{number}", "dojot", one_line(csr(signing_key=key(number)))).serial
        installation.services.revocation.change("IOTmidCA", serial, reason, ACTOR)

    values = scrape()
    assert values["midca_certificates_revoked", "IOTmidCA", "KEYCOMPROMISE"] == 1
    assert values["midca_certificates_revoked", "IOTmidCA", "CERTIFICATEHOLD"] == 1
    assert values["midca_certificates_issued_total", "IOTmidCA", "CFREE"] == 2


def test_refusals_are_counted_by_the_code_of_the_log(installation, client, scrape):
    installation.add()
    before = scrape()
    client.post("/sign/f60c28/pkcs10", json={"passwd": "wrong", "certificate": one_line(csr())})
    client.get("/nowhere")

    after = scrape()
    assert grown(before, after, "midca_refusals_total", "WrongPassword") == 1
    assert grown(before, after, "midca_refusals_total", "Http404") == 1
    route = ("POST", "/sign/<username>/pkcs10", "4xx")
    assert grown(before, after, "midca_http_request_duration_seconds_count", *route) == 1


def test_nonsense_makes_no_new_label(client, scrape):
    client.get("/nowhere")
    client.get("/ca/nobody")
    client.open("/ca", method="BREW")
    before = scrape()
    for number in range(50):
        client.get(f"/nowhere/{number}")
        client.get(f"/ca/nobody{number}")
        client.open("/ca", method=f"BREW{number}")

    after = scrape()
    assert set(after) == set(before)
    assert not any("nobody" in label or "nowhere" in label for labels in after for label in labels)


def test_who_may_enrol_with_the_public_password_is_counted_until_it_is_spent_or_its_time_is_over(installation, scrape):
    shipped_one = yaml.safe_load((shipped("profiles") / END_ENTITIES / "EMPTY_CFREE.yaml").read_text())
    own_profiles(installation, EMPTY_CFREE=shipped_one | {"enrolment_window": "7d"}, EMPTY=shipped_one)
    for name in ("aaaaa", "bbbbb", "ccccc"):
        installation.add(name)
    installation.add("ddddd", end_entity_profile="EMPTY")
    installation.add("eeeee", password="its own password")
    assert scrape()["midca_end_entities_public_password",] == 4

    installation.sign("aaaaa", "dojot", one_line(csr()))
    installation.services.end_entities.rearm("bbbbb", "its own password", ACTOR)
    assert scrape()["midca_end_entities_public_password",] == 2

    installation.clock.advance(days=7)
    assert scrape()["midca_end_entities_public_password",] == 1


def test_what_readers_of_device_events_told_is_shown(installation, scrape):
    now = installation.clock()
    told = EventReader("a", now, now - timedelta(minutes=1), "", 3, 2, now - timedelta(hours=1), 5, 0, 1)
    older = replace(told, reader="b", lag=4, caught_up_at=now, synced_at=now - timedelta(hours=2), not_in_dojot=6)
    assert scrape()["midca_device_event_readers",] == 0
    installation.services.event_readers.report(told, {("event", "added"): 7, ("skipped", "not JSON"): 2})
    installation.services.event_readers.report(older, {("sync", "listed"): 9})

    values = scrape()
    assert values["midca_device_event_readers",] == 2
    assert values["midca_device_events_total", "added"] == 7
    assert values["midca_device_events_skipped_total", "not JSON"] == 2
    assert values["midca_device_sync_devices_total", "listed"] == 9
    assert values["midca_device_events_lag",] == 7
    assert values["midca_device_events_caught_up_time_seconds",] == told.caught_up_at.timestamp()
    assert values["midca_device_sync_time_seconds",] == told.synced_at.timestamp()
    assert values["midca_device_sync_differences", "not_in_dojot"] == 5
    assert values["midca_ready", "events"] == 1


def test_a_list_that_has_run_out_is_seen(installation, scrape):
    good = scrape()
    end = good["midca_crl_expire_time_seconds", "IOTmidCA", "complete", "all"]
    assert end > installation.clock().timestamp()
    assert good["midca_ready", "crl"] == 1

    installation.clock.advance(days=8)

    bad = scrape()
    assert bad["midca_crl_expire_time_seconds", "IOTmidCA", "complete", "all"] == end < installation.clock().timestamp()
    assert bad["midca_ready", "crl"] == 0


def test_list_and_ca_are_those_that_are_served(installation, client, scrape):
    values = scrape()
    lists, authority = installation.services.revocation_lists, installation.services.authorities.named("IOTmidCA")

    assert values["midca_crl_size_bytes", "IOTmidCA", "complete", "all"] == len(client.get("/pki/IOTmidCA.crl").data)
    assert values["midca_crl_number", "IOTmidCA", "complete", "all"] == lists.latest(authority).number
    assert values["midca_ca_expire_time_seconds", "IOTmidCA"] == authority.certificate.not_valid_after_utc.timestamp()


def test_ocsp_answers_are_counted_by_what_they_say(installation, client, scrape):
    installation.add()
    serial = int(installation.sign("f60c28", "dojot", one_line(csr())).serial, 16)
    issuer = installation.services.authorities.named("IOTmidCA").certificate
    before = scrape()

    ocsp.get(client, ocsp.request(issuer, serial))
    installation.services.revocation.change("IOTmidCA", f"{serial:X}", RevocationReason.KEYCOMPROMISE, ACTOR)
    for _ in range(2):
        ocsp.get(client, ocsp.request(issuer, serial))
    ocsp.get(client, ocsp.request(issuer, 4711))
    client.post("/ocsp", data=b"nonsense", content_type=ocsp.TYPE)

    after = scrape()
    statuses = ("good", "revoked", "unknown", "malformed_request")
    assert [grown(before, after, "midca_ocsp_answers_total", status) for status in statuses] == [1, 2, 1, 1]


def test_end_of_every_certificate_of_ones_own_is_told(installation, scrape):
    values = scrape()
    responders = installation.services.ocsp.responders

    for authority in installation.services.authorities:
        end = responders.current(authority).end.timestamp()
        assert values["midca_ocsp_responder_expire_time_seconds", authority.name] == end


def test_end_of_the_certificate_in_the_file_of_tls_is_told(make_installation, tmp_path):
    path = tmp_path / "tls.crt"
    installation = make_installation(MIDCA_TLS_CERTIFICATE=str(path), MIDCA_TLS_KEY=str(tmp_path / "tls.key"))
    client = create_app(installation.services).test_client()
    admin = {"Authorization": f"Bearer {installation.settings.admin_token.read_text().strip()}"}
    authority = installation.services.authorities.named("IOTmidCA")

    def told() -> float | None:
        return read(client.get("/metrics", headers=admin).text).get(("midca_tls_certificate_expire_time_seconds",))

    assert told() is None
    path.write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    assert told() == authority.certificate.not_valid_after_utc.timestamp()


def test_audit_log_and_its_checkpoints(installation, scrape):
    installation.add()
    head = installation.services.checkpoints.write()
    covered = scrape()
    installation.clock.advance(minutes=3)
    installation.add("another")

    values = scrape()
    assert (covered["midca_audit_entries_uncovered",], values["midca_audit_entries_uncovered",]) == (0, 1)
    assert values["midca_audit_entries_total",] == head.size + 1
    written = installation.clock().timestamp() - values["midca_audit_checkpoint_time_seconds",]
    assert written == pytest.approx(180)


def test_last_backup(installation, scrape):
    assert ("midca_backup_time_seconds",) not in scrape()

    back_up(installation)

    assert scrape()["midca_backup_time_seconds",] == pytest.approx(installation.clock().timestamp())


def test_without_a_database_the_rest_is_answered(make_installation):
    inside = make_installation(MIDCA_METRICS_NETWORKS="127.0.0.1")
    with inside.without_database():
        answer = create_app(inside.services).test_client().get("/metrics")

    values = read(answer.text)
    assert values["midca_ready", "database"] == 0
    assert ("midca_ca_expire_time_seconds", "IOTmidCA") in values


def test_counting_reads_no_rows(installation):
    database = installation.services.database
    with noted(database) as asked:
        counts(database)
        installation.services.end_entities.store.counts()
        installation.services.end_entities.store.with_public_password("EMPTY_CFREE", armed_after=None)

    plans = [plan_of(database, statement) for statement in asked]
    assert [len(re.findall("(?i)SCAN|SEARCH", plan)) for plan in plans] == [1, 1, 1], plans
    assert all(re.search("COVERING INDEX|Index Only Scan", plan) for plan in plans), plans


def test_a_metrics_network_opens_this_route_and_no_other(make_installation):
    client = create_app(make_installation(MIDCA_METRICS_NETWORKS="10.0.0.0/8").services).test_client()
    inside, outside = {"REMOTE_ADDR": "10.1.2.3"}, {"REMOTE_ADDR": "11.1.2.3"}

    assert client.get("/metrics", environ_base=inside).status_code == 200
    assert client.get("/metrics", environ_base=outside).status_code == 401
    assert client.get("/user/f60c28", environ_base=inside).status_code == 401


def test_trusted_network_does_not_open_it(make_installation):
    client = create_app(make_installation(MIDCA_TRUSTED_NETWORKS="10.0.0.0/8").services).test_client()

    assert client.get("/metrics", environ_base={"REMOTE_ADDR": "10.1.2.3"}).status_code == 401


def test_documentation_has_every_metric_and_no_other(installation, client, admin):
    installation.add()
    serial = installation.sign("f60c28", "dojot", one_line(csr())).serial
    installation.services.revocation.change("IOTmidCA", serial, RevocationReason.SUPERSEDED, ACTOR)
    client.get("/nowhere")
    client.post("/ocsp", data=b"nonsense", content_type=ocsp.TYPE)
    back_up(installation)
    text = client.get("/metrics", headers=admin).text
    told = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))
    rows = re.findall(r"^\| (`midca_[^|]*)\|", DOCS.read_text(), re.MULTILINE)

    assert {name for row in rows for name in re.findall(r"midca_\w+", row)} == {
        name for name in told if not name.endswith("_created")
    }
    used = set(re.findall(r"midca_\w+", DOCS.read_text().partition("## Alerts")[2]))
    assert {name.removesuffix("_count") for name in used} <= told


def test_promtool_has_nothing_to_object_to(client, admin):
    promtool = require_tool("promtool")
    client.get("/nowhere")
    text = client.get("/metrics", headers=admin).text

    result = run(promtool, "check", "metrics", input=text)

    assert (result.returncode, result.stdout + result.stderr) == (0, "")
