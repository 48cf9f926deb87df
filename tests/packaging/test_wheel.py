"""What is built for others: a wheel that puts `fedsift` on the import path, whole, and nothing else; and its sdist."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

REPOSITORY = Path(__file__).parents[2]


def build(what: str, tree: Path, folder: Path) -> Path:
    """An sdist or a wheel, without a network."""
    command = [sys.executable, "-m", "build", f"--{what}", "--no-isolation", "--outdir", str(folder), str(tree)]
    subprocess.run(command, check=True, timeout=300)
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


def checksums(wheel: Path) -> dict[str, int]:
    """Of the files in it."""
    with zipfile.ZipFile(wheel) as archive:
        return {each.filename: each.CRC for each in archive.infolist()}


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of all that a clone has."""
    folder = tmp_path_factory.mktemp("sdist")
    made = shutil.ignore_patterns(".*", "*.egg-info", "build", "dist", "runs", "site")

    def left_out(at: str, names: list[str]) -> set[str]:
        return made(at, names) if Path(at) == REPOSITORY else {"__pycache__"}

    shutil.copytree(REPOSITORY, folder / "tree", symlinks=True, ignore=left_out)
    return build("sdist", folder / "tree", folder / "built")


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the sdist."""
    folder = tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (source,) = (folder / "unpacked").iterdir()
    assert not [file for file in source.rglob("*") if file.is_symlink()]
    return build("wheel", source, folder / "built")


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked as pip does."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def metadata(installed: Path) -> Message:
    (file,) = installed.glob("*.dist-info/METADATA")
    return message_from_bytes(file.read_bytes())


def test_an_index_takes_both(sdist: Path, wheel: Path) -> None:
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", sdist, wheel], check=True)


def test_the_page_of_an_index_links_to_nothing_that_is_not_there(metadata: Message) -> None:
    page = str(metadata.get_payload())
    tokens = [child for token in MarkdownIt("commonmark").parse(page) for child in token.children or ()]
    targets = [
        each.attrs.get("href") or each.attrs.get("src") for each in tokens if {"href", "src"} & each.attrs.keys()
    ]
    assert targets
    assert [each for each in targets if not str(each).startswith("https://")] == []


def test_the_image_is_built_from_what_the_wheel_needs(wheel: Path, tmp_path: Path) -> None:
    """What .dockerignore lets through has the same wheel."""
    source = tmp_path / "source"
    source.mkdir()
    lines = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for file in (REPOSITORY / each[1:] for each in lines if each.startswith("!")):
        if file.is_dir():
            shutil.copytree(file, source / file.name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(file, source)
    assert checksums(build("wheel", source, tmp_path / "built")) == checksums(wheel)


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
    (about,) = installed.glob("*.dist-info")
    assert {each.name for each in about.rglob("*") if each.is_file()} == {
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
