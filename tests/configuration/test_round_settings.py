"""Options of rounds, and clients' devices from a file or a distribution."""

import math
from pathlib import Path

import numpy as np
import pytest

from fedsift.configuration.round_settings import RoundSettings, read_devices
from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.core.virtual_clock import Device
from fedsift.data.function_dataset import FunctionDataset

IDS = [f"client {number}" for number in range(400)]
DATA = FunctionDataset(IDS, lambda client_id: [("a", "b")] * (1 + len(client_id)))


def written(folder: Path, text: str) -> Path:
    (folder / "devices.csv").write_text(text, encoding="utf-8")
    return folder / "devices.csv"


def test_a_table(tmp_path: Path) -> None:
    file = written(tmp_path, 'client,step-seconds,up,available\nann,2,5e5,\n"b,c",0.5,,0.25\n')
    assert read_devices(file) == {"ann": Device(2.0, up=5e5), "b,c": Device(0.5, available=0.25)}


def test_a_trace(tmp_path: Path) -> None:
    file = written(tmp_path, "client,from,until,watts\nann,0,10,1\nbob,5,6,\nann,20,30.5,1\n")
    assert read_devices(file) == {
        "ann": Device(watts=1.0, windows=((0, 10), (20, 30.5))),
        "bob": Device(windows=((5, 6),)),
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("client,step-second\nann,1\n", "unknown column 'step-second'; did you mean 'step-seconds'"),
        ("who,up\nann,1\n", "unknown column 'who'"),
        ("up\n1\n", "needs a column client"),
        ("client,from\nann,1\n", "from and until both or neither"),
        ("client,up\nann,0\n", "line 2: up = '0': give a number above 0"),
        ("client,step-seconds\nann,-1\n", "step-seconds = '-1': give a number from 0"),
        ("client,step-seconds\nann,fast\n", "step-seconds = 'fast'"),
        ("client,available\nann,1.5\n", "available = '1.5'"),
        ("client,up\nann,1\nann,2\n", "line 3: client 'ann' stands there twice"),
        ("client,from,until\nann,0,10\nann,5,20\n", "line 3: client 'ann': its times overlap"),
    ],
)
def test_mistakes_in_a_file(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        read_devices(written(tmp_path, text))


def test_a_client_that_is_not_in_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, "client,up\nclient 0,1\n")
    settings = RoundSettings(rounds=1, devices=str(file))
    settings.schedule(RunConfig(), DATA, ["client 0"])
    with pytest.raises(BadInput, match="client 'client 1' is not in the file"):
        settings.schedule(RunConfig(), DATA, ["client 0", "client 1"])


def test_a_distribution() -> None:
    """The logarithms of the factors are normal, and the same for the same seed."""
    device = RoundSettings(devices="lognormal:0.5").schedule(RunConfig(seed=3), DATA, IDS).device
    logs = np.array([math.log(device(each).step_seconds) for each in IDS])
    assert abs(logs.mean()) < 0.1
    assert abs(logs.std() - 0.5) < 0.05
    slow = device("client 7")
    assert slow.up * slow.step_seconds == pytest.approx(Device().up)
    again = RoundSettings(devices="lognormal:0.5").schedule(RunConfig(seed=3), DATA, IDS).device
    assert again("client 7") == slow
    assert RoundSettings(devices="lognormal:0.5").schedule(RunConfig(), DATA, IDS).device("client 7") != slow


def test_steps_of_a_round() -> None:
    """Those of a client on its own, unless others are given."""
    steps = [
        RoundSettings(local_steps=number).schedule(config, DATA, IDS).steps("client 0")
        for number, config in ((0, RunConfig(steps=7)), (3, RunConfig(steps=7)), (0, RunConfig(epochs=2, batch_size=3)))
    ]
    assert steps == [7, 3, 2 * (9 // 3)]


@pytest.mark.parametrize(
    "given", [{"sample": 0.0}, {"stragglers": 1.0}, {"devices": "fast"}, {"devices": "lognormal:x"}]
)
def test_options_that_cannot_be(given: dict[str, float]) -> None:
    with pytest.raises(BadInput, match=next(iter(given))):
        RoundSettings(**given)  # type: ignore[arg-type]
