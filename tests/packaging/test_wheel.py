"""What `pip install` puts on the import path: `fedsift`, whole, and nothing else."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
_BUILD = "import sys; from setuptools import build_meta as backend; getattr(backend, sys.argv[1])(sys.argv[2])"


def build(what: str, tree: Path, folder: Path) -> Path:
    """An sdist or a wheel, by the build's own backend, without a network."""
    folder.mkdir()
    subprocess.run([sys.executable, "-c", _BUILD, f"build_{what}", str(folder)], cwd=tree, check=True, timeout=300)
    (built,) = folder.iterdir()
    return built


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, links followed, but for what Python leaves behind."""
    return {
        str((Path(at) / name).relative_to(folder)): (Path(at) / name).read_bytes()
        for at, _, names in os.walk(folder, followlinks=True)
        if "__pycache__" not in at
        for name in names
    }


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that is built from the sdist of this tree, unpacked as pip does."""
    folder = tmp_path_factory.mktemp("built")
    tree = folder / "tree"
    tree.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, tree)
    for name in ("fedsift", "strategies", "simulations"):
        shutil.copytree(REPOSITORY / name, tree / name, symlinks=True)
    with tarfile.open(build("sdist", tree, folder / "sdist")) as sdist:
        sdist.extractall(folder / "unpacked", filter="data")
    (source,) = (folder / "unpacked").iterdir()
    assert not [file for file in source.rglob("*") if file.is_symlink()]
    with zipfile.ZipFile(build("wheel", source, folder / "wheel")) as wheel:
        wheel.extractall(folder / "installed")
    return folder / "installed"


def test_nothing_but_fedsift_is_installed(installed: Path) -> None:
    assert {each.name.partition("-")[0] for each in installed.iterdir()} == {"fedsift"}


def test_every_file_of_the_package_is_installed(installed: Path) -> None:
    found, expected = contents(installed / "fedsift"), contents(REPOSITORY / "fedsift")
    assert found.keys() == expected.keys()
    assert found == expected
    of_data = {"py.typed", "learning/people_model/model.safetensors", "studies/report/page.html.j2"}
    assert of_data | {"simulations/scenarios/one-client.toml", "strategies/sift_masks.py"} <= found.keys()


def test_only_kinds_of_files_that_belong_are_installed(installed: Path) -> None:
    """No ledger, key, log or the like that lay about in the folder."""
    (metadata,) = installed.glob("*.dist-info")
    assert {each.name for each in metadata.rglob("*") if each.is_file()} == {
        *("METADATA", "WHEEL", "RECORD", "top_level.txt", "entry_points.txt", "LICENSE")
    }
    files = [each for each in (installed / "fedsift").rglob("*") if each.is_file()]
    assert {each.suffix for each in files if each.name != "py.typed"} == {
        *(".py", ".pyi", ".toml", ".j2", ".css", ".json", ".safetensors")
    }
    assert sum(each.stat().st_size for each in files) < 4 << 20


def test_the_folders_of_the_repository_are_no_packages_of_their_own(installed: Path, tmp_path: Path) -> None:
    script = """
import importlib.util, fedsift, fedsift.strategies, fedsift.simulations
print(fedsift.__file__)
print([name for name in ("simulations", "strategies", "tests", "docs") if importlib.util.find_spec(name)])
"""
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    told = subprocess.check_output([sys.executable, "-c", script], cwd=tmp_path, env=environment, text=True)
    assert told.splitlines() == [str(installed / "fedsift" / "__init__.py"), "[]"]
