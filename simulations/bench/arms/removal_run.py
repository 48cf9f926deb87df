"""A whole run in which clients leave, and the retrained reference, in a process of its own."""

import os
import tempfile
from pathlib import Path
from typing import Any

from flwr.app import UserConfig

from fedsift.configuration.run_config import RunConfig
from fedsift.runs.run import run
from fedsift.runtime.progress import PhaseBars
from fedsift.studies.bench.processes import answer


def measure(user_config: UserConfig) -> dict[str, Any]:
    """As `fedsift run` does it, with a signing key of its own."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CONFIG_HOME"] = folder
        result = run(RunConfig.from_user_config(user_config), Path(folder, "run"), PhaseBars())
    return {
        "seconds": result.seconds["total"],
        "clients": result.clients,
        "verdicts": [each.verdict for each in result.removals],
        "state": result.state_digest,
        "reference": result.oracle.state_digest if result.oracle else "",
        "environments": result.environment,
    }


if __name__ == "__main__":
    answer(measure)
