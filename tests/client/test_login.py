from datetime import UTC, datetime

import pytest

from app.client.errors import ClientError
from app.client.http_server import HttpServer
from app.client.login import Session, Token
from tests.gateway import token


def test_a_token_tells_its_tenant_and_end():
    found = Token(token(0, exp=1_700_000_000, service="tenant1"))

    assert found.tenant == "tenant1"
    assert found.expiry == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["", "opaque", "a.b.c", "a.W10.c", token(0, service=7, exp="soon"), token(0, service="a\x1b[2J", exp=10**20)],
)
def test_a_token_that_tells_nothing_is_a_token_all_the_same(text):
    assert Token(text).tenant is None or Token(text).tenant == "admin"
    assert Token(text).expiry is None


def test_a_token_is_in_no_representation():
    assert "secret" not in repr(Token("secret"))


def test_without_a_token_there_is_no_tenant():
    with pytest.raises(ClientError, match="the tenant is not known"):
        Session(HttpServer.at("http://localhost")).tenant()
