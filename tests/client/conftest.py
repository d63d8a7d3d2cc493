from contextlib import ExitStack

import pytest

from tests.client.broker import World, broker_directory, serving


@pytest.fixture
def make_world(make_installation, tmp_path):
    """Makes a CA that answers, and a broker that is set up for it."""
    with ExitStack() as stack:

        def make(**environment: str) -> World:
            installation = make_installation(**environment)
            port = stack.enter_context(serving(installation))
            return World(installation, broker_directory(installation, tmp_path, f"http://127.0.0.1:{port}"), port)

        yield make


@pytest.fixture
def world(make_world) -> World:
    return make_world()
