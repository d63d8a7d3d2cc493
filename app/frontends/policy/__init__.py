"""The certificate profiles for those who write them: what there is, and what one would make of a request."""

from app.frontends.policy.profiles import blueprint

__all__ = ["blueprint"]
