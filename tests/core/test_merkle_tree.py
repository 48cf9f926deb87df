"""RFC 9162's Merkle tree: published roots, an oracle written as the RFC defines it, and every proof that is not one."""

import hashlib
import itertools

import pytest
from hypothesis import given, strategies as st

from fedsift.core.merkle_tree import MerkleTree, check_consistency, check_inclusion, leaf_hash

# The vectors of the Certificate Transparency project (merkle_tree_test).
ENTRIES = [
    bytes.fromhex(each)
    for each in (
        *("", "00", "10", "2021", "3031", "40414243", "5051525354555657"),
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
# Proofs of the same vectors: (index, size) and (old, new).
INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def defined_root(entries: list[bytes]) -> bytes:
    """MTH of section 2.1.1, word by word."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = 1
    while k * 2 < len(entries):
        k *= 2
    return hashlib.sha256(b"\x01" + defined_root(entries[:k]) + defined_root(entries[k:])).digest()


def hexadecimal(proof: list[bytes]) -> list[str]:
    return [each.hex() for each in proof]


def test_the_published_vectors() -> None:
    tree = MerkleTree(ENTRIES)
    assert [tree.root(size).hex() for size in range(9)] == ROOTS
    assert {key: hexadecimal(tree.inclusion(*key)) for key in INCLUSION} == INCLUSION
    assert {key: hexadecimal(tree.consistency(*key)) for key in CONSISTENCY} == CONSISTENCY


@given(st.integers(1, 70))
def test_every_root_is_as_defined_also_while_the_tree_grows(size: int) -> None:
    entries, tree = [bytes([each]) for each in range(size)], MerkleTree()
    for count, entry in enumerate(entries, start=1):
        tree.append(entry)
        assert tree.root(count) == defined_root(entries[:count])
    assert [tree.root(count) for count in range(size + 1)] == [defined_root(entries[:n]) for n in range(size + 1)]


def sweep(largest: int) -> tuple[int, int]:
    """All proofs up to a size, and each with a hash changed, left out, put in, or told of another place or size."""
    entries = [bytes([each]) for each in range(largest)]
    tree, held, refused = MerkleTree(entries), 0, 0
    roots = [tree.root(size) for size in range(largest + 1)]
    wrong = bytes(32)
    for size in range(1, largest + 1):
        for index in range(size):
            proof, leaf = tree.inclusion(index, size), leaf_hash(entries[index])
            assert check_inclusion(leaf, index, size, proof, roots[size])
            held += 1
            others = [[*proof[:n], wrong, *proof[n + 1 :]] for n in range(len(proof))]
            others += [[*proof[:n], *proof[n + 1 :]] for n in range(len(proof))] + [[*proof, wrong], [wrong, *proof]]
            told = [(leaf, index, size, each, roots[size]) for each in others]
            told += [(leaf, other, size, proof, roots[size]) for other in (*range(-1, index), index + 1, size)]
            told += [(wrong, index, size, proof, roots[size]), (leaf, index, size, proof, wrong)]
            assert not any(check_inclusion(*each) for each in told)
            refused += len(told)
    for old, new in itertools.combinations_with_replacement(range(1, largest + 1), 2):
        proof = tree.consistency(old, new)
        assert check_consistency(old, new, roots[old], roots[new], proof)
        held += 1
        others = [[*proof[:n], wrong, *proof[n + 1 :]] for n in range(len(proof))]
        others += [[*proof[:n], *proof[n + 1 :]] for n in range(len(proof))] + [[*proof, wrong], [wrong, *proof]]
        sums = [(old, new, roots[old], roots[new], each) for each in others]
        sums += [(old, new, wrong, roots[new], proof), (old, new, roots[old], wrong, proof)]
        sums += [(other, new, roots[old], roots[new], proof) for other in (-1, old - 1, new + 1) if other != 0]
        assert not any(check_consistency(*each) for each in sums)
        refused += len(sums)
    return held, refused


def test_proofs_hold_and_others_do_not() -> None:
    sweep(12)


@pytest.mark.exhaustive
def test_proofs_hold_and_others_do_not_in_large_trees() -> None:
    held, refused = sweep(130)
    print(f"Merkle tree: {held} proofs hold, {refused} others are refused")


def test_the_empty_tree_begins_every_other() -> None:
    tree = MerkleTree(ENTRIES)
    assert check_consistency(0, 5, tree.root(0), tree.root(5), [])
    assert not check_consistency(0, 5, tree.root(1), tree.root(5), [])
    assert not check_consistency(2, 2, tree.root(2), tree.root(3), [])
    assert not check_consistency(5, 2, tree.root(5), tree.root(2), [])
