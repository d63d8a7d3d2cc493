"""Verifies proofs of the tree of RFC 6962 as a stranger does, who has neither the log nor its tree."""

from collections.abc import Sequence

from app.pki.merkle_tree import HASH_BYTES, consistency_path, inclusion_path, node_hash


def root_by_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """Return the root that the proof leads to from a leaf's hash; raise ValueError where a length is wrong."""
    path = inclusion_path(index, size)
    if len(path) != len(proof) or any(len(each) != HASH_BYTES for each in (leaf, *proof)):
        raise ValueError(f"a leaf and its proof are {len(path) + 1} hashes of {HASH_BYTES} bytes")
    for beside, other in zip(path, proof, strict=True):
        leaf = node_hash(other, leaf) if beside.stop <= index else node_hash(leaf, other)
    return leaf


def is_continued(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Return whether the proof shows that the tree of ``new`` leaves continues that of ``old`` (RFC 9162 2.1.4.2)."""
    path = consistency_path(old, new)
    if len(path) != len(proof):
        return False
    hashes = dict(zip(path, proof, strict=True))
    begins = range(old)  # what both trees share, when the old one is itself a subtree of the new
    inner = next((beside for beside in path if beside.stop == old), begins)
    small = large = hashes.pop(inner, old_root)
    for beside, other in hashes.items():
        if beside.stop <= inner.start:
            small, large = node_hash(other, small), node_hash(other, large)
        else:
            large = node_hash(large, other)
    return small == old_root and large == new_root
