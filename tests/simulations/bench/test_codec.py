from fedsift.configuration.run_config import RunConfig
from fedsift.simulations.bench.codec import measure_codec


def test_every_width_is_coded_and_added() -> None:
    part = measure_codec(RunConfig(), rounds=2, size=1 << 12)
    rates = {(each.arm, each.quantity): each.values for each in part.measurements}
    assert len(rates) == 7 * 6 + 1
    assert all(len(values) == 2 and min(values) > 0 for values in rates.values())
    assert ("2 bits, 30% kept", "decode and add") in rates
