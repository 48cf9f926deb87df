"""TensorBoard: a folder of events for each run, tensorboard/NAME in the current folder; read by its own web page."""

import json
import time
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsift.core.tracking import TrackedOutcome, TrackedRun
from fedsift.runs.trackers import Adapter

if TYPE_CHECKING:
    import pandas


class TensorBoard:
    """Scalars by step; parameters and tables as texts. It has no place for files."""

    def __init__(self, run: TrackedRun) -> None:
        """Open a folder that is new."""
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._events = EventFileWriter(str(_new(Path("tensorboard", run.name))))
        self._text(run.command, f"```\n{json.dumps(dict(run.parameters), indent=1)}\n```")

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Write a scalar for each."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._write(Summary(value=[Summary.Value(tag=name, simple_value=each) for name, each in numbers.items()]), step)

    def finish(self, outcome: TrackedOutcome | None) -> None:
        """Write the tables, and close."""
        for name, table in outcome.tables.items() if outcome else ():
            self._text(name, _markdown(table))
        self._events.close()

    def _text(self, name: str, text: str) -> None:
        from tensorboard.plugins.text.summary import text_pb

        self._write(text_pb(name, text), 0)

    def _write(self, summary: Any, step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._events.add_event(Event(wall_time=time.time(), step=step, summary=summary))


def _new(folder: Path) -> Path:
    """The folder, or the first of folder-2, folder-3, ... that nobody has."""
    for number in count(2):
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            folder = folder.with_name(f"{folder.name.removesuffix(f'-{number - 1}')}-{number}")
        else:
            break
    return folder


def _markdown(table: "pandas.DataFrame") -> str:
    """A table as the text plugin shows it."""
    cells = [table.columns, ["---"] * len(table.columns), *table.itertuples(index=False)]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', '/') for cell in row)} |" for row in cells)


ADAPTER = Adapter("tensorboard", TensorBoard)
