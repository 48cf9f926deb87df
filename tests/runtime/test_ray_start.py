"""Where Ray keeps its sockets is looked at before Ray starts; Ray's own rules are the measure."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import ray
from ray._common.utils import get_default_system_temp_dir
from ray._private.utils import validate_socket_filepath

from fedsift.core.errors import BadInput
from fedsift.runtime.ray_start import check_ray, local_ray


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a shorter path than pytest's."""
    with TemporaryDirectory(dir="/tmp") as name:
        yield Path(name)


def nested(parent: Path, length: int) -> Path:
    """A folder below one, whose path has so many bytes."""
    path = parent / ("x" * (length - len(os.fsencode(parent)) - 1))
    path.mkdir(exist_ok=True)
    assert len(os.fsencode(path)) == length
    return path


def ray_takes(folder: Path) -> bool:
    """Whether Ray, asked itself, has room for the socket with the longest path there."""
    socket = (
        folder
        / "fs-abcdefgh"
        / "ray"
        / f"session_2026-11-26_15-19-09_123456_{os.getpid()}"
        / "sockets"
        / "plasma_store"
    )
    try:
        validate_socket_filepath(str(socket))
    except OSError:
        return False
    return True


def test_the_limit_is_rays(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    for length in range(20, 50):
        folder = nested(short, length)
        monkeypatch.setenv("RAY_TMPDIR", str(folder))
        try:
            check_ray()
            taken.append(True)
        except BadInput as error:
            assert "too long for Ray's sockets; set RAY_TMPDIR" in str(error)
            taken.append(False)
        assert taken[-1] == ray_takes(folder)
    assert taken[0]
    assert not taken[-1]


@pytest.mark.parametrize(
    "variables",
    [{}, {"TMPDIR": "/one"}, {"RAY_TMPDIR": "/two"}, {"TMPDIR": "/one", "RAY_TMPDIR": "/two"}, {"TMPDIR": ""}],
)
def test_the_folder_is_rays(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TMPDIR", "RAY_TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    try:
        check_ray()
    except BadInput as error:
        told = str(error)
        assert f" = {Path(get_default_system_temp_dir())}: " in told
    else:
        assert get_default_system_temp_dir() == "/tmp"


@pytest.mark.parametrize(
    ("folder", "told"),
    [
        ("", "TMPDIR = .: no whole path"),
        ("relative", "TMPDIR = relative: no whole path"),
        ("~", "TMPDIR = ~: no whole path"),
        ("/nowhere/at/all", "Ray cannot write there (No such file or directory)"),
        ("/dev/null", "Ray cannot write there (Not a directory)"),
        ("/proc", "Ray cannot write there ("),
        ("/" + "é" * 30, "bytes too long"),
    ],
)
def test_a_folder_that_ray_cannot_use(folder: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", folder)
    with pytest.raises(BadInput) as error, local_ray(1):
        pass
    assert told in str(error.value)
    assert "set RAY_TMPDIR to" in str(error.value)


def test_too_few_addresses() -> None:
    limited = "import resource; resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30)); from fedsift.runtime."
    code = f"{limited}ray_start import check_ray; check_ray()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert "BadInput: a process may have 2.0 GiB of addresses here (ulimit -v), and Ray needs" in done.stderr


@pytest.mark.slow
def test_ray_starts_at_the_limit(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    longest = max(length for length in range(20, 60) if ray_takes(Path("/" + "x" * (length - 1))))
    monkeypatch.setenv("RAY_TMPDIR", str(nested(short, longest)))
    with local_ray(1):
        assert ray.is_initialized()
