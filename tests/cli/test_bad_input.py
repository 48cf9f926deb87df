"""A user's mistake: one line that says what, where and what would be right, exit code 2, and nothing written."""

import shutil
from itertools import chain
from pathlib import Path

import pytest
import torch

from tests.cli.commands import failed, invoke
from tests.learning.damage import WEIGHTS, Damage, content, removed, without


@pytest.fixture
def options(tiny_model: Path, table_file: Path, tmp_path: Path) -> dict[str, str]:
    return {
        "--dataset": str(table_file),
        "--client-column": "who",
        "--prompt": "Q: {question}\\nA:",
        "--target": "answer",
        "--model": str(tiny_model),
        "--out": str(tmp_path / "out"),
    }


def told(options: dict[str, str], *arguments: str) -> str:
    """What the command says; checks that it is one line, exit code 2, and no output folder or remains of one."""
    folder = Path(options["--out"]).parent
    before = sorted(folder.rglob("*"))
    code, printed, told = invoke("run", *arguments, *chain(*options.items()))
    assert (code, told.count("fedsift: ")) == (2, 1), told
    message = told[told.index("fedsift: ") :]
    assert message.count("\n") == 1
    assert "Traceback" not in printed + told
    assert sorted(folder.rglob("*")) == before
    return message


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"--dataset": "missing.csv"}, "dataset file missing.csv does not exist"),
        ({"--dataset": "poeple"}, "unknown dataset 'poeple'; did you mean 'people'"),
        ({"--client-column": "whom"}, "client-column: unknown column 'whom'; did you mean 'who'"),
        ({"--target": "anwser"}, "target: unknown column 'anwser'; did you mean 'answer'"),
        ({"--prompt": "{questoin}"}, "prompt: unknown column 'questoin'; did you mean 'question'"),
        ({"--prompt": "{question"}, "literal braces"),
        ({"--clients": "9"}, "has 8 clients"),
        ({"--leave": "client 9"}, "leave: unknown client 'client 9'; did you mean 'client"),
        ({"--leave": "client 1,client 2"}, "for several: --leave 'client 1' --leave 'client 2'"),
        ({"--leave": "client 1,"}, "unknown client 'client 1,'; did you mean 'client 1'"),
        ({"--leave": " client 1"}, "unknown client ' client 1'; did you mean 'client 1'"),
        ({"--leave": "client 1\n"}, r"unknown client 'client 1\n'; did you mean 'client 1'"),
        ({"--leave": "5"}, "for a number of clients: --leave-count 5"),
        ({"--leave": "-1"}, "unknown client '-1'"),
        ({"--leave": ""}, "unknown client ''"),
        ({"--leave": "client 1", "--leave-count": "1"}, "leave-count excludes leave and leave-file"),
        ({"--leave-count": "9"}, "leave-count = 9: the run has 8 clients"),
        ({"--leave-count": "-1"}, "leave-count = -1"),
        ({"--leave-file": "missing.txt"}, "leave-file missing.txt: No such file"),
        ({"--model": ""}, "model is empty"),
        ({"--model": "./missing"}, "model folder ./missing does not exist"),
        ({"--model": "no-such-model-anywhere"}, "cannot be loaded"),
        ({"--lr": "0"}, "lr = 0.0"),
        ({"--lr": "1e-320"}, "lr = 1e-320: give a number from 1.2e-38 to 3.4e+38"),
        ({"--lr": "1" + "0" * 400}, "lr = inf"),
        ({"--max-magnitude": "1e39"}, "max-magnitude = 1e+39"),
        ({"--alpha": "nan"}, "alpha = nan: give a finite number above 0"),
        ({"--steps": "1" + "0" * 400}, "steps: far too large a number; give at most 1,000,000,000"),
        ({"--batch-size": str(2**63)}, "batch-size: far too large a number"),
        ({"--max-length": "1000000000"}, "has 192 positions"),
        ({"--lora-rank": "1000000000"}, "lora-rank = 1000000000: no layer of the model has a rank above"),
        ({"--prompt": "{question}\udcff"}, r"prompt = '{question}\udcff': no valid Unicode at character 11; give UTF"),
        ({"--target": "answer\udcff"}, r"target = 'answer\udcff': no valid Unicode"),
        ({"--leave": "client\udcff"}, r"leave = 'client\udcff': no valid Unicode"),
        ({"--lr": "-1"}, "lr = -1.0"),
        ({"--levels": "-1"}, "levels = -1"),
        ({"--localise": "coordinates"}, "did you mean 'coordinate'"),
        ({"--preset": "papper"}, "unknown preset 'papper'; did you mean 'paper'"),
        ({"--max-length": "1"}, "max-length = 1"),
        ({"--max-length": "193"}, "has 192 positions; give --max-length 192"),
        ({"--dataset": "rows.txt"}, "unknown dataset 'rows.txt'; valid: own, people, "),
        ({"--task": "clasification"}, "unknown task 'clasification'; did you mean 'classification'"),
        ({"--task": "classification"}, "classification needs choices"),
        ({"--choices": "aaa0"}, "give at least two different ones"),
        (
            {"--choices": "aaa0,bbb0", "--test-share": "0"},
            "client 'client 0', row 9 of the table: target: unknown choice 'aaa1'; did you mean 'aaa0'",
        ),
        ({"--head": "label"}, "did you mean 'label-text'"),
        ({"--head": "label-text"}, "head belongs to --task classification"),
        ({"--dtype": "float16"}, "did you mean 'bfloat16'"),
        ({"--device": "gpu"}, "unknown device 'gpu'"),
        ({"--clients-per-gpu": "0"}, "clients-per-gpu = 0: give a whole number from 1 to 64"),
        ({"--tune": "*.ln_7.*"}, "tune: unknown parameter '*.ln_7.*'"),
        ({"--tune": "*.ln_1.*", "--lora-rank": "2"}, "tune and lora-rank exclude each other"),
        ({"--micro-batch": "-1"}, "micro-batch = -1"),
        ({"--commit-share": "-0.1"}, "commit-share = -0.1: give a number from 0 to 1 (Share of the steps, the last "),
        ({"--beta1": "1"}, "beta1 = 1.0: give a number from 0 to below 1 (Share that Adam keeps of its first moment"),
        ({"--test-share": "1"}, "test-share = 1"),
        ({"--partition": "idd", "--client-column": ""}, "unknown partition 'idd'; did you mean 'iid'"),
        ({"--partition": "iid"}, "client-column and partition exclude each other"),
        ({"--partition": "iid", "--client-column": ""}, "partition needs clients"),
        ({"--partition": "iid", "--client-column": "", "--clients": "25"}, "clients = 25: the data have 24 rows"),
        ({"--data-file": "full.jsonl"}, "data-file belongs to tofu, sent140, reddit, stackoverflow; dataset "),
        ({"--dataset": "tofu"}, "or owner/name on the hub; dataset tofu takes none"),
        ({"--task": "my_task:Task"}, "model belongs to a transformers model; task my_task:Task brings its own"),
        ({"--out": "/dev/null/out"}, "out = /dev/null/out"),
    ],
)
def test_one_line(options: dict[str, str], changed: dict[str, str], message: str) -> None:
    assert message in told({**options, **changed})


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize(
    "command",
    [
        ["run"],
        ["compare", "--leave-count", "1"],
        ["tune", "--newcomers", "0.5", "--test-share", "0.3"],
        ["reproduce", "fig3"],
        ["optout", "one-client"],
        ["bench", "--gpu", "--no-chat", "--model", "people"],
    ],
)
def test_a_gpu_that_is_not_there(command: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = failed(*command, "--device", "cuda", "--clients", "6", "--out", out)
    assert said.startswith("fedsift: device = cuda: no CUDA device is seen by torch (")
    assert said.count("\n") == 1
    assert not out.exists()


def test_an_output_that_is_there(options: dict[str, str]) -> None:
    out = Path(options["--out"])
    out.write_text("precious", encoding="utf-8")
    assert "it is a file" in told(options)
    out.unlink()
    (out / "mine").mkdir(parents=True)
    assert "the folder is not empty" in told(options)


@pytest.mark.parametrize(
    ("damage", "engine", "message"),
    [
        (removed(WEIGHTS), "ray", "has no weights"),
        (removed("config.json"), "ray", "has no config.json"),
        (content(WEIGHTS, b"\xff" * 100), "ray", "cannot be loaded"),
        # The configuration alone does not tell.
        (without("transformer.h.0.ln_1.weight"), "ray", "the weights lack transformer.h.0.ln_1.weight"),
        (without("transformer.h.0.ln_1.weight"), "flower", "the weights lack transformer.h.0.ln_1.weight"),
    ],
)
def test_a_damaged_model(
    options: dict[str, str], tiny_model: Path, tmp_path: Path, damage: Damage, engine: str, message: str
) -> None:
    damage(shutil.copytree(tiny_model, tmp_path / "model"))
    assert message in told({**options, "--model": str(tmp_path / "model"), "--engine": engine})


def test_a_configuration_with_an_unknown_key(options: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("stesp = 3\n", encoding="utf-8")
    message = told(options, str(tmp_path / "config.toml"))
    assert "config.toml: unknown key 'stesp'; did you mean 'steps'" in message


def test_a_client_with_nothing_to_learn(options: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("who,question,answer\na,q,x\nb,q,\n", encoding="utf-8")
    assert "row 2 has nothing in column 'answer'" in told({**options, "--dataset": str(file)})
