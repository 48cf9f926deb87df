"""Predicts with an exported model, with torch and transformers alone: `python predict.py MODEL "a message" ...`.

The lines are those of MODEL/README.md, which fedsift writes for each model that it exports.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch.nn.functional import normalize
from transformers import AutoModel, AutoTokenizer

folder, *messages = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(folder)
base = AutoModel.from_pretrained(f"{folder}/base", dtype="auto").eval()
tuned = AutoModel.from_pretrained(folder, dtype="auto").eval()
labels = load_file(f"{folder}/classifier.safetensors")["weight"]
head, info = load_file(f"{folder}/head.safetensors"), json.loads(Path(folder, "head.json").read_text("utf-8"))
share = info["blend"]["own"]
counts = torch.tensor(info["label_counts"]).double()
prior = info["blend"]["prior"] * ((counts + 0.5) / (counts.sum() + len(counts) / 2)).log()


@torch.no_grad()
def pooled(model: torch.nn.Module, text: str) -> torch.Tensor:
    """The mean of a text's last hidden states, shape (1, width)."""
    return model(input_ids=torch.tensor([tokenizer(text).input_ids])).last_hidden_state.mean(1)


def log_probabilities(text: str) -> torch.Tensor:
    """Of each label: the shared head's answer, the tuned model's, and how often this client has each label."""
    features = pooled(base, text)
    rounded = torch.round(info["scale"] * normalize(features.double(), dim=1)) / info["scale"]
    said = torch.cat([rounded, torch.full((1, 1), 0.5)], 1) @ head["weights"].double()
    known = (features @ labels.T).double().log_softmax(1) if info["base_answers"] else 0
    shared = (info["sharpness"] * said + known).log_softmax(1)
    own = (pooled(tuned, text) @ labels.T).double().log_softmax(1)
    return ((1 - share) * shared + share * own + prior).log_softmax(1)[0]


for message in messages:
    probabilities = log_probabilities(message).exp()
    place = int(probabilities.argmax())
    print(f"{info['labels'][place]:<10} {probabilities[place]:.2f}  {message}")
