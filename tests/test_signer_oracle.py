"""The net under the tests: no CA that one of them opens, or starts in another process, signs unseen."""

import pytest

from app.bootstrap import open_services
from tests.acceptance.server import MIDCA, environment
from tests.builders import HIERARCHY, profiles_directory
from tests.conftest import ACTOR, run, settings_for
from tests.oracle_net import NET, Net
from tests.signer_oracle import recorded


@pytest.fixture
def own_net(tmp_path, monkeypatch) -> Net:
    (tmp_path / "net").mkdir()
    monkeypatch.setenv(NET, str(tmp_path / "net"))
    return Net(tmp_path / "net")


@pytest.fixture
def made(own_net, tmp_path):
    """The settings of a CA that a command made."""
    profiles_directory(tmp_path / "profiles", hierarchy=HIERARCHY.replace("keysize: 2048", "keytype: P-256"))
    done = run(MIDCA, "init", env=environment(tmp_path), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return settings_for(tmp_path)


def caught(net: Net) -> set[str]:
    (file,) = net.directory.glob("*.database")
    return set(file.with_suffix("").read_text().split())


def test_command_is_caught(own_net, made):
    assert caught(own_net) == recorded(made.database) != set()
    own_net.check()


def test_services_that_a_test_opens_are_caught(own_net, made):
    before = caught(own_net)
    services = open_services(made).services
    services.revocation_lists.issue(services.authorities.named("IOTmidCA"), ACTOR)
    services.database.close()

    assert caught(own_net) > before
    own_net.check()


def test_signature_that_is_not_recorded_is_missed(own_net, made):
    own_net.check()
    with next(own_net.directory.glob("*.database")).with_suffix("").open("a") as file:
        file.write("0" * 64 + "\n")

    with pytest.raises(AssertionError, match="does not know all that was signed"):
        own_net.check()
