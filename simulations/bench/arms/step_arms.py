"""The arms of the tuning step, in the process that times them."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch
from flwr.app import UserConfig
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

from fedsift.configuration.clients_of_run import choose_clients
from fedsift.configuration.run_config import RunConfig
from fedsift.core.examples import Row
from fedsift.core.quantisation import QuantisationGrid
from fedsift.core.sign_vector import sign_vector
from fedsift.data.loading import load_dataset
from fedsift.data.people.generator import make_person
from fedsift.learning.fine_tuning import FineTuner
from fedsift.learning.flat_model import FlatModel
from fedsift.learning.local_trainer import tune_sign_fixed
from fedsift.learning.model_location import PEOPLE_MODEL
from fedsift.learning.model_settings import ModelSettings
from fedsift.learning.models import load_model
from fedsift.learning.reproducibility import make_deterministic
from fedsift.learning.tasks.causal_lm import CausalLanguageModelling, CausalRow
from fedsift.learning.tasks.task import Task, encode_rows
from fedsift.learning.tuning_settings import TuningSettings
from fedsift.studies.bench.measurement import Measurement, in_turn

SIGN_FIXED, COMMITTED, PLAIN = "sign-fixed", "sign-fixed, all commit steps", "plain fine-tuning"
USUAL, USUAL_CUT = "usual transformers loop", "usual loop, longest row"
EAGER, BFLOAT16, THREADS = "sign-fixed, eager attention", "sign-fixed, bfloat16", "sign-fixed, 2 threads"
COMPILED = "sign-fixed, compiled"
START_UP = "start-up"

Arm = Callable[[], float]


class Subject(NamedTuple):
    """A model that is stepped: a column."""

    settings: ModelSettings  # of the model, on the CPU and not compiled
    rows: Sequence[Row]  # of one client, one step's
    tuning: TuningSettings  # how many steps are timed at once
    grid: QuantisationGrid  # on which commit steps run
    slow_steps: int  # how many of an arm that takes many times as long
    rounds: int  # how often
    is_large: bool = False  # whether arms that would say little, or take minutes, are left out
    seconds: float = 0.5  # for how long steps are timed


def measure(user_config: UserConfig, rounds: int, folder: str) -> dict[str, Any]:
    """Measurements and notes, for JSON.

    Args:
        user_config: the configuration.
        rounds: how often the steps of small models are timed.
        folder: for the generated models.
    """
    make_deterministic()
    config = RunConfig.from_user_config(user_config)
    measured: list[Measurement] = []
    notes = []
    for number, subject in enumerate(_subjects(config, rounds, Path(folder))):
        arms, start_up, name = arms_of(subject, compiled=number == 0)
        values = in_turn(arms, subject.rounds, warm_up=0)
        measured += [Measurement(arm, name, "ms a step", tuple(each)) for arm, each in values.items()]
        measured += [Measurement(arm, START_UP, "s", (seconds,)) for arm, seconds in start_up.items()]
        if THREADS in values:
            one, two = median(values[SIGN_FIXED]), median(values[THREADS])
            two_clients = f"two clients on a thread each, two in {one:.3g} ms"
            notes.append(f"{name}: 2 threads, a step in {two:.3g} ms; {two_clients}")
    notes.append(f"{USUAL}: rows padded to max-length, logits at every position, Adam tensor by tensor")
    notes.append(f"{USUAL_CUT}: the same, but padded to the longest row only")
    notes.append("of the largest model, eager attention and bfloat16 are left out: they would take minutes")
    return {"measurements": [dataclasses.asdict(each) for each in measured], "notes": notes}


def _subjects(config: RunConfig, rounds: int, folder: Path) -> Iterator[Subject]:
    """The configured model and data, and generated models on the rows of a person."""
    dataset = load_dataset(config)
    rows = list(dataset.train_examples(choose_clients(config, dataset)[0]))[: config.batch_size]
    settings = dataclasses.replace(config.model_settings, device="cpu", compile=False)
    yield Subject(settings, rows, config.tuning, config.grid, min(config.steps, 4), rounds)
    examples = make_person(config.seed, 0).train[: config.batch_size]
    small, large = (
        ModelSettings(model=str(save_gpt2(folder / str(width), width, layers, heads)))
        for width, layers, heads in ((64, 2, 2), (512, 6, 8))
    )
    lr = 1e-3
    few, fewer = (TuningSettings(steps=steps, lr=lr, batch_size=config.batch_size) for steps in (20, 8))
    yield Subject(small, examples, few, QuantisationGrid(config.grid.levels, lr * few.steps), 4, rounds)
    grid = QuantisationGrid(config.grid.levels, lr * fewer.steps)
    yield Subject(large, examples, fewer, grid, 1, min(rounds, 3), is_large=True)


def save_gpt2(folder: Path, width: int, layers: int, heads: int) -> Path:
    """A GPT-2 with random weights and the tokenizer of the embedded model; returns its folder."""
    tokenizer = AutoTokenizer.from_pretrained(PEOPLE_MODEL)
    torch.manual_seed(0)
    no_dropout = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    shape = {"n_positions": ModelSettings.max_length, "n_embd": width, "n_layer": layers, "n_head": heads}
    GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), **shape, **no_dropout)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def arms_of(subject: Subject, compiled: bool) -> tuple[dict[str, Arm], dict[str, float], str]:
    """The arms that apply to a model, seconds that some took to load it, and what the column is called."""
    settings = subject.settings
    (model, task), start_up = _timed_load(settings)
    arms, seconds = {SIGN_FIXED: _sign_fixed(model, task, subject)}, {}
    arms[COMMITTED] = _sign_fixed(model, task, subject, is_committed=True)
    if settings.dtype == "float32":
        encoded = encode_rows(task, subject.rows, "bench")
        tuner = FineTuner(model, task, subject.tuning, 0)
        work = partial(tuner.fine_tune, "bench", encoded)
        arms[PLAIN] = per_step(work, subject.tuning.steps, subject.seconds)
        if isinstance(task, CausalLanguageModelling):
            arms[USUAL] = _usual(subject, encoded, settings.max_length)
            arms[USUAL_CUT] = _usual(subject, encoded, max(len(row.ids) for row in encoded))
    if not settings.is_custom and not subject.is_large:
        attending, _ = load_model(settings)
        attending.module.set_attn_implementation("eager")  # type: ignore[operator]
        arms[EAGER] = _sign_fixed(attending, task, subject)
        if settings.dtype == "float32":
            halved, _ = load_model(dataclasses.replace(settings, dtype="bfloat16"))
            arms[BFLOAT16] = _sign_fixed(halved, task, subject, is_slow=True)
    # Few steps, where these are short: beside other programs, two threads wait for each other a hundred times as long.
    arms[THREADS] = _with_threads(2, _sign_fixed(model, task, subject, is_slow=not subject.is_large))
    if compiled and not settings.is_custom:
        (own, own_task), seconds_compiled = _timed_load(dataclasses.replace(settings, compile=True))
        arms[COMPILED] = _sign_fixed(own, own_task, subject)
        seconds = {SIGN_FIXED: start_up, COMPILED: seconds_compiled}
    return arms, seconds, f"{model.layout.size:,} tuned"


def _timed_load(settings: ModelSettings) -> tuple[tuple[FlatModel, Task], float]:
    started = time.perf_counter()
    return load_model(settings), time.perf_counter() - started


def per_step(work: Callable[[int], object], steps: int, seconds: float) -> Arm:
    """Milliseconds a step of work that takes a number of steps, again and again for so many seconds.

    A single step goes before: the caches and the memory that the arm before left are not this one's.
    """

    def timed() -> float:
        work(1)
        calls, started = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - started) < seconds:
            work(steps)
            calls += 1
        return elapsed * 1000 / (calls * steps)

    return timed


def _sign_fixed(
    model: FlatModel, task: Task, subject: Subject, is_slow: bool = False, is_committed: bool = False
) -> Arm:
    signs = torch.from_numpy(sign_vector(1, model.layout.size))
    encoded = encode_rows(task, subject.rows, "bench")

    def work(steps: int) -> None:
        settings = dataclasses.replace(subject.tuning, steps=steps, commit_share=float(is_committed))
        tune_sign_fixed(model, task, signs, encoded, settings, subject.grid, 0)

    return per_step(work, subject.slow_steps if is_slow else subject.tuning.steps, subject.seconds)


def _with_threads(threads: int, arm: Arm) -> Arm:
    def timed() -> float:
        torch.set_num_threads(threads)
        try:
            return arm()
        finally:
            torch.set_num_threads(1)

    return timed


def _usual(subject: Subject, encoded: Sequence[CausalRow], length: int) -> Arm:
    model, _ = load_model(subject.settings)

    def work(steps: int) -> None:
        model.load_base()
        usual_loop(model.module, encoded, length, steps, subject.tuning.lr)

    return per_step(work, subject.slow_steps, subject.seconds)


def usual_loop(module: Any, rows: Sequence[CausalRow], length: int, steps: int, lr: float) -> list[float]:
    """Fine-tune a causal model of transformers as it is usually written; returns the loss before each step.

    Rows are padded to `length`, the loss comes from `labels`, and Adam has PyTorch's defaults.
    """
    input_ids = torch.zeros(len(rows), length, dtype=torch.long)
    attention_mask, labels = torch.zeros_like(input_ids), torch.full_like(input_ids, -100)
    for place, row in enumerate(rows):
        end = len(row.ids)
        input_ids[place, :end] = torch.tensor(row.ids)
        attention_mask[place, :end] = 1
        labels[place, end - row.targets : end] = torch.tensor(row.ids[-row.targets :])
    optimizer = torch.optim.Adam(module.parameters(), lr=lr)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = module(input_ids=input_ids, attention_mask=attention_mask, labels=labels).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
