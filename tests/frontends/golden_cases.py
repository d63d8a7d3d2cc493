"""The golden cases: every route of EJBCA-REST with its good answer and its refusals."""

from collections.abc import Iterator
from pathlib import Path

from tests.frontends.replay import Case, Request

CSR = Path(__file__).parent.parent / "vectors" / "csr"
ADMIN = {"Authorization": "Bearer <admin token>"}
JSON = {"Content-Type": "application/json"}
PASSWORD = "one-time-secret"
DN = "CN=IOTmidCA,O=EJBCA IOT,C=SE"
CERTIFICATE = "/ca/IOTmidCA/certificate/<serial>"


def request_of(vector: str) -> str:
    """A kept request as clients send it: what is between BEGIN and END, on one line."""
    return "".join(line for line in (CSR / f"{vector}.pem").read_text().splitlines() if not line.startswith("-----"))


def get(path: str, **headers: str) -> Request:
    return Request("GET", path, headers)


def admin(method: str, path: str) -> Request:
    return Request(method, path, ADMIN)


def user(**fields: object) -> Request:
    return Request("POST", "/user", ADMIN | JSON, fields)


def sign(body: object, username: str = "f60c28", **headers: str) -> Request:
    return Request("POST", f"/sign/{username}/pkcs10", {**JSON, **headers}, body)


REGISTERED = (user(username="f60c28", password=PASSWORD),)
GOOD = {"passwd": PASSWORD, "certificate": request_of("plain")}
ENROLLED = (*REGISTERED, sign(GOOD))
REVOKED = (*ENROLLED, admin("DELETE", f"{CERTIFICATE}?reason=KEYCOMPROMISE"))
HELD = (*ENROLLED, admin("DELETE", f"{CERTIFICATE}?reason=CERTIFICATEHOLD"))


def cases() -> Iterator[Case]:
    yield from of_authorities()
    yield from of_lists()
    yield from of_certificates()
    yield from of_users()
    yield from of_sign()
    yield from of_http()


def of_authorities() -> Iterator[Case]:
    yield Case("version", "Clients wait until this answers.", get("/ejbca/version"))
    yield Case("ca_list", "The CAs, by name.", get("/ca"))
    yield Case("ca_list_slash", "A slash at the end is no redirect.", get("/ca/"))
    yield Case("ca", "The CA and those above it, ready to be wrapped.", get("/ca/IOTmidCA"))
    yield Case("ca_with_content_type", "Clients send it without a body.", get("/ca/IOTmidCA", **JSON))
    yield Case("ca_by_dn", "A CA goes by its DN too.", get(f"/ca/{DN}"))
    yield Case("ca_unknown", "No CA of that name.", get("/ca/abcde"))


def of_lists() -> Iterator[Case]:
    yield Case("crl", "The list on one line.", get("/ca/IOTmidCA/crl"))
    yield Case("crl_update", "A new list first.", get("/ca/IOTmidCA/crl?update=true"))
    yield Case(
        "crl_after_revocation",
        "A list that was asked for by an admin shows what was revoked.",
        get("/ca/IOTmidCA/crl"),
        (*REVOKED, admin("PUT", "/ca/IOTmidCA/crl")),
    )
    yield Case("crl_delta", "There is no delta list.", get("/ca/IOTmidCA/crl?delta=true"))
    yield Case("crl_unknown_ca", "No CA of that name.", get("/ca/abcde/crl"))
    yield Case("crl_put", "A new list.", admin("PUT", "/ca/IOTmidCA/crl"))
    yield Case("crl_put_unknown_ca", "No CA of that name.", admin("PUT", "/ca/abcde/crl"))
    yield Case("crl_put_no_token", "Only an admin may.", Request("PUT", "/ca/IOTmidCA/crl"))


def of_certificates() -> Iterator[Case]:
    status = f"{CERTIFICATE}/status"
    yield Case("status_good", "A certificate that is good.", get(status), ENROLLED)
    yield Case("status_by_dn", "The issuer as a DN.", get(f"/ca/{DN}/certificate/<serial>/status"), ENROLLED)
    yield Case("status_revoked", "A certificate that is revoked.", get(status), REVOKED)
    yield Case("status_held", "A certificate on hold.", get(status), HELD)
    yield Case("status_unknown_serial", "As EJBCA answered it.", get("/ca/IOTmidCA/certificate/45A168/status"))
    yield Case("status_bad_serial", "Not hexadecimal.", get("/ca/IOTmidCA/certificate/xyz/status"))
    yield Case("status_unknown_ca", "No CA of that name.", get("/ca/abcde/certificate/45A168/status"))
    yield Case("certificate", "EJBCA's Certificate.", admin("GET", CERTIFICATE), ENROLLED)
    yield Case("certificate_unknown", "No such serial.", admin("GET", "/ca/IOTmidCA/certificate/45A168"))
    yield Case("certificate_bad_serial", "Not hexadecimal.", admin("GET", "/ca/IOTmidCA/certificate/xyz"))
    yield Case("certificate_unknown_ca", "No CA of that name.", admin("GET", "/ca/abcde/certificate/45A168"))
    yield Case("certificate_no_token", "Only an admin may.", get(CERTIFICATE), ENROLLED)
    yield Case("revoke", "Without a reason: UNSPECIFIED.", admin("DELETE", CERTIFICATE), ENROLLED)
    yield Case("revoke_twice", "It is revoked already.", admin("DELETE", CERTIFICATE), REVOKED)
    yield Case("revoke_hold", "Held.", admin("DELETE", f"{CERTIFICATE}?reason=CERTIFICATEHOLD"), ENROLLED)
    yield Case("revoke_release", "Released.", admin("DELETE", f"{CERTIFICATE}?reason=NOTREVOKED"), HELD)
    yield Case("revoke_held", "From hold to revoked.", admin("DELETE", f"{CERTIFICATE}?reason=SUPERSEDED"), HELD)
    yield Case("release_good", "It is not on hold.", admin("DELETE", f"{CERTIFICATE}?reason=NOTREVOKED"), ENROLLED)
    yield Case("release_revoked", "Nor is it.", admin("DELETE", f"{CERTIFICATE}?reason=REMOVEFROMCRL"), REVOKED)
    yield Case("revoke_bad_reason", "No such reason.", admin("DELETE", f"{CERTIFICATE}?reason=FOO"), ENROLLED)
    yield Case("revoke_unknown", "No such serial.", admin("DELETE", "/ca/IOTmidCA/certificate/45A168"))
    yield Case("revoke_bad_serial", "Not hexadecimal.", admin("DELETE", "/ca/IOTmidCA/certificate/xyz"))
    yield Case("revoke_unknown_ca", "No CA of that name.", admin("DELETE", "/ca/abcde/certificate/45A168"))
    yield Case("revoke_no_token", "Only an admin may.", Request("DELETE", CERTIFICATE), ENROLLED)


def of_users() -> Iterator[Case]:
    named = {"username": "f60c28"}
    yield Case("user_put", "Only the name is needed.", user(**named))
    yield Case("user_put_again", "Replaces, and arms it again.", user(**named), ENROLLED)
    yield Case("user_put_unknown_key", "What is not read is dropped.", user(**named, extra={}))
    names = user(**named, subjectAltName="DNS:a.example, IP:192.0.2.1")
    yield Case("user_put_names", "Alternative names, as EJBCA or OpenSSL write them.", names)
    yield Case("user_put_bad_name", "No name.", user(**named, subjectAltName="upn=admin"))
    yield Case("user_put_too_many_names", "EJBCA's text.", user(**named, subjectAltName="DNS:a.a,DNS:b.b"))
    yield Case("user_put_dates", "CFREE lets nobody choose.", user(**named, endTime="30:0:0"))
    yield Case("user_put_bad_date", "EJBCA's text.", user(**named, startTime="tomorrow"))
    yield Case("user_get_names", "As EJBCA writes them.", admin("GET", "/user/f60c28"), (names,))
    yield Case("user_put_no_name", "The original's text.", user(password=PASSWORD))
    yield Case("user_put_empty_password", "Must be one.", user(**named, password=""))
    yield Case("user_put_wrong_type", "A name is a text.", user(username=1))
    yield Case("user_put_unknown_ca", "No CA of that name.", user(**named, caName="abcde"))
    yield Case("user_put_unknown_profile", "No such profile.", user(**named, certificateProfileName="X"))
    yield Case("user_put_unknown_entity_profile", "No such profile.", user(**named, endEntityProfileName="X"))
    yield Case("user_put_unknown_token_type", "No such type.", user(**named, tokenType="X"))
    yield Case("user_put_unknown_status", "No such status.", user(**named, status=41))
    yield Case("user_put_key_recovery", "The CA has no keys.", user(**named, keyRecoverable=True))
    yield Case("user_put_bad_json", "Not JSON.", Request("POST", "/user", ADMIN | JSON, '{"username"'))
    yield Case("user_put_bad_mimetype", "Not sent as JSON.", Request("POST", "/user", ADMIN, "{}"))
    yield Case("user_put_no_token", "Only a registrar may.", Request("POST", "/user", JSON, named))
    many = {"users": [named, {"username": "f60c29", "caName": "abcde"}, 1]}
    yield Case("users_put", "Each is answered as it would be alone.", Request("POST", "/users", ADMIN | JSON, many))
    yield Case("users_put_no_list", "Must be one.", Request("POST", "/users", ADMIN | JSON, {"users": named}))
    yield Case("users_put_no_token", "Only a registrar may.", Request("POST", "/users", JSON, many))
    yield Case("user_get", "All 19 keys.", admin("GET", "/user/f60c28"), REGISTERED)
    yield Case("user_get_enrolled", "GENERATED once it has signed.", admin("GET", "/user/f60c28"), ENROLLED)
    yield Case("user_get_unknown", "No such end entity.", admin("GET", "/user/nobody"))
    yield Case("user_get_no_token", "Only a registrar may.", get("/user/f60c28"), REGISTERED)
    yield Case("user_delete", "Revokes its certificates.", admin("DELETE", "/user/f60c28"), ENROLLED)
    yield Case("user_delete_twice", "Is no error.", admin("DELETE", "/user/f60c28"), REVOKED)
    yield Case("user_delete_forget", "And forgets it.", admin("DELETE", "/user/f60c28?delete=true"), ENROLLED)
    yield Case("user_delete_bad_reason", "No such reason.", admin("DELETE", "/user/f60c28?reason=BAD"), ENROLLED)
    yield Case("user_delete_unknown", "EJBCA's text.", admin("DELETE", "/user/nobody"))
    yield Case("user_delete_no_token", "Only a registrar may.", Request("DELETE", "/user/f60c28"), ENROLLED)
    yield Case("find", "Its certificates.", admin("GET", "/user/f60c28/find"), ENROLLED)
    yield Case("find_none", "None yet.", admin("GET", "/user/f60c28/find"), REGISTERED)
    yield Case("find_revoked", "None that is good.", admin("GET", "/user/f60c28/find"), REVOKED)
    yield Case("find_all", "Revoked ones too.", admin("GET", "/user/f60c28/find?valid=false"), REVOKED)
    yield Case("find_unknown", "No such end entity.", admin("GET", "/user/nobody/find"))
    yield Case("find_no_token", "Only a registrar may.", get("/user/f60c28/find"), ENROLLED)


def of_sign() -> Iterator[Case]:
    wrong = sign(GOOD | {"passwd": "wrong"})
    yield Case("sign", "A certificate, in lines of 64.", sign(GOOD), REGISTERED)
    yield Case("sign_retry", "The same request: the same certificate.", sign(GOOD), ENROLLED)
    yield Case(
        "sign_again",
        "Another request: the password is spent.",
        sign(GOOD | {"certificate": request_of("rsa_3072")}),
        ENROLLED,
    )
    yield Case("sign_revoked", "A revoked end entity.", sign(GOOD), (*ENROLLED, admin("DELETE", "/user/f60c28")))
    yield Case("sign_wrong_password", "EJBCA's text.", wrong, REGISTERED)
    yield Case("sign_locked", "After five wrong passwords.", sign(GOOD), (*REGISTERED, *[wrong] * 6))
    yield Case("sign_unknown", "EJBCA's text.", sign(GOOD, "nobody"))
    yield Case(
        "sign_wrong_token_type",
        "The key is to be made by the CA, which does not.",
        sign(GOOD),
        (user(username="f60c28", password=PASSWORD, tokenType="P12"),),
    )
    yield Case("sign_short_key", "Under 2048 bits.", sign(GOOD | {"certificate": request_of("rsa_1024")}), REGISTERED)
    yield Case("sign_garbage", "Not a request.", sign(GOOD | {"certificate": "garbage"}), REGISTERED)
    yield Case("sign_dates", "CFREE lets nobody choose.", sign(GOOD | {"notAfter": "30:0:0"}), REGISTERED)
    yield Case("sign_bad_date", "No date.", sign(GOOD | {"notBefore": "soon"}), REGISTERED)
    yield Case("sign_no_keys", "Both keys missing.", sign({}), REGISTERED)
    yield Case("sign_no_password", "One key missing.", sign({"certificate": GOOD["certificate"]}), REGISTERED)
    yield Case("sign_no_certificate", "The other one.", sign({"passwd": PASSWORD}), REGISTERED)
    yield Case("sign_bad_json", "Not JSON.", sign("{"), REGISTERED)
    yield Case("sign_no_object", "JSON, but no object.", sign([]), REGISTERED)
    yield Case("sign_bad_mimetype", "Not sent as JSON.", sign(GOOD, **{"Content-Type": "text/plain"}), REGISTERED)
    yield Case("sign_compressed", "Not taken.", sign(GOOD, **{"Content-Encoding": "gzip"}), REGISTERED)
    yield Case("sign_too_large", "Over 64 KiB.", sign(" " * 65537), REGISTERED)


def of_http() -> Iterator[Case]:
    yield Case("method_not_allowed", "With those that are.", Request("PUT", "/user/f60c28", ADMIN))
    yield Case("not_found", "No such path.", get("/sign/f60c28/pkcs7"))
    yield Case("bad_token", "A token of nobody.", get("/user/f60c28", Authorization="Bearer x"))
