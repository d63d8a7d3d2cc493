import base64

import pytest

from tests import fuzz


@pytest.mark.slow
def test_a_short_run_finds_nothing_and_reaches_the_rules():
    result = fuzz.fuzz(10_000, seed=1, processes=2)
    assert result.findings == []
    assert result.outcomes["issued"] > 0
    assert result.outcomes["ProfileViolation"] > 0
    assert result.outcomes["HTTP 400"] > 0


def test_what_is_no_refusal_is_a_finding(monkeypatch):
    def broken(der: bytes):
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(fuzz.CertificationRequest, "from_der", broken)
    monkeypatch.setattr(fuzz, "_over_http", lambda _der: ["HTTP 400"])
    result = fuzz._chunk((1, 0, 10))
    assert len(result.findings) == 9
    way, error, sentence, request = result.findings[0].split(": ")
    assert (way, error, sentence) == ("_through_the_profiles", "ZeroDivisionError", "planted")
    assert base64.b64decode(request)
