import copy
from datetime import timedelta

import pytest
import yaml

from app.errors import ConfigurationError
from app.files.hierarchy_file import load_hierarchy
from app.settings import shipped

VALID = {
    "cas": [
        {
            "name": "Root",
            "dn": "CN=Root,O=Example",
            "validity": 7305,
            "end_entities": False,
            "subca": [{"name": "Devices", "validity": 3652, "pathlen": 0}],
        }
    ]
}


@pytest.fixture
def write(tmp_path):
    def write(document):
        path = tmp_path / "hierarchy.yaml"
        path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
        return path

    return write


def changed(where: str, **keys) -> dict:
    document = copy.deepcopy(VALID)
    {"root": document["cas"][0], "sub": document["cas"][0]["subca"][0], "top": document}[where].update(keys)
    return document


def test_tiered_hierarchy_puts_each_issuer_before_what_it_signs(write):
    root, devices = load_hierarchy(write(VALID))

    assert (root.name, root.issuer, root.signs_end_entities) == ("Root", None, False)
    assert (devices.name, devices.issuer, devices.signs_end_entities) == ("Devices", "Root", True)
    assert (devices.validity, devices.path_length) == (timedelta(days=3652), 0)


def test_flat_hierarchy_makes_self_signed_roots_of_the_cas_that_sign_end_entities_alone(write):
    declared = load_hierarchy(write(changed("top", hierarchy="flat")))

    assert [(authority.name, authority.issuer) for authority in declared] == [("Devices", None)]


def test_ca_without_a_dn_has_its_name_as_common_name_whatever_it_holds(write):
    declared = load_hierarchy(write(changed("sub", name="a. b-c_d")))

    assert [attribute.value for attribute in declared[1].subject] == ["a. b-c_d"]


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (changed("top", unknown=1), "unknown"),
        (changed("top", hierarchy="round"), "hierarchy"),
        (changed("top", cas=[]), "cas"),
        (changed("root", unknown=1), r"cas\.0\.unknown"),
        (changed("sub", unknown=1), r"cas\.0\.subca\.0\.unknown"),
        (changed("sub", name="Root"), "two CAs have the same name"),
        (changed("sub", dn="CN=Root,O=Example"), "two CAs have the same subject"),
        (changed("sub", end_entities=False), "no CA signs end entities"),
        (changed("sub", validity=0), "validity"),
        (changed("sub", validity=-1), "validity"),
        (changed("sub", validity=10**6), "validity"),
        (changed("sub", keysize=1024), "keysize"),
        (changed("sub", keysize=8193), "keysize"),
        (changed("sub", keytype="DSA"), "keytype"),
        (changed("sub", pathlen=-1), "pathlen"),
        (changed("sub", dn="CN=a+O=b"), r"dn: .*multi-valued"),
        (changed("sub", dn="device"), r"dn: .*no attribute"),
        (changed("sub", dn=5), "dn"),
    ],
)
def test_hierarchy_that_makes_no_sense_is_refused_with_the_reason(write, document, reason):
    with pytest.raises(ConfigurationError, match=rf"hierarchy\.yaml: .*{reason}"):
        load_hierarchy(write(document))


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "..", ".hidden", "", "-x", " x", "x\n", "x\0", "a\\b", "é", "a" * 65], ids=ascii
)
def test_name_a_path_could_be_built_from_is_refused(write, name):
    with pytest.raises(ConfigurationError, match=r"subca\.0\.name: .*is no name for a CA"):
        load_hierarchy(write(changed("sub", name=name)))


@pytest.mark.parametrize("name", ["Root.bundle", "Root.crl", "Root.pem.crl"])
def test_name_by_which_two_cas_would_have_one_file_is_refused_with_its_line(write, name):
    document = f"cas:\n  - name: Root\n    subca:\n      - name: {name}\n"

    with pytest.raises(ConfigurationError, match=r"subca\.0\.name: .*not end in \.bundle or \.crl \(line 4\)"):
        load_hierarchy(write(document))
    assert len(load_hierarchy(write(document.replace(name, "Root.bundle.x")))) == 2


def test_ca_without_a_name_is_refused(write):
    document = copy.deepcopy(VALID)
    del document["cas"][0]["subca"][0]["name"]

    with pytest.raises(ConfigurationError, match=r"subca\.0\.name"):
        load_hierarchy(write(document))


def test_ca_is_made_by_the_profile_it_names_or_by_that_of_its_place(write):
    named = changed("sub", profile="devices-ca")

    assert [ca.profile for ca in load_hierarchy(write(VALID))] == ["root-ca", "sub-ca"]
    assert [ca.profile for ca in load_hierarchy(write(named))] == ["root-ca", "devices-ca"]
    assert {ca.profile for ca in load_hierarchy(write(VALID | {"hierarchy": "flat"}))} == {"root-ca"}


def test_ca_below_one_that_may_have_none_is_refused(write):
    """RFC 5280 section 4.2.1.9: no verifier would accept what it signs."""
    document = changed("root", pathlen=0)

    with pytest.raises(ConfigurationError, match="pathlen"):
        load_hierarchy(write(document))


def test_key_that_is_there_twice_is_refused(write):
    with pytest.raises(ConfigurationError, match="'cas' is there twice"):
        load_hierarchy(write(yaml.safe_dump(VALID) + "cas: []\n"))


def test_shipped_hierarchy_has_the_ca_dojots_clients_name():
    declared = {authority.name: authority for authority in load_hierarchy(shipped("profiles") / "hierarchy.yaml")}

    assert declared["IOTmidCA"].signs_end_entities
    assert declared["IOTmidCA"].key_size == 4096
