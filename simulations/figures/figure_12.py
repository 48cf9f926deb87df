"""Figure 12: TIES over its density and the number of models merged."""

from collections.abc import Iterator, Sequence

from fedsift.core.task_vectors import Vector
from fedsift.studies.report.drawing import COLOURS
from fedsift.studies.reproduction.experiment import Experiment, Kind, Result, means, verdict
from fedsift.studies.reproduction.figure_style import Figure, legend, panel_of, plot, score_axis, style
from fedsift.studies.reproduction.merges import FT_MERGED, TIES_MERGED, Request, mean_of, scores_of_groups, ties_of
from fedsift.studies.training_cache import TrainingCache

_DENSITIES = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
_DOTTED = (0, (1, 1))
_NUMBERS = (1, 5, 20, 100)  # merged, and all clients


def measure(cache: TrainingCache) -> Result:
    """Merge groups of several sizes with each density."""
    tuned = cache.fine_tuned(cache.clients)

    def served(group: Sequence[str]) -> Iterator[Request]:
        merges: dict[str, Vector | None] = {
            str(density): ties_of(cache, group, tuned, density) for density in _DENSITIES
        }
        merges[FT_MERGED] = mean_of(cache, group, tuned)
        yield from ((client_id, merges) for client_id in group)

    clients = len(cache.clients)
    numbers = [*(number for number in _NUMBERS if number < clients), clients]
    series = []
    for number in numbers:
        scores = scores_of_groups(cache, number, served)
        merged = [scores[FT_MERGED]] * len(_DENSITIES)  # It has no density.
        ties = [scores[str(density)] for density in _DENSITIES]
        for panel, of_clients in ((TIES_MERGED, ties), (FT_MERGED, merged)):
            series.append({"panel": panel, **means(f"{number:,} merged", _DENSITIES, of_clients)})
    return {"series": series, "numbers": numbers}


def draw(result: Result, figure: Figure) -> None:
    """A line over the density for each number merged, FT + Merge dotted."""
    axes = figure.subplots()
    plot(axes, panel_of(result, TIES_MERGED)["series"])
    for place, each in enumerate(panel_of(result, FT_MERGED)["series"]):
        look = style(each["name"], place) | {"linestyle": _DOTTED, "marker": ""}
        axes.plot(each["x"], each["y"], linewidth=1, **look)
    axes.plot([], [], linewidth=1, linestyle=_DOTTED, color=COLOURS["muted"], label=f"{FT_MERGED} of as many")
    axes.set_xticks(_DENSITIES)
    axes.set_xlabel(f"density of {TIES_MERGED}: share of entries kept")
    score_axis(axes, result)
    legend(figure, axes)


def found(result: Result) -> str:
    """Hold what trimming gains with the most models merged against what it gains with one."""
    ties = [each["y"] for each in panel_of(result, TIES_MERGED)["series"]]
    # The last density trims nothing. Adding 0 makes 0 of -0.
    gains = [round(max(scores[:-1]) - scores[-1], 3) + 0.0 for scores in (ties[0], ties[-1])]
    few, many = result["numbers"][0], result["numbers"][-1]
    densities = [_DENSITIES[scores.index(max(scores[:-1]))] for scores in (ties[0], ties[-1])]
    return (
        f"{verdict(gains[1] > gains[0])}: the best trimming changes the score by {gains[0]:+.3f} with {few:,} merged "
        f"(density {densities[0]}) and by {gains[1]:+.3f} with {many:,} merged (density {densities[1]})."
    )


_TITLE = f"Figure 12: {TIES_MERGED} over its density and the number of models merged"
_PAPER_FOUND = (
    "Trimming tends to help more the more models are merged, but in most settings it harms the single models by "
    "more than fewer sign conflicts gain (figure 12, appendix C)."
)
_FAILS_IF = "trimming gains no more with the most models merged than with the fewest."
EXPERIMENT = Experiment("fig12", Kind.FIGURE, _TITLE, _PAPER_FOUND, {"clients": 100}, measure, draw, found, _FAILS_IF)
