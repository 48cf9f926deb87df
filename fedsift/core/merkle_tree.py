"""The Merkle tree of RFC 9162 (and RFC 6962) over SHA-256: one root for a list, short proofs about it.

`inclusion` and `consistency` make proofs (sections 2.1.3.1 and 2.1.4.1), the `check_` functions follow the verifying
algorithms (2.1.3.2 and 2.1.4.2) and need no tree. The one Python library that does this is under the GPL.
"""

import hashlib
from collections.abc import Iterable, Sequence


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry (32 bytes)."""
    return hashlib.sha256(b"\0" + entry).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


class MerkleTree:
    """A tree that grows by entries at its end."""

    def __init__(self, entries: Iterable[bytes] = ()) -> None:
        self._leaves: list[bytes] = []
        self._whole: dict[tuple[int, int], bytes] = {}  # subtrees that no further entry changes
        for entry in entries:
            self.append(entry)

    def __len__(self) -> int:
        return len(self._leaves)

    def append(self, entry: bytes) -> None:
        """Add an entry at the end."""
        self._leaves.append(leaf_hash(entry))

    def root(self, size: int) -> bytes:
        """The root (32 bytes) of the tree of the first `size` entries."""
        return self._hash(0, size) if size else hashlib.sha256().digest()

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """The proof that entry `index`, counted from 0, is in the tree of the first `size` entries."""
        return self._path(index, 0, size)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """The proof that the tree of the first `new` entries begins with that of the first `old`, 0 < old <= new."""
        return self._subproof(old, 0, new, whole=True)

    def _hash(self, start: int, stop: int) -> bytes:
        if stop - start == 1:
            return self._leaves[start]
        if (known := self._whole.get((start, stop))) is not None:
            return known
        middle = start + _left(stop - start)
        found = _node(self._hash(start, middle), self._hash(middle, stop))
        if (stop - start).bit_count() == 1:
            self._whole[start, stop] = found
        return found

    def _path(self, index: int, start: int, stop: int) -> list[bytes]:
        if stop - start == 1:
            return []
        middle = start + _left(stop - start)
        if index < middle:
            return [*self._path(index, start, middle), self._hash(middle, stop)]
        return [*self._path(index, middle, stop), self._hash(start, middle)]

    def _subproof(self, old: int, start: int, stop: int, whole: bool) -> list[bytes]:
        if old == stop:
            return [] if whole else [self._hash(start, stop)]
        middle = start + _left(stop - start)
        if old <= middle:
            return [*self._subproof(old, start, middle, whole), self._hash(middle, stop)]
        return [*self._subproof(old, middle, stop, whole=False), self._hash(start, middle)]


def check_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether a proof shows that the tree of `size` entries with this root has a leaf hash at an index, from 0 on."""
    if not 0 <= index < size:
        return False
    node, last, found = index, size - 1, leaf
    for each in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            found = _node(each, found)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            found = _node(found, each)
        node, last = node >> 1, last >> 1
    return last == 0 and found == root


def check_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether a proof shows that the tree of `new` entries begins with the `old` entries of the older one.

    Every tree begins with the empty one, and with itself: both need no proof, and have none.
    """
    if not 0 <= old <= new:
        return False
    if old in (0, new):
        empty = hashlib.sha256().digest()
        return not proof and old_root == (new_root if old == new else empty)
    path = [old_root, *proof] if old.bit_count() == 1 else list(proof)
    if not path:
        return False
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    found_old = found_new = path[0]
    for each in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            found_old, found_new = _node(each, found_old), _node(each, found_new)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            found_new = _node(found_new, each)
        node, last = node >> 1, last >> 1
    return last == 0 and (found_old, found_new) == (old_root, new_root)


def _left(size: int) -> int:
    """How many leaves the left subtree has: the largest power of two below the size."""
    return 1 << (size - 1).bit_length() - 1
