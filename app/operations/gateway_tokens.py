"""Callers with one of dojot's own tokens, whose signature the gateway in front has checked.

dojot's auth signs a token (HS256) with a secret that it shares with Kong alone. What counts here is that a trusted
proxy passed it on: without one the same bytes are only somebody's word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import jwt
from jwt.types import Options

from app.errors import NotAuthenticated
from app.operations.token_claims import Claims

if TYPE_CHECKING:
    from app.operations.callers import Shown
    from app.operations.principal import Principal
    from app.operations.token_claims import RoleNames

_LEEWAY: Final = 30
_OPTIONS: Final[Options] = {
    "verify_signature": False,
    "verify_exp": True,  # Kong does so only where claims_to_verify asks for it, and dojot's own script does not
    "verify_nbf": True,
    "require": ["exp"],
}


@dataclass(frozen=True)
class GatewayTokens:
    """The tenant is the claim ``service``, the role the claim ``profile``: the names of groups in dojot's auth."""

    names: RoleNames

    def principal(self, shown: Shown) -> Principal | None:
        """Return whose token the gateway passed on; see :class:`~app.operations.callers.Way`."""
        if shown.bearer is None or not shown.forwarded:
            return None
        try:
            claims = Claims(jwt.decode(shown.bearer, options=_OPTIONS, leeway=_LEEWAY))
        except jwt.ExpiredSignatureError as error:
            raise NotAuthenticated("The token has expired.") from error
        except (jwt.PyJWTError, RecursionError) as error:
            raise NotAuthenticated("The token cannot be read.") from error
        return self.names.principal(
            claims.name("username"), "gateway", claims.roles("profile"), claims.tenant("service")
        )
