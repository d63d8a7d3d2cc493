"""The requests of csr/ as a list, each with what the CA must make of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from tests.vectors.build_csrs import build_large
from tests.vectors.vector import pem

HERE = Path(__file__).parent


@dataclass(frozen=True)
class CsrCase:
    """`field` goes into the JSON field `certificate`; `message` and `san` are None where nothing is said about them."""

    name: str
    case: str
    field: str
    outcome: Literal["refused", "issued", "too_large"]
    message: str | None
    san: tuple[str, ...] | None
    absent: tuple[str, ...]


@cache
def csr_cases() -> list[CsrCase]:
    expectations = yaml.safe_load((HERE / "expectations.yaml").read_text())
    large = build_large()
    return [_case(file_name, expected, large) for file_name, expected in expectations.items()]


def _case(file_name: str, expected: Mapping[str, Any], large: Mapping[str, bytes]) -> CsrCase:
    content = pem(large[file_name]) if file_name in large else (HERE / "csr" / file_name).read_bytes()
    return CsrCase(
        name=Path(file_name).stem,
        case=expected["case"],
        field=_without_armour(content) if expected["send"] == "der_base64" else content.decode(),
        outcome=expected["outcome"],
        message=expected.get("message"),
        san=tuple(expected["san"]) if "san" in expected else None,
        absent=tuple(expected.get("absent", ())),
    )


def _without_armour(content: bytes) -> str:
    """As devices send it: on one line, without the BEGIN and END lines."""
    return "".join(content.decode().splitlines()[1:-1])
