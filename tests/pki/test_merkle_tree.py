"""The tree against vectors that others published, and against the definition in RFC 6962 written down naively."""

import hashlib
import json
from base64 import b64decode
from pathlib import Path

import pytest

from app.pki.merkle_tree import MerkleTree, consistency_path, inclusion_path, leaf_hash, root_of
from tests.merkle_proofs import is_continued, root_by_inclusion

VECTORS = json.loads(Path(__file__).with_name("rfc6962_proofs.json").read_text())
LEAVES = [bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
LEAVES.append(bytes.fromhex("606162636465666768696a6b6c6d6e6f"))
# The roots of the first 1 to 8 of these leaves, as certificate-transparency-go and transparency-dev/merkle test them.
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def defined(entries: list[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, word by word."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = 1
    while k * 2 < len(entries):
        k *= 2
    return hashlib.sha256(b"\x01" + defined(entries[:k]) + defined(entries[k:])).digest()


def hashes(size: int) -> list[bytes]:
    return [leaf_hash(b"%d" % number) for number in range(size)]


def proof(leaves: list[bytes], path: list[range]) -> list[bytes]:
    return [root_of(leaves[beside.start : beside.stop]) for beside in path]


def test_roots_are_the_published_ones():
    tree, roots = MerkleTree(), []
    for leaf in LEAVES:
        tree.append(leaf_hash(leaf))
        roots.append(tree.root().hex())

    assert roots == ROOTS


def test_empty_tree_has_the_hash_of_nothing():
    assert MerkleTree().root() == hashlib.sha256(b"").digest()


@pytest.mark.parametrize("size", range(40))
def test_root_is_the_defined_one_also_of_a_tree_that_was_put_away_in_between(size):
    entries, tree = [b"%d" % number for number in range(size)], MerkleTree()
    for entry in entries:
        tree = MerkleTree(tree.size, tree.edge)
        tree.append(leaf_hash(entry))

    assert tree.root() == defined(entries)


def test_edge_that_does_not_fit_the_size_is_refused():
    with pytest.raises(ValueError, match="3 leaves has 2 complete subtrees, not 1"):
        MerkleTree(3, [b"\0" * 32])


@pytest.mark.parametrize("case", VECTORS["inclusion"], ids=lambda case: case["name"])
def test_published_inclusion_proof(case):
    hashes = [b64decode(text) for text in case["proof"] or []]
    try:
        found = root_by_inclusion(b64decode(case["leafHash"]), case["leafIdx"], case["treeSize"], hashes)
    except ValueError:
        found = None

    assert (found != b64decode(case["root"])) == case["wantErr"]


@pytest.mark.parametrize("case", VECTORS["consistency"], ids=lambda case: case["name"])
def test_published_consistency_proof(case):
    roots = [b64decode(case[name]) for name in ("root1", "root2")]
    try:
        good = is_continued(
            case["size1"], roots[0], case["size2"], roots[1], [b64decode(text) for text in case["proof"] or []]
        )
    except ValueError:
        good = False

    assert good != case["wantErr"]


@pytest.mark.parametrize("size", range(1, 34))
def test_every_leaf_is_proved_by_its_path_and_no_other(size):
    leaves = hashes(size)
    root = root_of(leaves)
    for index, leaf in enumerate(leaves):
        path = proof(leaves, inclusion_path(index, size))
        assert root_by_inclusion(leaf, index, size, path) == root
        assert root_by_inclusion(leaf_hash(b"other"), index, size, path) != root


@pytest.mark.parametrize("new", range(1, 34))
def test_every_older_tree_is_proved_to_be_continued(new):
    leaves = hashes(new)
    for old in range(1, new + 1):
        path = proof(leaves, consistency_path(old, new))
        assert is_continued(old, root_of(leaves[:old]), new, root_of(leaves), path)
        assert not is_continued(old, leaf_hash(b"other"), new, root_of(leaves), path)
        assert not is_continued(old, root_of(leaves[:old]), new, leaf_hash(b"other"), path)
