"""``tools/house_rules.py``: what it forbids is found, and the server has none of it."""

from pathlib import Path

import pytest

from tools.house_rules import CSR, NAMES, PROGRAMS, broken, main

BROKEN = {
    "starts_programs": [
        "import subprocess",
        "import subprocess as s",
        "from subprocess import run",
        "from os import system",
        "os.system('createcrl ' + name)",
        "os.execv(path, arguments)",
        "os.popen(command)",
        "eval(text)",
        "__import__(name)",
    ],
    "joins_names": [
        "subject = 'CN=' + username",
        "subject = f'CN={username},O=dojot'",
        "subject = f'O=dojot,CN={username}'",
        "subject = 'O=dojot,CN=' + username + ',C=SE'",
        "subject = 'CN=%s' % username",
        "subject = 'O=dojot,CN={}'.format(username)",
        "name = x509.Name.from_rfc4514_string(text)",
    ],
    "copies_requests": [
        "for e in csr.extensions: builder = builder.add_extension(e.value, e.critical)",
        "builder = builder.add_extension(e.value, critical=e.critical)",
        "builder = builder.subject_name(csr.subject)",
        "request = x509.load_pem_x509_csr(body)",
    ],
    "logs_secrets": [
        "_log.info('refused', extra={'fields': {'password': password}})",
        "_log.warning('%s may not', entity.password_verifier)",
        "_log.error(f'cannot be opened with {passphrase!r}')",
        "logging.getLogger('midca').debug(self.proxy_secret)",
        "current_app.logger.info(token)",
    ],
    "speaks_sql": [
        "database.rows('SELECT * FROM end_entities')",
        "database.execute(f'DELETE FROM {table}')",
        "connection.execute('PRAGMA journal_mode = DELETE')",
        "sql = 'UPDATE end_entities SET status = 40'",
    ],
    "overlooks_trouble": [
        "make_key() if not path.exists() else None",
        "found = (directory / 'keys').is_dir()",
        "os.path.exists(path)",
        "kept = sorted(directory.glob('*.pem'))",
        "from os.path import exists",
    ],
}
ALLOWED = [
    "os.open(path, flags)",
    "subject = NameAttribute(NameOID.COMMON_NAME, username)",
    "text = f'filter={username}' + ', C ='",
    "builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)",
    "subject = template.subject",
    "_log.info('a token of %s', tokens.name)",
    "text = 'Select a profile, and update it'",
    "found = exists(settings)",
]


@pytest.mark.parametrize(("rule", "code"), [(rule, code) for rule in BROKEN for code in BROKEN[rule]])
def test_what_is_forbidden_is_found(rule, code):
    """A07, A16, A41, A62."""
    assert [found for found in broken(code, "app/operations/new.py") if f": {rule}: " in found]


@pytest.mark.parametrize("code", ALLOWED)
def test_what_looks_like_it_is_not(code):
    assert list(broken(code, "app/operations/new.py")) == []


@pytest.mark.parametrize(
    ("code", "path"),
    [
        ("import subprocess", PROGRAMS),
        ("x509.Name.from_rfc4514_string(text)", NAMES),
        ("csr.extensions", CSR),
        ("rows('SELECT a FROM b')", "app/store/new.py"),
    ],
)
def test_each_rule_has_the_one_place_where_it_does_not_hold(code, path):
    assert list(broken(code, path)) == []
    assert list(broken(code, "app/web.py")) != []


def test_server_breaks_no_rule(capsys):
    assert main() == 0, capsys.readouterr().out


def test_lint_runs_them():
    lint = (Path(__file__).parent.parent / "Makefile").read_text().partition("\nlint: ")[2].partition("\n\n")[0]

    assert "tools/house_rules.py" in lint
