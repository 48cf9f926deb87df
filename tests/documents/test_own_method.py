"""own-method.md: its files, written where it says, are found and run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents.pages import REPOSITORY, blocks, page, write_files

USES_THEM = """
import numpy as np
import fedsift
from fedsift.core.registration import registered
from fedsift.studies.attacks.membership_attack import MembershipAttack, Models, References
from fedsift.studies.reproduction.reproduce import configuration, reproduce
from fedsift.runtime.progress import PhaseBars
from pathlib import Path

assert list(fedsift.methods())[2:5] == ["ft-merge", "clustered-ft-merge", "scaled-mean"]
compared = fedsift.compare(
    dataset="sums", clients=3, newcomers=1, leave_count=1, steps=2, workers=2, methods=["scaled-mean", "ft-merge"]
)
assert compared.result.leavers[0].startswith("adds-")
assert compared.to_pandas()["exact_in_bits"].tolist() == [True, True]
assert compared.to_pandas()["trainings"].tolist() == [[1], [1]]

in_rounds = fedsift.compare(
    dataset="sums", clients=4, newcomers=1, leave_count=1, steps=2, workers=2, rounds=2,
    methods=["fedavg", "server_momentum:ServerMomentum"],
)
assert in_rounds.to_pandas()["exact_in_bits"].tolist() == [True, True]
assert in_rounds.to_pandas()["trainings"].tolist() == [[6], [6]]
assert in_rounds.to_pandas()["state_digest"].nunique() == 2

attack = registered("fedsift.studies.attacks.membership", MembershipAttack)["gap"]
losses = np.array([[0.0, np.log(2)], [np.log(2), np.log(4)]])
models = Models(np.log([2.0, 4.0]), losses[0]), References(losses, losses, losses > 0)
assert np.allclose(attack.scores(*models), [0.5 - 0.75, 0.25 - 0.375])

settings = configuration("spread", {"dataset": "sums", "clients": 3, "steps": 2, "workers": 2})
result = reproduce("spread", settings, Path("figures"), PhaseBars())
assert len(result["series"][0]["y"]) == 3
assert Path("figures/spread.svg").exists()
"""


@pytest.mark.exhaustive
def test_each_file_of_the_page_is_all_that_is_needed(tmp_path: Path) -> None:
    for name in ("fedsift", "strategies", "simulations"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    own_method = page("own-method.md")
    assert not [block.file for block in blocks(own_method) if block.file and (tmp_path / block.file).exists()]
    files = write_files(own_method, tmp_path)
    assert len(files) == 5
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", USES_THEM]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for tool in (["ruff", "check"], ["ruff", "format", "--check"]):
        written = [str(tmp_path / name) for name in files]
        shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
        subprocess.run([sys.executable, "-m", *tool, *written], cwd=tmp_path, check=True)
