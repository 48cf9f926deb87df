"""Which model learns what, and which of its parameters are tuned."""

from dataclasses import dataclass, replace
from functools import partial

from fedsift.core.errors import BadInput
from fedsift.core.options import Group, Seeded, hyphened, option
from fedsift.core.user_code import is_user_code

LANGUAGE_MODELLING, CLASSIFICATION = TASKS = ("language-modelling", "classification")
HIDDEN = "hidden"  # stands for all hidden layers among the patterns of `tune`
HEADS = ("random", "label-text")
DTYPES = ("float32", "bfloat16")
DEVICES = ("cpu", "cuda", "auto")
# What a task of the user's own, which brings its model, leaves at its default.
_OF_TRANSFORMERS = ("model", "choices", "chat", "lora_rank", "dtype", "checkpointing", "compile")


def split_at_commas(text: str) -> list[str]:
    """The parts of a text such as "a, b"."""
    return [each.strip() for each in text.split(",")]


_option = partial(option, group=Group.MODEL)


@dataclass(frozen=True, kw_only=True)
class ModelSettings(Seeded):
    """Which model learns what. Drawn weights (a random head, adapters, a custom model's) derive from the seed."""

    model: str = _option(
        "people", "people (a small one that comes with fedsift), a folder, a .gguf file, or a Hugging Face name."
    )
    task: str = _option(
        LANGUAGE_MODELLING,
        "What is learnt: texts, scored by their probability or, with choices, by accuracy; labels; or what a task of "
        "your own says.",
        choices=TASKS,
        form="module:Class",
        fits=is_user_code,
    )
    choices: tuple[str, ...] = _option(
        (),
        "Answers or labels to choose between, as a,b,c; in a config.toml a list, whose texts may hold commas.",
        parse=split_at_commas,
    )
    tune: str = _option(
        HIDDEN, 'Which parameters: hidden for all hidden layers, or patterns such as "*.mlp.*,*.norm.*".'
    )
    lora_rank: int = _option(0, "Tune LoRA adapters of this rank instead; 0 for none.", ge=0)
    max_length: int = _option(192, "Tokens after which a row is cut.", ge=2)
    chat: bool = _option(
        False, "Prompt and target are turns of the user and the assistant in the model's own chat template."
    )
    system: str = _option("", "With chat, the system's message in conversations that bring none.")
    dtype: str = _option(DTYPES[0], "Of the base weights.", choices=DTYPES)
    device: str = _option(DEVICES[0], "Where clients train; auto for cuda where there is one.", choices=DEVICES)
    head: str = _option(
        HEADS[0],
        "Where the head of a classification begins: with directions drawn at random, or from the labels' texts.",
        choices=HEADS,
    )
    shared_head: bool = _option(
        True,
        "Also sum up what a head on the frozen model's features is solved from (docs/explanation/served.md, "
        "docs/explanation/privacy.md).",
    )
    checkpointing: bool = _option(False, "Compute activations twice instead of keeping them, which saves memory.")
    compile: bool = _option(
        False, "Run the loss through torch.compile, on a CPU with a C++ compiler (docs/explanation/reproducibility.md)."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.head != HEADS[0] and self.task != CLASSIFICATION:
            raise BadInput(f"head belongs to --task {CLASSIFICATION}; task {self.task} has none to choose")
        if self.lora_rank and self.tune != HIDDEN:
            raise BadInput("tune and lora-rank exclude each other: with adapters, these alone are tuned")
        if self.chat and self.task == CLASSIFICATION:
            raise BadInput(f"chat belongs to --task {LANGUAGE_MODELLING}, with or without choices")
        if self.system and not self.chat:
            raise BadInput("system is the first turn of a chat: give --chat")
        if self.compile and self.checkpointing:
            raise BadInput("compile and checkpointing exclude each other: torch does not compile a checkpointed model")
        few = len(set(self.choices)) != len(self.choices) or len(self.choices) == 1
        if few or any(choice != choice.strip() or not choice for choice in self.choices):
            raise BadInput(f"choices = {', '.join(self.choices)}: give at least two different ones, none empty")
        if self.task == CLASSIFICATION and not self.choices:
            raise BadInput("classification needs choices: the labels, as --choices a,b")
        if self.is_custom:
            for name in _OF_TRANSFORMERS:
                if getattr(self, name) != getattr(ModelSettings, name):
                    raise BadInput(f"{hyphened(name)} belongs to a transformers model; task {self.task} brings its own")

    def on_cpu(self) -> "ModelSettings":
        """The same for who only looks at M0 or the rows: with no GPU, and nothing compiled."""
        return replace(self, device="cpu", compile=False)

    @property
    def is_custom(self) -> bool:
        """Whether task and model are of the user's own."""
        return is_user_code(self.task)

    @property
    def has_free_answers(self) -> bool:
        """Whether the task is language modelling without choices, so that any text can be an answer."""
        return not self.is_custom and not self.choices
