"""`fedsift plan` as it is called."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fedsift.configuration.run_config import RunConfig
from fedsift.learning.model_settings import ModelSettings
from fedsift.learning.models import load_head_terms, load_model
from fedsift.strategies.registry import METHODS
from fedsift.studies.plan.footprint import Footprint
from fedsift.studies.plan.presentation import plan_json
from fedsift.studies.plan.removals import removals
from tests.cli.commands import done, fedsift, invoke
from tests.documents.pages import blocks, page
from tests.studies.plan.assumed import EXAMPLE, assumed


def test_the_documents_example(monkeypatch: pytest.MonkeyPatch) -> None:
    """Line by line what the command prints."""
    monkeypatch.setenv("COLUMNS", "100")
    command, shown = (block.content for block in blocks(page("planning.md")))
    assert [line.rstrip() for line in done(*command.split()[1:]).splitlines()] == shown.splitlines()


def test_json_has_the_assumptions_and_all_figures() -> None:
    options = [f"--{name.replace('_', '-')}={value}" for name, value in EXAMPLE.items()]
    footprint, told = Footprint(assumed()), json.loads(done("plan", *options, "--json"))
    assert told == plan_json(footprint, removals(footprint))
    assert told["assumptions"] == {
        **EXAMPLE,
        "tuned": 1_200_000_000,
        "moments": "float32",
        "head_features": 0,
        "head_labels": 2,
    }
    assert told["sift_masks"]["upload_bytes"] == 210_000_080
    assert [row["name"] for row in told["methods"]] == list(METHODS)
    assert told["methods"][0]["trainings"] == {"first_removal": 1, "asked_removals": 5, "all_removals": 499}


def test_defaults_are_those_of_a_run() -> None:
    told = json.loads(done("plan", "--json"))["assumptions"]
    for name in ("steps", "batch_size", "dtype", "moments"):
        assert told[name] == getattr(RunConfig, name)
    assert (told["tokens"], told["clients"], told["removals"]) == (RunConfig.max_length, 500, 5)
    assert told["levels"] == RunConfig().grid.levels
    assert (told["flops"], told["tuned"]) == (33.5e12, 1_200_000_000)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--clients", "0"], "clients = 0: give a whole number from 1 to 1,000,000"),
        (["--tuned", "2e9"], "tuned = 2000000000: give a whole number from 1 to 1,200,000,000"),
        (["--levels", "4294967296"], "levels: far too large a number; give at most 4,294,967,295"),
        (["--dtype", "half"], "unknown dtype 'half'; half is called bfloat16 here"),
        (["--lora-rank", "4"], "lora-rank says what is tuned of a model: give --model, too"),
        (["--model", "people", "--tuned", "1"], "tuned follows from --model: leave it out"),
        (["--model", "./no/folder"], "model folder ./no/folder does not exist"),
    ],
)
def test_a_mistake_is_told_in_one_line(arguments: list[str], message: str) -> None:
    code, printed, told = invoke("plan", *arguments)
    assert (code, printed) == (2, "")
    assert told.startswith(f"fedsift: {message}")
    assert told.count("\n") == 1


def test_no_number_at_all() -> None:
    ended = fedsift("plan", "--model-parameters", "big")
    told = "fedsift: Invalid value for '--model-parameters': 'big' is not a valid float.\n"
    assert (ended.returncode, ended.stderr) == (2, told)


def test_the_arithmetic_needs_neither_torch_nor_ray() -> None:
    code = "import sys, fedsift.studies.plan.presentation; assert not {'torch', 'ray'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0


@pytest.mark.parametrize(
    ("options", "given"),
    [
        ({}, []),
        ({"lora_rank": 2}, ["--lora-rank", "2"]),
        ({"tune": "*.ln_1.*"}, ["--tune", "*.ln_1.*"]),
        ({"task": "classification", "choices": ("a", "b")}, ["--task", "classification", "--choices", "a,b"]),
    ],
)
def test_sizes_come_from_a_configuration_alone(
    options: dict[str, Any], given: list[str], tiny_model: Path, tmp_path: Path
) -> None:
    """They are those of the model as it is loaded for a run."""
    shutil.copy(tiny_model / "config.json", tmp_path)
    settings = ModelSettings(model=str(tiny_model), **options)
    (model, _), head = load_model(settings), load_head_terms(settings)
    told = json.loads(done("plan", "--model", tmp_path, *given, "--json"))
    assumed = told["assumptions"]
    assert assumed["tuned"] == model.layout.size
    assert assumed["model_parameters"] == sum(each.numel() for each in model.module.parameters())
    assert head is not None
    assert (assumed["head_features"] + 1, assumed["head_labels"]) == (head.features, head.labels)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert (told["model"]["hidden_size"], told["model"]["layers"]) == (config["n_embd"], config["n_layer"])


def test_without_a_shared_head() -> None:
    printed = done("plan", "--model", "people", "--no-shared-head")
    assert "model    people: hidden size 64, layers 1, 50,112 parameters tuned" in printed
    assert "shared head" not in printed
