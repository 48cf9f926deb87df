"""The bits of a contribution, from processes of their own."""

import subprocess
import sys
from pathlib import Path

# Tunes one person; {} is what a careless process does first.
PROGRAM = """
{}
from fedsift.reproducibility import make_deterministic
make_deterministic()
from fedsift.causal_lm import CausalLanguageModelling
from fedsift.client import LocalTrainer
from fedsift.contribution import UploadTerms
from fedsift.federated_dataset import PeopleDataset
from fedsift.flat_model import FlatModel
from fedsift.models import load_model
from fedsift.parameter_layout import hidden_layers
from fedsift.quantisation import QuantisationGrid
from fedsift.tuning import TuningSettings

module, tokenizer = load_model("people")
layout = hidden_layers(module)
terms = UploadTerms(layout.digest, layout.size, 5, QuantisationGrid(8, 0.05))
task = CausalLanguageModelling(tokenizer, module, 64)
trainer = LocalTrainer(FlatModel(module, layout), task, terms, TuningSettings(5, 0.01, batch_size=8), root_seed=1)
people = PeopleDataset(0, 3)
for other in ("person-0002", "person-0000")[:{}]:
    trainer.tune(other, people.examples(other))
print(trainer.tune("person-0001", people.examples("person-0001")).contribution.digest.hex())
"""


def digest(first: str, others_before: int) -> str:
    command = [sys.executable, "-c", PROGRAM.format(first, others_before)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.strip()


def test_a_rerun_gives_the_same_bits() -> None:
    """Whatever ran before in the process: other clients, other threads, global generators."""
    careless = """
import random, numpy, torch
torch.set_num_threads(2), torch.manual_seed(9), torch.rand(3), random.seed(3), numpy.random.seed(4)
"""
    reference = digest("", others_before=0)
    assert len(reference) == 64
    assert digest(careless, others_before=2) == reference


def test_the_processor_is_named() -> None:
    from fedsift.reproducibility import environment_fingerprint

    fingerprint = environment_fingerprint()
    assert fingerprint["torch"]
    assert fingerprint["processor_vendor"] or not Path("/proc/cpuinfo").exists()
