"""Every setting, read once from the environment; docs and code share the one table below."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from app.access_settings import ACCESS_DESCRIPTIONS, AccessSettings, access_settings
from app.errors import ConfigurationError
from app.files.end_entity_profile_files import END_ENTITIES
from app.files.presence import is_directory
from app.files.secrets import SecretSource
from app.files.shipped import shipped
from app.files.tls_files import TlsFiles
from app.frontends.device_events.configuration import DOJOT_NAMES, DeviceNames
from app.frontends.device_events.configuration import Configuration as EventsConfiguration
from app.operations.guess_limits import GuessLimits
from app.operations.services import Network
from app.pki.end_entity_rules import DOJOT_PASSWORD
from app.setting_values import SQLITE, checked_url, choice, database_address, networks, number, secret, tls

DESCRIPTIONS: Final = {
    "MIDCA_DATA": "Data directory: database, CA certificates, keys, secrets. Default `./var`.",
    "MIDCA_DATABASE": "`sqlite` (default): `midca.sqlite` in the data directory. Or the address of a PostgreSQL, "
    "`postgresql://user@host/name`, for several servers; `docs/postgresql.md`.",
    "MIDCA_PROFILES": "Directory of the certificate profiles, `end_entities/` and `hierarchy.yaml`. "
    "Default: the shipped ones.",
    "MIDCA_HOST": "Address to listen on. Default `127.0.0.1`.",
    "MIDCA_PORT": "Port to listen on. Default `5583`.",
    "MIDCA_TLS_CERTIFICATE": "PEM file with the certificate to speak TLS with, and behind it the CAs up to the root. "
    "Read again on `midca reload`. Default: none, and plain HTTP is spoken.",
    "MIDCA_TLS_KEY": "PEM file with its key, not encrypted, mode 0600.",
    "MIDCA_TLS_CLIENT_CA": "PEM file with the CAs whose client certificates are taken; needs "
    "`MIDCA_AUTH=tokens,certificates`. Default: none.",
    "MIDCA_WORKERS": "Worker processes, which answer requests; beside them one more does the upkeep. Default: the "
    "number of processors, at least 2.",
    "MIDCA_THREADS": "Threads of each worker. Default `8`.",
    "MIDCA_LOG_FORMAT": "`json`, `text`, or `auto` (default): text on a terminal, JSON elsewhere.",
    "MIDCA_KEY_PASSPHRASE_FILE": "File with the passphrase of the CA keys, mode 0600. "
    "Default `$MIDCA_DATA/secrets/key-passphrase`, made at the first start.",
    "MIDCA_KEY_PASSPHRASE": "The passphrase itself. Environment variables leak: prefer a file or systemd credential.",
    "MIDCA_PEPPER_FILE": "File with the secret that enrolment passwords are hashed with, mode 0600. "
    "Default `$MIDCA_DATA/secrets/pepper`, made at the first start.",
    "MIDCA_PEPPER": "That secret itself; the same warning.",
    "MIDCA_TRUSTED_NETWORKS": "Networks (CIDR, comma-separated) whose hosts may use `/user` without a token, as "
    "dojot's own services always have. **Weakens**: whoever is in them manages end entities. Default: none.",
    "MIDCA_METRICS_NETWORKS": "Networks (CIDR, comma-separated) whose hosts may read `/metrics` without a token. "
    "Default: none.",
    "MIDCA_DEFAULT_PASSWORD": "Password of an end entity that is registered without one: `dojot` (default, its clients "
    "expect it), `random` (made, and told once in the answer to `POST /user`) or `none` (one must be given). `dojot` "
    "is public: who reaches `/sign` first wins.",
    "MIDCA_REENROL": "`once` (default): a password is good for one certificate. `always`: it signs again on GENERATED "
    "ones, and a good certificate renews by EST at any time. **Weakens**: whoever learns a device's password gets "
    "certificates in its name until it is changed, whoever has its key until all of them are revoked.",
    "MIDCA_ADDRESS_FAILURES": "Wrong enrolment passwords that one address (IPv6: one /64) may send: so many at once, "
    "and as many an hour; then its enrolments get 429. Behind a gateway that is not in `MIDCA_TRUSTED_PROXIES` all "
    "have one address. `0`: no limit, which **weakens**. Default `100`.",
    "MIDCA_TOTAL_FAILURES": "The same for all addresses together; then those end entities alone may enrol whose "
    "password cannot be guessed: random ones, and the public `dojot`. `0`: no limit, which **weakens**. Default "
    "`1000`.",
    "MIDCA_CRL_HOURS": "Hours a revocation list is good; a new one is issued at half of that, and within seconds of a "
    "revocation. Default `168`. A broker that holds one past its end refuses every device.",
    "MIDCA_DELTA_CRL_HOURS": "Hours a delta CRL is good; `0` (default): none are issued. mosquitto reads none.",
    "MIDCA_PUBLIC_URL": "Where the world reaches this server, such as `http://ca.example.org:5583`; new certificates "
    "then say where their CRL, their issuer and the OCSP responder are. Several, separated by commas: new certificates "
    "name the first, CRLs answer to all; keep an old one while certificates name it. Default: none.",
    "MIDCA_OCSP_MAX_AGE": "Seconds an HTTP cache may keep an OCSP answer, and so miss a revocation; `0` forbids it. "
    "Default `30`.",
    "MIDCA_AUDIT_CHECKPOINTS": "File the signed checkpoints of the audit log are appended to; best on another disk or "
    "machine. Default `$MIDCA_DATA/audit.checkpoints`.",
    "MIDCA_AUDIT_CHECKPOINT_MINUTES": "Minutes an audit entry may wait for its checkpoint; there is one after 1000 "
    "entries in any case. Default `10`.",
    "MIDCA_RETRY_WINDOW": "Seconds in which the same name, password and request get the same certificate again. "
    "Default `900`.",
    "MIDCA_KAFKA_BROKERS": "Kafka's brokers, `host:port` with commas. With it `midca serve` reads dojot's device "
    "events too, in a process of its own. For `midca events` it may be `KAFKA_HOSTS`; default `kafka:9092`.",
    "MIDCA_KAFKA_GROUP": "Consumer group, which remembers how far the events were read. Or `KAFKA_GROUP_ID`. Default "
    "`midca`.",
    "MIDCA_DATA_BROKER_URL": "dojot's data-broker, which names the topics; `none`: it is not there, topics are found "
    "by their names. Or `DATA_BROKER_URL`. Default `http://data-broker`.",
    "MIDCA_AUTH_URL": "dojot's auth, which lists the tenants. Or `AUTH_URL`. Default `http://auth:5000`.",
    "MIDCA_DEVICE_MANAGER_URL": "dojot's device-manager, which lists the devices. Or `DEVICE_MANAGER_URL`. Default "
    "`http://device-manager:5000`.",
    "MIDCA_DOJOT_USER": "The name midca gives to dojot's services. Or `DOJOT_MANAGEMENT_USER`. Default `ejbca`.",
    "MIDCA_DOJOT_TENANT": "The tenant of dojot's own services. Or `DOJOT_MANAGEMENT_TENANT`. Default "
    "`dojot-management`.",
    "MIDCA_TENANCY_SUBJECT": "Subject of the events that add tenants. Or `DOJOT_SUBJECT_TENANCY`. Default "
    "`dojot.tenancy`.",
    "MIDCA_DEVICES_SUBJECT": "Subject of the events of devices. Or `DOJOT_SUBJECT_DEVICES`. Default "
    "`dojot.device-manager.device`.",
    "MIDCA_SYNC_MINUTES": "Minutes between two comparisons with device-manager's list of devices. Default `60`.",
    "MIDCA_DEVICE_NAMES": "End entities of devices are named by `id` (default) or `tenant:id`. Ids are unique within a "
    "tenant alone: by `id`, devices of two tenants that share one share their end entity too.",
    "MIDCA_REARM": "`never` (default): an update of a device leaves its end entity as it is. `always`: it arms the "
    "default password again, as EJBCA-REST did. **Weakens**: every change of a template opens enrolment for all its "
    "devices, with a password everyone knows.",
    **ACCESS_DESCRIPTIONS,
}
"""All settings and what they mean; README shows them, and a test holds the two together."""


@dataclass(frozen=True)
class Settings:
    """The settings of one process."""

    data: Path
    database_address: str = field(repr=False)
    profiles: Path
    migrations: Path
    host: str
    port: int
    tls: TlsFiles | None
    workers: int
    threads: int
    log_format: str
    trusted_networks: tuple[Network, ...]
    metrics_networks: tuple[Network, ...]
    default_password: str | None = field(repr=False)
    random_password: bool
    retry_window: timedelta
    reenrol: bool
    guess_limits: GuessLimits
    crl_validity: timedelta
    delta_crl_validity: timedelta | None
    public_urls: tuple[str, ...]
    ocsp_max_age: timedelta
    audit_checkpoints: Path
    audit_checkpoint_interval: timedelta
    key_passphrase: SecretSource
    pepper: SecretSource
    access: AccessSettings
    rearm_on_update: bool
    events_beside: bool

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read the environment; raise :class:`ConfigurationError` naming the setting that makes no sense."""
        unknown = {name for name in environment if name.startswith("MIDCA_")} - DESCRIPTIONS.keys()
        if unknown:
            raise ConfigurationError(f"There is no setting {min(unknown)}.")
        data = Path(environment.get("MIDCA_DATA", "var")).absolute()
        unless_given = choice(environment, "MIDCA_DEFAULT_PASSWORD", (DOJOT_PASSWORD, "random", "none"))
        return cls(
            data=data,
            database_address=database_address(environment.get("MIDCA_DATABASE", SQLITE)),
            profiles=Path(environment["MIDCA_PROFILES"]) if "MIDCA_PROFILES" in environment else shipped("profiles"),
            migrations=shipped("migrations"),
            host=environment.get("MIDCA_HOST", "127.0.0.1"),
            port=number(environment, "MIDCA_PORT", 5583, 1, 65535),
            tls=tls(environment),
            workers=number(environment, "MIDCA_WORKERS", max(os.cpu_count() or 1, 2), 1, 128),
            threads=number(environment, "MIDCA_THREADS", 8, 1, 256),
            log_format=choice(environment, "MIDCA_LOG_FORMAT", ("auto", "json", "text")),
            trusted_networks=networks(environment, "MIDCA_TRUSTED_NETWORKS"),
            metrics_networks=networks(environment, "MIDCA_METRICS_NETWORKS"),
            default_password=DOJOT_PASSWORD if unless_given == DOJOT_PASSWORD else None,
            random_password=unless_given == "random",
            retry_window=timedelta(seconds=number(environment, "MIDCA_RETRY_WINDOW", 900, 0, 86400)),
            reenrol=choice(environment, "MIDCA_REENROL", ("once", "always")) == "always",
            guess_limits=GuessLimits(
                number(environment, "MIDCA_ADDRESS_FAILURES", 100, 0, 100_000),
                number(environment, "MIDCA_TOTAL_FAILURES", 1000, 0, 1_000_000),
            ),
            crl_validity=timedelta(hours=number(environment, "MIDCA_CRL_HOURS", 168, 1, 8784)),
            delta_crl_validity=timedelta(hours=number(environment, "MIDCA_DELTA_CRL_HOURS", 0, 0, 8784)) or None,
            public_urls=_urls(environment),
            ocsp_max_age=timedelta(seconds=number(environment, "MIDCA_OCSP_MAX_AGE", 30, 0, 1800)),
            audit_checkpoints=Path(environment.get("MIDCA_AUDIT_CHECKPOINTS", data / "audit.checkpoints")).absolute(),
            audit_checkpoint_interval=timedelta(
                minutes=number(environment, "MIDCA_AUDIT_CHECKPOINT_MINUTES", 10, 1, 1440)
            ),
            key_passphrase=secret(environment, "midca-key-passphrase", "MIDCA_KEY_PASSPHRASE", data, "key-passphrase"),
            pepper=secret(environment, "midca-pepper", "MIDCA_PEPPER", data, "pepper"),
            access=access_settings(environment, data),
            rearm_on_update=_rearm(environment),
            events_beside=bool(environment.get("MIDCA_KAFKA_BROKERS")),
        )

    def with_database(self, address: str) -> Settings:
        """Return the same settings with another database."""
        return replace(self, database_address=database_address(address))

    @property
    def address(self) -> str:
        """Host and port as they stand in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Where the server is on this machine."""
        return f"{'https' if self.tls else 'http'}://{self.address}"

    @property
    def database(self) -> Path:
        """The database file."""
        return self.data / "midca.sqlite"

    @property
    def authority_files(self) -> Path:
        """The directory of CA certificates and keys."""
        return self.data / "ca"

    @property
    def responder_files(self) -> Path:
        """The directory of the OCSP responders' keys and certificates."""
        return self.authority_files / "ocsp"

    @property
    def end_entity_profiles(self) -> Path:
        """The directory of the end entity profiles: in that of the profiles, or the shipped one where none is there."""
        own = self.profiles / END_ENTITIES
        return own if is_directory(own) else shipped("profiles") / END_ENTITIES

    @property
    def server_process(self) -> Path:
        """The file that a server writes its process id to."""
        return self.data / "server.pid"

    @property
    def audit_key(self) -> Path:
        """The key that signs checkpoints of the audit log."""
        return self.data / "secrets" / "audit-key.pem"

    @property
    def admin_token(self) -> Path:
        """The file a fresh CA writes its admin token to."""
        return self.data / "admin.token"


def _urls(environment: Mapping[str, str]) -> tuple[str, ...]:
    texts = [text.strip().rstrip("/") for text in environment.get("MIDCA_PUBLIC_URL", "").split(",")]
    return tuple(checked_url(text, "MIDCA_PUBLIC_URL") for text in texts if text)


def _rearm(environment: Mapping[str, str]) -> bool:
    always = choice(environment, "MIDCA_REARM", ("never", "always")) == "always"
    if always and (password := environment.get("MIDCA_DEFAULT_PASSWORD", DOJOT_PASSWORD)) != DOJOT_PASSWORD:
        raise ConfigurationError(
            f"MIDCA_REARM=always needs a default password to arm, and MIDCA_DEFAULT_PASSWORD={password}."
        )
    return always


def device_events(environment: Mapping[str, str] = os.environ) -> EventsConfiguration:
    """Read what ``midca events`` alone needs: a strange ``AUTH_URL`` of another program must not stop the server."""

    def value(name: str, default: str) -> str:
        return environment.get(name) or environment.get(DOJOT_NAMES[name]) or default

    def url(name: str, default: str) -> str:
        return checked_url(value(name, default).rstrip("/"), name)

    return EventsConfiguration(
        brokers=value("MIDCA_KAFKA_BROKERS", "kafka:9092"),
        group=value("MIDCA_KAFKA_GROUP", "midca"),
        data_broker_url=(
            None if value("MIDCA_DATA_BROKER_URL", "") == "none" else url("MIDCA_DATA_BROKER_URL", "http://data-broker")
        ),
        auth_url=url("MIDCA_AUTH_URL", "http://auth:5000"),
        device_manager_url=url("MIDCA_DEVICE_MANAGER_URL", "http://device-manager:5000"),
        user=value("MIDCA_DOJOT_USER", "ejbca"),
        management_tenant=value("MIDCA_DOJOT_TENANT", "dojot-management"),
        tenancy_subject=value("MIDCA_TENANCY_SUBJECT", "dojot.tenancy"),
        devices_subject=value("MIDCA_DEVICES_SUBJECT", "dojot.device-manager.device"),
        names=DeviceNames(choice(environment, "MIDCA_DEVICE_NAMES", tuple(names.value for names in DeviceNames))),
        sync_interval=timedelta(minutes=number(environment, "MIDCA_SYNC_MINUTES", 60, 1, 10080)),
    )
