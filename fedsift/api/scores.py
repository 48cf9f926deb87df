"""Scores of a run, by kind and by client."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fedsift.runs.scores import Score, decimals

if TYPE_CHECKING:
    import pandas


class Scores(dict[str, Score]):
    """Kind of score -> its mean, and each client's: `scores["sift_masks"].mean`.

    Attributes:
        metric: what the numbers are.
    """

    def __init__(self, metric: str, by_kind: Mapping[str, Score]) -> None:
        super().__init__(by_kind)
        self.metric = metric

    def __repr__(self) -> str:
        means = ", ".join(f"{kind}={decimals(score.mean)}" for kind, score in self.items())
        return f"Scores({self.metric}: {means})"

    def to_pandas(self) -> "pandas.DataFrame":
        """A row for each client, a column for each kind; nothing where a client has no score of a kind."""
        import pandas

        frame = pandas.DataFrame({kind: score.per_client for kind, score in self.items()})
        return frame.rename_axis("client").sort_index()
