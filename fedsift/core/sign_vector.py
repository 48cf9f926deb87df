"""The sign vector v in {-1, +1}^n, drawn from a 64-bit seed before any training (arXiv 2504.04626, section 3).

Entry i is bit i of the raw stream of NumPy's Philox counter-based generator keyed with the seed (64-bit words in
little-endian order, lowest bit first; a set bit is +1). The raw stream is the same on every platform and version, and
a counter-based generator can start anywhere, so any slice of v is made on its own.
"""

import numpy as np
from numpy.typing import NDArray

_BITS_PER_COUNTER = 256  # Philox-4x64 makes four 64-bit words for each value of its counter.


def sign_vector(seed: int, size: int, start: int = 0) -> NDArray[np.int8]:
    """Entries start .. start + size - 1 of the sign vector of `seed`, each -1 or +1; shape (size,)."""
    first_counter = start // _BITS_PER_COUNTER
    skipped = start - first_counter * _BITS_PER_COUNTER
    counters = -(-(skipped + size) // _BITS_PER_COUNTER)
    generator = np.random.Philox(key=seed)
    generator.advance(first_counter)
    words = generator.random_raw(counters * 4).astype("<u8", copy=False)
    bits = np.unpackbits(words.view(np.uint8), count=skipped + size, bitorder="little")[skipped:]
    return (bits.view(np.int8) << 1) - np.int8(1)
