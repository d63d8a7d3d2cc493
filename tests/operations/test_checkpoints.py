"""When checkpoints are written, by whom, and what keeps one from being written."""

import logging
import stat
import threading

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.bootstrap import open_services
from app.errors import ConfigurationError, Unavailable
from app.operations.actor import SYSTEM
from app.operations.audit_verification import AuditVerification
from app.operations.checkpoints import ENTRIES
from app.pki.merkle_tree import leaf_hash, root_of
from app.settings import shipped
from app.store.audit_log import Action
from app.store.schema import migrate
from tests.conftest import ACTOR


@pytest.fixture
def checkpoints(installation):
    return installation.services.checkpoints


def append(installation, count: int) -> None:
    with installation.services.database.transaction():
        for _ in range(count):
            installation.services.checkpoints.log.append(installation.clock(), ACTOR.entry(Action.ENTITY_EDITED, "x"))


def entries(installation) -> list[bytes]:
    return [row[0].encode() for row in installation.sql("SELECT entry FROM audit_log ORDER BY seq")]


def test_first_start_leaves_a_checkpoint_of_all_there_is(installation, checkpoints):
    saved, rest = checkpoints.file.all()

    assert rest == ""
    assert saved[-1].size == len(entries(installation))
    assert saved[-1].root == root_of(map(leaf_hash, entries(installation)))
    assert checkpoints.store.notes() == [checkpoint.note for checkpoint in saved]


def test_none_is_due_while_nothing_was_appended(installation, checkpoints):
    installation.clock.advance(days=3)

    assert checkpoints.checkpoint_due(SYSTEM) == 0


def settle(installation) -> None:
    """Have all there is covered now, however long ago the data directory was made."""
    installation.add("first")
    installation.clock.advance(minutes=10)
    assert installation.services.checkpoints.checkpoint_due(SYSTEM) == 1


def test_entry_waits_no_longer_than_the_interval(installation, checkpoints):
    settle(installation)
    installation.add()
    assert checkpoints.checkpoint_due(SYSTEM) == 0

    installation.clock.advance(minutes=10)

    assert checkpoints.checkpoint_due(SYSTEM) == 1
    assert checkpoints.file.newest().size == len(entries(installation))
    assert checkpoints.checkpoint_due(SYSTEM) == 0


def test_interval_is_a_setting(make_installation):
    quick = make_installation(MIDCA_AUDIT_CHECKPOINT_MINUTES="1")
    quick.add()
    quick.clock.advance(minutes=1)

    assert quick.services.checkpoints.checkpoint_due(SYSTEM) == 1


def test_many_entries_do_not_wait(installation, checkpoints):
    settle(installation)
    append(installation, ENTRIES - 1)
    assert checkpoints.checkpoint_due(SYSTEM) == 0

    append(installation, 1)

    assert checkpoints.checkpoint_due(SYSTEM) == 1


def test_clock_that_was_set_back_puts_none_off(installation, checkpoints):
    installation.add()
    installation.clock.advance(days=-30)

    assert checkpoints.checkpoint_due(SYSTEM) == 1


def test_each_checkpoint_goes_on_from_the_one_before(installation, checkpoints):
    for number in range(1, 12):
        append(installation, number)
        assert checkpoints.write().root == root_of(map(leaf_hash, entries(installation)))


def test_one_process_at_a_time_writes(installation, checkpoints):
    installation.add()
    installation.clock.advance(minutes=10)
    with checkpoints.turn.held():
        thread_wrote = []

        def write() -> None:
            thread_wrote.append(checkpoints.checkpoint_due(SYSTEM))
            checkpoints.database.close()

        thread = threading.Thread(target=write)
        thread.start()
        thread.join(20)

    assert thread_wrote == [0]


def test_file_is_where_the_setting_says(make_installation, tmp_path):
    elsewhere = make_installation(MIDCA_AUDIT_CHECKPOINTS=str(tmp_path / "other disk"))
    elsewhere.add()
    elsewhere.services.checkpoints.write()

    assert (tmp_path / "other disk").read_text().count("midca/audit/") >= 2


def test_key_is_encrypted_and_private(installation):
    path = installation.settings.audit_key

    assert "BEGIN ENCRYPTED PRIVATE KEY" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_missing_key_is_not_made_anew_once_it_has_signed(installation):
    installation.settings.audit_key.unlink()

    with pytest.raises(ConfigurationError, match=r"audit-key.pem is missing.*backup"):
        open_services(installation.settings, create=True)
    assert not installation.settings.audit_key.exists()


@pytest.mark.parametrize("put_aside", [False, True], ids=["file there", "file put aside"])
def test_key_that_is_another_signs_nothing(installation, caplog, put_aside):
    """F17."""
    path, file = installation.settings.audit_key, installation.services.checkpoints.file.path
    path.write_bytes(installation.services.key_list.files.private_keys.seal(Ed25519PrivateKey.generate()))
    if put_aside:
        file.unlink()
    before = file.read_text() if file.exists() else ""
    installation.clock.advance(days=1)
    installation.add()

    services = open_services(installation.settings, create=True, now=installation.clock).services

    assert "is not signed by this log's key" in caplog.text
    with pytest.raises(Unavailable, match="not signed by this log's key"):
        services.checkpoints.write()
    assert (file.read_text() if file.exists() else "") == before
    services.database.close()


def test_key_that_others_can_read_stops_the_start(installation):
    installation.settings.audit_key.chmod(0o644)

    with pytest.raises(ConfigurationError, match="can be read by others"):
        open_services(installation.settings)


def test_key_that_is_no_key_stops_the_start(installation):
    installation.settings.audit_key.write_text("x")

    with pytest.raises(ConfigurationError, match="cannot be opened"):
        open_services(installation.settings)


def test_file_that_cannot_be_written_is_told_and_tried_again_a_minute_later(installation, checkpoints):
    path = checkpoints.file.path
    content = path.read_bytes()
    path.unlink()
    path.mkdir()
    installation.add()
    installation.clock.advance(minutes=10)

    with pytest.raises(Unavailable, match=r"audit\.checkpoints cannot be"):
        checkpoints.checkpoint_due(SYSTEM)
    assert checkpoints.checkpoint_due(SYSTEM) == 0  # not every second
    path.rmdir()
    path.write_bytes(content)
    installation.clock.advance(minutes=1)
    assert checkpoints.checkpoint_due(SYSTEM) == 1


def test_checkpoint_that_reached_the_file_alone_is_no_contradiction(installation, checkpoints):
    """The power fails between the file and the database."""
    installation.add()
    checkpoints.write()
    installation.sql("DELETE FROM audit_checkpoints WHERE size = (SELECT max(size) FROM audit_checkpoints)")
    installation.add("another")

    checkpoints.write()

    assert AuditVerification(installation.services.checkpoints).run().findings.found == []


TAMPERED = {
    "shorter than the database's": ("DELETE FROM audit_log WHERE seq > 5", "has 5 entries, a checkpoint covers"),
    "edited behind the checkpoint": (
        "UPDATE audit_log SET entry = 'x' WHERE seq = (SELECT max(seq) FROM audit_log)",
        "was changed at entry",
    ),
    "a gap": ("DELETE FROM audit_log WHERE seq = (SELECT max(seq) - 1 FROM audit_log)", "was changed at entry"),
}


@pytest.mark.parametrize(("statement", "sentence"), TAMPERED.values(), ids=TAMPERED)
def test_log_that_contradicts_itself_is_not_signed(installation, checkpoints, statement, sentence):
    append(installation, 3)
    installation.sql(statement)
    installation.clock.advance(minutes=10)
    before = checkpoints.file.all()

    with pytest.raises(Unavailable, match=sentence):
        checkpoints.checkpoint_due(SYSTEM)
    assert checkpoints.file.all() == before


def test_log_that_contradicts_the_file_is_not_signed(installation, checkpoints):
    """A database from a backup is older than the file: the operator decides, and puts the file aside."""
    size = len(entries(installation))
    append(installation, 3)
    checkpoints.write()
    installation.services.database.close()
    installation.sql("DELETE FROM audit_log WHERE seq > ?", size)
    installation.sql("DELETE FROM audit_checkpoints WHERE size > ?", size)
    again = open_services(installation.settings, now=installation.clock).services.checkpoints
    installation.clock.advance(minutes=10)
    with again.database.transaction():
        again.log.append(installation.clock(), ACTOR.entry(Action.ENTITY_EDITED, "x"))

    with pytest.raises(Unavailable, match="a checkpoint covers"):
        again.checkpoint_due(SYSTEM)

    again.file.path.rename(again.file.path.with_name("aside"))
    installation.clock.advance(minutes=1)
    assert again.checkpoint_due(SYSTEM) == 1
    again.database.close()


def begin_upkeep(installation) -> None:
    """What a server's first process does beside those that answer requests."""
    services = open_services(installation.settings, create=True).services
    over = threading.Event()
    over.set()
    services.upkeep.run(SYSTEM, over)
    services.database.close()


def test_start_says_loudly_that_the_log_is_not_what_was_signed(installation, caplog):
    installation.sql("UPDATE audit_log SET entry = replace(entry, 'midca', 'other') WHERE seq = 2")

    with caplog.at_level(logging.ERROR, "midca"):
        begin_upkeep(installation)

    assert "AUDIT LOG: The first 13 entries of the audit log are not those of its checkpoint" in caplog.text


def test_start_says_loudly_that_somebody_else_signed(installation, caplog):
    path = installation.services.checkpoints.file.path
    path.write_text(path.read_text().replace("\n13\n", "\n8\n"))

    with caplog.at_level(logging.ERROR, "midca"):
        begin_upkeep(installation)

    assert "is not signed by this log's key" in caplog.text


def test_start_is_quiet_when_all_is_well(installation, caplog):
    installation.add()

    with caplog.at_level(logging.WARNING, "midca"):
        begin_upkeep(installation)

    assert caplog.text == ""


def test_log_that_is_older_than_the_tree_is_covered_from_its_first_entry(installation, tmp_path):
    """What migration 0005 finds: a log without checkpoints, and no key. A kill in the middle leaves it so."""
    installation.sql("DROP TABLE audit_checkpoints")
    installation.sql("DELETE FROM schema_migrations WHERE name = '0006_audit_tree'")
    installation.settings.audit_key.unlink()
    installation.settings.audit_checkpoints.unlink()
    installation.services.database.close()
    assert migrate(installation.services.database, shipped("migrations")) == ["0006_audit_tree"]
    installation.services.database.close()

    opened = open_services(installation.settings, create=True)

    saved = opened.services.checkpoints.file.newest()
    assert saved.root == root_of(map(leaf_hash, entries(installation)))
    assert AuditVerification(opened.services.checkpoints).run().findings.found == []
    opened.services.database.close()
