import pytest
import yaml
from cryptography import x509

from app.bootstrap import open_services
from app.errors import ConfigurationError
from app.pki.certificate_authority import fingerprint
from tests.builders import HIERARCHY, profiles_directory
from tests.conftest import Installation, settings_for


@pytest.fixture
def declare(installation):
    """Write the hierarchy file anew, with some keys of one CA changed."""

    def declare(name="IOTmidCA", /, *, top=None, **keys) -> None:
        document = yaml.safe_load(HIERARCHY) | (top or {})
        root = document["cas"][0]
        next(ca for ca in (root, *root["subca"]) if ca["name"] == name).update(keys)
        (installation.settings.profiles / "hierarchy.yaml").write_text(yaml.safe_dump(document))

    return declare


def fingerprints(opened) -> dict[str, str]:
    return {ca.name: fingerprint(ca.certificate) for ca in opened.services.authorities}


def test_tiered_hierarchy_ends_in_its_root(installation):
    mid = installation.services.authorities.named("IOTmidCA")
    root = installation.services.authorities.named("IOTrootCA")

    assert mid.chain == (mid.certificate, root.certificate)
    mid.certificate.verify_directly_issued_by(root.certificate)
    root.certificate.verify_directly_issued_by(root.certificate)


def test_certificates_of_the_cas_are_recorded_like_all_others(installation):
    rows = installation.sql("SELECT username, certificate_type, state FROM certificates ORDER BY username")

    cas = [("IOTmidCA", 2, "issued"), ("IOTrootCA", 8, "issued")]
    assert rows == sorted([*cas, ("IOTmidCA/OCSP", 1001, "issued"), ("IOTrootCA/OCSP", 1001, "issued")])
    installation.check()


def test_flat_hierarchy_is_a_root_that_signs_end_entities(tmp_path):
    profiles_directory(tmp_path / "profiles", hierarchy="hierarchy: flat\n" + HIERARCHY)
    opened = open_services(settings_for(tmp_path), create=True)
    try:
        assert opened.created == ("IOTmidCA",)
        mid = opened.services.authorities.named("IOTmidCA")
        assert len(mid.chain) == 1
        assert mid.certificate.issuer == mid.certificate.subject
    finally:
        opened.services.database.close()


def test_second_start_makes_nothing(installation, reopen):
    opened = reopen()

    assert opened.created == ()
    assert fingerprints(opened) == fingerprints(installation.opened)


def test_ca_that_is_added_is_made_at_the_next_start_and_the_others_stay(installation, declare, reopen):
    document = yaml.safe_load(HIERARCHY)
    added = {"name": "Added", "validity": 365, "keytype": "P-256"}
    declare("IOTrootCA", subca=[*document["cas"][0]["subca"], added])

    opened = reopen()

    assert opened.created == ("Added",)
    after = fingerprints(opened)
    assert {name: after[name] for name in ("IOTmidCA", "IOTrootCA")} == fingerprints(installation.opened)
    opened.services.authorities.named("Added").chain[0].verify_directly_issued_by(
        opened.services.authorities.named("IOTrootCA").certificate
    )


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"dn": "CN=IOTmidCA,O=Other"}, r"its dn is CN=IOTmidCA,O=Other, on disk it is CN=IOTmidCA,O=EJBCA IOT,C=SE"),
        ({"keysize": 3072}, "its key is RSA 3072, on disk it is RSA 2048"),
        ({"keytype": "P-256"}, "its key is P-256, on disk it is RSA 2048"),
        ({"pathlen": 1}, "its pathlen is 1, on disk it is 0"),
        ({"validity": 365}, "its validity is 365 days, on disk it is 3652"),
    ],
    ids=str,
)
def test_existing_ca_that_is_declared_otherwise_is_never_made_again(installation, declare, reopen, changed, reason):
    before = sorted((path, path.read_bytes()) for path in installation.settings.authority_files.rglob("*.pem"))
    declare(**changed)

    with pytest.raises(ConfigurationError, match=f"contradicts the CA IOTmidCA on disk: {reason}"):
        reopen()
    assert sorted((path, path.read_bytes()) for path in installation.settings.authority_files.rglob("*.pem")) == before


def test_every_contradiction_is_listed(declare, reopen):
    declare(keysize=3072, pathlen=1)

    with pytest.raises(ConfigurationError, match=r"its key is .*; its pathlen is "):
        reopen()


def test_tiered_hierarchy_that_is_declared_flat_is_refused(declare, reopen):
    declare("IOTrootCA", top={"hierarchy": "flat"}, end_entities=True)

    with pytest.raises(ConfigurationError, match=r"it is signed by CN=IOTmidCA.*on disk by CN=IOTrootCA"):
        reopen()


def test_ca_on_disk_that_is_declared_no_more_is_refused_by_name(declare, reopen):
    declare(name="Renamed", dn="CN=Renamed")

    with pytest.raises(ConfigurationError, match="does not declare the CA IOTmidCA"):
        reopen()


def test_whether_a_ca_signs_end_entities_may_change(declare, reopen):
    declare("IOTrootCA", end_entities=True)

    assert reopen().services.authorities.named("IOTrootCA").signs_end_entities


def test_ca_interrupted_before_its_certificate_file_gets_the_recorded_one(installation, reopen):
    path = installation.settings.authority_files / "certificates" / "IOTmidCA.pem"
    before = path.read_bytes()
    path.unlink()

    reopen()

    assert path.read_bytes() == before


@pytest.mark.sqlite_only
def test_missing_database_of_an_existing_ca_is_not_made_anew(installation, reopen):
    database = installation.settings.database
    moved = database.rename(database.with_suffix(".moved"))
    try:
        with pytest.raises(ConfigurationError, match="put the database back from your backup"):
            reopen()
        assert not database.exists()
    finally:
        moved.rename(database)


def test_only_a_command_that_may_create_does(tmp_path):
    with pytest.raises(ConfigurationError, match="midca init"):
        open_services(settings_for(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_contradicts_what_is_on_disk_makes_nothing(tmp_path):
    """A flat CA under the tiered file: making the root first would leave a CA that no file describes."""
    profiles_directory(tmp_path / "profiles", hierarchy="hierarchy: flat\n" + HIERARCHY)
    flat = Installation(tmp_path)
    flat.services.database.close()
    profiles_directory(tmp_path / "profiles")
    with pytest.raises(ConfigurationError, match="signed by IOTrootCA, which is not there"):
        flat.open()
    assert [path.name for path in (flat.settings.authority_files / "keys").iterdir()] == ["IOTmidCA.pem"]


def test_a_ca_that_is_made_names_the_lists_of_its_issuer(tmp_path):
    profiles_directory(tmp_path / "profiles", hierarchy=HIERARCHY.replace("keysize: 2048", "keytype: P-256"))
    opened = Installation(tmp_path, MIDCA_PUBLIC_URL="http://ca.example.org")
    mid = opened.services.authorities.named("IOTmidCA")
    points = mid.certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert [name.value for point in points for name in point.full_name] == ["http://ca.example.org/pki/IOTrootCA.crl"]
    root = opened.services.authorities.named("IOTrootCA")
    with pytest.raises(x509.ExtensionNotFound):
        root.certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints)
    opened.check()
    opened.services.database.close()
