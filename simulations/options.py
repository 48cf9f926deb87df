"""Options that several commands share: which clients learn what, and how."""

from typing import Annotated, Any

import typer

from fedsift.data.partition import PARTITIONS
from fedsift.model_settings import DEVICES, DTYPES
from fedsift.reproducibility import PROFILES
from fedsift.tasks.classification import HEADS
from simulations.configuration import RunConfig


def option(name: str, text: str) -> Any:
    """An option that shows the default of the configuration; left out, it does not override a file."""
    return typer.Option(help=f"{text} Default: {getattr(RunConfig, name)}.")


DataFile = Annotated[str | None, typer.Option(help="Local file of a setting of the paper; default: from the hub.")]
ClientColumn = Annotated[str | None, typer.Option(help="Column that names the client.")]
Prompt = Annotated[str | None, typer.Option(help='Template, such as "Question: {question}\\nAnswer:".')]
Target = Annotated[str | None, typer.Option(help="Column with the text to learn.")]
Partition = Annotated[str | None, typer.Option(help=f"{', '.join(PARTITIONS)}: for a table without natural clients.")]
Alpha = Annotated[float | None, option("alpha", "Of the Dirichlet partition; small: clients differ much.")]
TestShare = Annotated[float | None, option("test_share", "Share of a client's rows kept for scoring.")]
Clients = Annotated[int | None, option("clients", "How many clients; 0 for all (people: 500).")]
Model = Annotated[str | None, option("model", "people, a folder, or a Hugging Face name.")]
Task = Annotated[str | None, option("task", "language-modelling, classification, or module:function.")]
Choices = Annotated[str | None, typer.Option(help="Answers or labels to choose between, a,b,c; scored by accuracy.")]
Head = Annotated[str | None, option("head", f"Of a classification: {', '.join(HEADS)}.")]
Tune = Annotated[str | None, option("tune", 'Which parameters: "hidden", or patterns such as "*.mlp.*,*.norm.*".')]
LoraRank = Annotated[int | None, option("lora_rank", "Tune LoRA adapters of this rank; 0 for none.")]
Dtype = Annotated[str | None, option("dtype", f"Of the base weights: {', '.join(DTYPES)}.")]
Checkpointing = Annotated[bool | None, typer.Option("--checkpointing", help="Compute activations twice, keep few.")]
Device = Annotated[str | None, option("device", f"{', '.join(DEVICES)}.")]
MaxLength = Annotated[int | None, option("max_length", "Tokens after which a row is cut.")]
BatchSize = Annotated[int | None, option("batch_size", "Rows a step.")]
MicroBatch = Annotated[int | None, option("micro_batch", "Rows through the model at once; 0 for all of a step.")]
Profile = Annotated[str | None, option("profile", f"Reproducibility: {', '.join(PROFILES)}.")]
Leave = Annotated[str | None, option("leave", 'Who leaves after the merge: a number, or ids "a,b".')]
Steps = Annotated[int | None, option("steps", "Optimiser steps a client.")]
Lr = Annotated[float | None, option("lr", "Learning rate.")]
Workers = Annotated[int | None, option("workers", "Ray actors; 0 for one a core.")]
Seed = Annotated[int | None, option("seed", "Root of all seeds.")]
DATASET = "people, tofu, sent140, reddit, stackoverflow, a csv/jsonl/parquet file, owner/name, or module:function."
