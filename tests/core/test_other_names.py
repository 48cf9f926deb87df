"""Names that others have for what has another name here."""

import dataclasses
import inspect
from itertools import chain

import pytest

from fedsift.cli import app
from fedsift.configuration.round_settings import RoundSettings
from fedsift.configuration.run_config import RunConfig
from fedsift.configuration.server_settings import ServerSettings
from fedsift.core.errors import unknown_name
from fedsift.core.options import hyphened
from fedsift.core.other_names import OTHER_NAMES, plain
from fedsift.studies.plan.assumptions import Assumptions

DECLARED = dict(
    chain.from_iterable(kind.options().items() for kind in (RunConfig, RoundSettings, ServerSettings, Assumptions))
)
COMMANDS = [command.callback for command in app.registered_commands if command.callback]
OURS = {
    *map(hyphened, DECLARED),
    *(hyphened(name).strip("-") for command in COMMANDS for name in inspect.signature(command).parameters),
    *(hyphened(command.__name__) for command in COMMANDS),
    *(value for option in DECLARED.values() for value in option.choices),
}


def test_every_answer_is_a_name_of_ours() -> None:
    answers = {each for text in OTHER_NAMES.values() for each in text.partition(",")[0].split("|")}
    assert answers - OURS == set()


def test_no_name_of_ours_is_told_to_be_another() -> None:
    """But for bench --gpu, beside --device gpu."""
    assert {plain(each) for each in OURS} & OTHER_NAMES.keys() == {"gpu"}
    assert all(plain(each) == each for each in OTHER_NAMES)


@pytest.mark.parametrize(
    ("name", "valid", "told"),
    [
        ("learning_rate", ["lr", "steps"], "learning_rate is called lr here"),
        ("--learning-rate", ["--lr", "--steps"], "--learning-rate is called --lr here"),
        ("per_device_train_batch_size", ["batch_size"], "per_device_train_batch_size is called batch_size here"),
        ("warmup_steps", ["warmup-share"], "warmup_steps is called warmup-share here, a share of the steps"),
        ("bf16", ["dtype", "lr"], "bf16 is called dtype here"),
        ("bf16", ["float32", "bfloat16"], "bf16 is called bfloat16 here"),
        ("num-supernodes", ["clients"], "num-supernodes is called clients here"),
    ],
)
def test_it_is_answered_with_ours(name: str, valid: list[str], told: str) -> None:
    assert str(unknown_name("key", name, valid)) == f"unknown key {name!r}; {told}"


def test_a_name_whose_answer_has_no_place_there() -> None:
    assert str(unknown_name("key", "learning_rate", ["a", "b"])) == "unknown key 'learning_rate'; valid: a, b"


def test_what_users_call_their_columns_is_their_own() -> None:
    assert str(unknown_name("column", "labels", ["choices"])) == "unknown column 'labels'; valid: choices"


def test_options_of_transformers_and_peft() -> None:
    """Those that decide the training; as their own classes spell them."""
    transformers, peft = pytest.importorskip("transformers"), pytest.importorskip("peft")
    kinds = transformers.TrainingArguments, peft.LoraConfig
    theirs = {each.name for kind in kinds for each in dataclasses.fields(kind)}
    known = {"learning_rate", "per_device_train_batch_size", "num_train_epochs", "max_steps", "lr_scheduler_type"}
    known |= {"warmup_ratio", "warmup_steps", "gradient_checkpointing", "output_dir", "adam_beta1", "adam_beta2", "r"}
    known |= {"gradient_accumulation_steps", "bf16", "torch_compile", "resume_from_checkpoint", "eval_steps"}
    assert known <= OTHER_NAMES.keys()
    assert known - theirs <= {"warmup_ratio"}  # which newer versions of transformers leave out
