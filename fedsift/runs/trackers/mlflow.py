"""MLflow. Runs stay on this machine, in ./mlflow.db and ./mlruns, unless MLFLOW_TRACKING_URI says otherwise.

What else its own variables say holds: MLFLOW_EXPERIMENT_NAME (fedsift by default), MLFLOW_TRACKING_TOKEN, ...
"""

import os
import re
import time
from collections.abc import Mapping
from pathlib import PurePosixPath

from fedsift.core.tracking import TrackedOutcome, TrackedRun
from fedsift.runs.trackers import Adapter

_AT_ONCE = 1000  # metrics; MLflow takes no more in one call
_LONGEST = 6000  # characters of a parameter


class Mlflow:
    """Numbers as metrics, tables as JSON, files as artefacts."""

    def __init__(self, run: TrackedRun) -> None:
        """Start a run of its own."""
        for name, value in {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_LOGGING_LEVEL": "WARNING"}.items():
            os.environ.setdefault(name, value)  # read when it is imported
        from mlflow.entities import Param
        from mlflow.tracking import MlflowClient

        self._client = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db"))
        title = os.environ.get("MLFLOW_EXPERIMENT_NAME", "fedsift")
        experiment = self._client.get_experiment_by_name(title)
        identity = experiment.experiment_id if experiment else self._client.create_experiment(title)
        started = self._client.create_run(identity, run_name=run.name, tags={"command": run.command})
        self._run: str = started.info.run_id
        parameters = [Param(key, str(value)[:_LONGEST]) for key, value in run.parameters.items()]
        for first in range(0, len(parameters), 100):
            self._client.log_batch(self._run, params=parameters[first : first + 100])

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Log a metric for each; characters that names cannot have there are underscores."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(re.sub(r"[^\w\-./ ]", "_", name), each, now, step) for name, each in numbers.items()]
        for first in range(0, len(metrics), _AT_ONCE):
            self._client.log_batch(self._run, metrics[first : first + _AT_ONCE])

    def finish(self, outcome: TrackedOutcome | None) -> None:
        """Log tables and files, and end the run; one without an outcome has failed."""
        if outcome is not None:
            for name, table in outcome.tables.items():
                self._client.log_table(self._run, table, f"tables/{name}.json")
            for name, file in outcome.files.items():
                folder = str(PurePosixPath(name).parent)
                self._client.log_artifact(self._run, str(file), None if folder == "." else folder)
        self._client.set_terminated(self._run, "FINISHED" if outcome else "FAILED")


ADAPTER = Adapter("mlflow", Mlflow)
