"""A command that plays nothing: its figures follow from options and seed."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.core.tracking import Track
from fedsift.studies.sweep.commands import Bars, Command, Found


class MadeUp(Command):
    """Newcomers' score is the highest at 10 steps and lr 0.01; a learning rate of 1 fails."""

    name, rows, scores, note = "run", "model", ("members", "newcomers"), "a note"
    counts = ("trainings",)

    def __init__(self, stop_after: int = 1000) -> None:
        self.played: list[str] = []  # folders
        self.stop_after = stop_after

    def score_rows(self) -> Collection[str]:
        return ["served", "local"]

    def play(self, options: Mapping[str, Any], folder: Path, bars: Bars, track: Track | None = None) -> None:
        config: RunConfig = self.read(options)[0]
        folder.mkdir(exist_ok=True)
        (folder / "begun").touch()
        if len(self.played) == self.stop_after:
            raise KeyboardInterrupt
        if config.lr == 1:
            raise BadInput("the loss is nan")
        score = 1 - abs(config.steps - 10) / 100 - abs(config.lr - 0.01)
        told = {"score": score, "seed": config.seed, "steps": config.steps}
        (folder / "told.json").write_text(json.dumps(told), encoding="utf-8")
        self.played.append(str(folder.relative_to(folder.parents[1])).removesuffix(".partial"))

    def found(self, folder: Path) -> Found:
        told = json.loads((folder / "told.json").read_text(encoding="utf-8"))
        score, seed = told["score"], told["seed"]
        served = {"members": score - 0.1 + seed / 100, "newcomers": score + seed / 100, "trainings": told["steps"]}
        return Found({"served": served, "local": {"members": 0.25}}, "accuracy", held_out=True)
