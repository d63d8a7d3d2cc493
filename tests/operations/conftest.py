import pytest

from app.bootstrap import open_services
from app.store.sqlite import SqliteDatabase
from tests.offline import OfflineInstallation


@pytest.fixture
def reopen(installation):
    """Start the program again over the same data, as after a restart; each start may wrap the keys differently."""
    opened = []

    def reopen(wrap=installation.oracle.wrap):
        opened.append(open_services(installation.settings, create=True, now=installation.clock, signing_key=wrap))
        return opened[-1]

    yield reopen
    for found in opened:
        found.services.database.close()


@pytest.fixture(
    params=[True, pytest.param(False, marks=pytest.mark.sqlite_only)], ids=["write-ahead log", "rollback journal"]
)
def journal(request, monkeypatch):
    """How SQLite keeps transactions whole; asked for before the installation that is to have it."""
    monkeypatch.setattr(SqliteDatabase.__init__, "__kwdefaults__", {"wal": request.param})
    return "wal" if request.param else "truncate"


@pytest.fixture
def make_offline(tmp_path):
    made = []

    def make(**options) -> OfflineInstallation:
        base = tmp_path / f"offline{len(made)}"
        base.mkdir()
        made.append(OfflineInstallation(base, **options))
        return made[-1]

    yield make
    for installation in made:
        installation.check()
        installation.close()


@pytest.fixture
def offline(make_offline) -> OfflineInstallation:
    return make_offline()
