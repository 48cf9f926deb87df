from pathlib import Path

import pytest
import torch

from fedsift.core.errors import BadInput
from fedsift.learning.model_settings import ModelSettings
from fedsift.learning.models import load_model
from fedsift.learning.tasks.classification import TextClassifier
from tests.models import save_model

LABELS = ("red", "blue", "green")


def settings(folder: Path, head: str = "random", seed: int = 0) -> ModelSettings:
    return ModelSettings(model=str(folder), task="classification", choices=LABELS, head=head, max_length=16, seed=seed)


@pytest.fixture(scope="module", params=["bert", "llama", "t5"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp(request.param), request.param)


def test_logits_do_not_depend_on_the_padding(folder: Path) -> None:
    flat, task = load_model(settings(folder))
    short, long = (task.encode(row) for row in [("Sea?", " blue"), ("The sun in the evening?", " red")])
    with torch.no_grad():
        together = flat.module(*task.batch([short, long])[:2])
        apart = [flat.module(*task.batch([row])[:2])[0] for row in (short, long)]
        hidden = flat.module.texts(input_ids=torch.tensor([short.ids])).last_hidden_state[0].mean(0)
    torch.testing.assert_close(together, torch.stack(apart), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(apart[0], flat.module.head.weight @ hidden, rtol=1e-4, atol=1e-5)
    assert task.batch([short, long]).labels.tolist() == [1, 0]
    right = [float(row.argmax() == label) for row, label in zip(together, (1, 0), strict=True)]
    assert task.scores(flat.module, task.batch([short, long])).tolist() == right


def test_a_random_head_comes_from_the_root_seed(folder: Path) -> None:
    heads = [load_model(settings(folder, seed=seed))[0].module.head.weight for seed in (0, 0, 1)]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])
    torch.testing.assert_close(heads[0].norm(dim=1), torch.ones(3))


def test_a_label_text_is_classified_as_itself(folder: Path) -> None:
    """Each label's own text points most in its own direction, as far as the centred directions allow."""
    flat, task = load_model(settings(folder, head="label-text"))
    rows = [task.encode((label, f" {label}")) for label in LABELS]
    with torch.no_grad():
        logits = flat.module(*task.batch(rows)[:2])
    centred = logits - logits.mean(0)
    assert centred.argmax(1).tolist() == [0, 1, 2]


def test_unused_poolers_are_left_out(tmp_path: Path) -> None:
    flat, _ = load_model(settings(save_model(tmp_path, "bert")))
    assert isinstance(flat.module, TextClassifier)
    assert not any("pooler" in name for name, _ in flat.module.named_parameters())


def test_bad_labels(folder: Path) -> None:
    _, task = load_model(settings(folder))
    with pytest.raises(BadInput, match="unknown choice 'blu'; did you mean 'blue'"):
        task.encode(("Sea?", " blu"))
    with pytest.raises(BadInput, match="classification needs choices"):
        ModelSettings(model=str(folder), task="classification")
