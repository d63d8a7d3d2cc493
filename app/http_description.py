"""What a front end says of its routes for the OpenAPI document: a decorator under each route.

::

    @blueprint.get("/ca/<name>/crl")
    @described({200: RevocationListAnswer}, query=RevocationListQuery, refusals={400: "There is no such CA."})
    def get_crl(name: str) -> Response:
        \"\"\"Answer with the newest list as unbroken base64 of DER.\"\"\"

The rest is known already: the docstring's first sentence is the summary, ``ACCESS`` says who may call, and who is asked
for a token or a body may also be refused for these. A new parameter of a path is explained in :data:`PATH_PARAMETERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, TypeVar

from marshmallow import RAISE, Schema, fields

from app.http_access import Access

Content = type[Schema] | tuple[str, ...] | None
"""What a body holds: JSON of a schema, bytes of one of these media types, or nothing."""

_View = TypeVar("_View", bound=Callable[..., Any])
_ATTRIBUTE: Final = "__midca_description__"

PATH_PARAMETERS: Final = {
    "name": "A CA, by its name or its distinguished name.",
    "issuer": "The CA that issued the certificate, by its name or its distinguished name.",
    "serial": "The certificate's serial number in hex, in any case, with or without leading zeros.",
    "username": "The name of an end entity.",
    "profile": "A certificate profile, by its name.",
    "request": "An OCSP request (RFC 6960 appendix A.1), base64 of DER.",
    "file": "The name of a CA and what is wanted of it, e.g. `IOTmidCA.crl`.",
}
"""The parameters in the paths of all routes, and what they name."""


_MISSING: Final = "No token was given, or none that is good."
_NEEDLESS: Final = "None is needed, but the token that was given is no good."


class Answer(Schema):
    """The JSON of an answer: all of its keys are there, and no other."""

    class Meta:
        """What is in no schema is not promised, so it is not sent."""

        unknown = RAISE


class Refused(Answer):
    """The JSON of every refusal."""

    message = fields.Str(required=True, metadata={"description": "A sentence that says what is wrong."})
    status = fields.Int(required=True, metadata={"description": "The HTTP status again."})


@dataclass(frozen=True)
class Description:
    """What a route takes and answers. ``answers`` and ``refusals`` are by status; a refusal is a sentence on when."""

    answers: Mapping[int, Content]
    query: type[Schema] | None = None
    body: Content = None
    refusals: Mapping[int, str] = field(default_factory=dict)
    conditional: bool = False

    def all_refusals(self, access: Access, path: str) -> dict[int, str]:
        """Return the refusals of the route and those that come with its access, its path and its body, by status."""
        refusals = dict(self.refusals)
        if access is not Access.PUBLIC:
            refusals.setdefault(HTTPStatus.UNAUTHORIZED, _MISSING if access.roles else _NEEDLESS)
            refusals.setdefault(HTTPStatus.FORBIDDEN, "The caller's roles or tenant do not reach so far.")
        if access is not Access.PUBLIC:
            refusals.setdefault(HTTPStatus.SERVICE_UNAVAILABLE, "The CA cannot do its work now; ask again later.")
        if "<" in path:
            refusals.setdefault(HTTPStatus.NOT_FOUND, "A slash in a name makes it a path that does not exist.")
        if self.body is not None:
            refusals.setdefault(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is larger than 64 KiB.")
            refusals.setdefault(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body is compressed.")
        if self.conditional:
            refusals[HTTPStatus.PRECONDITION_FAILED] = "The file is not the one that `If-Match` names."
        return dict(sorted(refusals.items()))


def described(
    answers: Mapping[int, Content],
    *,
    query: type[Schema] | None = None,
    body: Content = None,
    refusals: Mapping[int, str] | None = None,
    conditional: bool = False,
) -> Callable[[_View], _View]:
    """Describe the route below. ``conditional``: caches may ask whether theirs is still good (RFC 9110 section 13)."""

    def attach(view: _View) -> _View:
        setattr(view, _ATTRIBUTE, Description(answers, query, body, refusals or {}, conditional))
        return view

    return attach


def description_of(view: Callable[..., Any]) -> Description | None:
    """Return what was said of a route, or None."""
    return getattr(view, _ATTRIBUTE, None)
