"""What a tracker is sent of rounds of SIFT-Masks: numbers of each round, losses, and a table of all clients' scores."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.core.tracking import LOSS, Tracking
from fedsift.protocol.serving_rounds import SiftRecord
from fedsift.runs.result import RunResult
from fedsift.runs.scores import MemberScores, NewcomerScores, Score, scores_of_members

_COUNTS = ("better_than_alone", "worse_than_alone", "better_than_zero_shot", "worse_than_zero_shot")


class TrackedRounds:
    """A `RoundWatch` that sends what it is told to a tracker. Nothing of it is kept but in memory."""

    def __init__(self, tracking: Tracking, config: RunConfig) -> None:
        """Of a run with this configuration.

        Raises:
            BadInput: losses are to be tracked, which do not come here.
        """
        if tracking.losses and (config.partial_sums or config.engine != "ray"):
            name = "partial-sums" if config.partial_sums else f"engine {config.engine}"
            raise BadInput(f"track-losses does not go with {name}: clients' losses do not come to the tracker there")
        self._tracking, self._config = tracking, config
        self._losses: dict[str, Sequence[float]] = {}  # of those who joined in the round under way
        self._joined = Counter[str]()  # how often each client did
        self._clients: dict[tuple[int, str], dict[str, Any]] = {}  # (round, client) -> its row

    def start(self, command: str, folder: Path, leaves: bool, **further: str) -> None:
        """Make the tracker, as of `Tracking`; its parameters are the configuration, and further ones."""
        self._tracking.start(command, folder, {**self._config.to_user_config(), **further}, leaves)

    @property
    def on_losses(self) -> Callable[[str, Sequence[float]], None] | None:
        """Keeps a client's losses until the round is over; None where they are not tracked."""
        return self._losses.__setitem__ if self._tracking.losses else None

    def round_over(self, number: int, record: SiftRecord, further: Mapping[str, float | None] = {}) -> None:
        """Send what a round did, and further numbers of it."""
        if not self._tracking:
            return
        self._send_losses()
        kinds, held_in = scores_of_members(record, self._config)
        members = MemberScores.of(kinds, held_in, record.blend, self._config.seed)
        newcomers = NewcomerScores.of(record, self._config.seed)
        done = [body for body in record.receipts if body.verdict.done]
        left = [body.client for body in done if body.verdict.removed]
        served = [record.scores[each]["served"] for each in left if "served" in record.scores.get(each, {})]
        counts = {
            "clients/members": record.members,
            "clients/joined": len(record.joined),
            "clients/failed": len(record.failures),
            "removals/done": len(done),
            "removals/refused": len(record.receipts) - len(done),
            "removals/steps_retrained": sum(body.steps_retrained for body in record.receipts),
            "leavers/served": sum(sorted(served)) / len(served) if served else None,
        }
        self._scored(number, kinds, members, newcomers, {**counts, **further})

    def _scored(
        self,
        number: int,
        kinds: Mapping[str, Score],
        members: MemberScores | None,
        newcomers: NewcomerScores | None,
        further: Mapping[str, float | None] = {},
    ) -> None:
        """Send a round's scores, `kinds` of all but newcomers by kind, and further numbers."""
        self._tracking.log(number, {**_numbers("members", members), **_numbers("newcomers", newcomers), **further})
        self._add_rows(number, kinds.items(), newcomer=False)
        self._add_rows(number, _scores(newcomers), newcomer=True)

    def of_result(self, result: RunResult) -> None:
        """Send what is known of the rounds of a run that is over, or was played by another process."""
        counts = {"clients/members": result.clients, "clients/failed": len(result.failures)}
        self._scored(1, result.scores, result.members, result.newcomers, counts)
        if result.scores_after_removal is not None:
            done = sum(each.verdict.done for each in result.removals)
            removals = {"removals/done": done, "removals/refused": len(result.removals) - done}
            members, newcomers = result.members_after_removal, result.newcomers_after_removal
            self._scored(2, result.scores_after_removal, members, newcomers, removals)

    def found(self, files: Mapping[str, Path], **tables: Iterable[Any]) -> None:
        """What the run came to, of the tables their rows.

        Beside them stands a table of clients: a row for each round with scores, a column for each kind of score.
        """
        if self._tracking:
            import pandas

            clients = [{"step": step, "client": client, **row} for (step, client), row in sorted(self._clients.items())]
            all_tables = {"clients": clients, **tables}
            self._tracking.found({name: pandas.DataFrame(list(rows)) for name, rows in all_tables.items()}, files)

    def _send_losses(self) -> None:
        """One step after the other, of all clients at once: a client that joins again has a further name."""
        clients = sorted(self._losses)
        self._joined.update(clients)
        names = [f"{LOSS}{each}" + (f"/{self._joined[each]}" if self._joined[each] > 1 else "") for each in clients]
        for step, losses in enumerate(zip_longest(*map(self._losses.__getitem__, clients)), start=1):
            self._tracking.log(step, dict(zip(names, losses, strict=True)))
        self._losses.clear()

    def _add_rows(self, number: int, kinds: Iterable[tuple[str, Score]], newcomer: bool) -> None:
        for kind, score in kinds:
            for client_id, value in score.per_client.items():
                self._clients.setdefault((number, client_id), {"newcomer": newcomer})[kind] = value


def _scores(found: MemberScores | NewcomerScores | None) -> Iterator[tuple[str, Score]]:
    for field in dataclasses.fields(found) if found else ():
        if isinstance(value := getattr(found, field.name), Score):
            yield field.name, value


def _numbers(who: str, found: MemberScores | NewcomerScores | None) -> dict[str, float]:
    """Means with their intervals, and how many are better and worse off."""
    numbers: dict[str, float] = {}
    for name, score in _scores(found):
        numbers |= {f"{who}/{name}": score.mean, f"{who}/{name}_low": score.low, f"{who}/{name}_high": score.high}
    counts = {name: getattr(found, name, None) for name in _COUNTS}
    return numbers | {f"{who}/{name}": value for name, value in counts.items() if value is not None}
