import hashlib

from hypothesis import given, strategies as st

from fedsift.core.seeds import derive_seed, random_order


def test_the_bytes_by_hand_of_which_no_two_names_have_the_same() -> None:
    encoded = b"\x02" + b"\0" * 7 + b"42" + b"\x01" + b"\0" * 7 + b"p" + b"\x01" + b"\0" * 7 + b"c"
    assert derive_seed(42, "p", "c") == int.from_bytes(hashlib.sha256(encoded).digest()[:8], "little")
    seeds = {derive_seed(0, "a", "bc"), derive_seed(0, "ab", "c"), derive_seed(0, "abc"), derive_seed(1, "a", "bc")}
    assert len(seeds) == 4


@given(seed=st.integers(0, 2**64 - 1), size=st.integers(0, 100), epoch=st.integers(0, 5))
def test_an_order_is_a_permutation(seed: int, size: int, epoch: int) -> None:
    assert sorted(random_order(seed, size, epoch)) == list(range(size))


def test_epochs_and_clients_differ() -> None:
    orders = [random_order(seed, 50, epoch).tolist() for seed in (1, 2) for epoch in (0, 1)]
    assert all(orders.count(order) == 1 for order in orders)
    assert random_order(1, 50, 0).tolist() == orders[0]
