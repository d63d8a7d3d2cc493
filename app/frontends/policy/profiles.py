"""``/profiles``: read a profile, and see what it would make of a request before any key signs."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from flask import Blueprint, Response, jsonify
from marshmallow import Schema, ValidationError, fields

from app.http_frontend import HttpRefusal, json_object, note, services
from app.pki.certificate_fields import certificate_fields, to_be_signed_text
from app.pki.certificate_profile import CertificateProfile

blueprint: Final = Blueprint("policy", __name__)


class ExplainSchema(Schema):
    """The body: a request as base64 of DER or PEM, and for whom: a registered end entity, or a subject."""

    csr = fields.Str(required=True)
    entity = fields.Str(load_default=None)
    subject = fields.Str(load_default=None)
    ca = fields.Str(load_default=None)


_schema = ExplainSchema()


@blueprint.get("/profiles")
def list_profiles() -> Response:
    """Answer with name and hash of every profile in use."""
    return jsonify(profiles=[_summary(profile) for profile in services().profiles.values()])


@blueprint.get("/profiles/<name>")
def show_profile(name: str) -> Response:
    """Answer with the file of one profile, and what each of its rules does."""
    profile = services().profiles.named(name)
    rules = [{"key": rule.key, "rule": rule.describe(), "clause": rule.clause} for rule in profile.rules]
    return jsonify(**_summary(profile), rules=rules, file=profile.text)


@blueprint.post("/profiles/<name>/explain")
def explain(name: str) -> Response:
    """Answer with what becomes of every field of a request, and the certificate as text; nothing is signed."""
    profile = services().profiles.named(name)
    try:
        body = _schema.load(json_object())
    except ValidationError as error:
        raise HttpRefusal("Expected: csr, and either entity or subject; ca may be given.") from error
    explanation = services().explanations.explain(profile, body.pop("csr"), **body)
    note(profile=profile.name, refused=explanation.refused)
    draft = explanation.draft
    return jsonify(
        **_summary(profile),
        ca=explanation.ca_name,
        outcome="refused" if explanation.refused else "issued",
        decisions=[dataclasses.asdict(decision) for decision in explanation.decisions],
        certificate=certificate_fields(draft) if draft else None,
        text=to_be_signed_text(draft) if draft else None,
    )


def _summary(profile: CertificateProfile) -> dict[str, Any]:
    cas = "any" if profile.cas is None else sorted(profile.cas)
    return {"name": profile.name, "sha256": profile.sha256, "cas": cas}
