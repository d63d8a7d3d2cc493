"""What is so at the moment of the question, read once for all workers from the database and the CAs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from app.errors import ConfigurationError, Refusal
from app.operations.services import Services
from app.pki.end_entity import EndEntityStatus
from app.pki.revocation import RevocationReason
from app.store.certificate_counts import counts
from app.store.certificates import CertificateState


@dataclass(frozen=True, eq=False)  # a registry keeps its collectors by identity
class State(Collector):
    """The collector. A family that cannot be read is left out, and ``midca_ready`` says what is wrong."""

    services: Services

    def collect(self) -> Iterator[Metric]:
        """Return all families."""
        families: list[Callable[[], Iterable[Metric]]] = [
            self._build,
            self._ready,
            self._authorities,
            self._responders,
            self._tls,
            self._lists,
            self._certificates,
            self._end_entities,
            self._audit,
            self._backup,
        ]
        for family in families:
            try:
                yield from list(family())
            except (Refusal, ConfigurationError):  # the database, whose check in midca_ready is 0, or a file
                continue

    def _build(self) -> Iterator[Metric]:
        build = GaugeMetricFamily("midca_build_info", "The version that runs; always 1.", labels=["version"])
        build.add_metric([version("midca")], 1)
        yield build

    def _ready(self) -> Iterator[Metric]:
        ready = GaugeMetricFamily("midca_ready", "1 when a check of /ready is ok, else 0.", labels=["check"])
        for check, result in self.services.readiness.check().items():
            ready.add_metric([check], float(result == "ok"))
        yield ready
        warnings = GaugeMetricFamily("midca_warnings", "How many warnings /ready has.")
        warnings.add_metric([], len(self.services.offline_alarm.warnings()))
        yield warnings

    def _authorities(self) -> Iterator[Metric]:
        expire = GaugeMetricFamily(
            "midca_ca_expire_time_seconds", "Unix time of the end of a CA's certificate.", labels=["ca"]
        )
        for authority in self.services.authorities:
            expire.add_metric([authority.name], authority.certificate.not_valid_after_utc.timestamp())
        yield expire

    def _responders(self) -> Iterator[Metric]:
        expire = GaugeMetricFamily(
            "midca_ocsp_responder_expire_time_seconds",
            "Unix time of the end of the certificate that signs a CA's OCSP answers.",
            labels=["ca"],
        )
        for authority in self.services.authorities:
            responder = self.services.ocsp.responders.on_disk(authority)
            if responder is not None:
                expire.add_metric([authority.name], responder.end.timestamp())
        yield expire

    def _tls(self) -> Iterator[Metric]:
        expire = GaugeMetricFamily(
            "midca_tls_certificate_expire_time_seconds", "Unix time of the end of the file's in MIDCA_TLS_CERTIFICATE."
        )
        if self.services.tls_certificate is not None:
            expire.add_metric([], self.services.tls_certificate().not_valid_after_utc.timestamp())
        yield expire

    def _lists(self) -> Iterator[Metric]:
        labels = ["ca", "scope", "kind"]
        number = GaugeMetricFamily("midca_crl_number", "Number of the newest revocation list.", labels=labels)
        size = GaugeMetricFamily("midca_crl_size_bytes", "Size of the newest revocation list.", labels=labels)
        issued = GaugeMetricFamily("midca_crl_this_update_time_seconds", "Unix time of thisUpdate.", labels=labels)
        expire = GaugeMetricFamily("midca_crl_expire_time_seconds", "Unix time of nextUpdate.", labels=labels)
        for authority in self.services.authorities:
            # From the store, and so also the one that has run out and is served no more.
            for name, newest in self.services.revocation_lists.store.newest(authority.name).items():
                which = [name.ca_name, str(name.scope), str(name.kind)]
                number.add_metric(which, newest.number)
                size.add_metric(which, newest.octets)
                issued.add_metric(which, newest.this_update.timestamp())
                expire.add_metric(which, newest.next_update.timestamp())
        yield from (number, size, issued, expire)

    def _certificates(self) -> Iterator[Metric]:
        issued_by, revoked_by, pending_of = Counter[tuple[str, str]](), Counter[tuple[str, str]](), 0
        for counted in counts(self.services.database):
            if counted.state is CertificateState.PENDING:
                pending_of += counted.number
            elif counted.state is CertificateState.ISSUED:
                issued_by[counted.ca_name, counted.certificate_profile] += counted.number
            if counted.revocation_reason is not RevocationReason.NOTREVOKED:
                revoked_by[counted.ca_name, counted.revocation_reason.name] += counted.number
        issued = CounterMetricFamily(
            "midca_certificates_issued", "Certificates of end entities on record.", labels=["ca", "profile"]
        )
        revoked = GaugeMetricFamily(
            "midca_certificates_revoked", "Those that are revoked or on hold.", labels=["ca", "reason"]
        )
        for key, count in issued_by.items():
            issued.add_metric(key, count)
        for key, count in revoked_by.items():
            revoked.add_metric(key, count)
        pending = GaugeMetricFamily("midca_certificates_pending", "Recorded to be signed, and not known to be.")
        pending.add_metric([], pending_of)
        yield from (issued, revoked, pending)

    def _end_entities(self) -> Iterator[Metric]:
        entities = GaugeMetricFamily("midca_end_entities", "End entities, by EJBCA's status.", labels=["status"])
        number_of = self.services.end_entities.store.counts()
        for status in EndEntityStatus:
            entities.add_metric([status.name], number_of.get(status, 0))
        yield entities

    def _audit(self) -> Iterator[Metric]:
        checkpoints = self.services.checkpoints
        entries, newest = checkpoints.log.size(), checkpoints.store.newest()
        yield CounterMetricFamily("midca_audit_entries", "Entries of the audit log.", entries)
        yield GaugeMetricFamily(
            "midca_audit_entries_uncovered",
            "Those that no checkpoint covers yet.",
            entries - (newest.size if newest else 0),
        )
        if newest is not None:
            yield GaugeMetricFamily(
                "midca_audit_checkpoint_time_seconds", "Unix time of the newest checkpoint.", newest.at.timestamp()
            )

    def _backup(self) -> Iterator[Metric]:
        made = self.services.checkpoints.restores.last_backup()
        if made is not None:
            yield GaugeMetricFamily("midca_backup_time_seconds", "Unix time of the last backup.", made.timestamp())
