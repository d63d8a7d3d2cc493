"""What dojot's services are asked, and what becomes of answers that make no sense."""

import base64
import json
import re
import socket
import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from app.frontends.device_events.configuration import Configuration, DeviceNames
from app.frontends.device_events.counters import Counters
from app.frontends.device_events.dojot_http import Dojot as Client
from app.frontends.device_events.dojot_http import DojotUnavailable, service_token
from app.frontends.device_events.topics import Topics
from tests.dojot import Dojot

SUBJECT = "dojot.device-manager.device"


@pytest.fixture
def dojot():
    with Dojot() as running:
        yield running


def configuration(url: str) -> Configuration:
    return Configuration(
        brokers="",
        group="",
        data_broker_url=url,
        auth_url=url,
        device_manager_url=url,
        user="ejbca",
        management_tenant="dojot-management",
        tenancy_subject="dojot.tenancy",
        devices_subject=SUBJECT,
        names=DeviceNames.ID,
        sync_interval=timedelta(hours=1),
    )


@pytest.fixture
def client(dojot) -> Client:
    return Client(configuration(dojot.url))


@pytest.fixture
def topics(dojot, client) -> Topics:
    return Topics(configuration(dojot.url), client, Counters())


def answering(raw: bytes) -> str:
    """Serve one connection with these bytes; return the URL."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener, listener.accept()[0] as connection:
            connection.recv(65536)
            connection.sendall(raw)

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_the_token_is_the_one_dojots_services_make_for_each_other():
    head, claims, signature = service_token("ejbca", "admin").split(".")

    assert [base64.b64decode(part) for part in (head, signature)] == [b"model", b"signature"]
    assert json.loads(base64.b64decode(claims)) == {"username": "ejbca", "service": "admin"}


def test_each_service_is_asked_in_the_name_of_the_tenant(client, dojot):
    dojot.devices["acme"] = [f"{number:05x}" for number in range(30)]

    assert client.tenants() == ["admin", "acme"]
    assert client.topic("acme", SUBJECT) == f"acme.{SUBJECT}"
    first = client.devices("acme", 1)
    assert (len(first.devices), first.next_page) == (20, 2)
    assert client.devices("acme", 2).next_page is None
    assert dojot.asked == [
        ("dojot-management", "/admin/tenants"),
        ("acme", f"/topic/{SUBJECT}?global=true"),
        ("acme", "/device"),
        ("acme", "/device?page_num=2"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"{}",
        b"[" * 60_000,
        b'{"devices": 7, "pagination": {}, "tenants": "x", "topic": "^.*"}',
    ],
    ids=repr,
)
def test_an_answer_that_makes_no_sense_is_no_answer(body):
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)

    for ask in (
        lambda client: client.tenants(),
        lambda client: client.topic("admin", SUBJECT),
        lambda client: client.devices("admin", 1),
    ):
        with pytest.raises(DojotUnavailable):
            ask(Client(configuration(answering(raw))))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"nonsense",
        b"HTTP/1.1 302 Found\r\nLocation: http://example.org/\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
    ],
    ids=repr,
)
def test_what_is_no_http_answer_is_no_answer(raw):
    with pytest.raises(DojotUnavailable):
        Client(configuration(answering(raw))).tenants()


def test_pages_that_go_in_a_circle_end(dojot, client):
    dojot.answer = lambda *_: {"devices": [], "pagination": {"has_next": True, "next_page": 1}}

    with pytest.raises(DojotUnavailable, match="circle"):
        client.devices("admin", 2)


def test_a_listed_device_with_a_strange_id_is_counted_and_left_out(dojot, client):
    dojot.answer = lambda *_: {
        "devices": [{"id": "aaaaa"}, {"id": "../x"}, {"id": 7}, {}, None],
        "pagination": {"has_next": False},
    }

    page = client.devices("admin", 1)

    assert (page.devices, page.strange) == (["aaaaa"], 4)


@pytest.mark.parametrize(
    ("topic", "read"),
    [
        ("admin.dojot.device-manager.device", True),
        ("dojot-management.dojot.tenancy", True),
        ("admin.dojot.device-manager.device.x", False),
        ("admin.dojotXdevice-manager.device", False),
        ("x.admin.dojot.device-manager.device", False),
        ("admin.device-data", False),
    ],
)
def test_topics_of_the_later_dojot_are_found_by_their_names(topics, topic, read):
    (pattern,) = topics.subscription()

    assert bool(re.search(pattern, topic)) is read


def test_whose_a_topic_is_comes_from_its_name_or_from_data_broker(topics, dojot):
    dojot.topics["admin", SUBJECT] = "6f1e3b7a"
    dojot.topics["dojot-management", "dojot.tenancy"] = "0d5c9d0a"

    topics.refresh(0)

    assert topics.complete
    assert topics.subscription()[1:] == ["0d5c9d0a", "6f1e3b7a"]
    assert topics.tenant_of("6f1e3b7a") == "admin"
    assert topics.tenant_of(f"acme.{SUBJECT}") == "acme"
    assert topics.tenant_of("0d5c9d0a") is None


def test_where_there_is_no_data_broker_nobody_asks_it(dojot, client):
    topics = Topics(replace(configuration(dojot.url), data_broker_url=None), client, Counters())

    topics.refresh(0)

    assert topics.complete
    assert dojot.asked == [("dojot-management", "/admin/tenants")]
    assert topics.tenant_of(f"acme.{SUBJECT}") == "acme"
    assert topics.tenant_of("dojot-management.dojot.tenancy") is None


def test_a_topic_that_cannot_be_looked_up_keeps_no_other_from_it(topics, dojot, monkeypatch):
    answer = dojot.answer
    monkeypatch.setattr(dojot, "answer", lambda path, tenant: "?" if tenant == "acme" else answer(path, tenant))
    dojot.devices = {"acme": [], "admin": [], "zulu": []}
    for number in range(4):
        dojot.topics["zulu", SUBJECT] = "0d5c9d0a"
        topics.refresh(6 * number)

    assert topics.tenant_of("0d5c9d0a") == "zulu"
    assert not topics.complete


def test_dojot_that_does_not_answer_is_asked_again_a_little_later(topics, dojot):
    dojot.down = True
    topics.refresh(0)
    topics.refresh(1)
    assert len(dojot.asked) == 1
    assert not topics.complete

    dojot.down = False
    topics.refresh(6)
    assert topics.complete
