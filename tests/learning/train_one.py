"""Train one person and print the upload and the environment.

`python -m tests.learning.train_one [OTHERS_BEFORE [--compile]]`
"""

import dataclasses
import json
import sys
import time
from typing import Any

from fedsift.core.contribution import UploadTerms
from fedsift.core.quantisation import QuantisationGrid
from fedsift.data.kinds.people import PeopleDataset
from fedsift.learning.local_trainer import LocalTrainer
from fedsift.learning.model_settings import ModelSettings
from fedsift.learning.models import load_head_terms, load_layout, load_model
from fedsift.learning.reproducibility import environment_fingerprint, make_deterministic
from fedsift.learning.tuning_settings import TuningSettings

CLIENT = "person-0001"
MODEL = ModelSettings(model="people", max_length=64)
SETTINGS = TuningSettings(steps=5, lr=0.01, batch_size=8)


def terms() -> UploadTerms:
    """With a shared head, whose statistics are a part of the upload."""
    layout, grid = load_layout(MODEL), QuantisationGrid(255, SETTINGS.lr * SETTINGS.steps)
    return UploadTerms(layout.digest, layout.size, 5, grid, load_head_terms(MODEL))


def train(others_before: int = 0, compiled: bool = False) -> dict[str, Any]:
    """In this process, after so many others; the upload in hexadecimal, the environment, and seconds."""
    make_deterministic()
    model_and_task = load_model(dataclasses.replace(MODEL, compile=compiled))
    trainer = LocalTrainer(*model_and_task, terms(), SETTINGS, root_seed=1)
    people = PeopleDataset(0, 3)
    for place, other in enumerate(("person-0002", "person-0000")[:others_before]):
        trainer.tune(other, people.train_examples(other)[: 5 * place + 1])  # of a single row, and of some
    examples = people.train_examples(CLIENT)
    start = time.perf_counter()
    tuned = trainer.tune(CLIENT, examples)
    return {
        "upload": tuned.upload.to_bytes().hex(),
        "environment": environment_fingerprint(compiled),
        "seconds": time.perf_counter() - start,
    }


if __name__ == "__main__":
    print(json.dumps(train(int(sys.argv[1]) if len(sys.argv) > 1 else 0, "--compile" in sys.argv)))
