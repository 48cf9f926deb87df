"""Weights & Biases. Runs stay on this machine, in ./wandb, unless WANDB_MODE says otherwise: `wandb sync` sends them.

What else its own variables say holds: WANDB_PROJECT (fedsift by default), WANDB_ENTITY, WANDB_DIR, ...
"""

import os
from collections.abc import Mapping

from fedsift.core.tracking import LOSS, TrackedOutcome, TrackedRun
from fedsift.runs.trackers import Adapter

_STEP, _OPTIMISER_STEP = "step", "optimiser step"  # what numbers are drawn over


class Wandb:
    """Numbers as its history, tables as its tables, files as an artefact."""

    def __init__(self, run: TrackedRun) -> None:
        """Start a run of its own."""
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read when it is imported
        import wandb

        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "fedsift"),
            name=run.name,
            job_type=run.command,
            config=dict(run.parameters),
            mode=os.environ.get("WANDB_MODE", "offline"),
            reinit="create_new",
            settings=wandb.Settings(console="off", silent=True),
        )
        self._run.define_metric("*", step_metric=_STEP, step_sync=False)
        self._run.define_metric(f"{LOSS}*", step_metric=_OPTIMISER_STEP, step_sync=False)

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Log them; losses over their own axis."""
        of_tuning = {name: each for name, each in numbers.items() if name.startswith(LOSS)}
        others = {name: each for name, each in numbers.items() if name not in of_tuning}
        for axis, part in ((_STEP, others), (_OPTIMISER_STEP, of_tuning)):
            if part:
                self._run.log({axis: step, **part})

    def finish(self, outcome: TrackedOutcome | None) -> None:
        """Log tables and files, and end the run; one without an outcome is shown as crashed."""
        if outcome is not None:
            import wandb

            self._run.log({name: wandb.Table(dataframe=table) for name, table in outcome.tables.items()})
            artifact = wandb.Artifact(f"{self._run.id}-result", type="result")
            for name, file in outcome.files.items():
                artifact.add_file(str(file), name)
            self._run.log_artifact(artifact)
        self._run.finish(exit_code=0 if outcome else 1)


ADAPTER = Adapter("wandb", Wandb)
