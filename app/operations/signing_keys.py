"""The public keys that an identity provider publishes (RFC 7517 section 5), and how often it is asked for them."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.error import HTTPError

import jwt
from jwt import PyJWK, PyJWKClient

from app.errors import IdentityProviderUnavailable, NotAuthenticated

TENANT_IN_URL: Final = "{tenant}"
_GOOD_FOR: Final = 300.0
"""Seconds after which keys are fetched again, and so the longest a key is taken that the provider has withdrawn."""
_PAUSE: Final = 10.0
"""Seconds in which a key that is not there, or a provider that does not answer, is not asked for again."""
_TIMEOUT: Final = 3.0


@dataclass(frozen=True)
class _Fetched:
    keys: Mapping[str, PyJWK]
    at: float

    @property
    def age(self) -> float:
        return time.monotonic() - self.at


class SigningKeys:
    """The keys at ``url``, in which ``{tenant}`` stands for the caller's.

    Anyone can send a token that names a key or tenant nobody has. So keys that are known are looked up without a lock,
    and one thread at a time asks the provider: if it hangs, all other requests go on, with 503 for those that need it.
    """

    def __init__(self, url: str) -> None:
        """Take the URL; nothing is fetched before a token needs it."""
        self._url = url
        self._fetched: dict[str, _Fetched] = {}  # of tenants that the provider knows, so it does not grow from outside
        self._asking = threading.Lock()
        self._failed_at = -math.inf

    def key(self, tenant: str, kid: str) -> PyJWK:
        """Return the key of that id; raise :class:`NotAuthenticated` when the provider has no such key or tenant.

        Raises :class:`IdentityProviderUnavailable` when it does not answer.
        """
        fetched = self._fetched.get(tenant)
        if fetched is None or fetched.age > _GOOD_FOR or (kid not in fetched.keys and fetched.age > _PAUSE):
            with self._one_at_a_time():
                fetched = self._fetched.get(tenant)  # another thread may have been here just now
                if fetched is None or fetched.age > _PAUSE:
                    fetched = self._fetched[tenant] = self._fetch(tenant)
        if kid not in fetched.keys:
            raise NotAuthenticated("The token is signed by a key that its issuer does not have.")
        return fetched.keys[kid]

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        if not self._asking.acquire(timeout=_TIMEOUT):
            raise IdentityProviderUnavailable("The issuer of the token takes long to answer.")
        try:
            if time.monotonic() - self._failed_at < _PAUSE:
                raise IdentityProviderUnavailable("The issuer of the token did not answer a moment ago.")
            yield
        finally:
            self._asking.release()

    def _fetch(self, tenant: str) -> _Fetched:
        client = PyJWKClient(self._url.replace(TENANT_IN_URL, tenant), cache_jwk_set=False, timeout=_TIMEOUT)
        try:
            keys = client.get_signing_keys()
        except (jwt.PyJWTError, OSError, ValueError) as error:
            cause = error.__cause__
            if tenant and isinstance(cause, HTTPError) and cause.code == HTTPStatus.NOT_FOUND:
                raise NotAuthenticated("The token names an issuer that does not exist.") from error
            self._failed_at = time.monotonic()
            raise IdentityProviderUnavailable("The issuer of the token does not tell its keys.") from error
        return _Fetched({key.key_id: key for key in keys if key.key_id}, time.monotonic())
