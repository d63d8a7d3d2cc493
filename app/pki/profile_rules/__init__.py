"""The rules a certificate profile is made of, a file a family: one small class a rule, each with its clause."""

from app.pki.profile_rules.alternative_names import AlternativeNamesRule, NameTemplate
from app.pki.profile_rules.constraints import BasicConstraintsRule, SubjectKeyIdentifierRule
from app.pki.profile_rules.key import KeyRule
from app.pki.profile_rules.other_extensions import OtherExtensionsRule, StaticExtensionsRule
from app.pki.profile_rules.pointers import PointersRule
from app.pki.profile_rules.policy import CertificatePoliciesRule, MustStapleRule, Policy
from app.pki.profile_rules.rule import NEVER_FROM_A_REQUEST, Finding, Rule, Verdict, is_the_cas_alone
from app.pki.profile_rules.subject import SubjectRule
from app.pki.profile_rules.usage import ExtendedKeyUsageRule, KeyUsageRule
from app.pki.profile_rules.validity import ValidityRule

__all__ = [
    "NEVER_FROM_A_REQUEST",
    "AlternativeNamesRule",
    "BasicConstraintsRule",
    "CertificatePoliciesRule",
    "ExtendedKeyUsageRule",
    "Finding",
    "KeyRule",
    "KeyUsageRule",
    "MustStapleRule",
    "NameTemplate",
    "OtherExtensionsRule",
    "PointersRule",
    "Policy",
    "Rule",
    "StaticExtensionsRule",
    "SubjectKeyIdentifierRule",
    "SubjectRule",
    "ValidityRule",
    "Verdict",
    "is_the_cas_alone",
]
