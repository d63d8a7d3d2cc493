"""OCSP over HTTP (RFC 6960 appendix A, RFC 5019 section 5)."""

from app.frontends.ocsp.answers import blueprint

__all__ = ["blueprint"]
