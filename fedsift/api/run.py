"""A run from Python: simulate, look, remove, join, audit."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, overload

from fedsift.api.scores import Scores
from fedsift.api.settings import bars, settings_in
from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.core.tracking import TrackerOption
from fedsift.runs import run as simulation
from fedsift.runs.export import Exported, export
from fedsift.runs.forget import forget
from fedsift.runs.forget_rows import forget_rows
from fedsift.runs.join import Joined, join
from fedsift.runs.result import Removal, RunResult
from fedsift.runs.run_folder import RunFolder
from fedsift.runs.served import Served, served_model
from fedsift.runs.trackers import track_of
from fedsift.runs.verify import Verified, verify

Several = list[str] | tuple[str, ...]


def simulate(
    config: RunConfig | None = None,
    *,
    out: str | Path | None = None,
    progress: bool = False,
    track: TrackerOption = None,
    track_losses: bool = False,
    **options: Any,
) -> "Run":
    """Simulate a federation: merge all clients, remove those who leave, score.

    Args:
        config: options to start from; the defaults for None.
        out: the run's folder, new or empty; runs/001, runs/002, ... for None.
        progress: whether to show bars, on a terminal or in a notebook.
        track: where numbers, tables and files go besides (docs/how-to/track.md): "wandb", "mlflow" or "tensorboard", a
            class of yours with the methods of `fedsift.Tracker` or a function that makes one of a `fedsift.TrackedRun`,
            or its module:Class.
        track_losses: whether the losses of each client's tuning go there, too.
        options: any of `RunConfig`, by name. `dataset` may also be a function or class of a module, a pandas frame, a
            `datasets.Dataset` or a pyarrow table (with `client_column`, `prompt` and `target`), a mapping from client
            id to rows, a `FederatedDataset`, or a Flower Datasets `FederatedDataset` or partitioner (with `prompt` and
            `target`). `task` may also be a `CustomTask`.

    Returns:
        The run. Its folder has all that later commands need, with a copy of rows that were given as objects.

    Raises:
        BadInput: an option, the data, the task, the model, the folder or the tracker cannot be used; nothing is
            written.
    """
    tracked = track_of(track, track_losses)
    with settings_in(out, config, options) as (folder, settings):
        simulation.run(settings, folder, bars(progress), tracked)
        return Run.open(folder)


@dataclass(frozen=True, repr=False)
class Run:
    """A run, as its folder has it: look at it, remove clients, let them join, audit, export.

    `simulate` and `open` return it. The commands, such as `fedsift forget`, do the same with the folder at any time.
    Methods that train show bars where `progress` is true.
    """

    path: Path  # the folder
    config: RunConfig  # its options

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open a run that is there already, whichever process made it.

        Raises:
            BadInput: it is no run folder.
        """
        _, config = RunFolder.open(Path(path))
        return cls(Path(path), config)

    def __repr__(self) -> str:
        return f"{type(self).__name__}.open({str(self.path)!r})"

    @property
    def result(self) -> RunResult:
        """The result, as result.json has it now.

        Raises:
            BadInput: the run was stopped before its end, or the file is damaged.
        """
        folder, _ = RunFolder.open(self.path)
        result = folder.read_result()
        if result is None:
            raise BadInput(f"{self.path} has no result: the run was stopped, or began anew; resume() goes on with it")
        return result

    @property
    def scores(self) -> Scores:
        """The clients' scores after the merge. It raises as `result` does."""
        result = self.result
        return Scores(result.metric, result.scores)

    @property
    def scores_after_removal(self) -> Scores | None:
        """The clients' scores after the run's own removals; None where nobody left. It raises as `result` does."""
        result = self.result
        return None if result.scores_after_removal is None else Scores(result.metric, result.scores_after_removal)

    @property
    def members(self) -> list[str]:
        """The ids of all members of now, sorted."""
        return sorted(RunFolder(self.path).members())

    def served(self, client: str | None = None) -> Served:
        """The model that a member is served, or the merged model, which everybody else is served.

        Args:
            client: a member's id; None for the merged model.

        Raises:
            BadInput: the member's mask is missing or damaged, or the model has other weights now.
            Refused: the client is no member.
        """
        return served_model(self.path, client)

    def figures(self) -> list[Path]:
        """Draw who gains (`gain`), and how rows and labels lie among clients (`partition`); needs fedsift[plots].

        Returns:
            The files, SVG and PNG, in the run's folder; whatever changes the run deletes them.

        Raises:
            BadInput: the run is not over, or matplotlib is not installed.
        """
        from fedsift.studies.run_figures import write_figures

        return write_figures(self.path)

    def export(self, out: str | Path, client: str | None = None) -> Exported:
        """Write the model that a client is served as a folder that works without fedsift.

        It is a Hugging Face folder, or with LoRA a PEFT adapter. A later removal does not change it.

        Args:
            out: the folder, new or empty, outside the run.
            client: a member's id; None for what everybody else is served.

        Raises:
            BadInput: the folder cannot be written, or as of `served`; nothing is written.
            Refused: the client is no member.
        """
        return export(self.path, client, Path(out))

    @overload
    def forget(self, clients: str, *, rebuild: bool = False, progress: bool = False) -> Removal: ...
    @overload
    def forget(self, clients: Several, *, rebuild: bool = False, progress: bool = False) -> list[Removal]: ...

    def forget(
        self, clients: str | Several, *, rebuild: bool = False, progress: bool = False
    ) -> Removal | list[Removal]:
        """Remove members: only they train again.

        Args:
            clients: an id, or a list of them, who leave as one batch.
            rebuild: where a leaver's rerun differs from what was merged, let all others train again instead.
            progress: whether to show bars.

        Returns:
            The removal of each client. Where nothing was changed its `verdict` is REFUSED, and `reason` says why.

        Raises:
            Refused: one of them is no member; nothing is changed.
            BadInput: the run cannot be changed; nothing is changed.
        """
        shown = bars(progress)
        removals = forget(self.path, _several(clients), rebuild, shown, shown.tell).removals
        last = {removal.client: removal for removal in removals}
        return last[clients] if isinstance(clients, str) else list(last.values())

    def forget_rows(self, client: str, rows: str | Path, *, progress: bool = False) -> Removal:
        """Remove rows of a member that stays: it alone trains again, once with them and once without.

        Args:
            client: its id.
            rows: a table with the columns of the run's data, or the numbers of rows that it tunes on, as "1,4-6".
            progress: whether to show bars.

        Returns:
            The removal. Where nothing was changed its `verdict` is REFUSED, and `reason` says why.

        Raises:
            Refused: the client is no member; nothing is changed.
            BadInput: one of the rows is not the client's, or none would be left to tune on; nothing is changed.
        """
        return forget_rows(self.path, client, str(rows), bars(progress)).removals[-1]

    def join(self, clients: str | Several, *, progress: bool = False) -> Joined:
        """Merge further clients of the data, new ones or some who left: only they train.

        Args:
            clients: an id, or a list of them.
            progress: whether to show bars.

        Raises:
            Refused: one of them is a member; nothing is changed.
            BadInput: the data have no such client, or the run cannot be changed; nothing is changed.
        """
        return join(self.path, _several(clients), bars(progress))

    def verify(
        self,
        *,
        oracle: bool = False,
        certificate: str | Path | None = None,
        public_key: str | None = None,
        progress: bool = False,
    ) -> Verified:
        """Audit the ledger; nothing is changed.

        Args:
            oracle: also retrain every member, and compare the state.
            certificate: a file to check against the ledger as well.
            public_key: the key that must have sealed the ledger, in hexadecimal; by default your own.
            progress: whether to show bars.

        Raises:
            BadInput: there is no such certificate, or the ledger is too damaged for an oracle.
        """
        file = None if certificate is None else Path(certificate)
        return verify(self.path, oracle, file, bars(progress), public_key)

    def resume(self, *, progress: bool = False, track: TrackerOption = None) -> Self:
        """Go on with a run that was stopped at any moment; a run that is over stays as it is.

        Args:
            progress: whether to show bars.
            track: as of `simulate`; it is sent all of the run.

        Raises:
            BadInput: the folder, its data or its model are not those that the run began with.
        """
        simulation.resume(self.path, bars(progress), track_of(track))
        return self


def _several(clients: str | Several) -> list[str]:
    return [clients] if isinstance(clients, str) else list(clients)
