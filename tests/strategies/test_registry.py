"""What is a method, and in which order."""

import json
import subprocess
import sys
from pathlib import Path

from fedsift.strategies.registry import COMPARED, METHODS

OWN = '''
"""Serves nothing."""
from fedsift.protocol.compared_method import ComparedMethod, Work
from fedsift.protocol.method import MODEL, ONE

class Nothing(ComparedMethod):
    name, title, paper = "nothing", "Nothing", "nobody"
    exact, cost, storage = True, ONE, MODEL

    def change(self, clients, joining, leaving):
        self.members = (self.members | joining) - leaving
        return Work()

    def digest(self):
        return ""

    def shared(self):
        return {}

    @staticmethod
    def serve(recipient, **terms):
        return []
'''


def test_sift_masks_comes_first_then_merges_then_pools() -> None:
    assert list(METHODS) == ["sift-masks", "sift-merge", *COMPARED]
    exact = [method.exact for method in METHODS.values()]
    assert exact == sorted(exact, reverse=True)


def test_a_file_in_the_folder_is_a_method(tmp_path: Path) -> None:
    """One file more, and `fedsift methods` and the plan know it."""
    (tmp_path / "nothing.py").write_text(OWN, encoding="utf-8")
    code = f"import fedsift.strategies as found; found.__path__.append({str(tmp_path)!r}); "
    code += "from fedsift.cli import main; main()"
    for command in (["methods", "--json"], ["plan", "--json"]):
        done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True)
        told = json.loads(done.stdout)
        rows = told if command[0] == "methods" else told["methods"]
        assert [row["name"] for row in rows] == [*METHODS, "nothing"]
