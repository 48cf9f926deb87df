"""Makes the small causal language model `people`: `python -m fedsift.simulations.people_model [OUT_FOLDER]`.

It learns the questions and the format of the answers from generated people who are never clients, each seen once, in a
world that is drawn anew at each step, so that there are no facts to learn. Nothing then makes it tell apart what the
world's questions are about, as a model that has read much does. So a second loss asks the state from which an answer
begins to name its question, through a head that is thrown away; no answer enters it. The same machine and library
versions give the same bytes again.
"""

import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from fedsift.core.examples import Example
from fedsift.data.people.generator import MAX_CLIENTS, PEOPLE, Person, make_person
from fedsift.data.people.world import world_examples
from fedsift.learning.model_location import PEOPLE_MODEL
from fedsift.learning.reproducibility import make_deterministic
from fedsift.learning.tasks.causal_lm import CausalBatch, CausalLanguageModelling
from fedsift.learning.tasks.rendering import PlainText
from fedsift.learning.tasks.task import mean_score

END_OF_TEXT: Final = "<|endoftext|>"


@dataclass(frozen=True)
class Pretraining:
    """Hyper-parameters. A step sees `people_per_step` people, 28 rows each."""

    seed: int = 0x9E3779B97F4A7C15
    vocabulary: int = 2048
    tokenizer_people: int = 2000
    layers: int = 1
    width: int = 64
    heads: int = 4
    positions: int = 256
    initial_std: float = 0.125
    # Words of one kind are interchangeable in pretraining: nothing pulls their embeddings apart, so they must start so.
    # From GPT-2's 0.02 they end close together, and tuning, which leaves embeddings alone, hardly learns a fact.
    initial_embedding_std: float = 0.5
    steps: int = 600
    people_per_step: int = 4
    lr: float = 4e-3
    warmup_steps: int = 50
    largest_gradient_norm: float = 1.0
    naming_weight: float = 1.0  # of the loss that asks which question about the world a state belongs to


def train_tokenizer(settings: Pretraining) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer (any text works), trained on the first `tokenizer_people` people of pretraining."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=settings.vocabulary,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    people = range(MAX_CLIENTS, MAX_CLIENTS + settings.tokenizer_people)
    texts = (prompt + target for person in people for prompt, target in every_row(settings, person, person))
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END_OF_TEXT,
        pad_token=END_OF_TEXT,
        padding_side="right",
        model_max_length=settings.positions,
        model_input_names=["input_ids", "attention_mask"],
    )


def every_row(settings: Pretraining, step: int, person: int) -> list[Example]:
    """All that a person knows or is asked, in the world of a step."""
    train, unseen = make_person((settings.seed + step) % 2**64, person)
    return train + unseen


def rows_of_steps(settings: Pretraining) -> Iterator[list[Example]]:
    """The rows of each step, of people not seen before."""
    for step in range(settings.steps):
        first = MAX_CLIENTS + step * settings.people_per_step
        people = range(first, first + settings.people_per_step)
        yield [row for person in people for row in every_row(settings, step, person)]


class Naming(nn.Module):
    """Names the question about the world from the last hidden state at which its answer begins."""

    def __init__(self, width: int) -> None:
        """For states of shape (rows, `width`)."""
        super().__init__()
        self._number = {row.prompt: number for number, row in enumerate(world_examples(0))}
        self._head = nn.Linear(width, len(self._number))

    def loss(self, rows: Sequence[Example], states: Tensor) -> Tensor:
        """Mean cross entropy over those rows that ask about the world."""
        asking = torch.tensor([row.prompt in self._number for row in rows])
        numbers = torch.tensor([self._number[row.prompt] for row in rows if row.prompt in self._number])
        return cross_entropy(self._head(states[asking]), numbers)


def losses(
    model: GPT2LMHeadModel, naming: Naming, rows: Sequence[Example], batch: CausalBatch
) -> tuple[Tensor, Tensor]:
    """The next token's loss over the answers, and the naming's, of the rows of a batch."""
    hidden = model.base_model(input_ids=batch.input_ids, use_cache=False).last_hidden_state
    states = hidden[batch.row, batch.position]
    sizes = torch.bincount(batch.row)
    beginnings = states[sizes.cumsum(0) - sizes]
    return cross_entropy(model.lm_head(states), batch.target), naming.loss(rows, beginnings)


def learning_rate_factor(step: int, settings: Pretraining) -> float:
    """Linear warm-up, then half a cosine to 0, as a factor of the learning rate."""
    progress = step / settings.steps
    return min((step + 1) / settings.warmup_steps, (1 + math.cos(math.pi * progress)) / 2)


def pretrain(settings: Pretraining, folder: Path) -> None:
    """Train tokenizer and model, print the losses, and write both to `folder` in Hugging Face format."""
    if settings.steps * settings.people_per_step > PEOPLE - MAX_CLIENTS:
        raise ValueError("not enough people for that many steps")
    tokenizer = train_tokenizer(settings)
    torch.manual_seed(settings.seed)
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer),
            n_positions=settings.positions,
            n_embd=settings.width,
            n_layer=settings.layers,
            n_head=settings.heads,
            activation_function="gelu_pytorch_tanh",
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            initializer_range=settings.initial_std,
            bos_token_id=tokenizer.eos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    torch.nn.init.normal_(model.transformer.wte.weight, std=settings.initial_embedding_std)
    naming = Naming(settings.width)
    parameters = [*model.parameters(), *naming.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=settings.lr, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate_factor(step, settings))
    started = time.perf_counter()
    task = CausalLanguageModelling(tokenizer, model, settings.positions, PlainText(tokenizer, closed=False))
    for step, rows in enumerate(rows_of_steps(settings), start=1):
        batch = task.batch([task.encode(Example(prompt, target + END_OF_TEXT)) for prompt, target in rows])
        loss, naming_loss = losses(model, naming, rows, batch)
        optimizer.zero_grad()
        torch.autograd.backward(loss + settings.naming_weight * naming_loss)
        torch.nn.utils.clip_grad_norm_(parameters, settings.largest_gradient_norm)
        optimizer.step()
        schedule.step()
        if step % 100 == 0 or step == 1:
            seconds = time.perf_counter() - started
            both = f"loss {loss.item():.4f}  naming {naming_loss.item():.4f}"
            print(f"step {step:5d}  {both}  {seconds:.0f} s", flush=True)
    for part in Person._fields:
        encoded = [task.encode(row) for index in range(10) for row in getattr(make_person(0, index), part)]
        zero_shot = mean_score(task, model, encoded, batch_size=20, device=torch.device("cpu"))
        print(f"zero-shot answer probability of 10 clients, {part}: {zero_shot:.3f}")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    description = folder / "tokenizer_config.json"
    # Version 5 of transformers writes a name for the class that version 4 does not know, and reads both.
    description.write_text(description.read_text().replace("TokenizersBackend", "PreTrainedTokenizerFast"))


def main() -> None:
    """The entry point of `python -m fedsift.simulations.people_model`."""
    make_deterministic()
    pretrain(Pretraining(), Path(sys.argv[1]) if len(sys.argv) > 1 else PEOPLE_MODEL)


if __name__ == "__main__":
    main()
