"""Clients for data that have none: partitions of a table's rows, and how much the clients then differ."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from fedsift.core.errors import BadInput, counted
from fedsift.core.seeds import random_order

PARTITIONS = ("iid", "dirichlet")
_EVEN = 1e100  # an alpha beyond which no share differs from any other in float64


def partition_iid(rows: int, clients: int, seed: int) -> dict[str, NDArray[np.intp]]:
    """Rows drawn at random, the same number for each client (give or take one).

    Args:
        rows: their number.
        clients: their number.
        seed: of the order in which rows are drawn.

    Returns:
        The places of each client's rows, shape (rows of the client,), by its id.

    Raises:
        BadInput: there are more clients than rows.
    """
    _check(rows, clients)
    return _named(np.array_split(random_order(seed, rows), clients))


def partition_dirichlet(labels: Sequence[str], clients: int, alpha: float, seed: int) -> dict[str, NDArray[np.intp]]:
    """Each label's rows split among the clients in proportions drawn from a symmetric Dirichlet distribution.

    The usual way to make non-iid clients (Hsu et al. 2019, arXiv 1909.06335, drawn per label): with alpha = 100 all
    clients have nearly the same mix, with 0.1 few labels each. A client left without a row gets one from the client
    with most.

    Args:
        labels: of all rows.
        clients: their number.
        alpha: the distribution's concentration, above 0.
        seed: of the rows' order and the proportions.

    Returns:
        The places of each client's rows, shape (rows of the client,), by its id.

    Raises:
        BadInput: there are more clients than rows, or alpha is no finite number above 0.
    """
    _check(len(labels), clients)
    if not 0 < alpha < float("inf"):
        raise BadInput(f"alpha = {alpha}: give a finite number above 0")
    # NumPy promises that this generator's streams never change; its newer ones may.
    proportions = np.random.RandomState(np.random.MT19937(np.random.SeedSequence(seed)))
    order = random_order(seed, len(labels))
    rows_of: dict[str, list[int]] = {}
    for row in order.tolist():
        rows_of.setdefault(labels[row], []).append(row)
    parts: list[list[int]] = [[] for _ in range(clients)]
    for label in sorted(rows_of):
        rows = rows_of[label]
        ends = np.floor(np.cumsum(_drawn(proportions, clients, alpha)) * len(rows) + 0.5).astype(int)
        ends[-1] = len(rows)
        start = 0
        for part, end in zip(parts, ends.tolist(), strict=True):
            part += rows[start:end]
            start = max(start, end)
    for part in parts:
        if not part:
            part.append(max(parts, key=len).pop())
    return _named([np.array(part, np.intp) for part in parts])


def _drawn(stream: np.random.RandomState, clients: int, alpha: float) -> NDArray[np.float64]:
    """Shares that add up to 1, from a symmetric Dirichlet distribution, shape (clients,).

    NumPy divides gamma variates by their sum. With a very small alpha all of them may be 0 in float64, and with a very
    large one the sum is infinite: then the shares are those of the limit, all for one client or the same for each.
    """
    if alpha > _EVEN:
        return np.full(clients, 1 / clients)
    shares = stream.dirichlet([alpha] * clients)
    return np.eye(1, clients, stream.randint(clients))[0] if np.isnan(shares).any() else shares


def heterogeneity(labels_by_client: Iterable[Sequence[str]]) -> float:
    """How much clients differ in their labels, from 0 (all have the same mix) towards 1 (no two share a label).

    The mean over clients of the total variation distance between a client's distribution of labels and the mean of all
    clients' distributions.
    """
    mixes = []
    for labels in labels_by_client:
        counts = Counter(labels)
        mixes.append({label: count / counts.total() for label, count in counts.items()})
    mean: Counter[str] = Counter()
    for mix in mixes:
        for label, share in mix.items():
            mean[label] += share / len(mixes)  # type: ignore[assignment]
    distances = [sum(max(0.0, share - mean[label]) for label, share in mix.items()) for mix in mixes]
    return sum(distances) / len(distances)


def _check(rows: int, clients: int) -> None:
    if not 1 <= clients <= rows:
        raise BadInput(f"clients = {clients}: the data have {counted(rows, 'row')}, and each client needs at least one")


def _named(parts: Iterable[NDArray[np.intp]]) -> dict[str, NDArray[np.intp]]:
    return {f"client-{number:04d}": np.sort(part) for number, part in enumerate(parts)}
