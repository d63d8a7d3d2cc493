"""The Merkle tree of RFC 6962 section 2.1 over the entries of a log, with SHA-256.

A tree is never held whole: :class:`MerkleTree` keeps the roots of its complete subtrees, at most one for each bit of
its size, and a proof is named by the stretches of leaves whose roots it is made of. So a log of any length is read
once, front to back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

HASH_BYTES: Final = 32
_EMPTY: Final = hashlib.sha256().digest()


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of a leaf: SHA-256 of 0x00 and the entry."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node: SHA-256 of 0x01 and both children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class MerkleTree:
    """A tree that grows at its right edge; ``edge`` are the roots of its complete subtrees, largest first."""

    def __init__(self, size: int = 0, edge: Iterable[bytes] = ()) -> None:
        """Begin empty, or where :attr:`size` and :attr:`edge` of another tree say."""
        self.size = size
        self._edge = list(edge)
        if len(self._edge) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} complete subtrees, not {len(self._edge)}")

    @property
    def edge(self) -> tuple[bytes, ...]:
        """The roots of the complete subtrees, from which the tree can go on."""
        return tuple(self._edge)

    def append(self, leaf: bytes) -> None:
        """Add the hash of the next leaf."""
        size, edge, sha256 = self.size, self._edge, hashlib.sha256  # a log has millions: no call that is not needed
        while size & 1:
            leaf = sha256(b"\x01" + edge.pop() + leaf).digest()
            size >>= 1
        edge.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Return the Merkle tree hash of all leaves so far."""
        if not self._edge:
            return _EMPTY
        *rest, root = self._edge
        for subtree in reversed(rest):
            root = node_hash(subtree, root)
        return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the Merkle tree hash over the hashes of leaves."""
    tree = MerkleTree()
    for leaf in leaves:
        tree.append(leaf)
    return tree.root()


def inclusion_path(index: int, size: int) -> list[range]:
    """Return the stretches of leaves whose roots prove leaf ``index`` (from 0) in a tree of ``size`` (2.1.1)."""
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    path = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(range(middle, end))
            end = middle
        else:
            path.append(range(begin, middle))
            begin = middle
    return path[::-1]


def consistency_path(old: int, new: int) -> list[range]:
    """Return the stretches of leaves whose roots prove that a tree of ``new`` continues one of ``old`` (2.1.2)."""
    if not 0 < old <= new:
        raise ValueError(f"no tree of {new} leaves continues one of {old}")
    path = []
    begin, end, whole = 0, new, True
    while begin + old != end:
        middle = begin + _split(end - begin)
        if begin + old <= middle:
            path.append(range(middle, end))
            end = middle
        else:
            path.append(range(begin, middle))
            old -= middle - begin
            begin, whole = middle, False
    return [*([] if whole else [range(begin, end)]), *path[::-1]]


def _split(size: int) -> int:
    """Return the largest power of two below ``size``."""
    return 1 << (size - 1).bit_length() - 1
