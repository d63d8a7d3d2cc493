"""The messages on dojot's topics: what one says, or why it is passed by."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

from app.operations.devices import Change

MAX_BYTES: Final = 512 * 1024
"""Longer messages are passed by; a device with thousands of attributes is far below."""
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_DEVICE_EVENTS: Final = {change.value: change for change in Change}


class Poison(Exception):
    """A message that no retry makes better; ``why`` is one of a few words, to be counted."""

    def __init__(self, why: str) -> None:
        """Take the reason, which never holds anything of the message."""
        self.why = why
        super().__init__(why)


@dataclass(frozen=True)
class DeviceMessage:
    """A device that was created, updated or removed."""

    change: Change
    tenant: str
    device: str


class _Lenient(Schema):
    class Meta:
        unknown = EXCLUDE


class _Event(_Lenient):
    event = fields.Str(required=True)


class _Meta(_Lenient):
    service = fields.Str(required=True, validate=validate.Regexp(rf"\A{_NAME.pattern}\Z"))


class _Data(_Lenient):
    id = fields.Str(required=True, validate=validate.Regexp(rf"\A{_NAME.pattern}\Z"))


class _DeviceEvent(_Event):
    meta = fields.Nested(_Meta, required=True)
    data = fields.Nested(_Data, required=True)


class _Tenancy(_Lenient):
    type = fields.Str(required=True)
    tenant = fields.Str(required=True, validate=validate.Regexp(rf"\A{_NAME.pattern}\Z"))


_event, _device_event, _tenancy = _Event(), _DeviceEvent(), _Tenancy()


def is_name(text: object) -> bool:
    """Return whether this can be a device's id or a tenant: dojot's are letters, digits, ``-`` and ``_``."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def device_message(value: bytes | None, tenant: str) -> DeviceMessage | None:
    """Return what a message on a tenant's topic says of a device, None if it does not concern the CA.

    Only ``create``, ``update`` and ``remove`` do: ``configure`` and ``actuate`` are orders to a device, and
    ``template.update`` follows an ``update`` of each device. Raises :class:`Poison`.
    """
    document = _object(value)
    change = _DEVICE_EVENTS.get(_loaded(_event, document, "no event")["event"])
    if change is None:
        return None
    body = _loaded(_device_event, document, "no device or tenant")
    if body["meta"]["service"] != tenant:
        raise Poison("another tenant's topic")
    return DeviceMessage(change, tenant, body["data"]["id"])


def new_tenant(value: bytes | None) -> str | None:
    """Return the tenant that a message on the tenancy topic adds, None if it adds none. Raises :class:`Poison`."""
    body = _loaded(_tenancy, _object(value), "no tenant")
    return str(body["tenant"]) if body["type"] == "CREATE" else None


def _object(value: bytes | None) -> dict[str, Any]:
    if value is None:
        raise Poison("empty")
    if len(value) > MAX_BYTES:
        raise Poison("too long")
    try:
        document = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise Poison("not JSON") from error
    if not isinstance(document, dict):
        raise Poison("not a JSON object")
    return document


def _loaded(schema: Schema, document: dict[str, Any], why: str) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = schema.load(document)
    except ValidationError as error:
        raise Poison(why) from error
    return loaded
