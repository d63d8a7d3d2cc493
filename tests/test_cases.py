"""The cases of attack (A) and of fault (F) that midca was built against: each has a test that names it.

Or ``docs/security.md`` names it and says why there is none.
"""

import re
from pathlib import Path

import pytest

CASES = """
A01 a request for another's name
A02 alternative names that are not allowed, among ones that are
A03 alternative names of kinds nobody needs, and empty ones
A04 NUL in a name
A05 line breaks and invisible characters in a name
A06 characters that mean something in a distinguished name
A07 a distinguished name smuggled in where a name is asked for
A08 several common names, attributes in one RDN, empty RDNs
A09 names that are too long, or too many
A10 names in odd string types
A11 two spellings of one name
A12 wildcards and SQL as a name
A13 two end entities with one subject
A14 a request that wants to be a CA
A15 key usages nobody is allowed
A16 every other extension
A17 an extension twice
A18 two extension requests
A19 unknown extensions, critical and not
A20 DER that says a default out loud
A21 bytes behind, or too few, in an extension
A22 thousands of alternative names
A23 a profile that would allow what makes a CA
A24 a broken signature
A25 signatures by weak, unknown or wrong algorithms
A26 RSA keys of odd lengths
A27 RSA keys with odd exponents and moduli
A28 RSA keys that arithmetic breaks
A29 one key for two end entities
A30 the CA's own keys
A31 a key that was revoked as compromised
A32 points off the curve, other curves, other algorithms
A33 Debian's weak keys of 2008
A34 base64 with something in it
A35 PEM with something round it
A36 DER that is cut off, too long, or nested without end
A37 a million mutated requests
A38 JSON that is none, or not what was asked for
A39 requests that two parsers read differently
A40 paths that lead out
A41 commands as names
A42 requests that only look, and change something
A43 guessing one password
A44 telling an unknown name from a wrong password
A45 passwords that are none
A46 passwords that are nearly right
A47 a password used again
A48 a password used fifty times at once
A49 a failure on the way to a yes
A50 every state of an end entity against a signature
A51 one guess at each of a thousand names
A52 the public password where it is switched off
A53 a route that nobody thought of
A54 another tenant's end entity
A55 tokens that are forged
A56 headers that say who somebody is
A57 fields that a caller may not set
A58 registering anew who has a good certificate
A59 revoking by odd serials
A60 a revoked end entity that signs
A61 a CA made by who is no admin
A62 a password in a log
A63 a password in the database
A64 addresses in requests that the CA would ask
A65 events that are none
A66 events with odd names
A67 events of one tenant on the topic of another
A68 events that come again after a revocation
A69 devices that are removed, and made again
A70 what every certificate must say
A71 serials that can be guessed
A72 certificates that end too late, or before they begin
F01 killed before the first transaction
F02 killed before its commit
F03 killed after its commit
F04 killed before the key signs
F05 killed after the key signed
F06 killed before the second commit
F07 killed after the second commit
F08 killed at random, again and again
F09 one statement that fails
F10 one password at once in threads and processes
F11 many end entities at once
F12 several processes at one database
F13 a lock that somebody else holds
F14 a full disk
F15 a full disk while a list is issued
F16 a database that is gone, broken or may not be written
F17 a CA key that is missing, open to others, or another
F18 a clock that jumps
F19 a CA that ends
F20 revocations while lists are issued
F21 killed while a list is issued
F22 a profile that changes meanwhile
F23 a backup that is put back
F24 a migration that is killed
F25 a server that is told to end
F26 who waits for the server
F27 Kafka that is not there, or comes back
F28 slow clients
F29 no file descriptors, no memory
F30 an audit log that cannot be written, or was
"""
TITLES = dict(line.split(" ", 1) for line in CASES.strip().splitlines())
HERE = Path(__file__).parent
SECURITY = (HERE.parent / "docs" / "security.md").read_text()


def named(text: str) -> set[str]:
    """Return the cases that a text names, one by one or as ``A01 to A05``."""
    found = set(re.findall(r"\b[AF]\d\d\b", text))
    for letter, first, last in re.findall(r"\b([AF])(\d\d) to \1(\d\d)\b", text):
        found |= {f"{letter}{number:02}" for number in range(int(first), int(last))}
    return found


def test_all_cases_are_here():
    assert list(TITLES) == [
        *(f"A{number:02}" for number in range(1, 73)),
        *(f"F{number:02}" for number in range(1, 31)),
    ]


@pytest.fixture(scope="module")
def named_anywhere() -> set[str]:
    tests = "\n".join(path.read_text() for path in HERE.rglob("*.py") if path != Path(__file__))
    return named(tests + SECURITY)


@pytest.mark.parametrize("case", TITLES, ids=lambda case: f"{case} {TITLES[case]}")
def test_case_is_named_by_a_test_or_in_the_documentation(case, named_anywhere):
    assert case in named_anywhere


def test_ranges_name_what_is_between():
    assert named("F01 to F04, A70") == {"F01", "F02", "F03", "F04", "A70"}


def test_files_that_the_documentation_names_are_there():
    named_files = set(re.findall(r"`((?:\w+/)*\w+\.py)`", SECURITY))
    assert named_files

    names = {path.name for path in HERE.rglob("*.py")}
    assert [file for file in named_files if not (HERE.parent / file).exists() and file not in names] == []
