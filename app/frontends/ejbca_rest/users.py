"""``/users``: many end entities at once, which EJBCA-REST has not; each is as ``/user`` takes it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from flask import Response, jsonify
from marshmallow import Schema, fields

from app.errors import Refusal
from app.frontends.ejbca_rest.blueprint import blueprint, told
from app.frontends.ejbca_rest.schemas import ManyRegistered
from app.frontends.ejbca_rest.user import UserSchema, registration_of, with_password
from app.http_access import principal
from app.http_description import described
from app.http_frontend import HttpRefusal, actor, json_object, note, services
from app.operations.registration import Registration

_MOST: Final = 500
"""They share a transaction, for which all other writers wait; a body of the greatest size holds about as many."""


class UserListSchema(Schema):
    users = fields.List(fields.Nested(UserSchema), required=True, metadata={"maxItems": _MOST})


@blueprint.post("/users")
@described({200: ManyRegistered}, body=UserListSchema, refusals={400: f"There is no list of at most {_MOST} users."})
def put_users() -> Response:
    """Add or replace many end entities, each as ``POST /user`` does; one that is refused keeps no other from its place.

    The answers are in the order of the request.
    """
    documents = json_object().get("users")
    if not isinstance(documents, list) or len(documents) > _MOST:
        raise HttpRefusal(f"users must be a list of at most {_MOST}.")
    asked = [_read(document) for document in documents]
    read = [registration for registration, _ in asked if isinstance(registration, Registration)]
    put = iter(services().end_entities.put_all(read, actor(), over_good=principal().may_replace_good))
    results = [_result(next(put) if isinstance(each, Registration) else each, made) for each, made in asked]
    note(entities=len(results), refused=sum(result["status"] != HTTPStatus.OK for result in results))
    response = jsonify(users=results)
    response.headers["Cache-Control"] = "no-store"  # there may be passwords in it
    return response


def _read(document: Any) -> tuple[Registration | Refusal, str | None]:
    """Return what is to be registered or what is wrong with it, and the password that was made for it."""
    try:
        if not isinstance(document, dict):
            raise HttpRefusal("each of the users must be an object.")
        return with_password(registration_of(document))
    except Refusal as refusal:
        return refusal, None


def _result(outcome: object, made: str | None) -> dict[str, Any]:
    message, status = told(outcome) if isinstance(outcome, Refusal) else ("ok", HTTPStatus.OK)
    result = {"message": message, "status": int(status)}
    return result if made is None or status is not HTTPStatus.OK else {**result, "password": made}
