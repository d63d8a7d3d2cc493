"""Where dojot's services are and how devices are named here; read by ``app/settings.py``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum


class DeviceNames(Enum):
    """How a device's end entity is named: dojot's ids are unique within a tenant alone."""

    ID = "id"
    TENANT_AND_ID = "tenant:id"

    def username(self, tenant: str, device: str) -> str:
        """Return the name of the end entity."""
        return device if self is DeviceNames.ID else f"{tenant}:{device}"


@dataclass(frozen=True)
class Configuration:
    """The settings of ``midca events``. ``brokers`` is ``host:port`` with commas; the URLs are dojot's services."""

    brokers: str
    group: str
    data_broker_url: str
    auth_url: str
    device_manager_url: str
    user: str
    management_tenant: str
    tenancy_subject: str
    devices_subject: str
    names: DeviceNames
    sync_interval: timedelta
