"""What noise is worth, and that a run says so."""

import dataclasses
import math
from pathlib import Path

import pytest

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.runs.privacy import PrivacySpent
from fedsift.runs.run import run
from fedsift.runtime.progress import PhaseBars


def delta_of(noise: float, publications: int, epsilon: float) -> float:
    """Of k Gaussian mechanisms, which are one with noise / sqrt(k): theorem 8 of Balle and Wang (2018)."""

    def below(x: float) -> float:
        return math.erfc(-x / math.sqrt(2)) / 2

    mu = math.sqrt(publications) / noise
    return below(mu / 2 - epsilon / mu) - math.exp(epsilon) * below(-mu / 2 - epsilon / mu)


@pytest.mark.parametrize(("noise", "publications"), [(1.0, 1), (1.0, 2), (4.0, 10), (0.5, 1)])
def test_epsilon_bounds_the_exact_one_and_is_near_it(noise: float, publications: int) -> None:
    spent = PrivacySpent.of(noise, publications)
    assert spent is not None
    assert (
        delta_of(noise, publications, spent.epsilon) < spent.delta < delta_of(noise, publications, spent.epsilon / 1.2)
    )


def test_without_noise_nothing_is_said() -> None:
    assert PrivacySpent.of(0.0, 3) is None


def test_noise_on_the_merged_model_alone_is_refused(tiny_config: RunConfig) -> None:
    for changes in ({"shared_head": True}, {"shared_head": False, "localise": "paper"}):
        with pytest.raises(BadInput, match="publish-noise covers the merged model alone"):
            dataclasses.replace(tiny_config, publish_noise=1.0, **changes)


def test_a_run_publishes_each_state_with_noise_and_stays_exact(tiny_config: RunConfig, tmp_path: Path) -> None:
    """Both states count, before and after a removal; the oracle has no noise, and the same state."""
    changes = {"clients": 3, "leave_count": 1, "shared_head": False, "localise": "own", "workers": 1, "evaluate": False}
    config = dataclasses.replace(tiny_config, publish_noise=0.5, oracle=True, **changes)
    result = run(config, tmp_path / "run", PhaseBars())
    assert result.oracle and result.oracle.bit_identical
    assert result.privacy == PrivacySpent.of(0.5, 2)
