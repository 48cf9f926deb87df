"""Makes the small causal language model in `model/`: `python -m fedsift.simulations.people_model [OUT_FOLDER]`.

It learns the questions and the format of the answers from generated people who are never clients, each seen once, so
that there are no facts to learn. The same machine and library versions give the same bytes again.
"""

import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from fedsift.core.examples import Example
from fedsift.data.people.generator import MAX_CLIENTS, PEOPLE, person_examples
from fedsift.learning.models import PEOPLE_MODEL
from fedsift.learning.reproducibility import make_deterministic
from fedsift.learning.tasks.causal_lm import CausalBatch, CausalLanguageModelling
from fedsift.learning.tasks.task import mean_score

END_OF_TEXT: Final = "<|endoftext|>"


@dataclass(frozen=True)
class Pretraining:
    """Hyper-parameters. A step sees `people_per_step` people, 20 rows each."""

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
    texts = (prompt + target for person in people for prompt, target in person_examples(settings.seed, person))
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END_OF_TEXT,
        pad_token=END_OF_TEXT,
        padding_side="right",
        model_max_length=settings.positions,
        model_input_names=["input_ids", "attention_mask"],
    )


def batches(settings: Pretraining, task: CausalLanguageModelling) -> Iterator[CausalBatch]:
    """One batch a step, of people not seen before; the answers are closed by the end of text."""
    for step in range(settings.steps):
        first = MAX_CLIENTS + step * settings.people_per_step
        people = range(first, first + settings.people_per_step)
        examples = [example for person in people for example in person_examples(settings.seed, person)]
        yield task.batch([task.encode(Example(prompt, target + END_OF_TEXT)) for prompt, target in examples])


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
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.lr, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate_factor(step, settings))
    started = time.perf_counter()
    task = CausalLanguageModelling(tokenizer, model, settings.positions)
    for step, batch in enumerate(batches(settings, task), start=1):
        loss = task.loss(model, batch)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.largest_gradient_norm)
        optimizer.step()
        schedule.step()
        if step % 100 == 0 or step == 1:
            print(f"step {step:5d}  loss {loss.item():.4f}  {time.perf_counter() - started:.0f} s", flush=True)
    rows = [task.encode(example) for client in range(10) for example in person_examples(0, client)]
    zero_shot = mean_score(task, model, rows, batch_size=20, device=torch.device("cpu"))
    print(f"zero-shot answer probability of 10 clients: {zero_shot:.3f}")
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
