"""A server that lies, or is not the one it seems, does not get `midca retrieve` to write anything."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from tests.acceptance.retriever import CA, CRL, Retriever
from tests.builders import wrapped
from tests.gateway import tls_certificate

pytestmark = pytest.mark.slow


def handing_out(value: str):
    """Make of the server's answer a certificate."""
    return lambda _: (200, {"status": {"data": value, "responseType": "CERTIFICATE"}})


def test_a_certificate_of_another_key_is_not_written(shared_server, retriever, gateway, device, new_device):
    other = Retriever(gateway, retriever.folder.with_name("others"))
    other(name := new_device())
    gateway.answers["POST", f"/sign/{device}/pkcs10"] = handing_out(shared_server.issued_to(name)[0])

    assert "The certificate is of another key than the request." in retriever.fails(device)
    assert retriever.written() == set()


def test_a_certificate_of_another_name_is_not_written(shared_server, retriever, device):
    assert shared_server.register(device, "dojot", subjectDN="CN=somebody else").status == 200

    assert f"The certificate is for CN=somebody else, not for {device}." in retriever.fails(device)
    assert retriever.written() == set()


def test_a_certificate_without_the_names_asked_for_is_not_written(shared_server, retriever, gateway, device):
    retriever(device)  # without names: this is what the server hands out again
    (retriever.folder / f"{device}.crt").unlink()
    gateway.answers["POST", f"/sign/{device}/pkcs10"] = handing_out(shared_server.issued_to(device)[0])

    assert "The certificate lacks the alternative names a.example." in retriever.fails(device, "-d", "a.example")
    assert f"{device}.crt" not in retriever.written()


def test_a_certificate_of_another_ca_is_not_written(shared_server, retriever, gateway, device):
    gateway.answers["GET", CA] = lambda _: (200, shared_server.get("/ca/IOTrootCA").body)

    said = retriever.fails(device, "--no-crl")

    assert "The certificate is not issued by C=SE,O=EJBCA IOT,CN=IOTrootCA but by" in said
    assert retriever.written() == set()


def test_a_certificate_that_is_revoked_is_not_written(shared_server, retriever, gateway, device):
    retriever(device)
    serial = f"{retriever.certificate(device).serial_number:x}"
    (retriever.folder / f"{device}.crt").unlink()
    gateway.answers["POST", f"/sign/{device}/pkcs10"] = handing_out(shared_server.issued_to(device)[0])
    assert shared_server.delete(f"/ca/IOTmidCA/certificate/{serial}").status == 200
    assert shared_server.get(f"{CRL}?update=true", shared_server.admin_token).status == 200

    assert f"The certificate {serial.upper()} is revoked already." in retriever.fails(device)
    assert f"{device}.crt" not in retriever.written()


def test_a_ca_that_shows_no_root_is_not_believed(retriever, gateway, device):
    gateway.answers["GET", CA] = lambda answer: (200, {"certificate": answer[1]["certificate"].split("\n---")[0]})

    assert "the CA's certificates are no chain to a root" in retriever.fails(device)
    assert f"/sign/{device}/pkcs10" not in gateway.asked


@pytest.mark.parametrize("options", [(), ("-w",)], ids=["first", "again"])
def test_another_ca_than_before_is_not_believed(options, retriever, gateway, device, tmp_path):
    before = x509.load_pem_x509_certificate(tls_certificate(tmp_path / "other.pem").read_bytes())
    retriever.folder.mkdir()
    (retriever.folder / "IOTmidCA.crt").write_bytes(before.public_bytes(Encoding.PEM))

    assert f"The CA is not the one of {retriever.folder / 'IOTmidCA.crt'}" in retriever.fails(device, *options)
    assert retriever.written() == {"IOTmidCA.crt"}
    assert f"/sign/{device}/pkcs10" not in gateway.asked


def test_a_ca_is_believed_by_its_fingerprint_or_its_roots(shared_server, retriever, device):
    root = x509.load_pem_x509_certificate(wrapped(shared_server.get("/ca/IOTrootCA").body["certificate"]).encode())

    assert "No certificate of the CA has the fingerprint" in retriever.fails(device, "--ca-fingerprint", "00" * 32)
    assert retriever.written() == set()
    retriever(device, "--ca-fingerprint", root.fingerprint(hashes.SHA256()).hex(":"))


def test_a_revocation_list_of_another_ca_is_not_believed(shared_server, retriever, gateway, device):
    gateway.answers["GET", CRL] = lambda _: (200, shared_server.get("/ca/IOTrootCA/crl").body)

    assert "could not fetch the revocation list: The revocation list is not signed by" in retriever.fails(device)
    assert retriever.written() == set()
    assert f"/sign/{device}/pkcs10" not in gateway.asked


@pytest.mark.parametrize("path", [CA, CRL])
@pytest.mark.parametrize(
    "answer", [b"<html>", b"[]", b'{"certificate": 1, "CRL": 1}', b'{"certificate": "", "CRL": ""}']
)
def test_what_is_no_answer_is_told_as_such(path, answer, retriever, gateway, device):
    gateway.answers["GET", path] = lambda _: (200, answer)

    assert f"{path} " in retriever.fails(device)
    assert retriever.written() == set()
