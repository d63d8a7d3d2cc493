"""An exception at any line of a request's path: no certificate that is not on record, and no second one (A49)."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from app.operations import authorities, drafts, enrolment, enrolment_password, issuance, recorded_signing, uniqueness
from app.pki.end_entity import EndEntityStatus
from tests.builders import csr, key, one_line

PATH = (issuance, enrolment, enrolment_password, recorded_signing, uniqueness, authorities, drafts)
FILES = {module.__file__ for module in PATH}
Place = tuple[str, int]


class Fault(Exception):
    """What no code expects."""


def traced(call: Callable[[], Any], at_line: Callable[[Place], None]) -> None:
    """Make the call and tell ``at_line`` each line of the path before it runs."""

    def trace(frame, event, _argument):
        if frame.f_code.co_filename not in FILES:
            return None
        if event == "line":
            at_line((frame.f_code.co_filename, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)


def lines_of(call: Callable[[], Any]) -> list[Place]:
    """Return the lines that the call runs, each once, in order."""
    seen: dict[Place, None] = {}
    traced(call, seen.setdefault)
    return list(seen)


def fails_at(wanted: Place, call: Callable[[], Any]) -> None:
    def at_line(place: Place) -> None:
        if place == wanted:
            raise Fault

    with pytest.raises(Fault):
        traced(call, at_line)


def rows(installation, username: str) -> list[tuple[str]]:
    return installation.sql("SELECT state FROM certificates WHERE username = ?", username)


def test_an_enrolment_that_fails_at_any_line_is_taken_up_by_the_next_try_and_gives_one_certificate(installation):
    installation.add("plain")
    lines = lines_of(lambda: installation.sign("plain", "dojot", one_line(csr(signing_key=key()))))
    states = set()
    for number, place in enumerate(lines, 1):
        name, request = f"device{number}", one_line(csr(signing_key=key(number)))
        installation.add(name)
        signed = len(installation.oracle.signed())

        fails_at(place, lambda name=name, request=request: installation.sign(name, "dojot", request))

        entity, left = installation.services.end_entities.find(name), rows(installation, name)
        if not left:
            assert entity.status is EndEntityStatus.NEW, place
            assert len(installation.oracle.signed()) == signed, place
        states.update(left)
        installation.check()
        installation.sign(name, "dojot", request)
        assert rows(installation, name) == [("issued",)], place

    assert len(lines) > 60
    assert states == {("pending",), ("issued",)}


def test_a_wrong_password_that_meets_a_fault_at_any_line_signs_nothing(installation):
    installation.add()
    request, before = one_line(csr()), installation.sql("SELECT * FROM end_entities")

    def guess() -> None:
        with pytest.raises(Exception, match="invalid password"):
            installation.sign("f60c28", "wrong", request)

    lines, signed = lines_of(guess), installation.oracle.signed()
    for place in lines:
        installation.sql("DELETE FROM password_failures")
        fails_at(place, lambda: installation.sign("f60c28", "wrong", request))

    assert len(lines) > 20
    assert installation.sql("SELECT * FROM end_entities") == before
    assert rows(installation, "f60c28") == []
    assert installation.oracle.signed() == signed
