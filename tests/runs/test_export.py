"""An exported folder predicts without fedsift what fedsift predicts, and the run keeps nothing of it."""

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import fedsift
from fedsift import BadInput, CustomTask, Refused
from fedsift.learning.tasks.rendering import ChatTurns
from fedsift.runs.served import Served
from tests.cli import commands
from tests.models import save_model
from tests.runs.test_served import CLASSIFIED, rows_of, simulated

CHOICES: dict[str, Any] = {"choices": ("blue", "green", "black")}
SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "classification": ("bert", CLASSIFIED),
    "classification by an encoder of two": ("t5", CLASSIFIED),
    "classification with LoRA": ("bert", {**CLASSIFIED, "lora_rank": 2, "lr": 0.1}),
    "language model": ("gpt2", {}),
    "language model, held in": ("llama", {"test_share": 0.0}),
    "LoRA": ("gpt2", {"lora_rank": 2, "lr": 0.1}),
    "choices": ("llama", CHOICES),
    "choices in a chat": ("llama", {**CHOICES, "chat": True, "system": "be brief"}),
    "chat": ("gpt2", {"chat": True}),
    "encoder and decoder": ("t5", {}),
    "choices of encoder and decoder": ("t5", CHOICES),
}
# What the fast lane runs of them.
IN_SHORT = ("choices",)
_ASK = """
import sys
class Missing:
    def find_spec(self, name, *rest):
        assert name.split(".")[0] != "fedsift", "fedsift is imported"
sys.meta_path.insert(0, Missing())
exec(open(sys.argv[1]).read())
asked = json.load(open(sys.argv[2]))
json.dump([log_probabilities(*each).tolist() for each in asked], open(sys.argv[3], "w"))
"""

_REFUSED_AT_ONCE = """
import sys
from fedsift.cli import main
try:
    main()
except SystemExit as left:
    assert left.code
    print(sorted({"torch", "transformers", "ray"} & sys.modules.keys()))
"""


def code_of(out: Path) -> str:
    """The lines of a card, to be run from anywhere."""
    (code,) = re.findall(r"^```python\n(.*?)^```$", (out / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return code.replace('folder = "."', f"folder = {str(out)!r}")


def without_fedsift(out: Path, scratch: Path, asked: list[list[Any]]) -> list[NDArray[np.float64]]:
    """What the lines of the card say, in a process in which fedsift cannot be imported."""
    scratch.mkdir(exist_ok=True)
    code = code_of(out)
    files = [scratch / name for name in ("code.py", "asked.json", "said.json")]
    files[0].write_text(code, encoding="utf-8")
    files[1].write_text(json.dumps(asked), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-I", "-c", _ASK, *map(str, files)], cwd=out, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [np.array(each) for each in json.loads(files[2].read_text(encoding="utf-8"))]


def asked_of(served: Served, rows: list[tuple[str, str]], options: dict[str, Any]) -> list[list[Any]]:
    if options.get("choices"):
        return [[prompt] for prompt, _ in rows]
    if options.get("chat"):
        turns = [ChatTurns(served.tokenizer, "", "the model").tokens(row) for row in rows]
        return [[prompt, target] for prompt, (target,) in turns]
    end = [served.tokenizer.eos_token_id]
    if served.model.config.is_encoder_decoder:  # type: ignore[union-attr]
        tokenizer = served.tokenizer
        plain = [(tokenizer(prompt).input_ids, answer.strip()) for prompt, answer in rows]
        return [[prompt, tokenizer(answer, add_special_tokens=False).input_ids + end] for prompt, answer in plain]
    return [[served.tokenizer(prompt).input_ids, served.tokenizer(answer).input_ids] for prompt, answer in rows]


@pytest.mark.parametrize(
    "setting", [each if each in IN_SHORT else pytest.param(each, marks=pytest.mark.exhaustive) for each in SETTINGS]
)
def test_the_card_predicts_what_is_served(tmp_path: Path, setting: str) -> None:
    family, options = SETTINGS[setting]
    run = simulated(tmp_path / "run", save_model(tmp_path / "model", family, bool(options.get("chat"))), **options)
    before = sorted(run.path.rglob("*"))
    rows = rows_of(2)[:3]
    for member in (run.members[1], None):
        out = tmp_path / ("merged" if member is None else "member")
        exported = run.export(out, member)
        served = run.served(member)
        said = without_fedsift(out, tmp_path / "scratch", asked_of(served, rows, options))
        expected = served.log_probabilities(rows)
        predicted = np.concatenate([np.atleast_2d(each) for each in said])
        np.testing.assert_allclose(predicted, expected, rtol=0, atol=2e-3)  # a head in float32
        np.testing.assert_array_equal(predicted.argmax(1), expected.argmax(1))
        assert np.ptp(expected, axis=1).min() > 1e-3
        assert exported.state_digest == run.result.state_digest
        assert set(exported.files) == {str(each.relative_to(out)) for each in out.rglob("*") if each.is_file()}
        assert ("head.json" in exported.files) == (served.head is not None)
        assert ("adapter_config.json" in exported.files) == bool(options.get("lora_rank"))
    assert sorted(run.path.rglob("*")) == before


def test_a_card_says_where_it_comes_from_and_names_nobody_else(tmp_path: Path) -> None:
    table, template = tmp_path / "asked.csv", {"prompt": "Ask: {text}\n{{it}}:", "target": "colour"}
    with table.open("w", encoding="utf-8", newline="") as file:
        rows = [(f"client {number}", *row) for number in range(7) for row in rows_of(number, "")]
        csv.writer(file).writerows([("client", "text", "colour"), *rows])
    run = fedsift.simulate(
        **{**CLASSIFIED, **template, "dataset": str(table), "client_column": "client"},
        model=str(save_model(tmp_path / "model", "bert")),
        steps=4,
        lr=0.02,
        newcomers=1,
        seed=3,
        leave=["client 1"],
        workers=2,
        out=tmp_path / "run",
    )
    member = run.members[0]
    code, printed, told = commands.invoke("export", run.path, "--member", member, tmp_path / "out", "--json")
    assert code == 0, told
    assert json.loads(printed)["member"] == member
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\n")
    for told in (
        run.result.state_digest,
        f'member "{member}"',
        "1 BIT_EXACT",
        "| served |",
        "delete it by hand",
        "lr | 0.02",
        "torch ",
        "| prompt | Ask: {text}\\\\n{{it}}: |",
        "| target | colour |",
        "| max-length | 192 |",
    ):
        assert told in card
    everybody = {f"client {number}" for number in range(7)}
    assert {each for each in everybody if each in card} == {member}
    info = json.loads((tmp_path / "out" / "head.json").read_text(encoding="utf-8"))
    assert info["labels"] == ["blue", "green", "black"]
    assert sum(info["label_counts"]) == 6
    assert load_file(tmp_path / "out" / "head.safetensors")["weights"].shape == (info["feature_count"] + 1, 3)
    asked = json.loads((tmp_path / "out" / "prompt.json").read_text(encoding="utf-8"))
    assert {**template, "max_length": 192}.items() <= asked.items()
    names: dict[str, Any] = {}
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(code_of(tmp_path / "out"), names)
    assert names["prompt_of"]({"text": "sky?"}) == "Ask: sky?\n{it}:"
    likely = np.exp(run.served(member).log_probabilities([("Ask: ...\n{it}:", " blue")])[0])
    expected = dict(zip(("blue", "green", "black"), likely, strict=True))
    said = {label: float(share) for share, label in map(str.split, printed.getvalue().splitlines())}
    assert said == pytest.approx(expected, abs=2e-3)


def test_what_cannot_be_exported_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = simulated(tmp_path / "run", save_model(tmp_path / "model", "bert"), evaluate=False, **CLASSIFIED)
    leaver = run.members[0]
    run.forget(leaver)
    out = tmp_path / "a" / "out"
    with pytest.raises(Refused, match="has left already"):
        run.export(out, leaver)
    with pytest.raises(Refused, match="unknown member 'nobody'"):
        run.export(out, "nobody")
    with pytest.raises(BadInput, match="it lies in the run"):
        run.export(run.path / "exported")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(BadInput, match="not empty"):
        run.export(tmp_path / "full")
    assert commands.failed("export", run.path, out).count("--merged") == 1
    for words in ([tmp_path / "full", "--merged"], [out, "--member", "nobody"]):
        refused = [sys.executable, "-c", _REFUSED_AT_ONCE, "export", str(run.path), *map(str, words)]
        assert subprocess.check_output(refused, text=True, stderr=subprocess.DEVNULL) == "[]\n"
    monkeypatch.setattr("fedsift.runs.exported_files.model_card", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run.export(out)
    assert not out.parent.exists()


def test_a_task_of_ones_own(tmp_path: Path) -> None:
    from tests.api.rows_of_tests import Threes

    rows = {f"client {number}": [number, number + 1] for number in range(3)}
    run = fedsift.simulate(dataset=rows, task=Threes, steps=20, workers=2, out=tmp_path / "run")
    member = run.members[0]
    run.export(tmp_path / "out", member)
    state = load_file(tmp_path / "out" / "model.safetensors")
    served = run.served(member)
    assert state.keys() == served.model.state_dict().keys()
    for name, value in served.model.state_dict().items():
        np.testing.assert_array_equal(state[name], value.numpy())
    names: dict[str, Any] = {}
    exec(code_of(tmp_path / "out"), names)
    assert float(names["scores"]([1, 4]).mean()) == pytest.approx(served.score([1, 4]))


class Signs(CustomTask):
    """A row is a number, of which the sign is to be said: 0 or 1."""

    metric, labels = "accuracy", 2

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 2))

    def batch(self, encoded: Sequence[Any]) -> Any:
        return torch.tensor([[float(number)] for number in encoded]), torch.tensor([int(each > 0) for each in encoded])

    def targets(self, encoded: Any) -> list[int]:
        return [int(encoded > 0)]

    def logits(self, model: nn.Module, batch: Any) -> Tensor:
        logits: Tensor = model(batch[0])
        return logits

    def loss(self, model: nn.Module, batch: Any) -> Tensor:
        return cross_entropy(model(batch[0]), batch[1])

    def scores(self, model: nn.Module, batch: Any) -> Tensor:
        return (model(batch[0]).argmax(1) == batch[1]).double()


def test_a_task_of_ones_own_with_labels(tmp_path: Path) -> None:
    rows = {f"client {number}": [number - 3, number + 1, -number - 1, 2 * number + 1] for number in range(6)}
    run = fedsift.simulate(dataset=rows, task=Signs, test_share=0.25, newcomers=1, workers=2, out=tmp_path / "run")
    out, asked = tmp_path / "out", [-3, 2, 5]
    member = run.members[0]
    run.export(out, member)
    served = run.served(member)
    assert served.head is not None
    names: dict[str, Any] = {}
    exec(code_of(out), names)
    said = names["log_probabilities"](asked)
    np.testing.assert_allclose(said.numpy(), served.log_probabilities(asked), atol=1e-5)
