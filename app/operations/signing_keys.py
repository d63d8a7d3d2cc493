"""The public keys that an identity provider publishes (RFC 7517 section 5), and how often it is asked for them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.error import HTTPError

from jwt import PyJWK, PyJWKClient, PyJWKClientConnectionError

from app.errors import IdentityProviderUnavailable, NotAuthenticated

_log = logging.getLogger("midca")
_MAX_LOGGED: Final = 300
TENANT_IN_URL: Final = "{tenant}"
_GOOD_FOR: Final = 300.0
"""Seconds after which keys are fetched again, and so the longest a key is taken that the provider has withdrawn."""
_PAUSE: Final = 10.0
"""Seconds in which a key that is not there, or a provider that does not answer, is not asked for again."""
_TIMEOUT: Final = 3.0
_ALL: Final = "*"  # no tenant is called so


@dataclass(frozen=True)
class _Fetched:
    keys: Mapping[str, PyJWK]
    at: float


class SigningKeys:
    """The keys at ``url``, in which ``{tenant}`` stands for the caller's.

    Anyone can send a token that names a key or tenant nobody has. So keys that are known are looked up without a lock,
    and one thread at a time asks the provider: if it hangs, all other requests go on, with 503 for those that need it.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the URL and a clock in seconds; nothing is fetched before a token needs it."""
        self._url = url
        self._clock = clock
        self._fetched: dict[str, _Fetched] = {}  # of tenants that the provider knows, so it does not grow from outside
        self._asking = threading.Lock()
        self._failed_at: dict[str, float] = {}

    def key(self, tenant: str, kid: str) -> PyJWK:
        """Return the key of that id; raise :class:`NotAuthenticated` when the provider has no such key or tenant.

        Raises :class:`IdentityProviderUnavailable` when it does not tell.
        """
        fetched = self._known(tenant, _GOOD_FOR)
        if fetched is None or (kid not in fetched.keys and self._clock() - fetched.at > _PAUSE):
            with self._one_at_a_time(tenant):
                fetched = self._known(tenant, _PAUSE)  # another thread may have been here just now
                if fetched is None:
                    fetched = self._fetched[tenant] = self._fetch(tenant)
        if kid not in fetched.keys:
            raise NotAuthenticated("The token is signed by a key that its issuer does not have.")
        return fetched.keys[kid]

    def _known(self, tenant: str, max_age: float) -> _Fetched | None:
        fetched = self._fetched.get(tenant)
        return fetched if fetched is not None and self._clock() - fetched.at <= max_age else None

    @contextmanager
    def _one_at_a_time(self, tenant: str) -> Iterator[None]:
        if not self._asking.acquire(timeout=_TIMEOUT):
            raise IdentityProviderUnavailable("The issuer of the token takes long to answer.")
        try:
            if not {tenant, _ALL}.isdisjoint(self._failed_just_now()):
                raise IdentityProviderUnavailable("The issuer of the token did not tell its keys a moment ago.")
            yield
        finally:
            self._asking.release()

    def _fetch(self, tenant: str) -> _Fetched:
        url = self._url.replace(TENANT_IN_URL, tenant)
        try:
            keys = PyJWKClient(url, cache_jwk_set=False, timeout=_TIMEOUT).get_signing_keys()
        except Exception as error:  # of whatever class the library has for an odd document, or the network for a fault
            status = error.__cause__.code if isinstance(error.__cause__, HTTPError) else None
            if tenant and status == HTTPStatus.NOT_FOUND:
                raise NotAuthenticated("The token names an issuer that does not exist.") from error
            no_answer = status is None and isinstance(error, PyJWKClientConnectionError | OSError)
            # What one tenant's administrators can bring about must not keep the others out.
            self._failed_at = self._failed_just_now() | {_ALL if no_answer else tenant: self._clock()}
            _log.warning("the keys of tokens cannot be had from %s: %s", url, repr(error)[:_MAX_LOGGED])
            raise IdentityProviderUnavailable("The issuer of the token does not tell its keys.") from error
        return _Fetched({key.key_id: key for key in keys if key.key_id}, self._clock())

    def _failed_just_now(self) -> dict[str, float]:
        return {tenant: at for tenant, at in self._failed_at.items() if self._clock() - at < _PAUSE}
