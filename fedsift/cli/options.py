"""Options that several commands share: every key of the configuration that is given on the command line."""

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from typer.models import ArgumentInfo

from fedsift.configuration.run_config import RunConfig
from fedsift.core.localisation import LOCALISATIONS
from fedsift.data.partition import PARTITIONS
from fedsift.learning.model_settings import DEVICES, DTYPES, HEADS
from fedsift.learning.reproducibility import PROFILES

DATASETS = "people, tofu, sent140, reddit, stackoverflow, a csv/jsonl/parquet file, owner/name, or module:function."
LEVELS = "Highest quantised magnitude: 1 is a mask alone, 3 two bits, 65535 sixteen."


def _option(name: str, text: str) -> Any:
    """An option that shows the default of the configuration; left out, it does not override a file."""
    return typer.Option(help=f"{text} Default: {getattr(RunConfig, name)}.")


_OPTIONS: dict[str, Any] = {
    "dataset": Annotated[str | None, _option("dataset", DATASETS)],
    "data_file": Annotated[
        str | None, typer.Option(help="Local file of a setting of the paper; default: from the hub.")
    ],
    "client_column": Annotated[str | None, typer.Option(help="Column that names the client.")],
    "prompt": Annotated[str | None, typer.Option(help='Template, such as "Question: {question}\\nAnswer:".')],
    "target": Annotated[str | None, typer.Option(help="Column with the text to learn.")],
    "partition": Annotated[
        str | None, typer.Option(help=f"{', '.join(PARTITIONS)}: for a table without natural clients.")
    ],
    "alpha": Annotated[float | None, _option("alpha", "Of the Dirichlet partition; small: clients differ much.")],
    "test_share": Annotated[float | None, _option("test_share", "Share of a client's rows kept for scoring.")],
    "clients": Annotated[int | None, _option("clients", "How many clients; 0 for all (people: 500).")],
    "model": Annotated[str | None, _option("model", "people, a folder, or a Hugging Face name.")],
    "task": Annotated[str | None, _option("task", "language-modelling, classification, or module:function.")],
    "choices": Annotated[
        str | None, typer.Option(help="Answers or labels, a,b,c (with commas in them: in a config.toml).")
    ],
    "head": Annotated[str | None, _option("head", f"Of a classification: {', '.join(HEADS)}.")],
    "tune": Annotated[
        str | None, _option("tune", 'Which parameters: "hidden", or patterns such as "*.mlp.*,*.norm.*".')
    ],
    "lora_rank": Annotated[int | None, _option("lora_rank", "Tune LoRA adapters of this rank; 0 for none.")],
    "dtype": Annotated[str | None, _option("dtype", f"Of the base weights: {', '.join(DTYPES)}.")],
    "checkpointing": Annotated[
        bool | None, typer.Option("--checkpointing", help="Compute activations twice, keep few.")
    ],
    "compile": Annotated[bool | None, typer.Option("--compile", help="Run the loss through torch.compile (CPU).")],
    "device": Annotated[str | None, _option("device", f"{', '.join(DEVICES)}.")],
    "steps": Annotated[int | None, _option("steps", "Optimiser steps a client.")],
    "lr": Annotated[float | None, _option("lr", "Learning rate.")],
    "batch_size": Annotated[int | None, _option("batch_size", "Rows a step.")],
    "micro_batch": Annotated[
        int | None, _option("micro_batch", "Rows through the model at once; 0 for all of a step.")
    ],
    "beta1": Annotated[float | None, _option("beta1", "Adam's first beta.")],
    "beta2": Annotated[float | None, _option("beta2", "Adam's second beta.")],
    "commit_share": Annotated[
        float | None, _option("commit_share", "Share of the steps, the last ones, on the quantised model.")
    ],
    "max_length": Annotated[int | None, _option("max_length", "Tokens after which a row is cut.")],
    "levels": Annotated[int | None, _option("levels", LEVELS)],
    "max_magnitude": Annotated[
        float | None, _option("max_magnitude", "The highest level; 0 for lr * steps / 5 a level, at most lr * steps.")
    ],
    "threshold": Annotated[float | None, _option("threshold", "Share of max-magnitude that an entry needs.")],
    "localise": Annotated[str | None, _option("localise", f"{', '.join(LOCALISATIONS)}.")],
    "seed": Annotated[int | None, _option("seed", "Root of all seeds.")],
    "engine": Annotated[str | None, _option("engine", "ray, or flower: Flower's own engine, through flwr run.")],
    "workers": Annotated[int | None, _option("workers", "Ray actors; 0 for one a core.")],
    "ray_address": Annotated[
        str | None, typer.Option(help="A running Ray cluster, host:port or auto; default: Ray on this machine.")
    ],
    "partial_sums": Annotated[
        bool | None, typer.Option("--partial-sums", help="Workers merge uploads, and hand over sums.")
    ],
    "profile": Annotated[str | None, _option("profile", f"Reproducibility: {', '.join(PROFILES)}.")],
    "leave": Annotated[
        list[str] | None, typer.Option(help="Id of a client that leaves after the merge, as it is; repeatable.")
    ],
    "leave_file": Annotated[Path | None, typer.Option(help="A file of such ids, one a line.")],
    "leave_count": Annotated[
        int | None, _option("leave_count", "Instead, how many clients leave; they are drawn from the seed.")
    ],
    "oracle": Annotated[bool | None, typer.Option("--oracle/--no-oracle", help="Also run without the leavers.")],
}

# Groups of them, as arguments of `takes`.
DATA = ("dataset", "data_file", "client_column", "prompt", "target", "partition", "alpha", "test_share", "clients")
MODEL = ("model", "task", "choices", "head", "tune", "lora_rank", "dtype", "checkpointing", "compile", "device")
TUNING = ("steps", "lr", "beta1", "beta2", "batch_size", "micro_batch", "commit_share", "max_length")
GRID = ("levels", "max_magnitude", "threshold", "localise")
MACHINE = ("seed", "workers", "profile")
LEAVERS = ("leave", "leave_file", "leave_count")


def takes(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command these options, after its own arguments and before its own options.

    The command gets them as one mapping, `overrides`, from their names to what was given, None for what was not.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [each for each in signature(command, eval_str=True).parameters.values() if each.name != "overrides"]
        shared = [Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=_OPTIONS[name]) for name in names]
        arguments = [each for each in own if any(isinstance(part, ArgumentInfo) for part in get_args(each.annotation))]
        options = [each.replace(kind=Parameter.KEYWORD_ONLY) for each in own if each not in arguments]

        @wraps(command)
        def with_options(**given: Any) -> None:
            overrides = {name: given.pop(name) for name in names}
            command(**given, overrides=overrides)

        parameters = [*arguments, *shared, *options]
        with_options.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        with_options.__annotations__ = {each.name: each.annotation for each in parameters}
        return with_options

    return decorate
