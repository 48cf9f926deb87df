"""Figure 9: client trainings added up over requests to leave, from the methods' formulas; nothing is trained."""

from itertools import accumulate
from typing import Any

from fedsift.core.errors import counted
from fedsift.protocol.method import Cost
from fedsift.strategies.registry import METHODS, SIFT_MASKS
from fedsift.studies.reproduction.experiment import Experiment, Kind, Result, verdict
from fedsift.studies.reproduction.figure_style import Figure, legend, plot
from fedsift.studies.reproduction.merges import SIFT_MASKED
from fedsift.studies.training_cache import TrainingCache

_CENTRAL = METHODS["central-ft"]
_SHARES = (1, 0.4, 0.2, 0.1)  # of the clients: X, with which Central FT begins


def measure(cache: TrainingCache) -> Result:
    """Add up what removing all clients one by one costs."""
    clients = len(cache.clients)
    initial = sorted({max(1, round(share * clients)) for share in _SHARES}, reverse=True)
    series = [_added_up(SIFT_MASKED, METHODS[SIFT_MASKS].cost, clients)]
    series += [_added_up(f"{_CENTRAL.title}, X = {begin:,}", _CENTRAL.cost, begin) for begin in initial]
    return {"series": series}


def _added_up(name: str, cost: Cost, members: int) -> dict[str, Any]:
    """The trainings after 1, 2, ... requests, the last of which takes the last member."""
    trainings = accumulate(cost(left) for left in range(members, 0, -1))
    return {"name": name, "x": list(range(1, members + 1)), "y": list(trainings)}


def draw(result: Result, figure: Figure) -> None:
    """Lines over requests, on a logarithmic axis."""
    axes = figure.subplots()
    plot(axes, result["series"], marker="")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("clients unlearned, one by one")
    axes.set_ylabel("client trainings, added up")
    legend(figure, axes)


def found(result: Result) -> str:
    """Hold Central FT's trainings against those of SIFT-Masks after as many requests."""
    ours, *theirs = (each["y"] for each in result["series"])
    ratios = {len(each): (each[0] / max(1, ours[0]), each[-1] / max(1, ours[len(each) - 1])) for each in theirs}
    clients, (first, all_of_them) = next(iter(ratios.items()))
    fewer = ", ".join(f"{last:,.1f} (X = {begin:,})" for begin, (_, last) in ratios.items() if begin < clients)
    begun = f" Begun with X clients it takes, when these have left, {fewer} times as many." if fewer else ""
    holds = all((begin - 1) / 2 <= last <= begin for begin, (_, last) in ratios.items())
    return (
        f"{verdict(holds)}: of {counted(clients, 'client')} Central FT takes "
        f"{counted(theirs[0][0], 'client training')} for the first "
        f"removal and {theirs[0][-1]:,} for all, SIFT-Masks {ours[0]:,} and {ours[-1]:,}, so Central FT "
        f"{first:,.0f} and {all_of_them:,.0f} times as many.{begun}"
    )


_TITLE = "Figure 9: client trainings over all requests to leave"
_PAPER_FOUND = (
    "Removing all 500 clients one by one relearns 499 tasks with merging and about 125,000 with Central FT, 250 "
    "times as many. Begun with X < 500 clients Central FT still costs X/2 to X times as much as merging, and takes "
    "no more than X requests (section 4.3, figure 9)."
)
_FAILS_IF = (
    "never: how many clients train again follows from what the methods are. It is counted here, so only a fault "
    "of the code could show."
)
EXPERIMENT = Experiment("fig9", Kind.FIGURE, _TITLE, _PAPER_FOUND, {"clients": 500}, measure, draw, found, _FAILS_IF)
