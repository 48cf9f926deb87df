"""A user's own folders may be called what ours are called."""

from pathlib import Path

import pytest

from tests.cli.commands import fedsift, result_of

PACKAGES = ("simulations", "strategies", "tests", "data")


@pytest.mark.slow
def test_a_plug_in_imports_its_own_packages_whatever_they_are_called(tmp_path: Path) -> None:
    """Workers too: each package has one client's rows, and would be missed if another of that name were found."""
    for number, name in enumerate(PACKAGES):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
        (tmp_path / name / "rows.py").write_text(f'ROWS = [("{name}?", " {number}")]\n')
    imports = [f"from {name}.rows import ROWS as of_{name}" for name in PACKAGES]
    clients = ", ".join(f'"{name}": of_{name}' for name in PACKAGES)
    (tmp_path / "mine.py").write_text("\n".join([*imports, f"def clients(): return {{{clients}}}", ""]))
    options = ["--dataset", "mine:clients", "--steps", 2, "--clients", 4, "--test-share", 0, "--out", "out"]
    done = fedsift("run", *options, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    result = result_of(tmp_path / "out")
    assert result["failures"] == {}
    assert set(result["scores"]["sift_masks"]["per_client"]) == set(PACKAGES)
