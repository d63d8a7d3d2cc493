"""What a linter says of a certificate before it exists: pkilint, which only an installation that lints needs.

It is imported when it is first asked for: it takes a quarter of a second and about 25 MB.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.serialization import Encoding

if TYPE_CHECKING:
    from cryptography import x509


class LintLevel(StrEnum):
    """From which severity on a finding refuses; ``OFF`` asks no linter. The names are pkilint's."""

    OFF = "off"
    ERROR = "error"
    WARNING = "warning"


EXTRA: Final = "pip install 'midca[lint]'"


def is_installed() -> bool:
    """Return whether the linter is there."""
    return find_spec("pkilint") is not None


def findings(certificate: x509.Certificate, level: LintLevel) -> list[str]:
    """Return what the linter has against a certificate by RFC 5280 and the RFCs it builds on, each with its place."""
    if level is LintLevel.OFF:
        return []
    from pkilint import loader, validation  # noqa: PLC0415 -- see above

    threshold = validation.ValidationFindingSeverity[level.name]
    document = loader.RFC5280CertificateDocumentLoader().load_der_document(certificate.public_bytes(Encoding.DER))
    return [
        f"{description.finding.code} ({description.finding.severity.name}) at {result.node.path}"
        + (f": {description.message}" if description.message else "")
        for result in _validators().validate(document.root)
        for description in result.finding_descriptions
        if description.finding.severity <= threshold  # pkilint counts the severest as the least
    ]


@cache
def _validators() -> Any:
    """Return all of pkilint's checks for RFC 5280, as its own command line puts them together."""
    from pkilint.pkix import certificate, extension, name  # noqa: PLC0415 -- see above

    return certificate.create_pkix_certificate_validator_container(
        certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
        [
            certificate.create_issuer_validator_container([]),
            certificate.create_validity_validator_container(),
            certificate.create_subject_validator_container([]),
            certificate.create_extensions_validator_container([]),
            certificate.create_spki_validator_container([]),
        ],
    )
