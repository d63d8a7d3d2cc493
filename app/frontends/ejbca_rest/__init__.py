"""The API of EJBCA-REST v0.4.3, dojot's wrapper around EJBCA; its paths, shapes, texts and quirks stay here."""

from app.frontends.ejbca_rest import ca, certificate, crl, sign, user, users
from app.frontends.ejbca_rest.blueprint import blueprint

__all__ = ["blueprint", "ca", "certificate", "crl", "sign", "user", "users"]
