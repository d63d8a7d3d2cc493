"""A request as it arrives: is all of it there (RFC 9112)?

Nothing else is decided here. What is no HTTP, and what is longer than anybody reads, counts as there: whoever parses it
refuses it, and no more of it has to come first.
"""

from __future__ import annotations

import re
from typing import Final

MAX_HEAD: Final = 32 * 1024
_MAX_LENGTH_DIGITS: Final = 9
_MAX_CHUNK_LINE: Final = 256
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([^\r\n]*?)[ \t]*(?=\r\n)", re.IGNORECASE)
_CODING: Final = re.compile(rb"\r\ntransfer-encoding:([^\r\n]*)", re.IGNORECASE)
_EXPECTS: Final = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*\r\n", re.IGNORECASE)
_CHUNK_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")


class ArrivingRequest:
    """The first request in ``octets``, and whatever has come behind it.

    ``is_there``: it can be parsed without waiting. ``is_last``: where another one would begin is not known, so none is
    read. ``wants_continue``: its client waits for a word before it sends the body (RFC 9110 section 10.1.1).
    """

    def __init__(self, max_body: int, octets: bytes = b"") -> None:
        """Take the longest body that anybody reads, and what has come already."""
        self.octets = bytearray()
        self.is_there = False
        self.is_last = False
        self.has_long_head = False
        self.wants_continue = False
        self._max_body = max_body
        self._body: int | None = None  # where it begins, once the head is there
        self._is_chunked = False
        self._at = 0  # how far the octets have been looked at; it may be ahead of what has come
        self.add(octets)

    def add(self, octets: bytes) -> None:
        """Take what has come next."""
        self.octets += octets
        if not self.is_there:
            self.is_there = self._is_there()

    def end(self) -> None:
        """Take note that no more will come."""
        self.is_there = self.is_last = True

    @property
    def rest(self) -> bytes:
        """What has come behind the request."""
        return bytes(self.octets[self._at :])

    def _is_there(self) -> bool:
        if self._body is None:
            end = self.octets.find(b"\r\n\r\n", self._at)
            self.is_last = self.has_long_head = (len(self.octets) if end < 0 else end) > MAX_HEAD
            if end < 0 or self.is_last:
                self._at = max(0, len(self.octets) - 3)
                return self.is_last
            self._body = self._at = end + 4
            self._read_head(bytes(self.octets[: end + 2]))
        return self.is_last or (self._has_last_chunk() if self._is_chunked else len(self.octets) >= self._at)

    def _read_head(self, head: bytes) -> None:
        lengths, codings = _LENGTH.findall(head), _CODING.findall(head)
        self._is_chunked = len(codings) == 1 and codings[0].rstrip().lower().endswith(b"chunked")
        if self._is_chunked and not lengths:
            self.wants_continue = _EXPECTS.search(head) is not None
        elif len(lengths) == 1 and not codings and lengths[0].isdigit() and len(lengths[0]) <= _MAX_LENGTH_DIGITS:
            self._at += int(lengths[0])
            self.is_last = int(lengths[0]) > self._max_body
            self.wants_continue = not self.is_last and _EXPECTS.search(head) is not None
        else:
            self.is_last = bool(lengths or codings)

    def _has_last_chunk(self) -> bool:
        """Go on from chunk to chunk (RFC 9112 section 7.1); one that is malformed is the last one here."""
        while line := _CHUNK_LINE.match(self.octets, self._at):
            size = int(line[1], 16)
            if size == 0:
                return self._has_trailers(line.end() - 2)
            self._at = line.end() + size + 2
        if b"\r\n" in self.octets[self._at :] or len(self.octets) - self._at > _MAX_CHUNK_LINE:
            self.is_last = True
        return self.is_last or self._give_up_beyond((self._body or 0) + 2 * self._max_body)

    def _has_trailers(self, at: int) -> bool:
        end = self.octets.find(b"\r\n\r\n", at)
        if end < 0:
            return self._give_up_beyond(at + MAX_HEAD)
        self._at = end + 4
        return True

    def _give_up_beyond(self, octets: int) -> bool:
        self.is_last = len(self.octets) > octets
        return self.is_last
