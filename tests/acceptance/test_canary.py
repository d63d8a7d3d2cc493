"""A62. Every secret that midca is given is a canary; nothing that it says or keeps may hold one.

The commands' and servers' output, logs, answers, databases, temporary and written files are looked through, also for
the secrets that midca makes itself. Secrets in events of devices are looked for in ``test_device_events.py``, cores in
``test_key_hygiene.py``.
"""

import http.client
import json
import logging
import os
import shutil
import sys
from functools import partial
from pathlib import Path
from urllib.parse import quote

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from app.command import main
from tests.acceptance.conftest import fast_profiles
from tests.acceptance.server import environment, free_port
from tests.acceptance.test_broken_http import exchange
from tests.builders import csr, one_line
from tests.children import end_of, start_child
from tests.identity_provider import IdentityProvider

pytestmark = pytest.mark.slow
CANARY = "CANARY-f3b1c90d5e7a"
REQUEST = one_line(csr())


class Watch:
    """Keeps all that was said, and knows the files that hold a secret because they are made for it."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.said: list[str] = []
        self.secrets = {CANARY}
        self.for_secrets: set[Path] = set()

    def secret_file(self, name: str, content: str = f"{CANARY}-secret\n") -> Path:
        path = self.base / name
        path.write_text(content)
        path.chmod(0o600)
        self.for_secrets.add(path)
        return path

    def made(self, *names: str) -> None:
        """Take the lines that midca wrote into files of its own, as they are now."""
        for name in names:
            self.for_secrets.add(self.base / name)
            self.secrets |= set((self.base / name).read_text().split())

    def run(self, *arguments: str | Path, **settings: str) -> int:
        """Run ``midca`` in a fork, which spares it the imports; keep what it prints, return its exit status."""
        output = self.base / "output"
        status = end_of(start_child(partial(self._be_midca, output, arguments, settings)))
        self.said.append(f"{arguments[0]}: {output.read_text()}")
        return status

    def _be_midca(self, output: Path, arguments: tuple[str | Path, ...], settings: dict[str, str]) -> None:
        os.environ |= environment(self.base) | settings
        os.chdir(self.base)
        logging.getLogger().handlers.clear()  # pytest's
        sys.argv = ["midca", *map(str, arguments)]
        with output.open("w") as sys.stdout:
            sys.stderr = sys.stdout
            try:
                main()
            except SystemExit as end:
                sys.stdout.flush()
                os._exit(end.code)

    def check(self) -> None:
        assert self.said
        assert [text for text in self.said if self._tells(text.encode())] == []
        files = [path for path in self.base.rglob("*") if path.is_file() and path not in self.for_secrets]
        assert files
        assert [path for path in files if self._tells(path.read_bytes())] == []

    def _tells(self, content: bytes) -> bool:
        return any(secret.encode() in content for secret in self.secrets)


@pytest.fixture
def watch(tmp_path):
    return Watch(tmp_path)


def ask(watch, server, method: str, path: str, document=None, **headers: str) -> int:
    """Ask, and keep the whole answer; return its status."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    body = document if isinstance(document, bytes | None) else json.dumps(document).encode()
    connection.request(method, path, body, {"Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    watch.said.append(f"{path.partition('?')[0]}: {answer.status} {answer.headers} {answer.read()}")
    connection.close()
    return answer.status


def test_no_secret_of_a_request_or_a_setting_is_told_or_kept(watch, make_server, tmp_path):
    with IdentityProvider() as provider:
        server = make_server(workers=2)
        server.environment |= provider.settings | {
            "MIDCA_KEY_PASSPHRASE_FILE": str(watch.secret_file("passphrase")),
            "MIDCA_PEPPER_FILE": str(watch.secret_file("pepper")),
            "MIDCA_PROXY_SECRET_FILE": str(watch.secret_file("proxy-secret")),
            "MIDCA_TRUSTED_PROXIES": "127.0.0.1/32",
        }
        server.start()
        for command in ("rotate-passphrase", "rotate-pepper"):
            assert watch.run("keys", command, **server.environment) == 0
        watch.made("passphrase", "pepper")
        statuses = {ask(watch, server, *request, **headers) for request, headers in asked(server, provider)}
        watch.said.append(repr(exchange(server, f"{CANARY} {CANARY}\r\n{CANARY}: {CANARY}\r\n\r\n".encode())))
        server.kill()  # so that the write-ahead log stays
    for command in (["audit", "list"], ["entity", "show", "f60c28"]):
        assert watch.run(*command, **server.environment) == 0

    assert statuses == {200, 400, 401, 403, 404}
    watch.check()


def asked(server, provider):
    """Requests with a secret in whatever place one may stand: right, wrong and broken."""
    admin = {"Authorization": f"Bearer {server.admin_token}"}
    for entity in ({"password": CANARY}, {"password": [CANARY]}, {"password": CANARY, "caName": "none"}, {}):
        yield ("POST", "/user", {"username": "f60c28", **entity}), admin
    yield ("POST", "/user", f'{{"username": "x", "password": "{CANARY}"'.encode()), admin
    for password in (f"{CANARY}-wrong", CANARY * 300, CANARY, CANARY):
        for request in (REQUEST, "junk"):
            yield ("POST", "/sign/f60c28/pkcs10", {"passwd": password, "certificate": request}), {}
    token, foreign = provider.token(jti=CANARY), jwt.encode({"iss": CANARY}, CANARY * 3, "HS256")
    for bearer in (CANARY, f"midca_{CANARY}", token, token + CANARY, foreign, f"{CANARY}.{CANARY}.{CANARY}"):
        yield ("GET", "/user/f60c28"), {"Authorization": f"Bearer {bearer}"}
    yield ("GET", "/user/f60c28"), {"Authorization": f"Basic {CANARY}"}
    pem = quote(csr().public_bytes(Encoding.PEM))
    for secret in (CANARY, f"{CANARY}-secret"):
        for certificate in (CANARY, pem):
            headers = {"X-SSL-Client-Verify": "SUCCESS", "X-SSL-Client-Cert": certificate}
            yield ("GET", "/user/f60c28"), {"X-Midca-Proxy-Secret": secret, **headers}
    yield ("GET", f"/user/f60c28?password={CANARY}&access_token={CANARY}"), {}
    yield ("GET", f"/nothing?password={CANARY}"), {"Cookie": CANARY, "User-Agent": CANARY, "X-Request-Id": f"{CANARY}!"}


def test_no_secret_that_a_command_is_given_is_told_or_kept(watch, data_template, tmp_path):
    shutil.copytree(data_template, tmp_path, dirs_exist_ok=True)
    request = tmp_path / "request.pem"
    request.write_bytes(csr().public_bytes(Encoding.PEM))
    right, wrong = watch.secret_file("password"), watch.secret_file("wrong", f"{CANARY}-wrong\n")
    odd = watch.secret_file("odd", f"{CANARY}\0\n")

    for password, status in ((odd, 1), (right, 0), (right, 1)):
        assert watch.run("entity", "add", "f60c28", "--password-file", password) == status
    for password, status in ((wrong, 1), (right, 0)):
        assert watch.run("sign", "f60c28", request, "--password-file", password) == status
    assert watch.run("entity", "rearm", "f60c28", "--password-file", right) == 0
    assert watch.run("init", MIDCA_KEY_PASSPHRASE=f"{CANARY}-not-the-one") == 3
    provider = {"MIDCA_AUTH": "oidc", "MIDCA_OIDC_AUDIENCE": "midca"}
    for setting in ("MIDCA_DEFAULT_PASSWORD", "MIDCA_PUBLIC_URL", "MIDCA_OIDC_ISSUER", "MIDCA_DATABASE"):
        others = provider if "OIDC" in setting else {}
        assert watch.run("init", **others, **{setting: f"https://ca:{CANARY}@ca.example/"}) == 3

    watch.check()


def test_no_secret_of_keys_or_backups_is_told_or_kept(watch, tmp_path):
    fast_profiles(tmp_path / "profiles")
    right, wrong = watch.secret_file("right"), watch.secret_file("wrong", f"{CANARY}-wrong\n")
    short = watch.secret_file("short", "CANARY\n")
    root = ("--root", "medium", "--passphrase-file")
    secrets = ("data/secrets/key-passphrase", "data/secrets/pepper")

    assert watch.run("init", "--root-out", "medium", "--root-passphrase-file", right, "--operator", "Ada") == 0
    watch.made(*secrets, "data/admin.token")
    assert watch.run("ceremony", "crl", *root, wrong) == 3
    assert watch.run("ceremony", "crl", *root, right, "--out", "list.pem") == 0
    for passphrase, status in ((short, 1), (right, 0)):
        assert watch.run("backup", f"{status}.tar", "--with-keys", "--passphrase-file", passphrase) == status
    for command in (["rotate-passphrase"], ["rotate-pepper"], ["list"]):
        assert watch.run("keys", *command) == 0
    watch.made(*secrets)
    shutil.rmtree(tmp_path / "data")
    for passphrase, status in ((wrong, 1), (right, 0)):
        assert watch.run("restore", "0.tar", "--passphrase-file", passphrase) == status
    assert watch.run("audit", "export") == 0

    watch.made(*secrets)
    watch.check()


def test_no_secret_of_a_retrieval_is_told_or_kept(watch, gateway, new_device):
    secret, name = watch.secret_file("secret"), new_device(password=f"{CANARY}-secret")
    login = {"DOJOT_USERNAME": "admin", "DOJOT_PASSWORD": f"{CANARY}-wrong"}
    out = watch.base / "certs"

    retrieve = ["retrieve", f"http://127.0.0.1:{gateway.midca_port}", name, "--no-login", "--out", out]
    assert watch.run(*retrieve, "--device-password-file", watch.secret_file("wrong", f"{CANARY}-wrong\n")) == 1
    assert watch.run(*retrieve, "--device-password-file", secret, "--json") == 0
    for options in (["--token-file", secret], [], ["--password-file", secret]):
        assert watch.run("retrieve", gateway.url, name, "-w", "--out", out, *options, **login) == 1
    url = gateway.url.replace("//", f"//admin:{CANARY}@")
    assert watch.run("retrieve", url, name, "--out", out, **login) == 1

    watch.check()


def test_no_secret_of_a_broker_is_told_or_kept(watch, shared_server):
    secret, out = watch.secret_file("secret"), watch.base / "broker"
    url = f"http://127.0.0.1:{shared_server.port}"
    setup = ["broker", "setup", "--name", "canary", "--dns", "localhost", "--out", out, "--key-type", "p256"]
    assert watch.run(*setup, "--url", url, "--token-file", secret) == 1
    token = watch.secret_file("token", shared_server.admin_token)
    assert watch.run(*setup, "--url", url, "--token-file", token, "--agent-token-file", secret) == 0
    for name in ("agent.token", "control.password", "enrolment.password"):
        assert (out / name).exists()
        watch.made(f"broker/{name}")
    assert watch.run("broker", "agent", out, "--once") == 1
    watch.secret_file("broker/agent.token", shared_server.admin_token)
    assert watch.run("broker", "agent", out, "--once", "--json") == 1

    watch.check()


def test_no_password_of_a_database_is_told_or_kept(watch, make_server, postgresql):
    address = postgresql.create("canary").replace("midca@", f"midca:{CANARY}@")
    with make_server(workers=1, database=address) as server:
        assert server.register("f60c28").status == 200
        watch.said += [str(server.get("/ready")), server.log]
    nobody = f"postgresql://midca:{CANARY}@127.0.0.1:{free_port()}/none"
    for wrong in (nobody, f"postgresql://midca:{CANARY}@[", f"{CANARY}://x"):
        assert watch.run("init", MIDCA_DATABASE=wrong) == 3
    assert watch.run("database", "copy", nobody, MIDCA_DATABASE=address) == 3

    watch.check()
