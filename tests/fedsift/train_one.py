"""Train one person and print the upload and the environment: `python -m tests.fedsift.train_one [OTHERS_BEFORE]`."""

import json
import sys
import time

from fedsift.causal_lm import CausalLanguageModelling
from fedsift.client import LocalTrainer
from fedsift.contribution import UploadTerms
from fedsift.federated_dataset import PeopleDataset
from fedsift.flat_model import FlatModel
from fedsift.models import load_layout, load_model
from fedsift.quantisation import QuantisationGrid
from fedsift.reproducibility import environment_fingerprint, make_deterministic
from fedsift.tuning import TuningSettings

CLIENT = "person-0001"
SETTINGS = TuningSettings(steps=5, lr=0.01, batch_size=8)


def terms() -> UploadTerms:
    layout = load_layout("people")
    return UploadTerms(layout.digest, layout.size, 5, QuantisationGrid(8, SETTINGS.lr * SETTINGS.steps))


def main(others_before: int) -> None:
    make_deterministic()
    module, tokenizer = load_model("people")
    task = CausalLanguageModelling(tokenizer, module, 64)
    expected = terms()
    model = FlatModel(module, load_layout("people"))
    trainer = LocalTrainer(model, task, expected, SETTINGS, root_seed=1)
    people = PeopleDataset(0, 3)
    for other in ("person-0002", "person-0000")[:others_before]:
        trainer.tune(other, people.examples(other))
    examples = people.examples(CLIENT)
    start = time.perf_counter()
    tuned = trainer.tune(CLIENT, examples)
    told = {
        "upload": tuned.contribution.to_bytes().hex(),
        "environment": environment_fingerprint(),
        "seconds": time.perf_counter() - start,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
