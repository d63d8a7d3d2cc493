import json
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.frontends.device_events.message import MAX_BYTES, DeviceMessage, Poison, device_message, new_tenant
from app.operations.devices import Change
from tests.dojot import device

AS_DOCUMENTED = b"""{"event":"create","meta":{"service":"admin"},
 "data":{"id":"56b7b1","label":"device","created":"2019-01-07T12:21:22.016175+00:00","templates":[1,2],
  "attrs":{"1":[{"label":"a","id":11,"template_id":"1","type":"dynamic","value_type":"string"}]}}}"""

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["create", "admin", "f60c28"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["event", "meta", "data", "id", "service", "type", "tenant"]), inner)
    ),
    max_leaves=12,
)


def encoded(document) -> bytes:
    return json.dumps(document).encode()


@pytest.mark.parametrize("change", Change)
def test_a_message_says_what_happened_to_which_device(change):
    said = device_message(encoded(device("efac", change.value)), "admin")

    assert said == DeviceMessage(change, "admin", "efac")


def test_a_message_as_dojot_documents_it_is_understood():
    assert device_message(AS_DOCUMENTED, "admin") == DeviceMessage(Change.CREATED, "admin", "56b7b1")


def test_nothing_but_id_and_tenant_is_taken_from_a_message():
    """A68. EJBCA-REST took other keys of a message for fields of the end entity."""
    document = device("efac", status=10, password="x", subjectDN="CN=admin") | {"password": "x", "caName": "IOTrootCA"}

    assert device_message(encoded(document), "admin") == DeviceMessage(Change.CREATED, "admin", "efac")


@pytest.mark.parametrize("event", ["configure", "actuate", "template.update", "something new"])
def test_an_event_that_concerns_no_certificate_need_not_be_complete(event):
    assert device_message(encoded({"event": event}), "admin") is None


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "empty"),
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 60_000, "not JSON"),
        (b"9" * 5000, "not JSON"),
        (b"null", "not a JSON object"),
        (b"[]", "not a JSON object"),
        (b'"' + b"x" * MAX_BYTES + b'"', "too long"),
        (b"{}", "no event"),
        (encoded({"event": ["create"]}), "no event"),
        (encoded({"event": "create", "data": {"id": "efac"}}), "no device or tenant"),
        (encoded({"event": "create", "meta": {"service": "admin"}}), "no device or tenant"),
        (encoded({"event": "create", "meta": [], "data": []}), "no device or tenant"),
        (encoded(device("efac", tenant="other")), "another tenant's topic"),
        (encoded(device("../../x")), "no device or tenant"),
        (encoded(device("a,CN=admin")), "no device or tenant"),
        (encoded(device("x" * 65)), "no device or tenant"),
        (encoded(device("efac\n")), "no device or tenant"),
        (encoded(device("admin:efac")), "no device or tenant"),
        (encoded(device("\ud800")), "no device or tenant"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_poison_is_known_by_its_reason(value, why):
    """A65, A66, A67."""
    with pytest.raises(Poison) as caught:
        device_message(value, "admin")

    assert caught.value.why == why


@given(st.binary() | json_values.map(encoded))
@example(b"\0")
@example(b'{"event":"create","meta":{"service":"admin"},"data":{"id":NaN}}')
def test_any_bytes_are_a_message_or_poison(value):
    for read in (lambda: device_message(value, "admin"), lambda: new_tenant(value)):
        with suppress(Poison):
            read()


def test_a_new_tenant_is_read_and_a_deleted_one_is_not():
    assert new_tenant(b'{"type":"CREATE","tenant":"acme"}') == "acme"
    assert new_tenant(b'{"type":"DELETE","tenant":"acme"}') is None


@pytest.mark.parametrize("tenant", ["", "^.*", "a.b", "a:b", "a/b", "\n", 7])
def test_a_strange_tenant_is_poison(tenant):
    with pytest.raises(Poison):
        new_tenant(encoded({"type": "CREATE", "tenant": tenant}))
