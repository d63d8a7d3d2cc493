"""What the tests of EST ask and read."""

import base64
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs7

from tests.builders import csr, one_line

EST = "/.well-known/est"
TYPE = {"Content-Type": "application/pkcs10"}


def basic(name: str = "f60c28", password: str = "dojot") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{quote(name)}:{password}".encode()).decode()}


def enrol(client, *, request=None, operation="simpleenroll", headers=None, peer=None):
    body = one_line(csr("f60c28")) if request is None else request
    return client.post(f"{EST}/{operation}", data=body, headers=TYPE | (headers or {}), environ_base=peer or {})


def certificates(answer) -> list[x509.Certificate]:
    assert answer.status_code == 200, answer.json
    assert answer.headers["Content-Type"] == "application/pkcs7-mime; smime-type=certs-only"
    assert answer.headers["Content-Transfer-Encoding"] == "base64"
    return pkcs7.load_der_pkcs7_certificates(base64.b64decode(answer.data))


def refused(answer, status: int) -> str:
    assert answer.status_code == status, answer.data
    assert answer.json["status"] == status
    return answer.json["message"]


def challenged(answer) -> str:
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="midca", charset="UTF-8"'
    return refused(answer, 401)
