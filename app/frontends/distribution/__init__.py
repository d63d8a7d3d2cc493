"""CA certificates and revocation lists over plain HTTP, for everyone and for caches: what they say is signed."""

from app.frontends.distribution.files import blueprint

__all__ = ["blueprint"]
