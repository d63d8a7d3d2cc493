"""The ``midca`` command as an operator types it."""

import json
import shlex
import shutil
import socket
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from app.pki.certificate_authority import fingerprint
from tests.acceptance.server import MIDCA, environment
from tests.builders import csr, profiles_directory
from tests.conftest import run

PASSWORD = "correct horse"


class Shell:
    """Runs ``midca`` on one data directory."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.data = base / "data"

    def __call__(self, *arguments: str | Path, status: int = 0, umask: int = 0o022, **settings: str) -> str:
        """Return what was printed, to standard error if ``status`` is not 0."""
        done = run(
            MIDCA, *arguments, env=environment(self.base) | settings, cwd=self.base, umask=umask, stdin=None, timeout=60
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout if status == 0 else done.stderr

    def json(self, *arguments: str | Path):
        return json.loads(self(*arguments, "--json"))

    def authority(self, name: str) -> x509.Certificate:
        return x509.load_pem_x509_certificate((self.data / "ca" / "certificates" / f"{name}.pem").read_bytes())


@pytest.fixture
def midca(data_template: Path, tmp_path: Path) -> Shell:
    """On a data directory that was made before."""
    base = tmp_path / "installation"
    shutil.copytree(data_template, base)
    return Shell(base)


@pytest.fixture
def empty(tmp_path: Path) -> Shell:
    """On a data directory that does not exist yet."""
    profiles_directory(tmp_path / "profiles")
    return Shell(tmp_path)


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(PASSWORD + "\n")
    return path


@pytest.fixture
def request_file(tmp_path: Path) -> Path:
    path = tmp_path / "request.csr"
    path.write_bytes(csr().public_bytes(Encoding.PEM))
    return path


def test_init_tells_once_what_it_made_and_where_it_lies(empty):
    told = empty("init")

    for name in ("IOTrootCA", "IOTmidCA"):
        assert f"CA {name}, SHA-256 {fingerprint(empty.authority(name))}" in told
    for place in ("ca/keys", "secrets/key-passphrase", "admin.token"):
        assert str(empty.data / place) in told
    assert (empty.data / "admin.token").read_text().strip() not in told

    assert empty("init") == f"Nothing to do: the CAs in {empty.data} are all there.\n"


def test_init_tells_a_program_the_same(empty):
    made = empty.json("init")

    assert made == {
        "data": str(empty.data),
        "cas": [{"name": name, "sha256": fingerprint(empty.authority(name))} for name in ("IOTrootCA", "IOTmidCA")],
        "keys": str(empty.data / "ca" / "keys"),
        "passphrase": str(empty.data / "secrets" / "key-passphrase"),
        "admin_token": str(empty.data / "admin.token"),
    }
    assert empty.json("init") == {**dict.fromkeys(made), "data": str(empty.data), "cas": []}


def test_acts_tell_a_program_what_they_did(midca, password_file, request_file):
    midca("entity", "add", "f60c28", "--password-file", password_file)

    signed = midca.json("sign", "f60c28", request_file, "--password-file", password_file)
    certificate = x509.load_pem_x509_certificate(signed["pem"].encode())
    serial = f"{certificate.serial_number:X}"
    assert (signed["serial"], signed["sha256"]) == (serial, fingerprint(certificate))

    reasons = [
        midca.json("cert", *act)
        for act in (("hold", serial), ("release", serial), ("revoke", serial, "--reason", "SUPERSEDED"))
    ]
    assert reasons == [
        {"serial": serial, "ca": "IOTmidCA", "reason": reason}
        for reason in ("CERTIFICATEHOLD", "NOTREVOKED", "SUPERSEDED")
    ]
    assert midca.json("crl", "issue")["number"] == midca.json("crl", "show")["number"]
    assert midca.json("entity", "delete", "f60c28") == {"name": "f60c28", "deleted": True}
    assert midca.json("token", "revoke", "admin") == {"name": "admin", "revoked": True}


def test_a_second_init_makes_nothing_new(midca):
    before = {path: path.read_bytes() for path in (midca.data / "ca").rglob("*.pem")}
    token = (midca.data / "admin.token").read_text()

    midca("init")

    assert {path: path.read_bytes() for path in (midca.data / "ca").rglob("*.pem")} == before
    assert {path.parent.name for path in before} == {"certificates", "keys", "ocsp"}
    assert len(before) == 6
    assert (midca.data / "admin.token").read_text() == token
    assert len(midca.json("cert", "list")) == 4
    assert len(midca.json("token", "list")) == 1


def test_what_init_makes_is_private_whatever_the_umask(empty):
    empty("init", umask=0)

    def modes(*names: str) -> set[int]:
        return {stat.S_IMODE((empty.data / name).stat().st_mode) for name in names}

    assert modes(".", "ca/keys", "ca/ocsp", "secrets") == {0o700}
    assert modes("ca/keys/IOTrootCA.pem", "ca/keys/IOTmidCA.pem", "ca/ocsp/IOTmidCA.pem") == {0o600}
    assert modes("secrets/key-passphrase", "secrets/pepper", "admin.token", "midca.sqlite") == {0o600}


def test_no_file_but_a_certificate_can_be_opened_by_others_in_a_directory_they_may_enter(empty):
    empty.data.mkdir(mode=0o755)  # as an administrator makes it beforehand

    empty("init")

    open_to_others = [path for path in empty.data.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]
    certificates = empty.data / "ca" / "certificates"
    assert [path.name for path in open_to_others if path.parent != certificates] == []


def test_a_ca_key_is_stored_encrypted(midca):
    for path in [*(midca.data / "ca" / "keys").iterdir(), *(midca.data / "ca" / "ocsp").iterdir()]:
        assert path.read_text().startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")


def test_ca_list_names_every_ca(midca):
    assert [row["name"] for row in midca.json("ca", "list")] == ["IOTmidCA", "IOTrootCA"]
    assert "IOTmidCA" in midca("ca", "list")


def test_ca_show_tells_the_fingerprint_and_who_signed(midca):
    shown = midca.json("ca", "show", "IOTmidCA")

    assert shown["sha256"] == fingerprint(midca.authority("IOTmidCA"))
    assert shown["issuer"] == "CN=IOTrootCA,O=EJBCA IOT,C=SE"
    assert shown["signs end entities"] is True


def test_ca_show_pem_is_a_ca_file_with_the_whole_chain(midca):
    chain = x509.load_pem_x509_certificates(midca("ca", "show", "IOTmidCA", "--pem").encode())

    assert chain == [midca.authority("IOTmidCA"), midca.authority("IOTrootCA")]


@pytest.mark.parametrize("arguments", ["ca show IOTmidCA", "crl show", "cert show {serial}"])
def test_pem_goes_into_json_when_both_are_asked_for(midca, arguments):
    shown = arguments.format(serial=f"{midca.authority('IOTmidCA').serial_number:X}").split()

    told = midca.json(*shown, "--pem")

    assert told.pop("pem") == midca(*shown, "--pem")
    assert told == midca.json(*shown)


def test_pem_of_a_certificate_of_which_there_is_only_the_serial_is_refused(midca):
    midca("cert", "revoke", "ABCDEF", "--unknown")

    assert "only a record" in midca("cert", "show", "ABCDEF", "--pem", status=1)
    assert midca.json("cert", "show", "ABCDEF", "--pem")["pem"] is None


def test_entity_add_without_a_password_file_shows_a_random_password_once(midca):
    assert len(midca.json("entity", "add", "f60c28")["password"]) == 32
    assert "password" not in midca.json("entity", "show", "f60c28")


def test_an_end_entity_lives_from_add_to_delete(midca, password_file, request_file):
    added = midca.json("entity", "add", "f60c28", "--password-file", password_file)
    assert "password" not in added
    assert [row["status"] for row in midca.json("entity", "list")] == ["NEW"]

    midca("sign", "f60c28", request_file, "--password-file", password_file)
    shown = midca.json("entity", "show", "f60c28")
    assert shown["status"] == "GENERATED"
    assert len(shown["certificates"]) == 1

    rearmed = midca.json("entity", "rearm", "f60c28")
    assert rearmed["status"] == "NEW"
    assert rearmed["password"] != PASSWORD

    midca("entity", "delete", "f60c28")
    assert midca("entity", "list") == "None.\n"
    assert midca("entity", "show", "f60c28", status=1) == "midca: User f60c28 not found.\n"


def test_sign_prints_a_certificate_of_the_end_entity(midca, password_file, request_file):
    midca("entity", "add", "f60c28", "--password-file", password_file)

    printed = midca("sign", "f60c28", request_file, "--password-file", password_file)

    certificate = x509.load_pem_x509_certificate(printed.encode())
    assert certificate.subject.rfc4514_string() == "CN=f60c28"
    assert certificate.public_key() == csr().public_key()
    certificate.verify_directly_issued_by(midca.authority("IOTmidCA"))


def test_sign_with_chain_prints_the_cas_behind_it(midca, password_file, request_file):
    midca("entity", "add", "f60c28", "--password-file", password_file)

    printed = midca("sign", "f60c28", request_file, "--password-file", password_file, "--chain")

    chain = x509.load_pem_x509_certificates(printed.encode())
    assert chain[1:] == [midca.authority("IOTmidCA"), midca.authority("IOTrootCA")]


def test_sign_with_a_wrong_password_prints_no_certificate(midca, password_file, request_file):
    midca("entity", "add", "f60c28")

    refused = midca("sign", "f60c28", request_file, "--password-file", password_file, status=1)

    assert refused == "midca: Got request for user with invalid password: f60c28.\n"
    assert midca.json("cert", "list", "--entity", "f60c28") == []


def test_cert_show_finds_what_cert_list_names(midca, password_file, request_file):
    midca("entity", "add", "f60c28", "--password-file", password_file)
    printed = midca("sign", "f60c28", request_file, "--password-file", password_file)

    (listed,) = midca.json("cert", "list", "--entity", "f60c28")

    assert listed["state"] == "issued"
    assert midca("cert", "show", listed["serial"], "--pem") == printed
    assert midca("cert", "show", listed["serial"].lower(), "--pem") == printed
    assert midca.json("cert", "find", "--serial", listed["serial"][:10].lower(), "--state", "good") == [listed]
    assert midca.json("cert", "find", "--subject", "F60C", "--ends-within", "30") == []
    assert midca.json("cert", "show", listed["serial"])["profile"] == "CFREE"
    assert len(midca.json("cert", "list")) == 5


@pytest.mark.slow
def test_a_token_opens_a_running_server_until_it_is_revoked(midca, make_server):
    with make_server(midca.base, workers=2) as server:
        token = midca.json("token", "create", "gateway", "--days", "1")["token"]
        user = {"username": "f60c28", "password": PASSWORD}
        assert server.post("/user", user, token).status == 200
        assert server.get("/user/f60c28", token).status == 200

        midca("token", "revoke", "gateway")

        assert server.get("/user/f60c28", token).status == 401
        assert server.post("/user", user, token).status == 401
    listed = {row["name"]: row for row in midca.json("token", "list")}
    assert listed["gateway"]["revoked"] != "-"
    assert listed["admin"]["revoked"] == "-"
    assert token not in json.dumps(listed)


def test_tokens_and_certificates_are_made_for_a_role_and_a_tenant(midca):
    certificate = midca.data / "ca" / "certificates" / "IOTmidCA.pem"  # any certificate will do
    made = midca.json("token", "create", "a", "--role", "registrar", "--tenant", "A")
    admitted = midca.json("token", "create", "b", "--role", "auditor", "--days", "9", "--certificate", certificate)

    listed = {row["name"]: row for row in midca.json("token", "list")}
    assert {name: (row["credential"], row["role"], row["tenant"]) for name, row in listed.items()} == {
        "admin": ("token", "admin", "-"),
        "a": ("token", "registrar", "A"),
        "b": ("certificate", "auditor", "-"),
    }
    assert made["token"].startswith("midca_")
    assert admitted["sha256"] == midca.authority("IOTmidCA").fingerprint(hashes.SHA256()).hex()
    assert "already" in midca("token", "create", "c", "--certificate", certificate, status=1)


@pytest.mark.slow
def test_an_end_entity_added_on_the_command_line_enrols_at_the_running_server(midca, make_server, password_file):
    with make_server(midca.base, workers=2) as server:
        midca("entity", "add", "f60c28", "--password-file", password_file)

        pem = csr().public_bytes(Encoding.PEM).decode()

        assert server.sign("f60c28", pem, PASSWORD).status == 200


def test_version_needs_no_data_directory(empty):
    assert empty("--version").startswith("midca ")
    assert not empty.data.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("entity", "add", "IOT/midCA"),
        ("entity", "show", "nobody"),
        ("entity", "rearm", "nobody"),
        ("entity", "delete", "nobody"),
        ("entity", "add", "f60c28", "--profile", "NONE"),
        ("entity", "add", "f60c28", "--ca", "IOTrootCA"),
        ("ca", "show", "NoCA"),
        ("cert", "show", "ABCDEF"),
        ("cert", "show", "not hexadecimal"),
        ("cert", "find", "--serial", "not hexadecimal"),
        ("token", "revoke", "nothing"),
        ("token", "create", "admin"),
        ("token", "create", "x", "--tenant", "A"),
        ("token", "create", "x", "--role", "registrar", "--tenant", "A:B"),
        ("token", "create", "x", "--certificate", __file__),
        ("audit", "list", "--since", "0001-01-01T00:00:00+14:00"),  # a year before the first, seen from Greenwich
        ("cert", "find", "--entity", "\udcff"),  # a byte that is no UTF-8
        ("audit", "export", "x" * 300),  # longer than the name of a file can be
        ("backup", "x" * 300),
        ("backup", "verify", __file__),
        ("backup", "verify", "/proc/self/mem"),  # cannot be read, as on a broken disk
    ],
    ids=lambda arguments: ascii(" ".join(arguments))[1:-1][:60],
)
def test_a_refusal_is_one_sentence_and_status_1(midca, arguments):
    sentence = midca(*arguments, status=1)

    assert sentence.startswith("midca: ")
    assert sentence.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [("ca", "list"), ("audit", "export"), ("audit", "export", "--from", "9999")], ids=" ".join
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_cannot_be_written_is_a_sentence_and_status_1(midca, arguments, unbuffered):
    variables = environment(midca.base) | {"PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([MIDCA, *arguments], env=variables, stdout=full, stderr=subprocess.PIPE, check=False)

    assert (done.returncode, done.stderr) == (1, b"midca: The output cannot be written: No space left on device.\n")


def test_output_that_is_limited_is_a_sentence_too(midca):
    """The shell's limit is in blocks of 512 or 1024 octets; what would kill the process is off, as in a container."""
    command = f"trap '' XFSZ; ulimit -f 0; exec {shlex.quote(str(MIDCA))} audit export > exported"
    done = subprocess.run(["sh", "-c", command], env=environment(midca.base),
                          cwd=midca.base, capture_output=True, text=True, check=False)  # fmt: skip

    assert (done.returncode, done.stderr) == (1, "midca: The output cannot be written: File too large.\n")


def test_export_to_a_closed_output_is_a_sentence(midca):
    done = subprocess.run(["sh", "-c", f"exec {shlex.quote(str(MIDCA))} audit export >&-"],
                          env=environment(midca.base), capture_output=True, text=True, check=False)  # fmt: skip

    assert (done.returncode, done.stderr) == (1, "midca: The output is closed; name a file.\n")


def test_adding_an_end_entity_twice_is_refused(midca):
    midca("entity", "add", "f60c28")

    assert midca("entity", "add", "f60c28", status=1) == "midca: User f60c28 already exists.\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("nothing",),
        ("entity", "add"),
        ("ca", "list", "--no-such-option"),
        ("serve", "--port", "0"),
        ("audit", "show", str(2**63)),
        ("database", "copy", "sqlite"),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_status_2(midca, arguments):
    assert "Usage: midca" in midca(*arguments, status=2)


def test_a_request_file_that_is_not_there_is_status_2(midca):
    assert "does not exist" in midca("sign", "f60c28", "missing.csr", status=2)


def test_a_password_that_cannot_be_asked_for_is_a_sentence_and_status_1(midca, request_file):
    done = run(
        MIDCA, "sign", "f60c28", request_file, env=environment(midca.base), cwd=midca.base, stdin=subprocess.DEVNULL
    )

    assert done.returncode == 1
    assert "There is no terminal to ask at; name a file" in done.stderr


def test_revoke_tells_the_reasons_there_are(empty):
    told = " ".join(empty("cert", "revoke", "--help").split())

    assert "UNSPECIFIED, KEYCOMPROMISE, CACOMPROMISE" in told
    assert "CERTIFICATEHOLD" not in told


def test_a_password_file_that_is_not_there_fails_without_a_traceback(midca):
    done = run(
        MIDCA, "entity", "add", "f60c28", "--password-file", "missing", env=environment(midca.base), cwd=midca.base
    )

    assert done.returncode in {1, 2}
    assert "missing" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "setting",
    [{"MIDCA_PORT": "http"}, {"MIDCA_DATE": "today"}, {"MIDCA_DATA": "/nonexistent"}, {"MIDCA_PROFILES": "missing"}],
    ids=lambda setting: "=".join(*setting.items()),
)
def test_a_configuration_that_makes_no_sense_is_one_sentence_and_status_3(midca, setting):
    sentence = midca("ca", "list", status=3, **setting)

    assert sentence.startswith("midca: ")
    assert sentence.count("\n") == 1


def test_events_without_the_library_of_kafka_is_one_sentence_and_status_3(midca, tmp_path):
    (tmp_path / "confluent_kafka.py").write_text("raise ImportError")

    sentence = midca("events", "--once", status=3, PYTHONPATH=str(tmp_path))

    assert sentence == "midca: midca events needs confluent-kafka: pip install 'midca[kafka]'.\n"


def test_a_data_directory_that_cannot_be_made_is_one_sentence_and_status_3(empty):
    (empty.base / "data").write_text("a file")

    sentence = empty("init", status=3)

    assert sentence.startswith("midca: ")
    assert sentence.count("\n") == 1


def test_a_ca_key_that_others_can_read_is_status_3(midca):
    key = midca.data / "ca" / "keys" / "IOTmidCA.pem"
    key.chmod(0o644)

    assert f"{key} can be read by others" in midca("ca", "list", status=3)


def test_profile_by_which_no_responder_can_be_made_ends_with_a_sentence(empty):
    """A key usage that is not critical is a warning of the linter."""
    path = empty.base / "profiles" / "ocsp-responder.yaml"
    text = path.read_text().replace("[digitalSignature], critical: true", "[digitalSignature], critical: false")
    path.write_text(text + "lint: warning\n")

    told = empty("init", status=1)

    assert told.startswith("midca: The linter refuses the certificate: ")


def test_an_address_nobody_can_listen_on_is_one_sentence_and_status_3_before_anything_is_made(empty):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sentence = empty("serve", "--port", str(port), status=3)

    assert sentence == f"midca: Cannot listen on 127.0.0.1, port {port}: Address already in use.\n"
    assert "midca: Cannot listen on 192.0.2.1" in empty("serve", "--host", "192.0.2.1", status=3)
    assert "midca: Cannot listen on no.invalid" in empty("serve", "--host", "no.invalid", status=3)
    assert not empty.data.exists()


def test_a_database_that_cannot_be_opened_is_one_sentence_and_status_3(midca):
    database = midca.data / "midca.sqlite"
    database.unlink()
    database.mkdir()

    assert midca("ca", "list", status=3) == f"midca: {database} cannot be opened for writing: Is a directory.\n"


def test_a_lock_that_cannot_be_opened_is_one_sentence_and_status_3(midca):
    lock = midca.data / "midca.sqlite.gate"
    lock.unlink()
    lock.mkdir()

    assert midca("ca", "list", status=3).endswith(f"{lock} cannot be opened: Is a directory.\n")


def test_a_ca_that_is_declared_and_not_made_yet_is_told_of_and_made_by_init(midca):
    hierarchy = midca.base / "profiles" / "hierarchy.yaml"
    hierarchy.write_text(f"{hierarchy.read_text().rstrip()}\n  - {{name: Added, validity: 365, keytype: P-256}}\n")

    assert midca("entity", "list", status=3).startswith("midca: The CA Added is declared, and ")

    assert "CA Added" in midca("init")
    assert [row["name"] for row in midca.json("ca", "list")] == ["Added", "IOTmidCA", "IOTrootCA"]


def test_a_trusted_network_is_warned_of_loudly(make_server):
    server = make_server(workers=1)
    server.environment["MIDCA_TRUSTED_NETWORKS"] = "10.0.0.0/8"
    with server:
        pass

    assert "WARNING: every host in 10.0.0.0/8 may manage end entities without a token" in server.log


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("c", {"ca", "ceremony", "cert", "crl"}),
        ("entity ", {"add", "delete", "import", "list", "rearm", "show"}),
        ("entity list --status N", {"NEW"}),
        ("entity-profile l", {"list"}),
    ],
)
def test_the_shell_completes_subjects_commands_and_options(empty, typed, completed):
    words = f"midca {typed}"
    asked = {"_MIDCA_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}

    assert {line.split(",")[1] for line in empty(**asked).splitlines()} == completed
