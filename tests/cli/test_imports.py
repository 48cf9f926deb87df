"""Commands import what they need and no more: torch takes four times as long as all else of a server."""

import subprocess
import sys

import pytest

LOADED = """
import sys
import fedsift.cli.run_summary
import {module}
print(*sorted({{"torch", "transformers", "ray", "flwr"}} & sys.modules.keys()))
"""


@pytest.mark.parametrize(
    ("module", "loaded"),
    [
        ("fedsift.cli", "flwr"),
        ("fedsift.runs.verify", "flwr"),
        ("fedsift.runs.forget", "flwr"),
        ("fedsift.runs.forget_rows", "flwr"),
        ("fedsift.runs.join", "flwr"),
        ("fedsift.runs.run", "flwr ray"),
    ],
)
def test_a_server_imports_no_torch(module: str, loaded: str) -> None:
    program = [sys.executable, "-c", LOADED.format(module=module)]
    ended = subprocess.run(program, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == loaded
