"""Who makes a request: the ways of showing it that this installation takes, asked in turn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from app.operations.principal import Principal


@dataclass(frozen=True)
class Shown:
    """What a request shows of its caller, whichever protocol and whoever ends TLS.

    ``forwarded``: it came through a proxy that is trusted to have checked what it passes on. ``certificate``: PEM of
    the client's certificate, whose key and issuer whoever ends TLS has verified.
    """

    bearer: str | None = field(default=None, repr=False)
    forwarded: bool = False
    certificate: str | None = None


class Way(Protocol):
    """One way of showing who one is."""

    def principal(self, shown: Shown) -> Principal | None:
        """Return the caller, or None when nothing was shown that is for this way.

        Raises :class:`~app.errors.NotAuthenticated` for what is, and is no good; and
        :class:`~app.errors.Unavailable` when that cannot be told now.
        """


@dataclass(frozen=True)
class Callers:
    """The ways in the order in which they are asked; whether client certificates count as one."""

    ways: tuple[Way, ...]
    by_certificate: bool = False

    def recognise(self, shown: Shown) -> Principal | None:
        """Return the caller by the first way that recognises them, None when no way does."""
        found = (way.principal(shown) for way in self.ways)
        return next((principal for principal in found if principal is not None), None)
