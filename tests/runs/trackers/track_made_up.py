"""A run that is made up, sent to a ready tracker, in a process of its own: PROGRAM TRACKER [stopped]."""

import sys
import warnings
from pathlib import Path

import pandas

from fedsift.core.tracking import Tracking
from fedsift.runs.trackers import track_of

PARAMETERS = {"steps": 3, "lr": 0.25, "leave": '["a"]', "dataset": "x" * 10_000, **{f"o{n}": n for n in range(120)}}
ROUNDS = {1: {"members/served": 0.5, "clients/members": 8.0}, 2: {"members/served": 0.75, "clients/members": 7.0}}
LOSSES = {1: {"loss/client 1": 2.0, "loss/cl?ient:ü": 4.0}, 2: {"loss/client 1": 1.0, "loss/cl?ient:ü": 3.0}}
CLIENTS = {"client": ["a", "b|c"], "served": [0.5, None], "newcomer": [False, True]}


def send(tracker: str, stopped: str = "") -> None:
    """Send the run, in the current folder; or one that is stopped."""
    Path("result.json").write_text("{}", encoding="utf-8")
    Path("figures").mkdir(exist_ok=True)
    Path("figures/scores.svg").write_text("<svg/>", encoding="utf-8")
    warnings.simplefilter("ignore")  # of the libraries' own
    told: list[str] = []
    with Tracking(track_of(tracker), told.append) as tracking:
        tracking.start("run", Path("runs/001"), PARAMETERS, leaves=False)
        for step, losses in LOSSES.items():
            tracking.log(step, losses)
        for step, numbers in ROUNDS.items():
            tracking.log(step, {**numbers, "unknown": None})
        tables = {"clients": pandas.DataFrame(CLIENTS), "removals": pandas.DataFrame([])}
        tracking.found(tables, {"result.json": Path("result.json"), "figures/scores.svg": Path("figures/scores.svg")})
        if stopped:
            raise SystemExit("stopped")
    assert told == [], told


if __name__ == "__main__":
    send(*sys.argv[1:])
