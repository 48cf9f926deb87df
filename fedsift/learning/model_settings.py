"""Which model learns what, and which of its parameters are tuned."""

from dataclasses import dataclass

from fedsift.core.errors import BadInput, unknown_name
from fedsift.core.user_code import is_user_code

LANGUAGE_MODELLING, CLASSIFICATION = "language-modelling", "classification"
HIDDEN = "hidden"  # stands for all hidden layers among the patterns of `tune`
DTYPES = ("float32", "bfloat16")
HEADS = ("random", "label-text")
DEVICES = ("cpu", "cuda", "auto")


@dataclass(frozen=True)
class ModelSettings:
    """Which model learns what, and which of its parameters are tuned.

    Attributes:
        model: "people" (the embedded one), a folder in Hugging Face format, or a hub name; custom tasks have their own.
        task: "language-modelling", "classification", or "package.module:function" of a `CustomTask`.
        choices: the answers, or labels, to choose between; empty for free answers.
        max_length: tokens after which a row is cut.
        head: of a classification, where its directions come from: "random" or "label-text".
        tune: patterns of the parameters to tune, "hidden" for all hidden layers.
        lora_rank: rank of LoRA adapters that are tuned instead; 0 for none.
        dtype: of the base weights, "float32" or "bfloat16".
        checkpointing: whether activations are computed again in the backward pass instead of kept.
        compile: whether the loss runs through torch.compile.
        device: "cpu", "cuda", or "auto" for cuda where there is one.
        root_seed: drawn weights (a random head, adapters, a custom model's) derive from it.
    """

    model: str = "people"
    task: str = LANGUAGE_MODELLING
    choices: tuple[str, ...] = ()
    max_length: int = 192
    head: str = HEADS[0]
    tune: str = HIDDEN
    lora_rank: int = 0
    dtype: str = "float32"
    checkpointing: bool = False
    compile: bool = False
    device: str = "cpu"
    root_seed: int = 0

    def __post_init__(self) -> None:
        if not self.is_custom and self.task not in (LANGUAGE_MODELLING, CLASSIFICATION):
            nearest = unknown_name("task", self.task, [LANGUAGE_MODELLING, CLASSIFICATION])
            raise BadInput(f"{nearest} (or give module:function)")
        for kind, value, valid in (
            ("head", self.head, HEADS),
            ("dtype", self.dtype, DTYPES),
            ("device", self.device, DEVICES),
        ):
            if value not in valid:
                raise unknown_name(kind, value, valid)
        if self.head != HEADS[0] and self.task != CLASSIFICATION:
            raise BadInput(f"head belongs to --task {CLASSIFICATION}; task {self.task} has none to choose")
        if self.max_length < 2:
            raise BadInput(f"max-length = {self.max_length}: a row has at least 2 tokens, prompt and target")
        if self.lora_rank < 0:
            raise BadInput(f"lora-rank = {self.lora_rank}: give the adapters' rank, or 0 for no adapters")
        if self.lora_rank and self.tune != HIDDEN:
            raise BadInput("tune and lora-rank exclude each other: with adapters, these alone are tuned")
        if self.compile and self.checkpointing:
            raise BadInput("compile and checkpointing exclude each other: torch does not compile a checkpointed model")
        few = len(set(self.choices)) != len(self.choices) or len(self.choices) == 1
        if few or any(choice != choice.strip() or not choice for choice in self.choices):
            raise BadInput(f"choices = {', '.join(self.choices)}: give at least two different ones, none empty")
        if self.task == CLASSIFICATION and not self.choices:
            raise BadInput("classification needs choices: the labels, as --choices a,b")
        if self.is_custom:
            for name, given in (
                ("model", self.model != "people"),
                ("choices", self.choices),
                ("lora-rank", self.lora_rank),
                ("dtype", self.dtype != "float32"),
                ("checkpointing", self.checkpointing),
                ("compile", self.compile),
            ):
                if given:
                    raise BadInput(f"{name} belongs to a transformers model; task {self.task} brings its own")

    @property
    def is_custom(self) -> bool:
        """Whether task and model are of the user's own."""
        return is_user_code(self.task)
