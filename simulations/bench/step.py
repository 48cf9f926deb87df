"""The tuning step: sign-fixed, beside plain fine-tuning and the loop that is usually written with transformers."""

import os
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from fedsift.studies.bench.benchmark import Benchmark
from fedsift.studies.bench.measurement import Measurement, Part
from fedsift.studies.bench.processes import answer, run_arm, set_worker_environment

if TYPE_CHECKING:
    from fedsift.configuration.run_config import RunConfig


def measure_step(config: "RunConfig", rounds: int) -> Part:
    """Time steps of one client on the configured model, and on generated ones of about 100,000 and 20 million weights.

    They run in a process of their own, under the configuration's profile, on one core but where an arm says otherwise.
    """
    told = run_arm("fedsift.simulations.bench.step", config, rounds=rounds).told
    measured = [Measurement(each.pop("arm"), **each) for each in told["measurements"]]
    return Part("the tuning step", measured, told["notes"])


def _measure(user_config: dict[str, Any], rounds: int) -> dict[str, Any]:
    """What `measure_step` reads; torch is imported after the environment has been set."""
    set_worker_environment(user_config["profile"])
    with TemporaryDirectory() as folder:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = f"{folder}/compiled"  # Each session compiles anew, as a first run does.
        from fedsift.simulations.bench.arms.step_arms import measure

        return measure(user_config, rounds, folder)


BENCHMARK = Benchmark("step", "The optimiser step.", measure_step)

if __name__ == "__main__":
    answer(_measure)
