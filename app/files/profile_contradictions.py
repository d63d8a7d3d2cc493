"""What is well-formed in a profile's file and yet makes no sense, each as a key and a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID
from marshmallow import ValidationError

from app.errors import InvalidInput
from app.pki import distinguished_name
from app.pki.profile_rules import WEEKDAYS, KeyUsageRule, NameTemplate, OtherExtensionsRule, is_the_cas_alone

_ENOUGH_TO_MOVE: Final = timedelta(days=8)
_SIGNS_CERTIFICATES: Final = {"keyCertSign", "cRLSign"}
_NOT_FOR_END_ENTITIES: Final = {
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "stands for every usage there is",
    ExtendedKeyUsageOID.OCSP_SIGNING: "lets its holder answer for the CA (RFC 6960 section 4.2.2.2)",
    ExtendedKeyUsageOID.CERTIFICATE_TRANSPARENCY: "signs precertificates for the CA (RFC 6962 section 3.1)",
}
_TLS: Final = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
PLACEHOLDERS: Final = ("username", "common_name")
_SAMPLES: Final = ("device", "192.0.2.1", "2001:db8::1", "a@b.example", "1")
"""One of them fits wherever a template can come out as a name at all."""
_AUTHENTICATES: Final = {"digitalSignature", "keyEncipherment", "keyAgreement"}
_OF_OTHER_KEYS: Final = {
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME: "alternative_names",
    ExtensionOID.EXTENDED_KEY_USAGE: "extended_key_usage",
    ExtensionOID.CERTIFICATE_POLICIES: "policies",
    ExtensionOID.TLS_FEATURE: "must_staple",
}


def refuse(found: Iterable[tuple[str, str]]) -> None:
    """Raise :class:`ValidationError` with all that was found, by key."""
    problems: dict[str, list[str]] = {}
    for key, sentence in found:
        problems.setdefault(key, []).append(sentence)
    if problems:
        raise ValidationError(problems)


def contradictions(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the key and what is wrong with it, for each contradiction in a file whose values are well-formed."""
    yield from validity_contradictions(data)
    yield from _key_usage(data)
    yield from _extended_key_usage(data)
    yield from _alternative_names(data)
    yield from _subject(data["subject"]["template"])
    yield from policy_contradictions(data["policies"])
    yield from extension_contradictions(data)


def validity_contradictions(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with how long certificates last."""
    validity, longest = data["validity"], data.get("validity_override")
    if isinstance(validity, timedelta):
        if validity <= timedelta(minutes=data["backdate"]):
            yield "validity", "is no longer than backdate, so that every certificate has ended when it is signed"
        if data.get("no_end_on") and validity < _ENOUGH_TO_MOVE:
            yield "no_end_on", f"a certificate that lasts less than {_ENOUGH_TO_MOVE.days} days has no day to move to"
        if isinstance(longest, timedelta) and longest < validity:
            yield "validity_override", "is shorter than validity, which is given to who asks for nothing"
    if len(set(data.get("no_end_on", ()))) == len(WEEKDAYS):
        yield "no_end_on", "leaves no day to end on"


def _key_usage(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    bits = frozenset(data["key_usage"]["bits"])
    if _SIGNS_CERTIFICATES & bits:
        yield "key_usage", "keyCertSign and cRLSign are for CAs; no end entity profile can give them"
    if {"encipherOnly", "decipherOnly"} & bits and "keyAgreement" not in bits:
        yield "key_usage", "encipherOnly and decipherOnly mean nothing without keyAgreement (RFC 5280 section 4.2.1.3)"
    tls = _TLS & set(data["extended_key_usage"]["usages"])
    for name, kind in _allowed_kinds(data["key"]):
        left = bits - KeyUsageRule.UNFIT[kind]
        if not left:
            yield "key_usage", f"no bit of it is for {name} keys, which the profile allows"
        elif tls and _AUTHENTICATES & bits and not _AUTHENTICATES & left:
            yield "key_usage", f"what is left of it for {name} keys, {', '.join(sorted(left))}, is of no use in TLS"


def _allowed_kinds(key: dict[str, Any]) -> Iterator[tuple[str, type]]:
    if "rsa" in key:
        yield "RSA", rsa.RSAPublicKey
    if key["curves"]:
        yield "EC", ec.EllipticCurvePublicKey
    if key["ed25519"]:
        yield "Ed25519", ed25519.Ed25519PublicKey


def _extended_key_usage(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    usages = data["extended_key_usage"]["usages"]
    for usage in usages:
        if usage in _NOT_FOR_END_ENTITIES:
            yield "extended_key_usage", f"{usage.dotted_string} {_NOT_FOR_END_ENTITIES[usage]}"
    if len(set(usages)) < len(usages):
        yield "extended_key_usage", "a usage is there twice"
    if _TLS & set(usages) and not _AUTHENTICATES & set(data["key_usage"]["bits"]):
        yield (
            "extended_key_usage",
            f"TLS needs one of {', '.join(sorted(_AUTHENTICATES))} in key_usage (RFC 5280 4.2.1.12)",
        )


def _alternative_names(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    names = data["alternative_names"]
    possible = any(names[kind] for kind in ("dns", "ip", "uri", "email")) or names["templates"]
    if names["required"] and not possible:
        yield "alternative_names", "a name is required, and no kind of name is allowed"
    if ExtendedKeyUsageOID.SERVER_AUTH in data["extended_key_usage"]["usages"] and not possible:
        yield "alternative_names", "a server is known by its alternative names alone (RFC 9525), and none is allowed"
    if len(names["templates"]) > names["max"]:
        yield "alternative_names", "there are more templates than names at most"
    for text in names["templates"]:
        if (problem := template_problem(text)) is not None:
            yield "alternative_names", problem


def template_problem(text: str, placeholders: tuple[str, ...] = PLACEHOLDERS) -> str | None:
    """Return why the template of a name can come to nothing, or None."""
    if (unknown := _unknown_placeholder(text, placeholders)) is not None:
        known = " and ".join(f"{{{name}}}" for name in placeholders)
        return f"{text!r} holds {unknown}; only {known} {'are' if len(placeholders) > 1 else 'is'} replaced"
    if not any(_can_be_made(text, sample) for sample in _SAMPLES):
        return f"{text!r} never comes out as a name of its kind"
    return None


def _unknown_placeholder(text: str, placeholders: tuple[str, ...] = PLACEHOLDERS) -> str | None:
    rest = re.sub(rf"\{{({'|'.join(placeholders)})\}}", "", text)
    brace = re.search(r"\{[^{}]*\}?|\}", rest)
    return brace[0] if brace else None


def _can_be_made(text: str, sample: str) -> bool:
    kind, _, template = text.partition(":")
    try:
        NameTemplate(kind, template).name(dict.fromkeys(PLACEHOLDERS, sample))
    except ValueError:
        return False
    return True


def policy_contradictions(policies: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the certificate policies."""
    oids = [policy["oid"] for policy in policies]
    if len(set(oids)) < len(oids):
        yield "policies", "a policy is there twice (RFC 5280 section 4.2.1.4)"


def _subject(template: str | None) -> Iterator[tuple[str, str]]:
    if template is None:
        return
    try:
        name = distinguished_name.parse(template)
    except InvalidInput as error:
        yield "subject", str(error)
        return
    if distinguished_name.common_name(name) is None:
        yield "subject", "the template has no CN"
    if (unknown := _unknown_placeholder(template)) is not None:
        yield "subject", f"the template holds {unknown}; only {{username}} and {{common_name}} are replaced"
    if "{username}" not in template and "{common_name}" not in template:
        yield "subject", "the template gives every end entity the same name; it needs {username} or {common_name}"


def extension_contradictions(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the extensions that the profile writes or keeps."""
    written = [value["oid"] for value in data["extensions"]]
    kept = data.get("keep_extensions", [])
    if len(set(written)) < len(written):
        yield "extensions", "an extension is there twice"
    taken = {oid: key for oid, key in _OF_OTHER_KEYS.items() if data.get(key) or oid in OtherExtensionsRule.GOVERNED}
    for key, oids in (("extensions", written), ("keep_extensions", kept)):
        for oid in oids:
            if is_the_cas_alone(oid):
                yield key, f"{oid.dotted_string} is the CA's alone to write; no profile can give it away"
            elif oid in taken:
                yield key, f"{oid.dotted_string} is what the key {taken[oid]} is for"
    for oid in set(written) & set(kept):
        yield "keep_extensions", f"{oid.dotted_string} is also in extensions: it has two sources"
    for value in data["extensions"]:
        if not _is_readable(value["oid"], value["der"]):
            yield "extensions", f"the value of {value['oid'].dotted_string} is not the DER that verifiers expect"


def _is_readable(oid: x509.ObjectIdentifier, der: bytes) -> bool:
    """Whether it is DER and, if the library knows the extension, of its type: what is issued must be read again."""
    try:
        asn1.decode_der(asn1.TLV, der)
        subject = distinguished_name.of_common_name("probe")
        key = ed25519.Ed25519PrivateKey.generate()
        builder = x509.CertificateSigningRequestBuilder(subject).add_extension(
            x509.UnrecognizedExtension(oid, der), critical=False
        )
        return len(builder.sign(key, None).extensions) == 1
    except (ValueError, TypeError):
        return False
