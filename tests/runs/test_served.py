"""What Python is handed is what was scored."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

import fedsift
from fedsift import Run
from fedsift.core.mask_file import mask_path
from fedsift.runs.result import RunResult
from tests.models import save_model

WORDS = {"sky": "blue", "sea": "blue", "grass": "green", "leaf": "green", "coal": "black", "night": "black"}
Scores = dict[str, dict[str, float]]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Scores]:
    """The scores of each client, by name, of the last run."""
    seen: list[Any] = []
    made = RunResult.of
    monkeypatch.setattr(RunResult, "of", lambda *arguments: (seen.append(arguments[2]), made(*arguments))[1])
    return lambda: seen[-1].rounds[0].scores


def rows_of(client: int, gap: str = " ") -> list[tuple[str, str]]:
    words = sorted(WORDS)
    chosen = [words[(client + place) % 6] for place in range(8)]
    return [(f"{client} asks {place}: what is the {word}?", gap + WORDS[word]) for place, word in enumerate(chosen)]


def simulated(folder: Path, model: Path, **options: Any) -> Run:
    data = {f"client {number}": rows_of(number) for number in range(7)}
    options = {"steps": 4, "lr": 0.02, "test_share": 0.25, "newcomers": 1, "seed": 3, **options}
    return fedsift.simulate(dataset=data, model=str(model), workers=2, out=folder, **options)


CLASSIFIED = {"task": "classification", "choices": ("blue", "green", "black")}
SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "classification": ("bert", CLASSIFIED),
    "language model": ("gpt2", {}),
    "choices": ("llama", {"choices": ("blue", "green", "black"), "localise": "coordinate"}),
    "seq2seq": ("t5", {}),
    "held in": ("gpt2", {"test_share": 0.0}),
    "no head": ("bert", {**CLASSIFIED, "shared_head": False}),
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_it_scores_what_was_scored(tmp_path: Path, told: Callable[[], Scores], setting: str) -> None:
    from fedsift.data.loading import load_dataset

    family, options = SETTINGS[setting]
    run = simulated(tmp_path / "run", save_model(tmp_path / "model", family), **options)
    dataset = load_dataset(run.config)
    newcomer = next(each for each in told() if each not in run.members)
    for client, served in ((run.members[1], run.served(run.members[1])), (newcomer, run.served())):
        scores, test = told()[client], dataset.test_examples(client)
        assert served.score(test) == scores["served"]
        assert (served.head is None) == (setting == "no head" or (setting == "held in" and client != newcomer))
        said = served.log_probabilities(test)
        assert said.shape[0] >= len(test)
        assert served.score(test) == scores["served"], "the model is left as it was"
        if setting == "classification":
            right = [options["choices"].index(answer.strip()) for _, answer in test]
            assert (said.argmax(1) == right).mean() == scores["served"]


def test_what_a_member_keeps_to_be_served_is_gone_when_it_left(tmp_path: Path) -> None:
    run = simulated(tmp_path / "run", save_model(tmp_path / "model", "bert"), **CLASSIFIED)
    leaver = run.members[0]
    kept = mask_path(run.path / "masks", leaver)
    with safe_open(kept, "np") as file:
        assert "features" in set(file.keys())
    run.forget(leaver)
    assert not kept.exists()
    with pytest.raises(fedsift.Refused, match="has left already"):
        run.served(leaver)
