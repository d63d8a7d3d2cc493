import pytest

from app.bootstrap import open_services


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
