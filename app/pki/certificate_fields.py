"""What a certificate says, field by field and as text, for people to read and for expectations to be held against."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509

from app.pki.declared_authority import describe_key
from app.pki.distinguished_name import to_string
from app.pki.distribution_points import SEPARATOR
from app.pki.name_constraints import described
from app.pki.profile_rules import ExtendedKeyUsageRule, KeyUsageRule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SERIAL: Final = re.compile(r"^ {8}Serial Number:.*$", re.MULTILINE)
_PARTITION: Final = re.compile(
    rf"^(?P<url> +URI:\S+/pki/\S+{SEPARATOR})\d+(?P<file>({SEPARATOR}delta)?\.crl)$", re.MULTILINE
)


def to_be_signed_text(certificate: x509.Certificate) -> str:
    """Return OpenSSL's text of the certificate without serial and signature, which a draft has none of.

    Where the serial decides on one of several revocation lists, the text names none of them.
    """
    from OpenSSL import crypto  # noqa: PLC0415 -- 1.6 MB in every worker, for what few ask

    text = crypto.dump_certificate(crypto.FILETYPE_TEXT, crypto.X509.from_cryptography(certificate)).decode()
    head = text[: text.rindex("    Signature Algorithm:")]
    head = _SERIAL.sub("        Serial Number: drawn when it is signed", head, count=1)
    return _PARTITION.sub(r"\g<url><by serial>\g<file>", head)


def certificate_fields(certificate: x509.Certificate) -> dict[str, Any]:
    """Return the fields of a certificate as a profile's file names them; an absent extension has no key."""
    length = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    fields: dict[str, Any] = {
        "subject": to_string(certificate.subject),
        "key": describe_key(certificate.public_key()),
        "days": length // timedelta(days=1),
        "hours": length // timedelta(hours=1),
        "hash": algorithm.name.upper() if (algorithm := certificate.signature_hash_algorithm) else None,
    }
    for extension in certificate.extensions:
        for kind, (name, read) in _READERS.items():
            if isinstance(extension.value, kind):
                fields[name] = read(extension.value)
        if isinstance(extension.value, x509.BasicConstraints) and extension.value.ca:
            fields["pathlen"] = extension.value.path_length
    fields["extensions"] = [extension.oid.dotted_string for extension in certificate.extensions]
    fields["values"] = {found.oid.dotted_string: found.value.public_bytes().hex() for found in certificate.extensions}
    qualifiers = list(_policy_qualifiers(certificate))
    fields["cps"] = [each for each in qualifiers if isinstance(each, str)]
    fields["notices"] = [each.explicit_text for each in qualifiers if isinstance(each, x509.UserNotice)]
    fields["critical"] = [extension.oid.dotted_string for extension in certificate.extensions if extension.critical]
    return fields


def _policy_qualifiers(certificate: x509.Certificate) -> Iterator[str | x509.UserNotice]:
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.CertificatePolicies):
            for policy in extension.value:
                yield from policy.policy_qualifiers or ()


def _key_usage(value: Any) -> list[str]:
    bits = {
        name: argument for name, argument in KeyUsageRule.NAMES.items() if name not in {"encipherOnly", "decipherOnly"}
    }
    found = [name for name, argument in bits.items() if getattr(value, argument)]
    if value.key_agreement:
        found += [name for name in ("encipherOnly", "decipherOnly") if getattr(value, KeyUsageRule.NAMES[name])]
    return found


_READERS: Final[dict[type[x509.ExtensionType], tuple[str, Callable[[Any], Any]]]] = {
    x509.BasicConstraints: ("ca", lambda value: value.ca),
    x509.KeyUsage: ("key_usage", _key_usage),
    x509.ExtendedKeyUsage: (
        "extended_key_usage",
        lambda value: [ExtendedKeyUsageRule.name(oid) for oid in value],
    ),
    x509.SubjectAlternativeName: ("alternative_names", lambda value: list(map(described, value))),
    x509.CertificatePolicies: ("policies", lambda value: [policy.policy_identifier.dotted_string for policy in value]),
    x509.NameConstraints: (
        "name_constraints",
        lambda value: {
            "permitted": list(map(described, value.permitted_subtrees or ())),
            "excluded": list(map(described, value.excluded_subtrees or ())),
        },
    ),
    x509.OCSPNoCheck: ("ocsp_nocheck", lambda _: True),
    x509.TLSFeature: ("must_staple", lambda value: x509.TLSFeatureType.status_request in value),
}
