"""What dojot's own services are asked over HTTP: auth, data-broker and device-manager."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote

from app.client.errors import ClientError
from app.client.http_server import HttpServer
from app.frontends.device_events.configuration import Configuration
from app.frontends.device_events.message import is_name

_MAX_SECONDS: Final = 20.0


class DojotUnavailable(Exception):
    """A service of dojot did not answer as it should; the same question may be answered later."""


@dataclass(frozen=True)
class Page:
    """The ids of a page of devices, how many more have an impossible id, and the next page's number if there is one."""

    devices: list[str]
    strange: int
    next_page: int | None


@dataclass(frozen=True)
class Dojot:
    """The three services. Every method raises :class:`DojotUnavailable`."""

    configuration: Configuration

    def tenants(self) -> list[str]:
        """Return the tenants that auth knows."""
        found = self._get(self.configuration.auth_url, "/admin/tenants", self.configuration.management_tenant)
        tenants = found.get("tenants")
        if not isinstance(tenants, list):
            raise DojotUnavailable("auth answered without a list of tenants")
        return [tenant for tenant in tenants if is_name(tenant)]

    def topic(self, tenant: str, subject: str) -> str:
        """Return the topic that data-broker has for a subject of a tenant: a random name, or ``tenant.subject``."""
        path = f"/topic/{quote(subject, safe='')}?global=true"  # as dojot's library always asks; data-broker ignores it
        topic = self._get(self.configuration.data_broker_url or "", path, tenant).get("topic")
        if not isinstance(topic, str) or not topic or topic.startswith("^"):
            raise DojotUnavailable("data-broker answered without a topic")
        return topic

    def devices(self, tenant: str, page: int) -> Page:
        """Return a page of device-manager's list, the first one being 1."""
        path = "/device" if page == 1 else f"/device?page_num={page}"
        found = self._get(self.configuration.device_manager_url, path, tenant)
        devices, pagination = found.get("devices"), found.get("pagination")
        if not isinstance(devices, list) or not isinstance(pagination, dict):
            raise DojotUnavailable("device-manager answered without a page of devices")
        ids = [device.get("id") if isinstance(device, dict) else None for device in devices]
        names = [name for name in ids if isinstance(name, str) and is_name(name)]
        return Page(names, len(ids) - len(names), _next_page(pagination, page))

    def _get(self, base: str, path: str, tenant: str) -> dict[str, Any]:
        server = replace(HttpServer.at(base), max_seconds=_MAX_SECONDS)
        try:
            return server.json("GET", path, token=service_token(self.configuration.user, tenant))
        except ClientError as error:
            raise DojotUnavailable(str(error)) from error


def service_token(user: str, tenant: str) -> str:
    """Return the token by which dojot's services tell each other the tenant. It is signed by nobody: the network is
    what protects them.
    """
    claims = json.dumps({"username": user, "service": tenant}).encode()
    return ".".join(base64.b64encode(part).decode() for part in (b"model", claims, b"signature"))


def _next_page(pagination: dict[str, Any], page: int) -> int | None:
    if not pagination.get("has_next"):
        return None
    following = pagination.get("next_page")
    if not isinstance(following, int) or following <= page:
        raise DojotUnavailable("device-manager's pages go in a circle")
    return following
