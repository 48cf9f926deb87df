"""A command's help: what it does, and what people type."""

import inspect
from collections.abc import Callable

EXAMPLES: dict[str, tuple[str, ...]] = {
    "run": (
        "fedsift run --leave-count 5 --oracle",
        "fedsift run --dataset rows.csv --client-column user --prompt '{question}' --target answer",
        "fedsift run config.toml --steps 10 --out runs/shorter",
        "fedsift run --resume runs/001",
    ),
    "check-data": (
        "fedsift check-data rows.csv --client-column user --prompt '{question}' --target answer",
        "fedsift check-data config.toml",
    ),
    "tune": ("fedsift tune config.toml --out tuned.toml",),
    "export": ("fedsift export runs/001 model --merged", "fedsift export runs/001 model --member person-0003"),
    "figures": ("fedsift figures runs/001", "fedsift figures runs/compared"),
    "forget": (
        "fedsift forget runs/001 person-0003 person-0007",
        "fedsift forget runs/001 person-0003 --rows 1,4-6",
    ),
    "join": ("fedsift join runs/001 person-0003",),
    "verify": ("fedsift verify runs/001", "fedsift verify runs/001 --oracle"),
    "verify-certificate": ("fedsift verify-certificate 0001.json --public-key server.key",),
    "optout": ("fedsift optout one-client", "fedsift optout my-scenario.toml --clients 100 --attacks"),
    "compare": ("fedsift compare --methods sift-masks,ties --leave-count 5",),
    "methods": ("fedsift methods",),
    "sweep": ("fedsift sweep sweep.toml --out runs/sweep",),
    "reproduce": ("fedsift reproduce fig3", "fedsift reproduce all --clients 20"),
    "bench": ("fedsift bench --runs --clients 50", "fedsift bench --codec --out figures.json"),
    "plan": (
        "fedsift plan --model Qwen/Qwen3-0.6B --lora-rank 8 --clients 1000",
        "fedsift plan --model-parameters 7e9 --tuned 1 --dtype bfloat16",
    ),
    "make-certificates": ("fedsift make-certificates certificates --host server.example.org",),
    "make-node-key": ("fedsift make-node-key node.key",),
    "make-app": ("fedsift make-app app",),
    "leave": ("fedsift leave client-folder", "fedsift leave client-folder --undo"),
    "rekey": ("fedsift rekey runs/001 person-0003 new-node.key.pub",),
    "public-key": ("fedsift public-key runs/001",),
    "log-head": ("fedsift log-head runs/001 --since 12 --out head.json",),
    "verify-log": ("fedsift verify-log old-head.json head.json --public-key server.key",),
}


def epilogue(command: str) -> str:
    """How a help text shows them, a line each."""
    return "\n\n".join(["Examples:", *EXAMPLES[command]])


def paragraphs(command: Callable[..., None]) -> str:
    """What a command says of itself, a line a paragraph; terminals break them."""
    return "\n\n".join(" ".join(each.split()) for each in (inspect.getdoc(command) or "").split("\n\n"))
