"""``/user``: end entities, with EJBCA-REST's keys, defaults and texts."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

from flask import Response, jsonify, request
from marshmallow import EXCLUDE, Schema, ValidationError, fields

from app.errors import InvalidInput, UnknownEndEntity
from app.frontends.ejbca_rest.blueprint import blueprint, envelope
from app.frontends.ejbca_rest.certificate import reason_of_query
from app.frontends.ejbca_rest.schemas import Done, Registered, UserRevocationQuery, Users, date_field
from app.http_access import principal
from app.http_description import described
from app.http_frontend import HttpRefusal, actor, json_object, note, services
from app.operations.registration import DEFAULT_PROFILE, Registration
from app.pki.end_entity import EndEntity, EndEntityStatus, TokenType

_TRUE: Final = {"true", "True"}  # as EJBCA-REST reads a boolean in a query


def _left_to_profile(default: str, **more: Any) -> fields.Str:
    description = f"Left out: the end entity profile's, for {DEFAULT_PROFILE} {default}."
    return fields.Str(metadata={"description": description, **more})


class UserSchema(Schema):
    """The keys of an end entity that a client may set; all others are dropped, as EJBCA-REST drops them.

    ``clearPwd`` is taken and has no effect: a password is never kept in clear.
    """

    class Meta:
        """EJBCA-REST documents more keys than it reads."""

        unknown = EXCLUDE

    username = fields.Str(required=True, metadata={"description": "Its name, and the CN of its certificates."})
    password = fields.Str(
        allow_none=True,
        metadata={
            "description": "One-time. Left out: as MIDCA_DEFAULT_PASSWORD says, if the end entity profile has a "
            "default apply; empty or null is refused."
        },
    )
    subjectDN = fields.Str(  # noqa: N815 -- EJBCA's name, as all below
        load_default=None,
        allow_none=True,
        metadata={"description": "Left out or null: the end entity profile's, CN=<username>."},
    )
    subjectAltName = fields.Str(  # noqa: N815
        load_default=None,
        allow_none=True,
        metadata={
            "description": "Alternative names: `dNSName=a.example, iPAddress=192.0.2.1`, or with `DNS:` and `IP:`. "
            f"Left out or null: the end entity profile's, for {DEFAULT_PROFILE} none."
        },
    )
    startTime = date_field("begins to be good")  # noqa: N815
    endTime = date_field("ends")  # noqa: N815
    caName = _left_to_profile("IOTmidCA")  # noqa: N815
    certificateProfileName = _left_to_profile("CFREE")  # noqa: N815
    endEntityProfileName = fields.Str(load_default=DEFAULT_PROFILE)  # noqa: N815
    tokenType = _left_to_profile("USERGENERATED", enum=list(TokenType.__members__))  # noqa: N815
    status = fields.Int(
        load_default=EndEntityStatus.NEW,
        strict=True,
        metadata={
            "description": "NEW, the default, arms the password.",
            "enum": [int(each) for each in EndEntityStatus],
        },
    )
    sendNotification = fields.Bool(load_default=False)  # noqa: N815
    keyRecoverable = fields.Bool(load_default=False, metadata={"description": "True is refused: the CA has no keys."})  # noqa: N815
    clearPwd = fields.Bool(load_default=True, metadata={"description": "Taken, without effect."})  # noqa: N815


_schema = UserSchema()


@blueprint.post("/user")
@described(
    {200: Registered},
    body=UserSchema,
    refusals={
        400: "A field is missing or has a value that cannot be.",
        409: "The end entity has a certificate that is good, and a registrar asks.",
    },
)
def put_user() -> Response:
    """Add an end entity or replace the one of that name, which arms its password again.

    Registrars cannot replace one that has a certificate which is good: they revoke it first.
    """
    registration = registration_of(json_object())
    note(entity=registration.username[:200])
    registration, made = with_password(registration)
    services().end_entities.put(registration, actor(), over_good=principal().may_replace_good)
    return envelope() if made is None else _telling(made)


def registration_of(document: dict[str, Any]) -> Registration:
    """Return what is to be registered, or raise what is wrong with how it is said."""
    if "username" not in document:
        raise HttpRefusal("required field usernamemissing.")  # the original's text, blank and all
    try:
        return _registration(_schema.load(document))
    except ValidationError as error:
        key, texts = next(iter(error.messages_dict.items()))
        raise HttpRefusal(f"field {key}: {texts[0]}") from error


def with_password(registration: Registration) -> tuple[Registration, str | None]:
    """Return it with the password that is made where such are random, and that password, which is to be told."""
    made = services().end_entities.random_password_for(registration)
    return (registration, None) if made is None else (replace(registration, password=made), made)


@blueprint.get("/user/<username>")
@described({200: Users}, refusals={404: "There is no such end entity."})
def get_user(username: str) -> Response:
    """Answer with the end entity, in a list of one."""
    note(entity=username[:200])
    try:
        entity = services().end_entities.find(username)
    except UnknownEndEntity as error:
        raise HttpRefusal("no certificates found", HTTPStatus.NOT_FOUND) from error
    return jsonify(user=[_rendered(entity)])


@blueprint.delete("/user/<username>")
@described(
    {200: Done},
    query=UserRevocationQuery,
    refusals={400: "There is no such end entity or reason."},
)
def revoke_user(username: str) -> Response:
    """Revoke all certificates of an end entity (``?reason=``), and forget it too with ``?delete=true``."""
    note(entity=username[:200])
    services().end_entities.revoke(username, reason_of_query(), actor(), delete=request.args.get("delete") in _TRUE)
    return envelope()


def _telling(password: str) -> Response:
    response = jsonify(message="ok", status=int(HTTPStatus.OK), password=password)
    response.headers["Cache-Control"] = "no-store"
    return response


def _registration(body: dict[str, Any]) -> Registration:
    if body["keyRecoverable"]:
        raise InvalidInput("Key recovery is not supported: the CA never has an end entity's key.")
    token_type = body.get("tokenType")
    if token_type is not None and token_type not in TokenType.__members__:
        raise InvalidInput(f"Error Token Type  {token_type[:80]} does not exist.")
    try:
        status = EndEntityStatus(body["status"])
    except ValueError as error:
        raise InvalidInput(f"There is no status {body['status']}.") from error
    return Registration(
        username=body["username"],
        # Absent means the default; an empty one would arm the entity with a public password nobody asked for.
        password=(body["password"] or "") if "password" in body else None,
        subject_dn=body["subjectDN"] or None,
        subject_alt_name=body["subjectAltName"],
        start_time=body["startTime"],
        end_time=body["endTime"],
        ca_name=body.get("caName"),
        certificate_profile=body.get("certificateProfileName"),
        end_entity_profile=body["endEntityProfileName"],
        token_type=None if token_type is None else TokenType[token_type],
        status=status,
        send_notification=body["sendNotification"],
    )


def _rendered(entity: EndEntity) -> dict[str, Any]:
    """Return the 19 keys of EJBCA's UserDataVOWS; the password is never among the answers."""
    return {
        "caName": entity.ca_name,
        "cardNumber": None,
        "certificateProfileName": entity.certificate_profile,
        "certificateSerialNumber": None,
        "clearPwd": False,
        "email": None,
        "endEntityProfileName": entity.end_entity_profile,
        "endTime": entity.end_time or None,
        "extendedInformation": [],
        "hardTokenIssuerName": None,
        "keyRecoverable": False,
        "password": None,
        "sendNotification": entity.send_notification,
        "startTime": entity.start_time or None,
        "status": int(entity.status),
        "subjectAltName": entity.subject_alt_name or None,
        "subjectDN": entity.subject_dn,
        "tokenType": entity.token_type.name,
        "username": entity.username,
    }
