import numpy as np
import pytest
from hypothesis import given, strategies as st

from fedsift.core.errors import BadInput
from fedsift.data.partition import heterogeneity, partition_dirichlet, partition_iid

LABELS = [f"label {row % 4}" for row in range(4000)]


@given(rows=st.integers(1, 60), clients=st.integers(1, 60), seed=st.integers(0, 2**64 - 1), alpha=st.floats(0.01, 100))
def test_each_row_is_one_clients(rows: int, clients: int, seed: int, alpha: float) -> None:
    labels = [f"label {row % 3}" for row in range(rows)]
    if clients > rows:
        with pytest.raises(BadInput, match=f"clients = {clients}: the data have {rows} row"):
            partition_iid(rows, clients, seed)
        return
    for parts in (partition_iid(rows, clients, seed), partition_dirichlet(labels, clients, alpha, seed)):
        assert list(parts) == [f"client-{number:04d}" for number in range(clients)]
        assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(rows))
        assert all(len(part) for part in parts.values())
        assert all((np.diff(part) > 0).all() for part in parts.values())


@pytest.mark.parametrize("alpha", [5e-324, 1e-300, 1e-3, 1e-2])
def test_a_tiny_alpha_gives_a_label_to_one_client(alpha: float) -> None:
    """In the limit each label has one client, and each client is as likely as any other."""
    owners = []
    for seed in range(200):
        parts = partition_dirichlet(["a"] * 1000, 2, alpha, seed)
        owners.append(max(parts, key=lambda client: len(parts[client])))
        assert sum(map(len, parts.values())) == 1000
        if alpha < 1e-3:
            assert max(map(len, parts.values())) == 999  # the other, left without a row, gets one
    assert 70 < owners.count("client-0000") < 130


@pytest.mark.parametrize("alpha", [1e30, 1e200, 1e308])
def test_a_huge_alpha_gives_all_clients_the_same(alpha: float) -> None:
    assert [len(part) for part in partition_dirichlet(["a"] * 1000, 4, alpha, 0).values()] == [250] * 4


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan"), float("inf")])
def test_an_alpha_that_cannot_be(alpha: float) -> None:
    with pytest.raises(BadInput, match=r"alpha = .*: give a finite number above 0"):
        partition_dirichlet(["a"] * 4, 2, alpha, 0)


def test_iid_parts_are_even() -> None:
    assert sorted(len(part) for part in partition_iid(11, 4, 1).values()) == [2, 3, 3, 3]


def test_the_seed_alone_decides() -> None:
    first, again, other = (partition_dirichlet(LABELS, 7, 0.3, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(first[client], again[client]) for client in first)
    assert not all(np.array_equal(first[client], other[client]) for client in first)


def test_the_streams_never_change() -> None:
    """Recorded once: data that others reran on must come out the same with every version of NumPy."""
    assert partition_iid(8, 2, 5)["client-0000"].tolist() == [1, 2, 3, 4]
    parts = partition_dirichlet(["a", "b"] * 6, 3, 0.5, 5)
    assert [part.tolist() for part in parts.values()] == [[1, 3, 9], [0, 2, 4, 5, 6, 8, 10, 11], [7]]


def test_a_smaller_alpha_makes_clients_differ_more() -> None:
    found = []
    for alpha in (100.0, 1.0, 0.1):
        parts = partition_dirichlet(LABELS, 20, alpha, 3)
        found.append(heterogeneity([LABELS[row] for row in part] for part in parts.values()))
    assert found[0] < 0.1 < found[1] < found[2] < 1
    iid = partition_iid(len(LABELS), 20, 3)
    assert heterogeneity([LABELS[row] for row in part] for part in iid.values()) < 0.1


def test_heterogeneity_by_hand() -> None:
    """The last: the mean mix is a 1/3, b 2/3; at a distance of 1/3 from the first client's, 1/6 from the others'."""
    assert heterogeneity([["a", "b"], ["b", "a", "a", "b"]]) == 0
    assert heterogeneity([["a"], ["b"], ["c"]]) == pytest.approx(2 / 3)
    assert heterogeneity([["b"], ["a", "b"], ["a", "b"]]) == pytest.approx((1 / 3 + 1 / 6 + 1 / 6) / 3)
