"""Where dojot's services are and how devices are named here; read by ``app/settings.py``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Final

DOJOT_NAMES: Final = {
    "MIDCA_KAFKA_BROKERS": "KAFKA_HOSTS",
    "MIDCA_KAFKA_GROUP": "KAFKA_GROUP_ID",
    "MIDCA_DATA_BROKER_URL": "DATA_BROKER_URL",
    "MIDCA_AUTH_URL": "AUTH_URL",
    "MIDCA_DEVICE_MANAGER_URL": "DEVICE_MANAGER_URL",
    "MIDCA_DOJOT_USER": "DOJOT_MANAGEMENT_USER",
    "MIDCA_DOJOT_TENANT": "DOJOT_MANAGEMENT_TENANT",
    "MIDCA_TENANCY_SUBJECT": "DOJOT_SUBJECT_TENANCY",
    "MIDCA_DEVICES_SUBJECT": "DOJOT_SUBJECT_DEVICES",
}
"""The names that dojot's installations already set; ours wins where both are there."""


class DeviceNames(Enum):
    """How a device's end entity is named: dojot's ids are unique within a tenant alone."""

    ID = "id"
    TENANT_AND_ID = "tenant:id"

    def username(self, tenant: str, device: str) -> str:
        """Return the name of the end entity."""
        return device if self is DeviceNames.ID else f"{tenant}:{device}"


@dataclass(frozen=True)
class Configuration:
    """The settings of ``midca events``. ``brokers`` is ``host:port`` with commas; the URLs are dojot's services.

    Without ``data_broker_url`` only topics named ``tenant.subject`` are found.
    """

    brokers: str
    group: str
    data_broker_url: str | None
    auth_url: str
    device_manager_url: str
    user: str
    management_tenant: str
    tenancy_subject: str
    devices_subject: str
    names: DeviceNames
    sync_interval: timedelta
