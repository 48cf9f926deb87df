"""The shared head: one linear classifier on frozen features, solved from integer sums over all members.

A *decision* is one answer of the base model: a row's label, or one token of its target. Its input a is made of the base
model's L2-normalised features z, rounded to integers: a = rint(SCALE [z; 1/2]). With Phi = a / SCALE and one-hot
labels Y, ridge regression needs no rows, only the sums G = sum a a^T and B = sum a y^T:

    W = (Phi^T Phi + ridge I)^-1 Phi^T Y

A client's part of the sums leaves them by subtraction, to the bit, and W is made anew: a function of the sums alone.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

SCALE = 64  # what 1 is in the integers; |z| <= 1, so an input fits in int8

Inputs = NDArray[np.int8]  # one decision's input a is a row; shape (m, k), k = features + 1
Labels = NDArray[np.integer]  # the label of each decision, 0 .. L - 1; shape (m,)
Scores = NDArray[np.float64]  # shape (m, L): about 1 for the label, about 0 for the others
Weights = NDArray[np.float64]  # a head; shape (k, L)

RHO = 0.1  # what the others' sums weigh against a member's own rows
_OWN_RIDGES = (0.03, 0.1, 0.3, 1.0, 3.0)  # a decision's |Phi|^2 is 1.25
_BALANCE = 0.25  # the power of a label's frequency that its scores are divided by
_RIDGES = np.geomspace(1e-3, 1e3, 25)  # in units of the mean eigenvalue
_AT_ONCE = 1 << 13  # decisions whose inputs are made floats
_MOST_FREEDOM = 0.7  # of degrees of freedom a decision: above, cross-validation from sums picks nonsense


class HeadSums(NamedTuple):
    """What the shared head is solved from.

    Attributes:
        gram: G = sum a a^T, int64, symmetric, shape (k, k).
        targets: B = sum a y^T, int64, shape (k, L).
        rows: n, the number of decisions.
    """

    gram: NDArray[np.int64]
    targets: NDArray[np.int64]
    rows: int

    @classmethod
    def of(cls, inputs: Inputs, labels: Labels, label_count: int) -> "HeadSums":
        """The sums over some decisions, exact."""
        gram = np.zeros((inputs.shape[1], inputs.shape[1]), np.int64)
        for start in range(0, len(inputs), _AT_ONCE):
            exact = inputs[start : start + _AT_ONCE].astype(np.float64)  # products of it are fast, and exact up to 2^53
            gram += (exact.T @ exact).astype(np.int64)
        targets = np.zeros((label_count, inputs.shape[1]), np.int64)
        np.add.at(targets, labels, inputs)
        return cls(gram, np.ascontiguousarray(targets.T), len(inputs))

    @classmethod
    def of_vectors(cls, triangle: NDArray[np.int64], targets: NDArray[np.int64], rows: int, width: int) -> "HeadSums":
        """From the server's sums: the upper triangle of G, and B label by label."""
        gram = np.zeros((width, width), np.int64)
        gram[np.triu_indices(width)] = triangle
        return cls(gram + np.triu(gram, 1).T, targets.reshape(-1, width).T, rows)

    @classmethod
    def empty(cls, width: int, label_count: int) -> "HeadSums":
        """The sums over nothing, for inputs of `width` entries."""
        return cls(np.zeros((width, width), np.int64), np.zeros((width, label_count), np.int64), 0)

    def __sub__(self, own: "HeadSums") -> "HeadSums":
        """The sums over the others, where `own` is a part of these."""
        return HeadSums(self.gram - own.gram, self.targets - own.targets, self.rows - own.rows)


class OwnPart(NamedTuple):
    """A member's head: the shared one with the member's own rows on top.

    Attributes:
        weights: shape (k, L).
        held_out: scores of the own rows, each by the head that the other rows make; shape (m, L).
    """

    weights: Weights
    held_out: Scores


def scores(weights: Weights, inputs: Inputs) -> Scores:
    """What a head says to some decisions; shape (m, L)."""
    return _features(inputs) @ weights


def choose_ridge(sums: HeadSums) -> float:
    """The ridge with the least generalised cross-validation error (Golub, Heath and Wahba 1979), from the sums alone.

    The error is RSS / n / (1 - df/n)^2 with RSS = n - 2 tr(W^T B) + tr(W^T G W) (a one-hot label's square is 1) and
    df = sum e / (e + ridge) over the eigenvalues e. Candidates are multiples of the mean eigenvalue; those with
    df/n > 0.7 don't count.
    """
    gram, targets = _regression(sums)
    if sums.rows == 0 or not (mean := gram.trace() / len(gram)):
        return 1.0
    eigenvalues, vectors = np.linalg.eigh(gram)
    eigenvalues = np.maximum(eigenvalues, 0)[:, None]
    energy = np.square(vectors.T @ targets).sum(1)[:, None]
    ridges = _RIDGES * mean
    freedom = (eigenvalues / (eigenvalues + ridges)).sum(0) / sums.rows
    fitted = energy / (eigenvalues + ridges)
    residual = sums.rows - 2 * fitted.sum(0) + (fitted * eigenvalues / (eigenvalues + ridges)).sum(0)
    error = residual / np.square(1 - np.minimum(freedom, _MOST_FREEDOM))
    allowed = freedom <= _MOST_FREEDOM
    return float(ridges[np.argmin(np.where(allowed, error, np.inf))] if allowed.any() else ridges[-1])


def label_centre(sums: HeadSums, directions: NDArray[np.floating]) -> Weights:
    """A head that the labels' own texts make, for `solve` to start from instead of zero; shape (k, L).

    Args:
        sums: they fix the head's scale, by least squares; 1 for the sums over nothing.
        directions: of each label in the space of the features, shape (L, k - 1).
    """
    gram, targets = _regression(sums)
    centre = np.vstack([directions.T, np.zeros((1, len(directions)))]).astype(np.float64)
    norm = float((centre * (gram @ centre)).sum())
    return centre * (float((centre * targets).sum()) / norm if norm else 1.0)


def solve(sums: HeadSums, ridge: float, centre: Weights | None = None) -> Weights:
    """The shared head W = W_0 + (G + ridge I)^-1 (B - G W_0), shape (k, L).

    Args:
        sums: over members.
        ridge: above 0.
        centre: W_0, what the head is without rows; zero where it is None.
    """
    gram, targets = _regression(sums)
    weights = np.zeros_like(targets) if centre is None else centre.copy()
    if centre is not None:
        targets = targets - gram @ centre
    occurring = targets.any(0)  # Of thousands of tokens few do; all others keep where they start.
    if occurring.any():
        weights[:, occurring] += np.linalg.solve(gram + ridge * np.eye(len(gram)), targets[:, occurring])
    return weights


def balance(sums: HeadSums) -> NDArray[np.float64]:
    """Factors of the labels' scores, shape (L,): a regression on one-hot labels says too little of rare ones.

    (n / (L (n_c + 1)))^(1/4), with n_c from the sums: the last entry of every input is SCALE / 2.
    """
    counts = sums.targets[-1] / (SCALE // 2)
    ratio: NDArray[np.float64] = (max(1, sums.rows) / len(counts) / (counts + 1)) ** _BALANCE
    return ratio


def own_part(
    others: HeadSums,
    ridge: float,
    inputs: Inputs,
    labels: Labels,
    row_of: Labels,
    rho: float = RHO,
    centre: Weights | None = None,
) -> OwnPart:
    """A client's own rows on top of the head that the others make.

    W_i = W + (A + Phi^T Phi)^-1 Phi^T (Y - Phi W) with A = rho G + ridge I, where G and W are the others'. The
    residuals of W_i tell, without another solution, what a head says of each row that it was made without; all
    decisions of a row are left out together.

    Args:
        others: the sums without the client's own rows.
        ridge: of the shared head.
        inputs: the client's own, shape (m, k).
        labels: of each decision, shape (m,).
        row_of: the row that each decision belongs to, shape (m,).
        rho: what the others' sums weigh against the own rows. One for all: chosen by each member on its few rows, it
            fits those rows (docs/explanation/worth-joining.md).
        centre: as for `solve`.
    """
    weights = solve(others, ridge, centre)
    own = HeadSums.of(inputs, labels, weights.shape[1])
    gram, (square, targets) = _regression(others)[0], _regression(own)
    occurring = np.flatnonzero(weights.any(0) | targets.any(0))  # All others have weights and scores of 0.
    inverse = np.linalg.inv(rho * gram + square + ridge * np.eye(len(gram)))
    weights[:, occurring] += inverse @ (targets - square @ weights)[:, occurring]
    held_out = np.zeros((len(inputs), weights.shape[1]))
    truth = _one_hot(labels, occurring)
    held_out[:, occurring] = _held_out(weights[:, occurring], inverse, inputs, truth, row_of)
    return OwnPart(weights, held_out)


def own_head(inputs: Inputs, labels: Labels, row_of: Labels, label_count: int) -> Weights:
    """A head from a client's own rows alone, shape (k, L); its ridge has the least squared error on rows left out.

    W = (Phi^T Phi + ridge I)^-1 Phi^T Y: one eigendecomposition serves all ridges.
    """
    width = inputs.shape[1]
    square, targets = _regression(HeadSums.of(inputs, labels, label_count))
    if len(inputs) > width:
        eigenvalues, vectors = np.linalg.eigh(square)
    else:  # The same of few decisions, which span a part of the space.
        _, singular, transposed = np.linalg.svd(_features(inputs), full_matrices=False)
        eigenvalues, vectors = np.square(singular), transposed.T
    occurring = np.flatnonzero(targets.any(0))  # All others have weights and scores of 0.
    truth, best, least = _one_hot(labels, occurring), targets[:, occurring], np.inf
    for ridge in _OWN_RIDGES:
        inverse = vectors / (np.maximum(eigenvalues, 0) + ridge) @ vectors.T
        weights = inverse @ targets[:, occurring]
        error = float(np.square(truth - _held_out(weights, inverse, inputs, truth, row_of)).sum())
        if error < least:
            best, least = weights, error
    head = np.zeros((width, label_count))
    head[:, occurring] = best
    return head


def _held_out(
    weights: Weights, inverse: NDArray[np.floating], inputs: Inputs, truth: NDArray[np.float64], row_of: Labels
) -> Scores:
    """What a head would say of each row if it had been made without it: y - (I - H)^-1 e of its decisions.

    H = Phi M Phi^T and e = Y - Phi W; M, of shape (k, k), is the inverse that W was made with.
    """
    held_out, width = np.zeros_like(truth), len(inverse)
    for rows in _rows_by_size(row_of):
        size = rows.shape[1]
        for some in np.array_split(rows, 1 + rows.size // _AT_ONCE):
            features = _features(inputs[some.ravel()])
            of_rows = (len(some), size, width)
            left = np.eye(size) - (features @ inverse).reshape(of_rows) @ features.reshape(of_rows).swapaxes(1, 2)
            error = truth[some] - (features @ weights).reshape(len(some), size, truth.shape[1])
            held_out[some] = truth[some] - np.linalg.solve(left, error)
    return held_out


def _features(inputs: Inputs) -> NDArray[np.float64]:
    return inputs / SCALE


def _one_hot(labels: Labels, occurring: NDArray[np.intp]) -> NDArray[np.float64]:
    """Among the labels that occur, which are sorted; shape (m, how many occur)."""
    truth = np.zeros((len(labels), len(occurring)))
    truth[np.arange(len(labels)), np.searchsorted(occurring, labels)] = 1
    return truth


def _regression(sums: HeadSums) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Phi^T Phi and Phi^T Y, without the integers' scale."""
    return sums.gram / SCALE**2, sums.targets / SCALE


def _rows(row_of: Labels) -> list[NDArray[Any]]:
    """Places of each row's decisions."""
    order = np.argsort(row_of, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(row_of[order])) + 1)


def _rows_by_size(row_of: Labels) -> list[NDArray[np.intp]]:
    """The same, those with as many decisions together: shape (rows, decisions)."""
    rows = _rows(row_of)
    return [np.array([row for row in rows if len(row) == size]) for size in {len(row): None for row in rows}]
