"""End entities, and the wrong passwords of names and addresses."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from app.pki.end_entity import EndEntity, EndEntityStatus, TokenType
from app.store.database import columns_of
from app.store.times import from_text, to_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.store.database import Database, Row


_CLOCKS_DIFFER: Final = timedelta(seconds=10)
_COLUMNS: Final = columns_of(EndEntity)


class Failures(NamedTuple):
    """How many wrong passwords there were, and until when (it may be over) no other is looked at."""

    number: int
    blocked_until: datetime

    def block_at(self, now: datetime, longest: timedelta) -> bool:
        """Return whether it is so at ``now``, where no block is set for longer than the ``longest``."""
        return now < self.blocked_until and not self.is_stale(now, longest)

    def is_stale(self, now: datetime, longest: timedelta) -> bool:
        """Return whether it is from before the clock was set back, if the clocks of servers differ by no more."""
        return self.blocked_until > now + longest + _CLOCKS_DIFFER


class EndEntityStore:
    """Reads and conditional writes; the writes need an open transaction."""

    def __init__(self, database: Database) -> None:
        """Take the database to read and write."""
        self._database = database

    def find(self, username: str) -> EndEntity | None:
        """Return the end entity of exactly that name."""
        row = self._database.row(
            f"SELECT {_COLUMNS} FROM end_entities WHERE username = :username",  # noqa: S608 -- a constant # nosec B608
            username=username,
        )
        return _entity(row) if row else None

    def page(self, *, after: str = "", limit: int = 100, status: EndEntityStatus | None = None) -> list[EndEntity]:
        """Return up to ``limit`` end entities in the order of their names, beginning behind ``after``."""
        only = "" if status is None else "AND status = :status "
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM end_entities WHERE username > :after {only}"  # noqa: S608 -- from above # nosec B608
            "ORDER BY username LIMIT :limit",
            after=after,
            limit=limit,
            status=status,
        )
        return [_entity(row) for row in rows]

    def counts(self) -> dict[int, int]:
        """Return how many end entities have each status."""
        rows = self._database.rows("SELECT status, count(*) AS number FROM end_entities GROUP BY status")
        return {row["status"]: row["number"] for row in rows}

    def with_public_password(self, end_entity_profile: str, *, armed_after: datetime | None) -> int:
        """Return how many of an end entity profile may enrol with dojot's password, armed after the given time."""
        row = self._database.row(
            # The words of the index, so that it alone is read; the statuses are those that may enrol.
            "SELECT count(*) AS number FROM end_entities WHERE public_password = 1 AND claimed_by IS NULL "
            "AND status IN (10, 11, 30, 70) AND end_entity_profile = :profile AND armed_at > :after",
            profile=end_entity_profile,
            after=to_text(armed_after) if armed_after else "",
        )
        return int(row["number"]) if row else 0

    def counts_by_pepper(self) -> list[tuple[str, EndEntityStatus, str, int]]:
        """Return how many passwords were hashed with each pepper, by its name, the status and the certificate profile.

        The name is empty for passwords of the time before peppers had one.
        """
        rows = self._database.tuples(
            "SELECT CASE WHEN password_verifier LIKE 'ca2$%' THEN substr(password_verifier, 7, 8) ELSE '' END AS kid, "
            "status, certificate_profile, count(*) FROM end_entities WHERE password_verifier IS NOT NULL "
            "GROUP BY 1, 2, 3"
        )
        return [(kid, EndEntityStatus(status), profile, number) for kid, status, profile, number in rows]

    def holder_of_subject(self, ca_name: str, subject_dn: str, *, other_than: str) -> str | None:
        """Return the name of another end entity of that CA with the same subject, or None."""
        row = self._database.row(
            "SELECT username FROM end_entities WHERE ca_name = :ca AND subject_dn = :dn AND username <> :other LIMIT 1",
            ca=ca_name,
            dn=subject_dn,
            other=other_than,
        )
        return row["username"] if row else None

    def save(self, entity: EndEntity) -> None:
        """Add the end entity, or replace the one of that name."""
        self._database.execute("DELETE FROM end_entities WHERE username = :username", username=entity.username)
        self._database.insert("end_entities", _row(entity))

    def delete(self, username: str) -> None:
        """Forget the end entity; its certificates stay."""
        self._database.execute("DELETE FROM end_entities WHERE username = :username", username=username)

    def set_status(self, username: str, status: EndEntityStatus, now: datetime) -> None:
        """Put the end entity into ``status`` and release any claim on its password."""
        self._database.execute(
            "UPDATE end_entities SET status = :status, claimed_by = NULL, modified_at = :now "
            "WHERE username = :username",
            status=status,
            now=to_text(now),
            username=username,
        )

    def claim(self, entity: EndEntity, serial: str, now: datetime) -> bool:
        """Spend the one-time password for the certificate ``serial``; False when another enrolment was first.

        The row is claimed only if it is still what the caller checked: status, password, CA, names and dates.
        """
        changed = self._database.execute(
            "UPDATE end_entities SET status = :inprocess, claimed_by = :serial, modified_at = :now "
            "WHERE username = :username AND coalesce(password_verifier, '') = :verifier AND claimed_by IS NULL "
            "AND ca_name = :ca AND subject_dn = :dn AND subject_alt_name = :names AND start_time = :start "
            "AND end_time = :end AND status = :status",
            status=entity.status,
            inprocess=EndEntityStatus.INPROCESS,
            serial=serial,
            now=to_text(now),
            username=entity.username,
            verifier=entity.password_verifier or "",  # none is left after a restore; a certificate renews all the same
            ca=entity.ca_name,
            dn=entity.subject_dn,
            names=entity.subject_alt_name,
            start=entity.start_time,
            end=entity.end_time,
        )
        return changed == 1

    def spend(self, username: str, serial: str, now: datetime) -> None:
        """Spend the one-time password as :meth:`claim` does, unasked, for a certificate that is known to be made."""
        self._database.execute(
            "UPDATE end_entities SET status = :inprocess, claimed_by = :serial, password_verifier = NULL, "
            "modified_at = :now WHERE username = :username",
            inprocess=EndEntityStatus.INPROCESS,
            serial=serial,
            now=to_text(now),
            username=username,
        )

    def disarm(self, username: str) -> None:
        """Take the password from an end entity: nobody can enrol until one is set anew."""
        self._database.execute(
            "UPDATE end_entities SET password_verifier = NULL WHERE username = :username", username=username
        )

    def disarm_all(self) -> int:
        """Take the passwords from all end entities; return how many had one."""
        return self._database.execute(
            "UPDATE end_entities SET password_verifier = NULL WHERE password_verifier IS NOT NULL"
        )

    def disarm_by_pepper(self, kids: Iterable[str]) -> None:
        """Take the passwords that were hashed with one of these peppers, and those that do not say with which."""
        for kid in kids:
            self._database.execute(
                "UPDATE end_entities SET password_verifier = NULL "
                "WHERE substr(password_verifier, 7, 8) = :kid OR password_verifier LIKE 'ca1$%'",
                kid=kid,
            )

    def finish(self, username: str, serial: str, now: datetime) -> bool:
        """Make the end entity GENERATED if ``serial`` still holds its claim (nobody re-armed or revoked it since)."""
        changed = self._database.execute(
            "UPDATE end_entities SET status = :generated, claimed_by = NULL, modified_at = :now "
            "WHERE username = :username AND claimed_by = :serial",
            generated=EndEntityStatus.GENERATED,
            now=to_text(now),
            username=username,
            serial=serial,
        )
        return changed == 1

    def failures(self, *subjects: str) -> dict[str, Failures]:
        """Return what is recorded of wrong passwords of these names, buckets or addresses; nothing for who has none."""
        named = {f"subject{number}": subject for number, subject in enumerate(subjects)}
        marks = ", ".join(f":{name}" for name in named)
        # The marks are those of the line above, the subjects are parameters.
        sql = f"SELECT subject, failures, blocked_until FROM password_failures WHERE subject IN ({marks})"  # noqa: S608 # nosec B608
        rows = self._database.rows(sql, **named)
        return {row["subject"]: Failures(row["failures"], from_text(row["blocked_until"])) for row in rows}

    def set_failures(self, subject: str, failures: int, blocked_until: datetime) -> None:
        """Record how many wrong passwords there were, and until when the subject is blocked."""
        self._database.execute(
            "INSERT INTO password_failures (subject, failures, blocked_until) VALUES (:subject, :failures, :until) "
            "ON CONFLICT (subject) DO UPDATE SET failures = excluded.failures, blocked_until = excluded.blocked_until",
            subject=subject,
            failures=failures,
            until=to_text(blocked_until),
        )

    def clear_failures(self, subject: str) -> None:
        """Forget the wrong passwords of a name."""
        self._database.execute("DELETE FROM password_failures WHERE subject = :subject", subject=subject)

    def clear_old_failures(self, prefix: str, blocked_before: datetime) -> None:
        """Forget the wrong passwords of every subject that begins so and was not blocked since."""
        self._database.execute(
            "DELETE FROM password_failures WHERE subject > :first AND subject < :last AND blocked_until < :before",
            first=prefix,
            last=f"{prefix}\x7f",
            before=to_text(blocked_before),
        )


def _entity(row: Row) -> EndEntity:
    return EndEntity(
        username=row["username"],
        status=EndEntityStatus(row["status"]),
        subject_dn=row["subject_dn"],
        ca_name=row["ca_name"],
        certificate_profile=row["certificate_profile"],
        end_entity_profile=row["end_entity_profile"],
        token_type=TokenType(row["token_type"]),
        subject_alt_name=row["subject_alt_name"],
        start_time=row["start_time"],
        end_time=row["end_time"],
        send_notification=bool(row["send_notification"]),
        password_verifier=row["password_verifier"],
        claimed_by=row["claimed_by"],
        public_password=bool(row["public_password"]),
        created_at=from_text(row["created_at"]),
        modified_at=from_text(row["modified_at"]),
        # A server of before the column, which goes on beside those that were upgraded, leaves it empty.
        armed_at=from_text(row["armed_at"] or row["modified_at"]),
    )


def _row(entity: EndEntity) -> Row:
    return {
        **vars(entity),
        "status": int(entity.status),
        "token_type": int(entity.token_type),
        "send_notification": int(entity.send_notification),
        "public_password": int(entity.public_password),
        "created_at": to_text(entity.created_at),
        "modified_at": to_text(entity.modified_at),
        "armed_at": to_text(entity.armed_at),
    }
