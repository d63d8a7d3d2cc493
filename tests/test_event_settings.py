import pytest

from app.errors import ConfigurationError
from app.frontends.device_events.configuration import DOJOT_NAMES
from app.settings import Settings, device_events
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


@pytest.mark.parametrize("password", ["none", "random"])
def test_arming_at_every_update_needs_a_password_to_arm(password):
    with pytest.raises(ConfigurationError, match=f"MIDCA_REARM.*{password}"):
        Settings.from_environment({"MIDCA_REARM": "always", "MIDCA_DEFAULT_PASSWORD": password})


def test_the_server_reads_events_beside_itself_only_where_it_is_told_the_brokers():
    assert Settings.from_environment({"MIDCA_KAFKA_BROKERS": "kafka:9092"}).events_beside
    assert not Settings.from_environment({"KAFKA_HOSTS": "kafka:9092"}).events_beside


def test_data_broker_need_not_be_there():
    assert device_events({"DATA_BROKER_URL": "none"}).data_broker_url is None
