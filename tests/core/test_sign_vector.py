import numpy as np
from hypothesis import given, strategies as st

from fedsift.core.sign_vector import sign_vector

_MASK64 = 2**64 - 1


def philox_4x64(counter: list[int], key: list[int]) -> list[int]:
    """Philox-4x64-10 as published (Salmon et al. 2011), written down again as an independent oracle."""
    for _ in range(10):
        a, b = 0xD2E7470EE14C6C93 * counter[0], 0xCA5A826395121157 * counter[2]
        counter = [(b >> 64) ^ counter[1] ^ key[0], b & _MASK64, (a >> 64) ^ counter[3] ^ key[1], a & _MASK64]
        key = [(key[0] + 0x9E3779B97F4A7C15) & _MASK64, (key[1] + 0xBB67AE8584CAA73B) & _MASK64]
    return counter


def test_entries_are_the_bits_of_philox() -> None:
    answer = [0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B]
    assert philox_4x64([0, 0, 0, 0], [0, 0]) == answer  # as published
    seed = 0x0123456789ABCDEF
    words = [word for block in (1, 2) for word in philox_4x64([block, 0, 0, 0], [seed, 0])]
    expected = [1 if words[i // 64] >> (i % 64) & 1 else -1 for i in range(512)]
    assert sign_vector(seed, 512).tolist() == expected


@given(seed=st.integers(0, 2**64 - 1), start=st.integers(0, 3000), size=st.integers(0, 3000))
def test_any_slice_is_made_on_its_own(seed: int, start: int, size: int) -> None:
    assert np.array_equal(sign_vector(seed, size, start), sign_vector(seed, start + size)[start:])


def test_signs_are_balanced() -> None:
    signs = sign_vector(3, 1_000_000)
    assert set(np.unique(signs)) == {-1, 1}
    assert abs(signs.sum(dtype=np.int64)) < 5 * 1000  # five standard deviations
