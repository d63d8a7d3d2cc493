"""``lint`` of a profile: pkilint sees the very certificate that is to be signed; what it refuses is not signed."""

import pytest

from app.errors import ConfigurationError, ProfileViolation
from app.files.profile_files import load_profile
from app.pki import certificate_lint
from app.pki.certificate_lint import LintLevel
from tests.builders import csr, key, one_line, profiles_directory
from tests.conftest import ACTOR


def with_profile(installation, *, lint: str):
    """Return the installation opened with a CFREE that lints."""
    cfree = (installation.base / "profiles" / "CFREE.yaml").read_text()
    profiles_directory(installation.base / "profiles", CFREE=f"{cfree}\nlint: {lint}\n")
    installation.services.database.close()
    installation.services = installation.open().services
    installation.add()
    return installation


@pytest.mark.parametrize(("level", "refused"), [("off", False), ("error", False), ("warning", True)])
def test_a_finding_refuses_from_the_severity_of_the_profile_on(make_installation, level, refused):
    """CFREE's key usage is not critical, as dojot has it: RFC 5280 section 4.2.1.3 says it should be, pkilint warns."""
    installation = with_profile(make_installation(), lint=level)
    request = one_line(csr())
    if not refused:
        installation.sign("f60c28", "dojot", request)
        return
    with pytest.raises(ProfileViolation, match=r"key_usage_extension_not_critical \(WARNING\) at certificate\."):
        installation.sign("f60c28", "dojot", request)
    assert installation.certificates() == 0
    assert installation.sql("SELECT status FROM end_entities") == [(10,)]


def test_an_error_names_every_finding(make_installation):
    """A serial number of 65 characters is one more than RFC 5280 appendix A.1 allows."""
    installation = with_profile(make_installation(), lint="error")
    installation.add("odd", subject_dn="CN=odd,SERIALNUMBER=" + "1" * 65, end_entity_profile="EMPTY")
    with pytest.raises(ProfileViolation, match=r"\((ERROR|FATAL)\) at certificate\.tbsCertificate\.subject"):
        installation.sign("odd", "dojot", one_line(csr("odd", signing_key=key(1))))


def test_what_is_linted_is_what_is_signed(make_installation, monkeypatch):
    installation = with_profile(make_installation(), lint="error")
    seen = []
    monkeypatch.setattr(certificate_lint, "findings", lambda certificate, _level: seen.append(certificate) or [])
    issued = installation.sign("f60c28", "dojot", one_line(csr())).certificate
    (linted,) = seen
    assert linted.tbs_certificate_bytes == issued.tbs_certificate_bytes
    assert linted.signature != issued.signature


def test_explain_shows_what_the_linter_says(make_installation):
    installation = with_profile(make_installation(), lint="warning")
    profile = installation.services.profiles.named("CFREE")
    explained = installation.services.explanations.explain(profile, one_line(csr()), ACTOR, entity="f60c28")
    assert explained.refused
    (decision,) = [decision for decision in explained.decisions if decision.key == "lint"]
    assert "key_usage_extension_not_critical" in decision.reason


def test_a_profile_that_lints_needs_the_linter(make_installation, monkeypatch):
    installation = with_profile(make_installation(), lint="error")
    monkeypatch.setattr(certificate_lint, "find_spec", lambda _name: None)
    with pytest.raises(ConfigurationError, match=r"CFREE\.yaml.*lint.*pkilint.*midca\[lint\]"):
        load_profile(installation.base / "profiles" / "CFREE.yaml")


def test_who_does_not_lint_does_not_load_the_linter(installation, monkeypatch):
    installation.add()
    issued = installation.sign("f60c28", "dojot", one_line(csr())).certificate
    monkeypatch.setattr(certificate_lint, "_validators", None)
    assert certificate_lint.findings(issued, LintLevel.OFF) == []
