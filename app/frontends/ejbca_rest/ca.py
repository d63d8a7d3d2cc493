"""``/ejbca/version``, ``/ca`` and ``/ca/<name>``: what everyone may know of the CAs."""

from __future__ import annotations

from importlib.metadata import version

from flask import Response, jsonify

from app.frontends.ejbca_rest.blueprint import blueprint
from app.frontends.ejbca_rest.encoding import chain_value
from app.frontends.ejbca_rest.schemas import Authorities, AuthorityCertificate, Version
from app.http_description import described
from app.http_frontend import services


@blueprint.get("/ejbca/version")
@described({200: Version})
def ejbca_version() -> Response:
    """Answer with a version; clients use it to see that the CA is up and ask only that it is not empty."""
    return jsonify(version=f"midca {version('midca')} (in the place of EJBCA 6.3.1.1 Community)")


@blueprint.get("/ca")
@described({200: Authorities})
def list_authorities() -> Response:
    """Answer with id and name of every CA, sorted by name; the id is EJBCA's and may be negative."""
    return jsonify(CAs=[{"id": authority.id, "name": authority.name} for authority in services().authorities])


@blueprint.get("/ca/<name>")
@described({200: AuthorityCertificate}, refusals={400: "There is no such CA."})
def authority_certificate(name: str) -> Response:
    """Answer with the CA's certificate and those above it, as one value (see ``encoding``)."""
    return jsonify(certificate=chain_value(services().authorities.named(name).chain))
