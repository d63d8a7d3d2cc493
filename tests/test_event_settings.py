import pytest

from app.errors import ConfigurationError
from app.settings import DOJOT_NAMES, Settings, device_events
from tests.test_architecture import DOCUMENTATION

URLS = {"MIDCA_DATA_BROKER_URL", "MIDCA_AUTH_URL", "MIDCA_DEVICE_MANAGER_URL"}


@pytest.mark.parametrize("name", DOJOT_NAMES)
def test_a_setting_of_dojot_is_read_and_ours_wins(name):
    theirs, ours = ("http://theirs", "http://ours") if name in URLS else ("theirs", "ours")

    assert theirs in vars(device_events({DOJOT_NAMES[name]: theirs})).values()
    both = vars(device_events({DOJOT_NAMES[name]: theirs, name: ours})).values()
    assert ours in both
    assert theirs not in both


@pytest.mark.parametrize("name", DOJOT_NAMES.values())
def test_documentation_names_every_setting_of_dojot(name):
    assert f"`{name}`" in DOCUMENTATION


@pytest.mark.parametrize(
    "environment",
    [
        {"MIDCA_AUTH_URL": "auth:5000"},
        {"AUTH_URL": "ftp://auth"},
        {"MIDCA_DEVICE_NAMES": "label"},
        {"MIDCA_SYNC_MINUTES": "0"},
    ],
    ids=str,
)
def test_a_setting_that_makes_no_sense_is_named(environment):
    with pytest.raises(ConfigurationError, match="MIDCA_"):
        device_events(environment)


def test_a_strange_url_of_another_program_does_not_stop_the_server():
    Settings.from_environment({"AUTH_URL": "ldap://directory"})


def test_arming_at_every_update_needs_a_password_to_arm():
    with pytest.raises(ConfigurationError, match="MIDCA_REARM"):
        Settings.from_environment({"MIDCA_REARM": "always", "MIDCA_DEFAULT_PASSWORD": "none"})
