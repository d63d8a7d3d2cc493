"""The shipped profiles that have dojot's names say what EJBCA's said, value by value.

Source: EJBCA's export of them in github.com/dojot/ejbca-rest at v0.4.3 (ejbca-docker/profiles: certprofile_CFREE and
entityprofile_EMPTY_CFREE) and github.com/dojot/dojot at v0.8.0 (iam/ejbca/resources/profiles: X509Identity). What EJBCA
wrote and midca does not stands here with its reason.
"""

from datetime import timedelta

import pytest

from app.files.end_entity_profile_files import load_end_entity_profiles
from app.files.profile_files import load_profiles
from app.pki.end_entity import TokenType
from app.pki.profile_rules import WEEKDAYS, ProfileType
from app.settings import shipped

BITS = [  # as EJBCA numbers them
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "keyCertSign",
    "cRLSign",
    "encipherOnly",
    "decipherOnly",
]
EJBCA = {
    "CFREE": {
        "type": 1,
        "validity": 730,
        "allowvalidityoverride": False,
        "allowdnoverride": False,
        "basicconstraintscritical": False,
        "usesubjectalternativename": True,
        "subjectalternativenamecritical": False,
        "usecertificatepolicies": False,
        "minimumavailablebitlength": 2048,
        "maximumavailablebitlength": 8192,
        "keyusage": [True, True, True, True, True, False, False, False, False],
        "keyusagecritical": False,
        "useextendedkeyusage": False,
        "extendedkeyusage": ["clientAuth", "emailProtection"],
        "availablecas": [-1],
        "useocspnocheck": False,
        "usesubjectdnsubset": False,
        "usesingleactivecertificateconstraint": False,
        "signaturealgorithm": "SHA256WithRSA",
        "usenameconstraints": False,
    },
    "X509Identity": {
        "type": 1,
        "encodedvalidity": "30y",
        "certificatevalidityoffset": "-10m",
        "useexpirationrestrictionforweekdays": True,
        "expirationrestrictionforweekdaysbefore": True,
        "expirationrestrictionweekdays": [True, True, False, False, False, True, True],  # begins with Sunday
        "allowvalidityoverride": True,
        "allowdnoverride": False,
        "basicconstraintscritical": True,
        "usesubjectalternativename": True,
        "subjectalternativenamecritical": False,
        "usefreshestcrl": True,
        "usecertificatepolicies": False,
        "maximumavailablebitlength": 8192,
        "keyusage": [True, True, True, False, True, False, False, False, False],
        "keyusagecritical": True,
        "useextendedkeyusage": True,
        "extendedkeyusage": ["clientAuth", "emailProtection", "serverAuth"],
        "extendedkeyusagecritical": False,
        "availablecas": [-1],
        "useocspnocheck": False,
        "usesubjectdnsubset": False,
        "usesingleactivecertificateconstraint": False,
        "signaturealgorithm": None,
        "overridableextensionoids": ["2.5.29.17"],
        "usenameconstraints": False,
    },
}
"""What is on or has a choice; not what is off there and absent here (Microsoft, CVC, QC statements …)."""

NOT_TAKEN_OVER = {
    # a request that brings any extension makes a CA of a device; names, the one thing clients bring, it may bring
    ("CFREE", "allowextensionoverride"): True,
    # 30 years may be had where they are asked for; who asks for nothing gets what dojot's identity manager asked for
    ("X509Identity", "encodedvalidity"): "30y",
    # URLs are written where MIDCA_PUBLIC_URL is set, which it is not by default
    ("CFREE", "usecrldistributionpoint"): False,
    # keys that can be broken
    ("X509Identity", "minimumavailablebitlength"): 0,
    # what was issued is on record
    ("X509Identity", "usecertificatestorage"): False,
}


def said(profile) -> dict:
    """Return what a profile of midca says, as EJBCA calls it."""
    usages = [profile.extended_key_usage.name(usage) for usage in profile.extended_key_usage.usages]
    names = profile.alternative_names
    days = [WEEKDAYS.index(day) in profile.validity.no_end_on for day in (WEEKDAYS[-1], *WEEKDAYS[:-1])]
    return {
        "type": 1 if profile.type is ProfileType.END_ENTITY else None,
        "validity": profile.validity.validity.days,
        "certificatevalidityoffset": f"-{profile.validity.backdated // timedelta(minutes=1)}m",
        "useexpirationrestrictionforweekdays": any(days),
        "expirationrestrictionforweekdaysbefore": True,  # midca never moves an end behind
        "expirationrestrictionweekdays": days,
        "allowvalidityoverride": profile.validity.longest is not None,
        "allowdnoverride": False,  # midca never does
        "basicconstraintscritical": profile.basic_constraints.critical,
        "usesubjectalternativename": bool(names.dns and names.ip),
        "subjectalternativenamecritical": names.critical,
        "usefreshestcrl": "freshest_crl" in profile.pointers.pointers,
        "usecertificatepolicies": bool(profile.policies.policies),
        "minimumavailablebitlength": profile.key.rsa_min_bits,
        "maximumavailablebitlength": profile.key.rsa_max_bits,
        "keyusage": [bit in profile.key_usage.bits for bit in BITS],
        "keyusagecritical": profile.key_usage.critical,
        "useextendedkeyusage": bool(usages),
        "extendedkeyusage": usages,
        "extendedkeyusagecritical": profile.extended_key_usage.critical,
        "availablecas": [-1] if profile.cas is None else sorted(profile.cas),
        "useocspnocheck": profile.ocsp_nocheck.nocheck,
        "usesubjectdnsubset": bool(profile.subject.attributes),
        "usesingleactivecertificateconstraint": profile.single_active_certificate,
        "signaturealgorithm": profile.hash_algorithm and f"{profile.hash_algorithm.name.upper()}WithRSA",
        "overridableextensionoids": ["2.5.29.17", *sorted(profile.other_extensions.kept)],
        "usenameconstraints": profile.name_constraints.value is not None,
    }


@pytest.mark.parametrize("name", EJBCA)
def test_certificate_profile_says_what_ejbcas_said(name):
    expected = {key: value for key, value in EJBCA[name].items() if (name, key) not in NOT_TAKEN_OVER}
    if not expected["useextendedkeyusage"]:
        expected["extendedkeyusage"] = []  # what is listed there is not used

    found = said(load_profiles(shipped("profiles"))[name])

    assert {key: found[key] for key in expected} == expected


def test_what_was_not_taken_over_is_less_and_never_more():
    profiles = load_profiles(shipped("profiles"))
    cfree, identity = profiles["CFREE"], profiles["X509Identity"]

    assert cfree.other_extensions.kept == frozenset()
    assert (identity.validity.validity, identity.validity.longest) == (timedelta(days=365), timedelta(days=30 * 365))
    assert identity.key.rsa_min_bits == 2048
    assert set(identity.key.CURVES) == set(identity.key.curves)  # ANY_EC_CURVE: all that are safe
    assert cfree.key.curves == ()  # bit lengths are for every key there, so P-256 is too short


def test_end_entity_profile_says_what_ejbcas_said():
    profile = load_end_entity_profiles(shipped("profiles") / "end_entities")["EMPTY_CFREE"]

    assert profile.username.pattern is None  # 0 USERNAME: used, modifiable, no validation
    assert not profile.subject.others
    assert [(field.oid.dotted_string, field.least, field.most) for field in profile.subject.fields] == [
        ("2.5.4.3", 1, 1)
    ]
    names = profile.alternative_names  # 18 DNSNAME, 19 IPADDRESS: used, one of each, not required
    assert [(field.kind, field.least, field.most) for field in names.fields] == [("dns", 0, 1), ("ip", 0, 1)]
    assert (names.others, names.default) == (False, ())
    assert profile.certificate_profiles.default == "CFREE"  # 29; of 30 AVAILCERTPROFILES midca has this one
    assert profile.certificate_profiles.allowed == {"CFREE"}
    assert profile.token_types.default is TokenType.USERGENERATED  # 31
    assert profile.token_types.allowed == set(TokenType)  # 32: 1;2;3;4
    assert (profile.cas.default, profile.cas.allowed) == ("IOTmidCA", None)  # 37: 576968287; 38: 1, any
    assert profile.enrolment_window.length is None  # 98 STARTTIME, 99 ENDTIME: not used
