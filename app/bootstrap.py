"""Builds the services from the settings: the only place that picks the real clock, serials and database."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

from app.errors import ConfigurationError, Unavailable
from app.files.authority_files import AuthorityFiles, names_on_disk
from app.files.checkpoint_files import CheckpointFile, checkpoint_signer
from app.files.end_entity_profile_files import load_end_entity_profiles
from app.files.hierarchy_file import load_hierarchy
from app.files.places import UNFINISHED_RESTORE
from app.files.profile_files import HIERARCHY_FILE, load_profiles
from app.files.protected import FileTurn, exclusive, make_directory, write_once
from app.files.responder_files import ResponderFiles
from app.operations.access_tokens import AccessTokens
from app.operations.actor import SYSTEM
from app.operations.audit_verification import AuditVerification
from app.operations.checkpoints import Checkpoints
from app.operations.devices import Devices
from app.operations.drafts import Drafts
from app.operations.end_entities import EndEntities
from app.operations.enrolment import Enrolment
from app.operations.enrolment_password import EnrolmentPasswords
from app.operations.event_readers import EventReaders
from app.operations.hierarchy import Hierarchy
from app.operations.issuance import Issuance
from app.operations.list_contents import ListContents
from app.operations.list_signing import ListSigning
from app.operations.ocsp import Ocsp
from app.operations.ocsp_responders import OcspResponders
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
from app.pki.checkpoint import NoteVerifier
from app.settings import Settings
from app.storage import exists, open_database, turn
from app.store.access_tokens import AccessTokenStore
from app.store.audit_log import AuditLog
from app.store.certificate_holders import CertificateHolders
from app.store.certificates import CertificateStore
from app.store.checkpoints import CheckpointStore
from app.store.database import Database
from app.store.device_events import DeviceEventStore
from app.store.end_entities import EndEntityStore
from app.store.event_readers import EventReaderStore
from app.store.restores import RestoreStore
from app.store.revocation_lists import RevocationListStore
from app.store.revoked_certificates import RevokedCertificates

_log = logging.getLogger("midca")
Key = CertificateIssuerPrivateKeyTypes


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def _unwrapped(key: Key) -> Key:
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
    signing_key: Callable[[Key], Key] = _unwrapped,
) -> Opened:
    """Open the data directory; ``create`` makes whatever is declared and not there yet.

    Any number of processes may do this at once: each step is taken under a lock by one, and seen done by the others.
    Raises :class:`ConfigurationError` with a sentence for the operator when something does not fit together.
    """
    if create:
        make_directory(settings.data)
    elif not exists(settings) and not (settings.data / UNFINISHED_RESTORE).exists():
        raise ConfigurationError(f"There is no CA in {settings.data}; make one with: midca init")
    with exclusive(settings.data / ".setup.lock"):
        if (settings.data / UNFINISHED_RESTORE).exists():
            raise ConfigurationError(f"A restore into {settings.data} was not finished: run midca restore again.")
        return _open(settings, create=create, now=now, new_serial=new_serial, signing_key=signing_key)


def _open(
    settings: Settings,
    *,
    create: bool,
    now: Callable[[], datetime],
    new_serial: Callable[[], int],
    signing_key: Callable[[Key], Key],
) -> Opened:
    profiles = Profiles(
        partial(load_profiles, settings.profiles), lambda: load_end_entity_profiles(settings.end_entity_profiles)
    )
    declared = load_hierarchy(settings.profiles / HIERARCHY_FILE)
    with ExitStack() as on_failure:
        database = open_database(settings, create=create)
        on_failure.callback(database.close)
        fresh = create and not names_on_disk(settings.authority_files)
        files = AuthorityFiles(settings.authority_files, settings.key_passphrase.read(create=fresh))
        pepper = settings.pepper.read(create=fresh)

        certificates, end_entities, audit = CertificateStore(database), EndEntityStore(database), AuditLog(database)
        signing = RecordedSigning(database, certificates, end_entities, audit, now)
        check_remembered(files, declared, certificates)
        drafts = Drafts()
        hierarchy = Hierarchy(
            declared,
            files,
            signing,
            profiles,
            drafts,
            now,
            new_serial,
            signing_key,
            settings.public_urls,
            delta_lists=settings.delta_crl_validity is not None,
        )
        created = hierarchy.create_missing() if create else []
        authorities = hierarchy.load()

        passwords = EnrolmentPasswords(pepper, settings.default_password)
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
            ResponderFiles(settings.responder_files, files.passphrase),
            authorities,
            signing,
            profiles,
            drafts,
            now,
            new_serial,
            FileTurn(settings.data / ".ocsp.lock"),
        )
        checkpoints = _checkpoints(settings, database, audit, files.passphrase, now)
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
        uniqueness = Uniqueness(authorities, CertificateHolders(database))
        services = Services(
            authorities=authorities,
            end_entities=entities,
            profiles=profiles,
            explanations=Explanations(authorities, entities, uniqueness, drafts, now),
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
            checkpoints=checkpoints,
            audit_verification=AuditVerification(checkpoints),
            upkeep=Upkeep(
                {
                    "CRL": lists.issue_due,
                    "certificate of an OCSP responder": responders.renew_due,
                    "checkpoint of the audit log": checkpoints.checkpoint_due,
                }
            ),
            database=database,
            trusted_networks=settings.trusted_networks,
            metrics_networks=settings.metrics_networks,
            trusted_proxies=settings.access.trusted_proxies,
            proxy_secret=settings.access.read_proxy_secret(),
        )
        settled = 0
        if create:
            settled = signing.settle_all(authorities)
            lists.issue_due(SYSTEM)
            responders.renew_due(SYSTEM)
        token_written = create and _write_admin_token(settings, tokens)
        if create:
            _begin_checkpoints(checkpoints)
        on_failure.pop_all()
    return Opened(services, tuple(created), token_written, settled)


def _checkpoints(
    settings: Settings, database: Database, audit: AuditLog, passphrase: bytes, now: Callable[[], datetime]
) -> Checkpoints:
    store, restores = CheckpointStore(database), RestoreStore(database)
    newest, restored = store.newest(), restores.all()
    has_signed = newest is not None and not (restored and newest.size < restored[-1].entry)
    retired = [NoteVerifier.from_text(restore.verifier) for restore in restored]
    return Checkpoints(
        database,
        audit,
        store,
        restores,
        CheckpointFile(settings.audit_checkpoints),
        checkpoint_signer(settings.audit_key, passphrase, create=not has_signed, retired=retired),
        now,
        settings.audit_checkpoint_interval,
        turn(settings, "audit"),
    )


def _begin_checkpoints(checkpoints: Checkpoints) -> None:
    """Say loudly when the audit log is not what was signed; it is no reason to leave devices without a CA."""
    try:
        checkpoints.check_saved()
        checkpoints.checkpoint_due(SYSTEM)
    except Unavailable as problem:
        _log.error("AUDIT LOG: %s", problem)


def _write_admin_token(settings: Settings, tokens: AccessTokens) -> bool:
    """Give a CA without any token its first one: file first, then record, so that neither is without the other."""
    if tokens.store.all():
        return False
    settings.admin_token.unlink(missing_ok=True)
    tokens.create(
        "admin", SYSTEM, deliver=lambda token: write_once(settings.admin_token, token.encode() + b"\n", mode=0o600)
    )
    return True
