"""Every seed derives from the root seed and a name: never from time, arrival order, node id or thread count."""

import hashlib

import numpy as np
from numpy.typing import NDArray


def derive_seed(root_seed: int, purpose: str, name: str = "") -> int:
    """A 64-bit seed for one purpose (and one client, where `name` is a client id).

    The three parts are length-prefixed, so that no two different triples share their bytes.
    """
    parts = (str(root_seed), purpose, name)
    encoded = b"".join(len(part.encode()).to_bytes(8, "little") + part.encode() for part in parts)
    return int.from_bytes(hashlib.sha256(encoded).digest()[:8], "little")


def random_order(seed: int, size: int, epoch: int = 0) -> NDArray[np.intp]:
    """A permutation of range(size).

    Sorting Philox's raw output keeps it the same on every platform and NumPy version, which
    `Generator.permutation` does not promise.
    """
    keys = np.random.Philox(key=seed, counter=[0, 0, 0, epoch]).random_raw(size)
    return np.argsort(keys, kind="stable")
