"""All that a front end may call, in one object."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING

from app.operations.reenrolment import Reenrolment

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography import x509

    from app.operations.access_tokens import AccessTokens
    from app.operations.audit_verification import AuditVerification
    from app.operations.authorities import Authorities
    from app.operations.authority_renewal import AuthorityRenewal
    from app.operations.callers import Callers
    from app.operations.checkpoints import Checkpoints
    from app.operations.devices import Devices
    from app.operations.end_entities import EndEntities
    from app.operations.event_readers import EventReaders
    from app.operations.hierarchy import Hierarchy
    from app.operations.issuance import Issuance
    from app.operations.key_list import KeyList
    from app.operations.key_rotation import KeyRotation
    from app.operations.list_import import ListImport
    from app.operations.ocsp import Ocsp
    from app.operations.offline_alarm import OfflineAlarm
    from app.operations.profile_explanation import Explanations
    from app.operations.profiles import Profiles
    from app.operations.readiness import Readiness
    from app.operations.recorded_signing import RecordedSigning
    from app.operations.revocation import Revocation
    from app.operations.revocation_feed import RevocationFeed
    from app.operations.revocation_lists import RevocationLists
    from app.operations.upkeep import Upkeep
    from app.store.certificates import CertificateStore
    from app.store.database import Database

Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class Services:
    """The CA's acts and look-ups, and the settings that front ends share."""

    authorities: Authorities
    end_entities: EndEntities
    profiles: Profiles
    explanations: Explanations
    devices: Devices
    event_readers: EventReaders
    issuance: Issuance
    tokens: AccessTokens
    callers: Callers
    readiness: Readiness
    certificates: CertificateStore
    signing: RecordedSigning
    revocation: Revocation
    revocation_lists: RevocationLists
    revocation_feed: RevocationFeed
    ocsp: Ocsp
    hierarchy: Hierarchy
    renewal: AuthorityRenewal
    list_import: ListImport
    offline_alarm: OfflineAlarm
    key_list: KeyList
    key_rotation: KeyRotation
    checkpoints: Checkpoints
    upkeep: Upkeep
    database: Database
    trusted_networks: tuple[Network, ...] = ()
    metrics_networks: tuple[Network, ...] = ()
    trusted_proxies: tuple[Network, ...] = ()
    proxy_secret: bytes = field(default=b"", repr=False)
    tls_certificate: Callable[[], x509.Certificate] | None = None

    @property
    def reenrolment(self) -> Reenrolment:
        """What renews certificates for who shows one."""
        return Reenrolment(self.issuance)

    @property
    def audit_verification(self) -> AuditVerification:
        """What verifies the audit log."""
        from app.operations.audit_verification import (  # noqa: PLC0415 -- half a megabyte, and no worker verifies
            AuditVerification,
        )

        return AuditVerification(self.checkpoints)
