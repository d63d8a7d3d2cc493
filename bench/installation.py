"""A CA of its own for the run: shipped profile, throw-away data directory, the CA key that is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

from app.bootstrap import open_services
from app.operations.actor import Actor
from app.operations.registration import Registration
from app.operations.services import Services
from app.settings import Settings, shipped
from bench.devices import Device

ISSUER = "IOTmidCA"
ACTOR = Actor("bench", "bench")


@dataclass(frozen=True)
class Installation:
    """The services in this process; the server under measurement opens the same directory in its own."""

    settings: Settings
    services: Services

    @classmethod
    def create(cls, directory: Path, ca_key: str) -> Installation:
        """Make the CAs in ``directory``; ``ca_key`` is as ``RSA-4096`` or ``P-256``, for the root as for the issuer."""
        settings = Settings.from_environment(environment(directory))
        _copy_profiles(settings.profiles, ca_key)
        return cls(settings, open_services(settings, create=True).services)

    @property
    def issuer_key(self) -> CertificateIssuerPrivateKeyTypes:
        """The key that signs for devices."""
        key = self.services.authorities.named(ISSUER).key
        if key is None:
            raise RuntimeError(f"{ISSUER} has no key")
        return key

    @property
    def journal(self) -> str:
        """SQLite's journal mode, as the server has chosen it."""
        row = self.services.database.row("PRAGMA journal_mode")
        return str(row["journal_mode"]) if row else "unknown"

    def register(self, devices: Iterable[Device]) -> None:
        """Add the devices as end entities, each as an operator's act of its own."""
        for device in devices:
            self.services.end_entities.put(Registration(device.name, device.password), ACTOR)

    def rearm(self, devices: Iterable[Device]) -> None:
        """Let the devices enrol once more, with the password they had."""
        for device in devices:
            self.services.end_entities.rearm(device.name, device.password, ACTOR)

    def issued(self) -> int:
        """Return how many certificates of devices the database holds as issued."""
        sql = "SELECT count(*) AS issued FROM certificates WHERE state = 'issued' AND certificate_type = 1"
        return int(self.services.database.rows(sql)[0]["issued"])


def environment(directory: Path) -> dict[str, str]:
    """Return the settings that differ from the defaults: all guesses of the load come from one address."""
    places = {"MIDCA_DATA": str(directory / "data"), "MIDCA_PROFILES": str(directory / "profiles")}
    return places | {"MIDCA_ADDRESS_FAILURES": "0", "MIDCA_TOTAL_FAILURES": "0"}


def _copy_profiles(target: Path, ca_key: str) -> None:
    """Copy the shipped profiles; only the CA keys in the hierarchy are changed."""
    target.mkdir(parents=True)
    for path in shipped("profiles").glob("*.yaml"):
        (target / path.name).write_bytes(path.read_bytes())
    hierarchy = target / "hierarchy.yaml"
    document = yaml.safe_load(hierarchy.read_text())
    for authority in document["cas"]:
        _set_key(authority, ca_key)
    hierarchy.write_text(yaml.safe_dump(document))


def _set_key(authority: dict[str, Any], ca_key: str) -> None:
    kind, _, size = ca_key.partition("-")
    if kind == "RSA":
        authority.update(keytype="RSA", keysize=int(size))
    else:
        authority.pop("keysize", None)
        authority["keytype"] = ca_key
    for below in authority.get("subca", []):
        _set_key(below, ca_key)
