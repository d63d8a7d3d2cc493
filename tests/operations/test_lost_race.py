"""What may not enrol any more when its certificate is about to be recorded, though it might a moment before."""

import pytest

from app.errors import EnrolmentWindowOver, NotAuthenticated, StoreUnavailable, WrongStatus
from app.operations.issuance import LostTheRace
from app.pki.certification_request import CertificationRequest
from app.pki.end_entity import EndEntityStatus
from tests.builders import csr, one_line
from tests.conftest import ACTOR

REQUEST = CertificationRequest.from_text(one_line(csr()))


@pytest.mark.parametrize(
    ("late", "raised"),
    [
        (WrongStatus("renewed already"), LostTheRace),
        (EnrolmentWindowOver("over"), LostTheRace),
        (NotAuthenticated("superseded"), LostTheRace),
        (StoreUnavailable("gone"), StoreUnavailable),
    ],
    ids=lambda value: getattr(value, "code", None) if isinstance(value, Exception) else None,
)
def test_who_lost_looks_again_and_a_database_that_fails_is_no_race(installation, late, raised):
    """Who looks again gets the certificate of the same request, or the refusal; a failure is tried again later."""
    entity, answers = installation.add(), iter([None, late])

    def check(_entity) -> None:
        if (refusal := next(answers)) is not None:
            raise refusal

    with pytest.raises(raised) as caught:
        installation.services.issuance.issue_to(entity, REQUEST, None, ACTOR, check)

    assert type(caught.value) is raised
    assert installation.certificates() == 0
    assert installation.services.end_entities.find("f60c28").status is EndEntityStatus.NEW
