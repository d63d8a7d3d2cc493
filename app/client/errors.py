"""What keeps a client from its certificate: a sentence, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm


class ClientError(Exception):
    """The message says what is wrong, ``advice`` what to do next; neither holds a secret.

    A server's words in it cannot move a terminal's cursor.
    """

    def __init__(self, message: str, advice: str = "") -> None:
        """Take two sentences, the second one only where there is something to do."""
        self.advice = advice
        self.step = ""
        super().__init__(printable(message))


def printable(text: str) -> str:
    """Return a text on one line, without control characters."""
    line = "".join(each if each.isprintable() else " " for each in text)
    return re.sub(" +", " ", line).strip()


@contextmanager
def during(step: str) -> Iterator[None]:
    """Note in an error of the block at which step it happened; the innermost one counts."""
    try:
        yield
    except ClientError as error:
        error.step = error.step or step
        raise


class Unreachable(ClientError):
    """No answer, or not all of it: the same question may be answered later."""


class Untrusted(ClientError):
    """The server could not show who it is."""


class Refused(ClientError):
    """The server answered with a status that is no success."""

    def __init__(self, message: str, advice: str, status: int, where: str) -> None:
        """Take the sentences, the status and the URL."""
        self.status = status
        self.where = where
        super().__init__(message, advice)


class BadAnswer(ClientError):
    """The server answered, but not with what it was asked for."""


class NotVerified(ClientError):
    """A certificate or a revocation list is not what it should be."""


@contextmanager
def legible(what: str) -> Iterator[None]:
    """Turn what cryptography raises late, when it looks into a lazily parsed part, into :class:`NotVerified`."""
    try:
        yield
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise NotVerified(f"{what} holds something that cannot be read.") from error


class FileTrouble(ClientError):
    """A file or directory cannot be read or written."""
