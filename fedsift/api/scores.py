"""Scores of a run, by kind and by client."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fedsift.runs.scores import Score, decimals

if TYPE_CHECKING:
    import pandas


class Scores(dict[str, Score]):
    """Scores by kind, each with its mean and every client's: `scores["served"].mean`, `scores["served"].per_client`.

    Attributes:
        metric: what is measured, such as "answer probability".
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
