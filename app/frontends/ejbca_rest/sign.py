"""``POST /sign/<username>/pkcs10``: a device gets its certificate."""

from __future__ import annotations

from flask import Response, jsonify
from marshmallow import EXCLUDE, Schema, ValidationError, fields

from app.frontends.ejbca_rest.blueprint import blueprint
from app.frontends.ejbca_rest.encoding import certificate_value
from app.frontends.ejbca_rest.schemas import IssuedCertificate, date_field
from app.http_description import described
from app.http_frontend import HttpRefusal, actor, json_object, note, services
from app.pki.period import Period


class SignSchema(Schema):
    """The body: the enrolment password, and the request as base64 of DER or as PEM."""

    class Meta:
        """Clients may send more than is read."""

        unknown = EXCLUDE

    passwd = fields.Str(required=True, metadata={"description": "The end entity's password."})
    certificate = fields.Str(
        required=True, metadata={"description": "PKCS#10 (RFC 2986) as base64 of DER, in lines or on one, or as PEM."}
    )
    notBefore = date_field("begins to be good")  # noqa: N815 -- as all below: ACME has these names, EJBCA-REST has none
    notAfter = date_field("ends")  # noqa: N815


_schema = SignSchema()


@blueprint.post("/sign/<username>/pkcs10")
@described(
    {200: IssuedCertificate},
    body=SignSchema,
    refusals={
        400: "The body, the password, the state of the end entity or the request is not good.",
        429: "Too many wrong passwords for this name; `Retry-After` says when the next one is looked at.",
    },
)
def sign(username: str) -> Response:
    """Answer with the certificate for the end entity ``username``."""
    note(entity=username[:200])
    document = json_object()
    try:
        body = _schema.load(document)
    except ValidationError as error:
        wrong = error.messages_dict
        if wrong.keys() & {"passwd", "certificate"}:
            raise HttpRefusal("Missing parameter. Expected: passwd and certificate") from error
        key, texts = next(iter(wrong.items()))
        raise HttpRefusal(f"field {key}: {texts[0]}") from error
    period = Period.from_texts(body["notBefore"], body["notAfter"], ("notBefore", "notAfter"))
    issued = services().issuance.issue(username, body["passwd"], body["certificate"], actor(), period)
    note(serial=issued.serial)
    return jsonify(status={"data": certificate_value(issued.certificate), "responseType": "CERTIFICATE"})
