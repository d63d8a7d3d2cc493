import pytest

from app.pki.end_entity import EndEntityStatus
from app.pki.revocation import RevocationReason
from app.store.certificate_search import CertificateSearch, Condition
from app.store.certificates import CertificateType
from tests.builders import csr, key, one_line
from tests.conftest import ACTOR


@pytest.fixture
def world(installation):
    """Four end entities with a certificate each: good, on hold, revoked, and one whose subject has a percent sign."""
    installation.serials = {}
    for number, name in enumerate(("good", "held", "revoked", "odd")):
        subject = "CN=100%_odd,O=Plant" if name == "odd" else None
        installation.add(name, subject_dn=subject, end_entity_profile="EMPTY")
        request = one_line(csr(name, signing_key=key(number)))
        installation.serials[name] = installation.sign(name, "dojot", request).serial
        installation.clock.advance(seconds=1)
    change = installation.services.revocation.change
    change("IOTmidCA", installation.serials["held"], RevocationReason.CERTIFICATEHOLD, ACTOR)
    change("IOTmidCA", installation.serials["revoked"], RevocationReason.KEYCOMPROMISE, ACTOR)
    return installation


def found(world, *, limit: int = 100, **wanted) -> list[str]:
    rows = CertificateSearch(**wanted).run(world.services.database, world.clock(), limit)
    return [row.username for row in rows if row.certificate_type is CertificateType.END_ENTITY]


def test_without_a_wish_all_are_found_newest_first(world):
    assert found(world) == ["odd", "revoked", "held", "good"]
    assert found(world, limit=2) == ["odd", "revoked"]


@pytest.mark.parametrize(
    ("condition", "names"), [("good", ["odd", "good"]), ("held", ["held"]), ("revoked", ["revoked"])]
)
def test_by_state(world, condition, names):
    assert found(world, condition=Condition(condition)) == names


def test_one_past_its_end_is_not_good_any_more(world):
    world.clock.advance(days=731)
    assert found(world, condition=Condition.GOOD) == []
    assert len(found(world, condition=Condition.ENDED)) == 4


def test_by_the_time_that_is_left(world):
    soon = world.clock.now.replace(year=world.clock.now.year + 1)
    assert found(world, ends_before=soon) == []
    assert found(world, ends_before=soon.replace(year=soon.year + 2)) == ["good", "held", "revoked", "odd"], (
        "soonest first"
    )


def test_by_the_beginning_of_the_serial(world):
    assert found(world, serial=world.serials["held"][:12]) == ["held"]
    assert found(world, serial="%") == []
    assert [name for digit in "0123456789ABCDEF" for name in found(world, serial=digit)] == sorted(
        world.serials, key=world.serials.__getitem__
    )


def test_by_a_part_of_the_subject_taken_as_it_is(world):
    assert found(world, subject="o=PLANT") == ["odd"]
    assert found(world, subject="100%_O") == ["odd"]
    assert found(world, subject="100__o") == []
    world.add("jose", subject_dn="CN=JOSÉ")
    world.sign("jose", "dojot", one_line(csr("jose", signing_key=key(9))))
    assert found(world, subject="cn=JOSÉ") == ["jose"]


def test_by_end_entity_and_ca(world):
    assert found(world, entity="good", ca_name="IOTmidCA") == ["good"]
    assert found(world, entity="good", ca_name="IOTrootCA") == []


def test_end_entities_of_a_state_by_name_page_by_page(world):
    world.add("another")
    page = world.services.end_entities.store.page
    assert [row.username for row in page(status=EndEntityStatus.GENERATED, limit=3)] == ["good", "held", "odd"]
    assert [row.username for row in page(status=EndEntityStatus.GENERATED, after="odd")] == ["revoked"]
    assert [row.username for row in page(status=EndEntityStatus.NEW)] == ["another"]
