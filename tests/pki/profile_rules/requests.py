"""Requests of one device to hold against single rules."""

import dataclasses

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from app.pki import distinguished_name
from app.pki.certification_request import CertificationRequest
from app.pki.enrolment_request import EnrolmentRequest
from app.pki.profile_rules import Verdict
from tests.builders import csr


def asking(*extensions, username="f60c28", subject="CN=f60c28,OU=lab,O=dojot,C=BR", public_key=None, **registered):
    request = csr("somebody else", extensions=extensions)
    read = CertificationRequest.from_der(request.public_bytes(serialization.Encoding.DER))
    if public_key is not None:
        read = dataclasses.replace(read, public_key=public_key)
    asked = EnrolmentRequest.of(read, username, distinguished_name.parse(subject))
    return dataclasses.replace(asked, **registered)


def asking_for_names(*names, **entity):
    return asking((x509.SubjectAlternativeName(names), False), **entity)


def refusals(rule, request) -> list[str]:
    return [finding.reason for finding in rule.judge(request) if finding.verdict is Verdict.REFUSED]


def verdicts(rule, request) -> list[str]:
    return [str(finding.verdict) for finding in rule.judge(request)]


def written(rule, request):
    """The values of the extensions a rule contributes."""
    return [extension.value for extension in rule.extensions(request)]
