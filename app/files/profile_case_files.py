"""``profiles/cases/<NAME>.yaml``: what a profile must make of some requests, beside the profile it is of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from app.errors import ConfigurationError, InvalidInput
from app.files.profile_fields import Der, Oid
from app.files.yaml_file import load, yaml_files
from app.pki import alternative_name
from app.pki.period import Period

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography import x509

CASES: Final = "cases"
_KEYS: Final = ("RSA-2048", "RSA-3072", "RSA-4096", "P-256", "P-384", "P-521", "Ed25519")
_FIELDS: Final = (
    "subject",
    "key",
    "days",
    "hours",
    "backdate",
    "hash",
    "ca",
    "pathlen",
    "cas",
    "key_usage",
    "extended_key_usage",
    "alternative_names",
    "policies",
    "cps",
    "notices",
    "name_constraints",
    "ocsp_nocheck",
    "must_staple",
    "extensions",
    "values",
    "critical",
)


@dataclass(frozen=True)
class RequestRecipe:
    """A request to be made: the kind of key, what it calls itself, names like ``dns:a.example``, other extensions."""

    key: str
    subject: str
    alternative_names: tuple[str, ...]
    extensions: tuple[tuple[x509.ObjectIdentifier, bool, bytes], ...]


@dataclass(frozen=True)
class ProfileCase:
    """One case: ``csr`` (text) or the recipe of a request, for an end entity, and what must come of it.

    Either ``issued``, the fields the certificate must have, or ``refused``, a part of the sentence. ``subject`` None
    means ``CN=<entity>``; ``alternative_names`` and ``period`` are what the end entity is registered with.
    """

    name: str
    entity: str
    subject: str | None
    csr: str | None
    request: RequestRecipe
    issued: dict[str, Any]
    refused: str | None
    alternative_names: tuple[x509.GeneralName, ...] = ()
    period: Period = field(default_factory=Period)


class _ExtensionSchema(Schema):
    oid = Oid(required=True)
    critical = fields.Bool(load_default=False)
    der = Der(required=True)


class _RecipeSchema(Schema):
    key = fields.Str(load_default="RSA-2048", validate=validate.OneOf(_KEYS))
    subject = fields.Str(load_default="CN=as the request calls itself")
    alternative_names = fields.List(fields.Str(validate=validate.Regexp(r"(dns|ip|uri|email):.+")), load_default=list)
    extensions = fields.List(fields.Nested(_ExtensionSchema), load_default=list)


class _CaseSchema(Schema):
    name = fields.Str(required=True)
    entity = fields.Str(load_default="f60c28")
    subject = fields.Str(load_default=None)
    alternative_names = fields.List(fields.Str(), load_default=list)
    start_time = fields.Str(load_default=None)
    end_time = fields.Str(load_default=None)
    csr = fields.Str(load_default=None)
    request = fields.Nested(_RecipeSchema, load_default=None)
    issued = fields.Dict(keys=fields.Str(validate=validate.OneOf(_FIELDS)), load_default=None)
    refused = fields.Str(load_default=None, validate=validate.Length(min=1))

    @validates_schema
    def _one_of_each(self, data: dict[str, Any], **_: object) -> None:
        if data["csr"] is not None and data["request"] is not None:
            raise ValidationError("csr and request contradict each other")
        if (data["issued"] is None) == (data["refused"] is None):
            raise ValidationError("says either issued or refused")


class _CasesSchema(Schema):
    cases = fields.List(fields.Nested(_CaseSchema), required=True, validate=validate.Length(min=1))


def load_cases(directory: Path) -> dict[str, tuple[ProfileCase, ...]]:
    """Return the cases by the name of their profile; a profile without a file has none."""
    return {path.stem: _load_file(path) for path in yaml_files(directory / CASES)}


def _load_file(path: Path) -> tuple[ProfileCase, ...]:
    data, _ = load(path, _CasesSchema())
    return tuple(_case(path, case) for case in data["cases"])


def _case(path: Path, data: dict[str, Any]) -> ProfileCase:
    recipe = data["request"] or _RecipeSchema().load({})
    csr = None
    if data["csr"] is not None:
        try:
            csr = (path.parent / data["csr"]).read_text(encoding="ascii")
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{path}: csr: {data['csr']} cannot be read: {error}.") from error
    try:
        names = alternative_name.parse(",".join(data["alternative_names"]))
        period = Period.from_texts(data["start_time"], data["end_time"])
    except InvalidInput as error:
        raise ConfigurationError(f"{path}: {data['name']}: {error}") from error
    return ProfileCase(
        name=data["name"],
        entity=data["entity"],
        subject=data["subject"],
        csr=csr,
        request=RequestRecipe(
            key=recipe["key"],
            subject=recipe["subject"],
            alternative_names=tuple(recipe["alternative_names"]),
            extensions=tuple((value["oid"], value["critical"], value["der"]) for value in recipe["extensions"]),
        ),
        issued=data["issued"] or {},
        refused=data["refused"],
        alternative_names=names,
        period=period,
    )
