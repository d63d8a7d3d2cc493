import pytest

from app.errors import InvalidInput
from app.pki.revocation import RevocationReason


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("NOTREVOKED", -1),
        ("UNSPECIFIED", 0),
        ("KEYCOMPROMISE", 1),
        ("CACOMPROMISE", 2),
        ("AFFILIATIONCHANGED", 3),
        ("SUPERSEDED", 4),
        ("CESSATIONOFOPERATION", 5),
        ("CERTIFICATEHOLD", 6),
        ("REMOVEFROMCRL", 8),
        ("PRIVILEGESWITHDRAWN", 9),
        ("AACOMPROMISE", 10),
    ],
)
def test_reason_has_ejbcas_name_and_the_number_of_rfc_5280(name, number):
    assert RevocationReason.from_name(name) == number
    assert RevocationReason.from_name(name.lower()) == number


def test_no_other_reason_exists():
    assert sorted(RevocationReason) == [-1, 0, 1, 2, 3, 4, 5, 6, 8, 9, 10]


@pytest.mark.parametrize("name", ["", "FOO", "1", "KEY_COMPROMISE", " KEYCOMPROMISE", "__class__"])
def test_another_word_is_refused(name):
    with pytest.raises(InvalidInput, match="invalid revocation reason"):
        RevocationReason.from_name(name)


def test_refusal_shows_only_the_beginning_of_a_long_word():
    with pytest.raises(InvalidInput) as refusal:
        RevocationReason.from_name("A" * 10_000)

    assert len(str(refusal.value)) < 100
