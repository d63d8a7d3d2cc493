"""The real server asks a real provider for its keys."""

import http.client

import pytest

from tests.builders import key
from tests.identity_provider import IdentityProvider


@pytest.mark.slow
def test_tokens_of_a_provider_open_the_running_server_until_it_withdraws_the_key(make_server):
    server = make_server(workers=1)
    with IdentityProvider() as provider:
        server.environment |= provider.settings
        with server:
            many_roles = [f"a-role-of-another-service-{number}" for number in range(150)]
            token = provider.token("A", "admin", *many_roles)
            assert 6000 < len(token) < 8000
            assert server.post("/user", {"username": "A:x"}, token).status == 200
            assert server.get("/user/B:x", token).status == 403
            assert server.get("/user/A:x", provider.token(aud="another")).status == 401

            provider.keys["A"] = {"a2": key(14)}  # which it does not ask for as long as it knows the token's key
            assert server.get("/user/A:x", token).status == 200
            assert refuses_a_megabyte(server.port)
    assert len(provider.asked) == 1


def refuses_a_megabyte(port: int) -> bool:
    """A55. The web server does not read it to its end; it may be gone before it is sent."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/user/A:x", headers={"Authorization": "Bearer " + "x" * 1_000_000})
        return 400 <= connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return True
    finally:
        connection.close()
