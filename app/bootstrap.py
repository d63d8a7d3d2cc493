"""Builds the services from the settings: the only place that picks the real clock, serials and database."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

from cryptography import x509

from app.data_directory import begin_checkpoints, check_audit_log, open_checkpoints, write_admin_token
from app.errors import ConfigurationError
from app.files.authority_files import AuthorityFiles, names_on_disk
from app.files.end_entity_profile_files import load_end_entity_profiles
from app.files.hierarchy_file import load_hierarchy
from app.files.places import UNFINISHED_RESTORE
from app.files.presence import is_directory, is_there
from app.files.private_keys import PrivateKeys
from app.files.profile_files import HIERARCHY_FILE, load_profiles
from app.files.protected import FileTurn, exclusive, make_directory
from app.files.responder_files import ResponderFiles
from app.files.secrets import Secret
from app.offline_root import Key, Medium, open_ceremony
from app.operations.access_tokens import AccessTokens
from app.operations.actor import SYSTEM
from app.operations.authority_renewal import AuthorityRenewal
from app.operations.devices import Devices
from app.operations.drafts import Drafts
from app.operations.end_entities import EndEntities
from app.operations.enrolment import Enrolment
from app.operations.enrolment_password import EnrolmentPasswords
from app.operations.event_readers import EventReaders
from app.operations.first_ceremony import FirstCeremony
from app.operations.hierarchy import Hierarchy
from app.operations.issuance import Issuance
from app.operations.key_list import KeyList
from app.operations.key_rotation import KeyRotation
from app.operations.list_contents import ListContents
from app.operations.list_import import ListImport
from app.operations.list_signing import ListSigning
from app.operations.ocsp import Ocsp
from app.operations.ocsp_responders import OcspResponders
from app.operations.offline_alarm import OfflineAlarm
from app.operations.peppers import peppers_of
from app.operations.profile_explanation import Explanations
from app.operations.profiles import Profiles
from app.operations.readiness import Readiness
from app.operations.recorded_signing import RecordedSigning
from app.operations.remembered_authorities import check_remembered
from app.operations.revocation import Revocation
from app.operations.revocation_feed import RevocationFeed
from app.operations.revocation_lists import RevocationLists
from app.operations.services import Services
from app.operations.uniqueness import Uniqueness
from app.operations.upkeep import Upkeep
from app.pki.key_identity import public_key_sha256_of
from app.settings import Settings
from app.storage import exists, open_database, turn
from app.store.access_tokens import AccessTokenStore
from app.store.audit_log import AuditLog
from app.store.certificate_holders import CertificateHolders
from app.store.certificates import CertificateStore
from app.store.device_events import DeviceEventStore
from app.store.end_entities import EndEntityStore
from app.store.event_readers import EventReaderStore
from app.store.offline_authorities import OfflineAuthorityStore
from app.store.revocation_lists import RevocationListStore
from app.store.revoked_certificates import RevokedCertificates

SETUP_LOCK: Final = ".setup.lock"


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def unwrapped(key: Key) -> Key:
    """Return the key as it is."""
    return key


@dataclass(frozen=True)
class Opened:
    """The services, and what opening them made: the names of new CAs, and whether an admin token was written."""

    services: Services
    created: tuple[str, ...]
    token_written: bool
    settled: int


def open_services(
    settings: Settings,
    *,
    create: bool = False,
    now: Callable[[], datetime] = utc_now,
    new_serial: Callable[[], int] = x509.random_serial_number,
    signing_key: Callable[[Key], Key] = unwrapped,
    medium: Medium | None = None,
) -> Opened:
    """Open the data directory; ``create`` makes whatever is declared and not there yet, roots on a ``medium`` if given.

    Any number of processes may do this at once: each step is taken under a lock by one, and seen done by the others.
    Raises :class:`ConfigurationError` with a sentence for the operator when something does not fit together.
    """
    if create:
        make_directory(settings.data)
    elif not (is_directory(settings.data) and exists(settings)) and not is_there(settings.data / UNFINISHED_RESTORE):
        raise ConfigurationError(f"There is no CA in {settings.data}; make one with: midca init")
    with exclusive(settings.data / SETUP_LOCK):
        if is_there(settings.data / UNFINISHED_RESTORE):
            raise ConfigurationError(f"A restore into {settings.data} was not finished: run midca restore again.")
        return _open(settings, create=create, now=now, new_serial=new_serial, signing_key=signing_key, medium=medium)


def _open(
    settings: Settings,
    *,
    create: bool,
    now: Callable[[], datetime],
    new_serial: Callable[[], int],
    signing_key: Callable[[Key], Key],
    medium: Medium | None,
) -> Opened:
    profiles = Profiles(
        partial(load_profiles, settings.profiles), lambda: load_end_entity_profiles(settings.end_entity_profiles)
    )
    declared = load_hierarchy(settings.profiles / HIERARCHY_FILE)
    with ExitStack() as on_failure:
        ceremony = medium and open_ceremony(
            settings, medium, now=now, new_serial=new_serial, signing_key=signing_key, create=create
        )
        database = open_database(settings, create=create)
        on_failure.callback(database.close)
        fresh = create and not names_on_disk(settings.authority_files)
        passphrase = Secret(settings.key_passphrase, create=fresh)
        pepper = Secret(settings.pepper, create=fresh, check=peppers_of)
        files = AuthorityFiles(settings.authority_files, PrivateKeys(passphrase))

        certificates, end_entities, audit = CertificateStore(database), EndEntityStore(database), AuditLog(database)
        signing = RecordedSigning(database, certificates, end_entities, audit, now)
        offline, drafts = OfflineAuthorityStore(database), Drafts()
        check_remembered(files, declared, certificates, offline.names())
        hierarchy = Hierarchy(
            declared,
            files,
            offline,
            signing,
            profiles,
            drafts,
            now,
            new_serial,
            signing_key,
            settings.public_urls,
            delta_lists=settings.delta_crl_validity is not None,
            medium=ceremony.medium.files if ceremony else None,
        )
        created = hierarchy.create_missing() if create else []
        authorities = hierarchy.load()

        passwords = EnrolmentPasswords(pepper, settings.default_password, now)
        enrolment = Enrolment(end_entities, passwords, profiles, now, settings.guess_limits)
        list_store, revoked = RevocationListStore(database), RevokedCertificates(database)
        lists = RevocationLists(
            list_store,
            revoked,
            ListContents(list_store, revoked, now, settings.crl_validity, settings.delta_crl_validity),
            ListSigning(database, list_store, audit, now),
            authorities,
            now,
            turn(settings, "crl"),
        )
        responders = OcspResponders(
            ResponderFiles(settings.responder_files, files.private_keys),
            authorities,
            signing,
            profiles,
            drafts,
            now,
            new_serial,
            FileTurn(settings.data / ".ocsp.lock"),
        )
        checkpoints = open_checkpoints(settings, database, audit, files.private_keys, now)
        entities = EndEntities(
            database,
            end_entities,
            certificates,
            audit,
            authorities,
            profiles,
            enrolment,
            now,
            settings.default_password,
            settings.random_password,
        )
        tokens = AccessTokens(database, AccessTokenStore(database), audit, now)
        readers = EventReaders(database, EventReaderStore(database), now, settings.events_beside, now())
        list_import = ListImport(database, list_store, certificates, revoked, audit, now)
        alarm = OfflineAlarm(authorities, lists, responders, now)
        key_list = KeyList(authorities, files, responders.files, settings.audit_key)
        log_key = public_key_sha256_of(checkpoints.signer.verifier.key)
        uniqueness = Uniqueness(authorities, CertificateHolders(database), log_key)
        services = Services(
            authorities=authorities,
            end_entities=entities,
            profiles=profiles,
            explanations=Explanations(database, authorities, entities, uniqueness, drafts, now),
            devices=Devices(
                database,
                entities,
                DeviceEventStore(database),
                now,
                rearm_on_update=settings.rearm_on_update,
            ),
            event_readers=readers,
            issuance=Issuance(
                signing,
                enrolment,
                authorities,
                profiles,
                uniqueness,
                drafts,
                now,
                new_serial,
                retry_window=settings.retry_window,
                reenrol=settings.reenrol,
            ),
            tokens=tokens,
            callers=settings.access.callers(tokens, certificates, now),
            readiness=Readiness(database, authorities, lists, responders, audit, readers, settings.data, now),
            certificates=certificates,
            signing=signing,
            revocation=Revocation(database, certificates, audit, authorities, now),
            revocation_lists=lists,
            revocation_feed=RevocationFeed(revoked, list_store, authorities),
            ocsp=Ocsp(authorities, responders, database, now, settings.ocsp_max_age),
            hierarchy=hierarchy,
            renewal=AuthorityRenewal(
                hierarchy, authorities, responders.files, signing, list_store, now, responders.turn
            ),
            list_import=list_import,
            offline_alarm=alarm,
            key_list=key_list,
            key_rotation=KeyRotation(
                passphrase,
                pepper,
                files.private_keys,
                key_list.paths,
                (FileTurn(settings.data / SETUP_LOCK), responders.turn),
                end_entities,
                database,
                audit,
                now,
                lambda name: settings.reenrol or (name in profiles and profiles[name].renewal_window is not None),
            ),
            checkpoints=checkpoints,
            upkeep=Upkeep(
                {
                    "CRL": lists.issue_due,
                    "certificate of an OCSP responder": responders.renew_due,
                    "checkpoint of the audit log": checkpoints.checkpoint_due,
                    "warning of a ceremony": alarm.log_due,
                },
                first=partial(check_audit_log, checkpoints),
            ),
            database=database,
            trusted_networks=settings.trusted_networks,
            metrics_networks=settings.metrics_networks,
            trusted_proxies=settings.access.trusted_proxies,
            proxy_secret=settings.access.read_proxy_secret(),
            tls_certificate=settings.tls.leaf if settings.tls else None,
        )
        settled = 0
        if create:
            settled = signing.settle_all(authorities)
            lists.issue_due(SYSTEM)
            responders.renew_due(SYSTEM)
        if ceremony:
            FirstCeremony(ceremony, authorities, list_import, database, audit, now).hold(created)
        token_written = create and write_admin_token(settings, tokens)
        if create:
            begin_checkpoints(checkpoints)
        on_failure.pop_all()
    return Opened(services, tuple(created), token_written, settled)
