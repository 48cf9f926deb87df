"""--generate: what models say is scored, too."""

import dataclasses
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.core.rouge import rouge_l
from fedsift.data.loading import load_dataset
from fedsift.learning.models import load_model
from fedsift.runs import run as simulation
from fedsift.runtime.progress import PhaseBars


def test_what_is_generated_is_scored(tiny_config: RunConfig, tmp_path: Path) -> None:
    config = dataclasses.replace(tiny_config, generate=True, shared_head=False, max_length=24, newcomers=2.0)
    result = simulation.run(config, tmp_path / "run", PhaseBars())
    text, newcomers = result.text, result.text_of_newcomers
    assert text and newcomers
    assert text.rouge_l.keys() == {"zero_shot", "local", "merged", "sift_masks_paper", "sift_masks", "served"}
    assert newcomers.rouge_l.keys() == {"zero_shot", "merged", "served"}
    assert text.rouge_l["served"] == text.rouge_l["sift_masks"]
    assert newcomers.rouge_l["served"] == newcomers.rouge_l["merged"]
    # By hand, of the base model.
    flat, task = load_model(config.model_settings)
    data = load_dataset(config)
    for client_id, score in text.rouge_l["zero_shot"].per_client.items():
        said = []
        for row in data.test_examples(client_id):
            ids, targets = task.encode(row)
            kept = ids[:-targets]
            for _ in range(targets):
                kept.append(int(flat.module(torch.tensor([kept])).logits[0, -1].argmax()))
            decode = task._tokenizer.decode  # type: ignore[attr-defined]
            said.append(rouge_l(decode(kept[-targets:], skip_special_tokens=True), row.target))
        assert score == pytest.approx(fmean(said))


@pytest.mark.parametrize("options", [{"choices": ("a", "b")}, {"task": "classification", "choices": ("a", "b")}])
def test_what_generates_nothing(options: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="generate belongs to --task language-modelling without choices"):
        RunConfig(generate=True, **options)
