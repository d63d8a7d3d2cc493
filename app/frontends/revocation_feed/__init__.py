"""Whose certificates were revoked, for the agents of brokers (``midca broker agent``)."""

from app.frontends.revocation_feed.routes import blueprint

__all__ = ["blueprint"]
