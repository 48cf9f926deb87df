"""Two parts of the bench at sizes of a second; what they measure, not how fast it is."""

import dataclasses
import math

import pytest

from fedsift.configuration.run_config import RunConfig
from fedsift.core.parameter_layout import ParameterLayout
from fedsift.simulations.bench import bits, codec
from tests.core.uploads import contribution


def test_every_width_is_coded_and_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "_SIZE", 1 << 12)
    part = codec.measure_codec(RunConfig(), rounds=2)
    rates = {(each.arm, each.quantity): each.values for each in part.measurements}
    assert len(rates) == 7 * 6 + 1
    assert all(len(values) == 2 and min(values) > 0 for values in rates.values())
    assert ("2 bits, 30% kept", "decode and add") in rates


def test_entropy_by_hand() -> None:
    """Of two tensors: 0 0 1 1 has one bit an entry; 3 3 3 3 has none; 0 1 2 3 has two: 4 + 0 + 8 bits."""
    layout = ParameterLayout(("a", "b", "c"), ((4,), (2, 2), (4,)))
    made = contribution([0, 0, 1, 1, 3, 3, 3, 3, 0, 1, 2, 3])
    assert bits.entropy_bytes(made, layout) == pytest.approx(12 / 8)


@pytest.mark.slow
def test_a_table_of_bits(tiny_config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is uploaded by hand from what is kept: header, mask, levels; and entropy coding never takes more levels."""
    monkeypatch.setattr(bits, "_BITS", (1, 2, 16))
    part = bits.measure_bits(dataclasses.replace(tiny_config, clients=3), 1)
    found = {(each.arm, each.quantity): each.median for each in part.measurements}
    size = int(part.notes[0].split(", ")[1].split()[0].replace(",", ""))
    for arm, level_bits in (("1 bit", 0), ("2 bits", 2), ("16 bits", 16)):
        kept = found[arm, "kept"] / 100 * size
        by_hand = 80 + math.ceil(size / 8) + kept * level_bits / 8
        assert found[arm, "upload"] * size == pytest.approx(by_hand, abs=1)
        assert found[arm, "of dense float32"] == pytest.approx(found[arm, "upload"] / 4 * 100)
        assert 0 < found[arm, "entropy coded"] < found[arm, "upload"]
        assert 0 < found[arm, "own, not merged"] < 1
    assert found["16 bits", "kept"] >= found["2 bits", "kept"] >= found["1 bit", "kept"]
