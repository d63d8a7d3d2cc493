import pytest

from app.errors import ConfigurationError
from app.operations.principal import Role
from app.settings import Settings

OIDC = {
    "MIDCA_AUTH": "oidc",
    "MIDCA_OIDC_ISSUER": "https://sso.example.org/auth/realms/{tenant}",
    "MIDCA_OIDC_AUDIENCE": "midca",
}
TLS = {"MIDCA_TLS_CERTIFICATE": "a", "MIDCA_TLS_KEY": "b"}
PROXY = {"MIDCA_TRUSTED_PROXIES": "10.9.0.1"}


def access(**environment):
    return Settings.from_environment(environment).access


def test_tokens_alone_are_taken_unless_something_is_set():
    settings = access()

    assert settings.ways == ("tokens",)
    assert settings.trusted_proxies == ()
    assert settings.read_proxy_secret() == b""


def test_keys_are_where_keycloak_has_them_unless_something_is_set():
    assert access(**OIDC).provider.keys._url == (
        "https://sso.example.org/auth/realms/{tenant}/protocol/openid-connect/certs"
    )
    url = "http://keycloak:8080/auth/realms/{tenant}/protocol/openid-connect/certs"
    assert access(**OIDC, MIDCA_OIDC_KEYS_URL=url).provider.keys._url == url


def test_issuer_may_end_with_a_slash_as_some_do():
    provider = access(**OIDC | {"MIDCA_OIDC_ISSUER": "https://sso.example.org/"}).provider

    assert provider.issuer == "https://sso.example.org/"
    assert provider.keys._url == "https://sso.example.org/protocol/openid-connect/certs"


def test_roles_go_by_their_own_names_unless_something_is_set():
    assert access().names.roles == {"admin": Role.ADMIN, "registrar": Role.REGISTRAR, "auditor": Role.AUDITOR}
    assert access(MIDCA_AUTH_ROLES=" ca team = admin,x=auditor").names.roles == {
        "ca team": Role.ADMIN,
        "x": Role.AUDITOR,
    }


def test_client_certificates_are_verified_by_tls_of_its_own_or_by_a_proxy():
    own = {**TLS, "MIDCA_TLS_CLIENT_CA": "c"}

    for verified_by in (own, PROXY, own | PROXY):
        assert access(MIDCA_AUTH="tokens,certificates", **verified_by).ways == ("tokens", "certificates")


@pytest.mark.parametrize(
    ("setting", "environment"),
    [
        ("MIDCA_AUTH", {"MIDCA_AUTH": ""}),
        ("MIDCA_AUTH", {"MIDCA_AUTH": "tokens,"}),
        ("MIDCA_AUTH", {"MIDCA_AUTH": "none"}),
        ("MIDCA_AUTH", {"MIDCA_AUTH": "kong,certificates", **PROXY}),
        ("MIDCA_AUTH", {**OIDC, "MIDCA_AUTH": "kong,oidc", **PROXY}),
        ("MIDCA_TRUSTED_PROXIES", {"MIDCA_AUTH": "kong"}),
        ("MIDCA_TRUSTED_PROXIES", {"MIDCA_AUTH": "tokens,certificates"}),
        ("MIDCA_TLS_CLIENT_CA", {"MIDCA_AUTH": "tokens,certificates"}),
        ("MIDCA_TRUSTED_PROXIES", {"MIDCA_AUTH": "kong", **TLS}),
        ("MIDCA_TLS_CLIENT_CA", {**TLS, "MIDCA_TLS_CLIENT_CA": "c"}),
        ("MIDCA_TLS_KEY", {"MIDCA_TLS_CERTIFICATE": "a"}),
        ("MIDCA_TLS_CERTIFICATE", {"MIDCA_TLS_KEY": "b"}),
        ("MIDCA_TLS_KEY", {"MIDCA_TLS_CLIENT_CA": "c", "MIDCA_AUTH": "certificates"}),
        ("MIDCA_TRUSTED_PROXIES", {"MIDCA_TRUSTED_PROXIES": "kong"}),
        ("MIDCA_OIDC_ISSUER", {**OIDC, "MIDCA_OIDC_ISSUER": ""}),
        ("MIDCA_OIDC_AUDIENCE", {**OIDC, "MIDCA_OIDC_AUDIENCE": ""}),
        ("MIDCA_OIDC_ISSUER", {**OIDC, "MIDCA_OIDC_ISSUER": "file:///etc/passwd"}),
        ("MIDCA_OIDC_ISSUER", {**OIDC, "MIDCA_OIDC_ISSUER": "https://sso/{tenant}/{tenant}"}),
        ("MIDCA_OIDC_KEYS_URL", {**OIDC, "MIDCA_OIDC_KEYS_URL": "ftp://keycloak/{tenant}"}),
        ("MIDCA_OIDC_KEYS_URL", {**OIDC, "MIDCA_OIDC_KEYS_URL": "http://keycloak/certs"}),
        ("MIDCA_OIDC_TENANT_CLAIM", {**OIDC, "MIDCA_OIDC_TENANT_CLAIM": "service"}),
        ("MIDCA_AUTH_ROLES", {"MIDCA_AUTH_ROLES": "admin"}),
        ("MIDCA_AUTH_ROLES", {"MIDCA_AUTH_ROLES": "x=root"}),
        ("MIDCA_AUTH_ROLES", {"MIDCA_AUTH_ROLES": "x=trusted network"}),
        ("MIDCA_AUTH_ROLES", {"MIDCA_AUTH_ROLES": "=admin"}),
        ("MIDCA_ADMIN_TENANT", {"MIDCA_ADMIN_TENANT": "a:b"}),
        ("MIDCA_PROXY_SECRET", {"MIDCA_PROXY_SECRET": "0123456789abcdef"}),
    ],
    ids=str,
)
def test_setting_that_makes_no_sense_is_named(setting, environment):
    with pytest.raises(ConfigurationError, match=setting):
        Settings.from_environment(environment)


def test_secret_that_others_can_read_stops_the_start(make_installation, tmp_path):
    file = tmp_path / "secret"
    file.write_text("0123456789abcdef")
    file.chmod(0o644)

    with pytest.raises(ConfigurationError, match="0600"):
        make_installation(**PROXY, MIDCA_PROXY_SECRET_FILE=str(file))
