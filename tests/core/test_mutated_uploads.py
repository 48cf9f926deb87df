"""Uploads with flipped bits, cut, spliced, or lying about their length: decoded to a valid contribution, or refused."""

import random
import tracemalloc

import pytest

from fedsift.core.errors import Refused
from fedsift.core.upload import Upload
from tests.core.uploads import terms, upload

SIZE = 3000
_MEMORY = 2_000_000  # bytes; an upload here has about 1,000, a dense vector 12,000


def mutate(data: bytes, other: bytes, chance: random.Random) -> bytes:
    mutated = bytearray(data)
    kind = chance.randrange(5)
    if kind == 0:
        for _ in range(chance.randint(1, 8)):
            bit = chance.randrange(8 * len(mutated))
            mutated[bit // 8] ^= 1 << bit % 8
    elif kind == 1:
        del mutated[chance.randrange(len(mutated)) :]
    elif kind == 2:
        mutated += chance.randbytes(chance.randint(1, 64))
    elif kind == 3:
        cut = chance.randrange(len(mutated))
        mutated[cut:] = other[chance.randrange(len(other)) :]
    else:  # The declared numbers of parameters and of entries, from small lies to 2^64 - 1.
        place = chance.choice([32, 40])
        lie = chance.choice([0, 1, SIZE, SIZE + 1, 2**31, 2**40, 2**64 - 1, chance.getrandbits(64)])
        mutated[place : place + 8] = lie.to_bytes(8, "little")
    return bytes(mutated)


@pytest.mark.parametrize("highest", [2, 3, 5])
@pytest.mark.parametrize("count", [300, pytest.param(30_000, marks=pytest.mark.exhaustive)])
def test_mutated_uploads(highest: int, count: int) -> None:
    chance = random.Random(count)
    levels = [0, 0, *range(1, highest + 1)]
    bases = [upload([chance.choice(levels) for _ in range(SIZE)], highest) for _ in range(4)]
    expected = terms(SIZE, highest)
    refused = 0
    tracemalloc.start()
    for _ in range(count):
        data = mutate(chance.choice(bases), chance.choice(bases), chance)
        try:
            read = Upload.from_bytes(data, expected)
        except Refused:
            refused += 1
            continue
        assert read.to_bytes() == data
        levels_read = read.task_vector.levels()
        assert int(levels_read.max()) <= highest
        assert int((levels_read > 0).sum()) == read.task_vector.nonzero
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused > count / 3
    assert peak < _MEMORY
