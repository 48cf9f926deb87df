"""What `fedsift plan` says, held against runs: at the bench's own sizes, where what does not grow is small."""

import dataclasses

import pytest

from fedsift.configuration.run_config import RunConfig
from fedsift.simulations.bench.memory import measure_memory


@pytest.mark.exhaustive
def test_the_plan_is_within_ten_percent(tiny_config: RunConfig) -> None:
    part = measure_memory(dataclasses.replace(tiny_config, clients=4), rounds=1)
    print("\n", *[f"{each.arm}: {each.quantity} {each.median:.3g} {each.unit}\n" for each in part.measurements])
    shares = {each.arm: each.median for each in part.measurements if each.quantity == "measured / plan"}
    assert len(shares) == 6
    assert shares == {arm: pytest.approx(1, abs=0.1) for arm in shares}
    assert part.notes[0] == "all within 10%"


def test_where_peaks_cannot_be_read_it_says_so(tiny_config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedsift.simulations.bench.memory.memory", lambda _: None)
    part = measure_memory(tiny_config, rounds=1)
    assert not part.measurements and "which is not there" in part.notes[0]
    part.tables()
