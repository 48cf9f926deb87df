"""A sweep: a command at points of a grid, or where a search looks, and at each with several seeds.

OUT/sweep.json              what is played, so that the same command goes on after any stop
OUT/POINT/seed-0, ...       the folders of the command; one that is under way ends in .partial
OUT/result.json             all figures, of each point and seed, with means and intervals over seeds
OUT/table.csv, table.tex    the same; figure.svg, figure.png where options vary

A command that is only repeated is the sweep of one point, whose seeds lie in OUT itself.
"""

import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any, Protocol

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput, unknown_name
from fedsift.core.plain_files import PARTIAL
from fedsift.core.strict_json import parse_json
from fedsift.core.tracking import Track
from fedsift.files.output import clear, make_empty, write_whole
from fedsift.studies.sweep.commands import Bars, Command, Found
from fedsift.studies.sweep.over_seeds import OverSeeds

_LONGEST_NAME = 80  # characters of a folder


@dataclass(frozen=True)
class Score:
    """The figure that a search maximises, and that a sweep's drawing shows."""

    row: str
    column: str

    @classmethod
    def of(cls, text: str, command: Command) -> "Score":
        """From "ROW of COLUMN".

        Raises:
            BadInput: the command has no such figure.
        """
        row, _, column = text.rpartition(" of ")
        if column not in command.scores:
            raise BadInput(f"score = {text!r}: {unknown_name('column', column, command.scores)}; give ROW of COLUMN")
        if row not in command.score_rows():
            raise BadInput(f"score = {text!r}: {unknown_name(command.rows, row, command.score_rows())}")
        return cls(row, column)

    def __str__(self) -> str:
        return f"{self.row} of {self.column}"


@dataclass(frozen=True)
class Point:
    """What was played of one point."""

    changes: dict[str, Any]  # of the options, by their keys; empty for a command that is only repeated
    found: dict[int, Found]  # by seed
    failures: dict[int, str]  # seed -> why it could not be played

    @property
    def folder(self) -> str:
        """Its name within OUT; empty where nothing is changed."""
        if not self.changes:
            return ""
        told = ",".join(f"{key}={value}" for key, value in self.changes.items())
        name = re.sub(r"[^\w.,=+-]", "_", told)
        if name == told and len(name) <= _LONGEST_NAME:
            return name
        digest = sha256(json.dumps(self.changes, sort_keys=True).encode()).hexdigest()
        return f"{name[:_LONGEST_NAME]}-{digest[:8]}"

    @cached_property
    def figures(self) -> dict[str, dict[str, OverSeeds]]:
        """Row -> column -> the figure over the seeds that have it."""
        gathered: dict[str, dict[str, dict[int, float]]] = {}
        for seed, found in self.found.items():
            for row, columns in found.figures.items():
                for column, value in columns.items():
                    gathered.setdefault(row, {}).setdefault(column, {})[seed] = value
        return {
            row: {column: OverSeeds.of(each) for column, each in columns.items()} for row, columns in gathered.items()
        }

    def score(self, score: Score | None) -> float | None:
        """The mean of a figure; None where no seed has it."""
        if score is None:
            return None
        found = self.figures.get(score.row, {}).get(score.column)
        return None if found is None else found.mean


class Search(Protocol):
    """What decides where to look next."""

    @property
    def terms(self) -> dict[str, Any]:
        """What decides its choices, as JSON has it."""

    def points(self, seed: int, play: Callable[[dict[str, Any]], float | None]) -> None:
        """Have points played, each by its changes, for its score; None where it failed."""


@dataclass(frozen=True)
class Sweep:
    """What is to be played."""

    command: Command
    options: Mapping[str, Any]  # of all points, by their keys
    seeds: int  # how many, the first of which is the options' own
    score: Score | None = None  # None where nothing varies
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)  # option -> values; all combinations are played
    search: Search | None = None  # instead

    @property
    def first_seed(self) -> int:
        """The root seed of the first playing; also the search's."""
        return int(self.options.get("seed", RunConfig.seed))

    @property
    def terms(self) -> dict[str, Any]:
        """What has to be the same for folders of an earlier time to be used: neither seeds nor a grid's values."""
        options = {key: value for key, value in self.options.items() if key != "seed"}
        searched = {} if self.search is None else {"score": str(self.score), "search": self.search.terms}
        return {"command": self.command.name, **self.command.terms, **searched, "options": options}

    def changes(self) -> Iterator[dict[str, Any]]:
        """What the points of the grid change."""
        for values in product(*self.grid.values()):
            yield dict(zip(self.grid, values, strict=True))


@dataclass(frozen=True)
class Swept:
    """What a sweep came to; a point at least was played."""

    sweep: Sweep
    points: list[Point]

    @property
    def some(self) -> Found:
        """What is known of any playing."""
        return next(found for point in self.points for found in point.found.values())

    @property
    def best(self) -> Point | None:
        """The point with the highest score, the first of equal ones; None where none has it."""
        scored = {place: point.score(self.sweep.score) for place, point in enumerate(self.points)}
        known = {place: score for place, score in scored.items() if score is not None}
        return self.points[max(known, key=known.__getitem__)] if known else None

    @property
    def varies(self) -> bool:
        """Whether there are options that vary."""
        return any(point.changes for point in self.points)

    @property
    def proven(self) -> bool:
        """Whether all that could be played is proven."""
        return all(each.proven for point in self.points for each in point.found.values())


def play_sweep(sweep: Sweep, out: Path, bars: Bars, track: Track | None = None) -> Swept:
    """Play what is not there yet.

    Args:
        sweep: what.
        out: a folder that is new or empty, or one of the same sweep.
        bars: are told of the progress.
        track: where each playing's numbers, tables and files go besides.

    Raises:
        BadInput: an option is not valid, the folder is another sweep's, or no point can be played.
    """
    for changes in sweep.changes() if sweep.search is None else ():
        sweep.command.read({**sweep.options, **changes})
    made = _take(out, sweep.terms)
    points: list[Point] = []

    def play(changes: dict[str, Any]) -> float | None:
        points.append(_played(sweep, changes, out, bars, track))
        return points[-1].score(sweep.score)

    if sweep.search is None:
        for changes in sweep.changes():
            play(changes)
    else:
        sweep.search.points(sweep.first_seed, play)
    if not any(point.found for point in points):
        if made is not None:
            clear(out, made)
        raise BadInput(next(why for point in points for why in point.failures.values()))
    return Swept(sweep, list({point.folder: point for point in points}.values()))


def _take(out: Path, terms: Mapping[str, Any]) -> list[Path] | None:
    """Make the folder one of this sweep's, and return the folders made; or see that it is, and return None."""
    file = out / "sweep.json"
    text = json.dumps(terms, indent=1) + "\n"
    if not file.is_file():
        made = make_empty(out)
        write_whole(file, text)
        return made
    try:
        before = parse_json(file.read_bytes())
    except ValueError as error:
        raise BadInput(f"{file} is damaged ({error}): give another --out") from error
    if before != parse_json(text):
        raise BadInput(f"{out} is another sweep's, with {_first_difference(before, terms)}: give another --out")
    return None


def _first_difference(before: Any, now: Mapping[str, Any]) -> str:
    """What an earlier sweep had that this one has not."""
    flat = [{**each, **each.get("options", {}), "options": None} for each in (before, now) if isinstance(each, Mapping)]
    keys = (key for each in flat for key in each if flat[0].get(key) != flat[-1].get(key))
    key = next(keys, "other values")
    return f"{key} = {json.dumps(flat[0].get(key))}"


def _played(sweep: Sweep, changes: dict[str, Any], out: Path, bars: Bars, track: Track | None) -> Point:
    """One point with all seeds: those whose folder is there are read, the others played."""
    point = Point(changes, {}, {})
    for seed in range(sweep.first_seed, sweep.first_seed + sweep.seeds):
        folder = out / point.folder / f"seed-{seed}"
        if not folder.exists():
            bars().tell(f"{point.folder} seed {seed}".strip())
            under_way = folder.with_name(f"{folder.name}{PARTIAL}")
            under_way.parent.mkdir(exist_ok=True)
            name = Path(out.resolve().name, folder.relative_to(out)).as_posix()
            tracked = track and dataclasses.replace(track, run_name=name)
            try:
                sweep.command.play({**sweep.options, **changes, "seed": seed}, under_way, bars, tracked)
            except BadInput as error:
                point.failures[seed] = str(error)
                continue
            under_way.replace(folder)
        point.found[seed] = sweep.command.found(folder)
    return point
