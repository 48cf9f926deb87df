"""A run from Python: simulate, look, remove, join, audit."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, overload

from fedsift.api.scores import Scores
from fedsift.api.settings import bars, settings_in
from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.runs import run as simulation
from fedsift.runs.export import Exported, export
from fedsift.runs.forget import forget
from fedsift.runs.forget_rows import forget_rows
from fedsift.runs.join import Joined, join
from fedsift.runs.result import Removal, RunResult
from fedsift.runs.run_folder import RunFolder
from fedsift.runs.served import Served, served_model
from fedsift.runs.verify import Verified, verify

Several = list[str] | tuple[str, ...]


def simulate(
    config: RunConfig | None = None, *, out: str | Path | None = None, progress: bool = False, **options: Any
) -> "Run":
    """Simulate: merge all clients, remove those who leave, score.

    Args:
        config: where to begin; the defaults for None.
        out: the run's folder, new or empty; runs/001, runs/002, ... for None.
        progress: whether to show bars, on a terminal or in a notebook.
        options: any of `RunConfig`, by name. `dataset` may also be a function or class of a module, a pandas frame, a
            `datasets.Dataset` or a pyarrow table (with `client_column`, `prompt` and `target`), a mapping from client
            id to rows, a `FederatedDataset`, or a Flower Datasets `FederatedDataset` or partitioner (with `prompt` and
            `target`). `task` may also be a `CustomTask`.

    Returns:
        The run, whose folder has all that later commands need; rows that came as objects too.

    Raises:
        BadInput: an option, the data, the task, the model or the folder cannot be used; nothing is written.
    """
    with settings_in(out, config, options) as (folder, settings):
        simulation.run(settings, folder, bars(progress))
        return Run.open(folder)


@dataclass(frozen=True, repr=False)
class Run:
    """A run's folder, and what can be done with it; so can `fedsift forget` and the like, at any time.

    It comes from `simulate` or `open`. Methods that train show bars where `progress` is true.
    """

    path: Path  # the folder
    config: RunConfig

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """A run that was made before, by whatever process.

        Raises:
            BadInput: it is no run folder.
        """
        _, config = RunFolder.open(Path(path))
        return cls(Path(path), config)

    def __repr__(self) -> str:
        return f"{type(self).__name__}.open({str(self.path)!r})"

    @property
    def result(self) -> RunResult:
        """What the run came to, as it is in result.json now.

        Raises:
            BadInput: it did not come to its end, or the file is damaged.
        """
        folder, _ = RunFolder.open(self.path)
        result = folder.read_result()
        if result is None:
            raise BadInput(f"{self.path} has no result: the run was stopped, or began anew; resume() goes on with it")
        return result

    @property
    def scores(self) -> Scores:
        """The clients' scores after the merge; raises as `result` does."""
        result = self.result
        return Scores(result.metric, result.scores)

    @property
    def scores_after_removal(self) -> Scores | None:
        """The clients' scores after those left who were to leave; None where nobody was. Raises as `result` does."""
        result = self.result
        return None if result.scores_after_removal is None else Scores(result.metric, result.scores_after_removal)

    @property
    def members(self) -> list[str]:
        """Who is a member now, sorted."""
        return sorted(RunFolder(self.path).members())

    def served(self, client: str | None = None) -> Served:
        """The model that a member is served; for None the merged model, which everybody else is served.

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
        """Write what a member is served, for None what everybody else is, as a folder that works without fedsift.

        It is a Hugging Face folder, or with LoRA a PEFT adapter. A removal does not reach it.

        Args:
            out: the folder, new or empty, outside the run.
            client: whose.

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
            clients: an id, or several that leave as one batch.
            rebuild: where a rerun differs from what was merged, let all others train again instead.
            progress: whether to show bars.

        Returns:
            What became of it, for each client; `verdict` says REFUSED, and `reason` why, where nothing was changed.

        Raises:
            Refused: one of them is no member; nothing is changed.
            BadInput: the run cannot be changed; nothing is.
        """
        shown = bars(progress)
        removals = forget(self.path, _several(clients), rebuild, shown, shown.tell).removals
        last = {removal.client: removal for removal in removals}
        return last[clients] if isinstance(clients, str) else list(last.values())

    def forget_rows(self, client: str, rows: str | Path, *, progress: bool = False) -> Removal:
        """Have rows of a member forgotten that stays: it alone trains again, with them and without.

        Args:
            client: an id.
            rows: a table with the columns of the run's data; or numbers, as "1,4-6", of the rows that it tunes on.
            progress: whether to show bars.

        Returns:
            What became of it; `verdict` says REFUSED, and `reason` why, where nothing was changed.

        Raises:
            Refused: it is no member; nothing is changed.
            BadInput: one of them is no row of the client, or none would be left to tune on; nothing is changed.
        """
        return forget_rows(self.path, client, str(rows), bars(progress)).removals[-1]

    def join(self, clients: str | Several, *, progress: bool = False) -> Joined:
        """Merge clients of the data, new ones or such that left: only they train.

        Raises:
            Refused: one of them is a member; nothing is changed.
            BadInput: the data have no such client, or the run cannot be changed; nothing is.
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
            oracle: also retrain every member, and compare.
            certificate: also check this file against the ledger.
            public_key: whose seal the ledger has to have, in hexadecimal; by default that of your own signing key.
            progress: whether to show bars.

        Raises:
            BadInput: there is no such certificate, or the ledger is too damaged for an oracle.
        """
        file = None if certificate is None else Path(certificate)
        return verify(self.path, oracle, file, bars(progress), public_key)

    def resume(self, *, progress: bool = False) -> Self:
        """Go on with a run that was stopped at any moment; nothing is done for one that is over.

        Raises:
            BadInput: it cannot be gone on with.
        """
        simulation.resume(self.path, bars(progress))
        return self


def _several(clients: str | Several) -> list[str]:
    return [clients] if isinstance(clients, str) else list(clients)
