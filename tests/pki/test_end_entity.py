import pytest

from app.errors import InvalidInput
from app.pki.end_entity import checked_username


@pytest.mark.parametrize(
    "username",
    [
        "f60c28",
        "Dev1",
        "tenant:device",
        "dev 1",
        "dev*",
        "dev%",
        "dev_",
        "' OR 1=1--",
        '"; DROP TABLE end_entities',
        "x,CN=admin",
        "a.b",
        "..a",
        "é",
        "名前",
        "$(id)",
        "--help",
        "a" * 64,
        "é" * 32,
    ],
)
def test_name_is_taken_literally(username):
    """A11, A12."""
    assert checked_username(username) == username


@pytest.mark.parametrize(
    ("username", "reason"),
    [
        ("", "is empty"),
        (" dev", "blank"),
        ("dev ", "blank"),
        ("\u00a0dev", "blank"),
        ("e\u0301", "normalisation form C"),
        ("a\0b", "U\\+0000"),
        ("a\rb", "U\\+000D"),
        ("a\nb", "U\\+000A"),
        ("a\tb", "U\\+0009"),
        ("a\u202eb", "U\\+202E"),
        ("a\u200bb", "U\\+200B"),
        ("a\u2028b", "U\\+2028"),
        ("a\ufffdb", "U\\+FFFD"),
        ("a\ue000b", "U\\+E000"),
        ("\ud800", "U\\+D800"),
        ("a" * 65, "64 bytes"),
        ("é" * 33, "64 bytes"),
        ("a/b", "'/'"),
        ("../../x", "'/'"),
        (".", "dots"),
        ("..", "dots"),
    ],
    ids=ascii,
)
def test_name_with_two_spellings_or_no_place_in_a_path_is_refused(username, reason):
    """A05, A11, A40."""
    with pytest.raises(InvalidInput, match=reason):
        checked_username(username)
