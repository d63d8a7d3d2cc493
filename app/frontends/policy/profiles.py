"""``/profiles``: read a profile, and see what it would make of a request before any key signs."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from flask import Blueprint, Response, jsonify
from marshmallow import Schema, ValidationError, fields, validate

from app.http_description import Answer, described
from app.http_frontend import HttpRefusal, actor, json_object, note, services
from app.pki.certificate_fields import certificate_fields, to_be_signed_text
from app.pki.certificate_profile import CertificateProfile
from app.pki.period import Period
from app.pki.profile_rules import ProfileType

blueprint: Final = Blueprint("policy", __name__)


class Explain(Schema):
    """The body: a request as base64 of DER or PEM, and for whom: a registered end entity, or a subject."""

    csr = fields.Str(required=True, metadata={"description": "PKCS#10 (RFC 2986) as base64 of DER, or as PEM."})
    entity = fields.Str(load_default=None, metadata={"description": "For a registered end entity."})
    subject = fields.Str(load_default=None, metadata={"description": "Or for anyone of this distinguished name."})
    ca = fields.Str(load_default=None, metadata={"description": "The CA that would sign."})
    notBefore = fields.Str(load_default=None, metadata={"description": "The start that is asked for."})  # noqa: N815
    notAfter = fields.Str(load_default=None, metadata={"description": "The end that is asked for."})  # noqa: N815


class ProfileSummary(Answer):
    name = fields.Str(required=True)
    type = fields.Str(required=True, validate=validate.OneOf([str(each) for each in ProfileType]))
    sha256 = fields.Str(required=True, metadata={"description": "Of its file; certificates on record name it."})
    cas = fields.Raw(required=True, metadata={"description": "`any`, or a list of CAs that may use it."})


class Profiles(Answer):
    profiles = fields.List(fields.Nested(ProfileSummary), required=True)


class ProfileRule(Answer):
    key = fields.Str(required=True, metadata={"description": "Where the file says it."})
    rule = fields.Str(required=True)
    clause = fields.Str(required=True)


class WholeProfile(ProfileSummary):
    rules = fields.List(fields.Nested(ProfileRule), required=True)
    file = fields.Str(required=True, metadata={"description": "The profile's file."})


class Explanation(ProfileSummary):
    ca = fields.Str(required=True)
    outcome = fields.Str(required=True, validate=validate.OneOf(["issued", "refused"]))
    decisions = fields.List(
        fields.Dict(), required=True, metadata={"description": "Each field: what became of it, and why."}
    )
    certificate = fields.Dict(required=True, allow_none=True, metadata={"description": "Its fields; null: refused."})
    text = fields.Str(required=True, allow_none=True, metadata={"description": "The same to read."})


_schema = Explain()


@blueprint.get("/profiles")
@described({200: Profiles})
def list_profiles() -> Response:
    """Answer with name and hash of every profile in use."""
    return jsonify(profiles=[_summary(profile) for profile in services().profiles.values()])


@blueprint.get("/profiles/<profile>")
@described({200: WholeProfile}, refusals={404: "There is no such profile."})
def show_profile(profile: str) -> Response:
    """Answer with the file of one profile, and what each of its rules does."""
    found = services().profiles.named(profile)
    rules = [{"key": rule.key, "rule": rule.describe(), "clause": rule.clause} for rule in found.rules]
    return jsonify(**_summary(found), rules=rules, file=found.text)


@blueprint.post("/profiles/<profile>/explain")
@described(
    {200: Explanation},
    body=Explain,
    refusals={
        400: "The body is not as described, or the request cannot be read.",
        403: "The CA may not use the profile, or signs no end entities; or the caller does not reach the end entity.",
        404: "There is no such profile, end entity or CA.",
    },
)
def explain(profile: str) -> Response:
    """Answer with what becomes of every field of a request, and the certificate as text; nothing is signed."""
    named = services().profiles.named(profile)
    try:
        body = _schema.load(json_object())
    except ValidationError as error:
        raise HttpRefusal(
            "Expected: csr, and either entity or subject; ca, notBefore and notAfter may be given."
        ) from error
    period = Period.from_texts(body.pop("notBefore"), body.pop("notAfter"), ("notBefore", "notAfter"))
    explanation = services().explanations.explain(named, body.pop("csr"), actor(), period=period, **body)
    note(profile=named.name, refused=explanation.refused)
    draft = explanation.draft
    return jsonify(
        **_summary(named),
        ca=explanation.ca_name,
        outcome="refused" if explanation.refused else "issued",
        decisions=[dataclasses.asdict(decision) for decision in explanation.decisions],
        certificate=certificate_fields(draft) if draft else None,
        text=to_be_signed_text(draft) if draft else None,
    )


def _summary(profile: CertificateProfile) -> dict[str, Any]:
    cas = "any" if profile.cas is None else sorted(profile.cas)
    return {"name": profile.name, "type": str(profile.type), "sha256": profile.sha256, "cas": cas}
