"""Enrolment over Secure Transport (RFC 7030), for clients that speak it."""

from app.frontends.est.routes import blueprint

__all__ = ["blueprint"]
