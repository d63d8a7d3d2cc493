import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidInput
from app.pki.distinguished_name import ca_id, common_name, of_common_name, parse, to_string
from app.pki.text import name_problem

SPECIAL = 'a,+="<>;#\\ b'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CN=IOTmidCA,O=EJBCA IOT,C=SE", 576968287),
        ("C=SE,O=EJBCA IOT,CN=IOTmidCA", 576968287),
        ("O=EJBCA IOT,C=SE,CN=IOTmidCA", 576968287),
        ("cn=IOTmidCA,o=EJBCA IOT,c=SE", 576968287),
        (" CN = IOTmidCA , O = EJBCA IOT , C = SE ", 576968287),
        ("CN=PROTOCOL", -1371917878),
        ("cn = PROTOCOL", -1371917878),
    ],
)
def test_ca_id_is_the_one_ejbca_computes_however_the_name_is_written(text, expected):
    assert ca_id(parse(text)) == expected


def test_ca_id_of_another_name_differs():
    assert ca_id(parse("CN=IOTmidCA,O=EJBCA IOT,C=SE")) != ca_id(parse("CN=iotmidCA,O=EJBCA IOT,C=SE"))


def test_ca_id_counts_a_character_beyond_the_basic_plane_as_the_two_of_java():
    assert ca_id(of_common_name("\N{GRINNING FACE}")) == java_hash("CN=\ud83d\ude00")


def java_hash(text: str) -> int:
    value = 0
    for character in text:
        value = (31 * value + ord(character)) % 2**32
    return value - 2**32 if value >= 2**31 else value


def test_attributes_stand_in_the_order_written():
    name = parse("CN=device,OU=things,O=Example,C=SE")

    assert [attribute.oid for attribute in name] == [
        NameOID.COMMON_NAME,
        NameOID.ORGANIZATIONAL_UNIT_NAME,
        NameOID.ORGANIZATION_NAME,
        NameOID.COUNTRY_NAME,
    ]


@pytest.mark.parametrize(
    ("written", "attribute"),
    [
        ("emailAddress", NameOID.EMAIL_ADDRESS),
        ("serialNumber", NameOID.SERIAL_NUMBER),
        ("S", NameOID.STATE_OR_PROVINCE_NAME),
    ],
)
def test_attribute_type_may_be_written_by_its_other_name(written, attribute):
    assert [(found.oid, found.value) for found in parse(f"{written}=x")] == [(attribute, "x")]


@pytest.mark.parametrize("character", list(',+="<>;#\\ '))
@pytest.mark.parametrize("place", ["{0}ab", "a{0}b", "ab{0}"], ids=["first", "middle", "last"])
def test_special_character_survives_writing_and_reading(character, place):
    value = place.format(character)
    if value != value.strip():
        with pytest.raises(InvalidInput, match="blank"):
            of_common_name(value)
        return
    name = of_common_name(value)

    assert parse(to_string(name)) == name
    assert common_name(name) == value


@given(st.text(alphabet=st.one_of(st.sampled_from(SPECIAL), st.characters(codec="utf-8")), min_size=1, max_size=20))
def test_name_is_read_back_as_written_whatever_it_holds(value):
    """A06."""
    if name_problem(value, max_bytes=64) is not None:
        with pytest.raises(InvalidInput):
            of_common_name(value)
        return
    name = x509.Name([*of_common_name(value), x509.NameAttribute(NameOID.ORGANIZATION_NAME, value)])

    assert parse(to_string(name)) == name


@given(st.text(alphabet=st.one_of(st.sampled_from('CNOcn=,+\\#" 0a'), st.characters()), max_size=40))
def test_any_text_is_read_or_refused(text):
    try:
        name = parse(text)
    except InvalidInput:
        return
    assert all(len(rdn) == 1 for rdn in name.rdns)


@pytest.mark.parametrize("username", ["x,CN=admin", "x+CN=admin", "x\\,O=evil", "#0c0161", 'x",O="evil'])
def test_common_name_is_one_attribute_whatever_syntax_it_holds(username):
    """A06, A07."""
    name = of_common_name(username)

    assert [(attribute.oid, attribute.value) for attribute in name] == [(NameOID.COMMON_NAME, username)]
    assert len(name.rdns) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "RFC 4514"),
        (",", "RFC 4514"),
        ("CN=a,", "RFC 4514"),
        (",CN=a", "RFC 4514"),
        ("CN=a,,O=b", "RFC 4514"),
        ("device", "no attribute"),
        ("=device", "no attribute"),
        ("XX=device", "no attribute"),
        ("2.5.4.3=device", "no attribute"),
        ("CN=", "is empty|cannot be read"),
        ("CN=a+O=b", "multi-valued"),
        ("CN=a\0b", "RFC 4514"),
        ("CN=a\nb", "U\\+000A"),
        ("CN=a\u202eb", "U\\+202E"),
        ("CN=a\u200bb", "U\\+200B"),
        ("CN=a\ufffdb", "U\\+FFFD"),
        ("CN=e\u0301", "normalisation form C"),
        ("CN=\\ a", "blank"),
        ("CN=a\\ ", "blank"),
        ("CN=" + "a" * 65, "64"),
        ("O=" + "a" * 129, "128"),
        (",".join(["O=" + "\\," * 128] * 8), "2048"),
        (",".join(["O=" + "a"] * 33), "32"),
    ],
)
def test_text_that_is_no_acceptable_name_is_refused_with_the_reason(text, reason):
    """A04, A05, A07, A08, A09."""
    with pytest.raises(InvalidInput, match=reason):
        parse(text)


@pytest.mark.parametrize("value", ["", "a\0b", "a\u202eb", "a\r", "e\u0301", "a" * 65, "é" * 33, "\ud800"])
def test_common_name_that_no_name_may_hold_is_refused(value):
    with pytest.raises(InvalidInput):
        of_common_name(value)


@pytest.mark.parametrize("value", ["a" * 64, "é" * 32])
def test_longest_common_name_is_accepted(value):
    assert common_name(of_common_name(value)) == value


def test_common_name_of_a_name_without_one_is_none():
    assert common_name(parse("O=Example")) is None
