"""Code that lies in a model's folder is never run, whatever is typed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.learning.damage import Damage, config, in_json, removed

# A stand-in for harm: the module leaves a file behind.
MODULE = """
open({marker!r}, "w").close()
from transformers import GPT2Config as Config, GPT2LMHeadModel as Model, PreTrainedTokenizerFast as Tokenizer
"""
LOAD = """
import sys
from fedsift.core.errors import BadInput
from fedsift.learning.model_settings import ModelSettings
from fedsift.learning.models import load_head_terms, load_layout, load_model, load_tokenizer, load_whole
for folder in sys.argv[1:]:
    for load in (load_model, load_layout, load_head_terms, load_tokenizer, load_whole):
        try:
            load(ModelSettings(model=folder, max_length=24))
        except BadInput as error:
            print(folder.rpartition("/")[2], error)
"""
NO_SUCH_TYPE = config(model_type="own", auto_map={"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"})
NO_SUCH_MODEL = config(model_type="vit", auto_map={"AutoModelForCausalLM": "own.Model"})
SAME_TYPE = config(auto_map={"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"})
TOKENIZER = in_json("tokenizer_config.json", tokenizer_class="Own", auto_map={"AutoTokenizer": [None, "own.Tokenizer"]})
TOKENIZER_IN_CONFIG = config(auto_map={"AutoTokenizer": "own.Tokenizer"})


def generation(folder: Path) -> None:
    (folder / "custom_generate").mkdir()
    shutil.copy(folder / "own.py", folder / "custom_generate" / "generate.py")


NEVER = "code that comes with the model (auto_map), and such code is never run: give a model of"
KINDS: dict[str, tuple[list[Damage], str]] = {
    "type": ([NO_SUCH_TYPE], NEVER),
    "model": (
        [NO_SUCH_MODEL],
        "code that comes with the model (auto_map), and such code is never run: give a model of",
    ),
    "same": ([SAME_TYPE], ""),  # transformers has a class of its own for it, and takes that.
    "tokenizer": ([TOKENIZER, removed("tokenizer.json")], "tokenizer: "),
    "config": ([TOKENIZER_IN_CONFIG, removed("tokenizer_config.json")], ""),
    "generation": ([generation], ""),
}


@pytest.fixture(scope="module")
def told(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is said of each kind of folder by a process at whose terminal everything is answered with yes."""
    root = tmp_path_factory.mktemp("models")
    for kind, (changes, _) in KINDS.items():
        folder = shutil.copytree(tiny_model, root / kind)
        (folder / "own.py").write_text(MODULE.format(marker=str(root / "marker")), encoding="utf-8")
        for change in changes:
            change(folder)
    command = [sys.executable, "-c", LOAD, *(str(root / kind) for kind in KINDS)]
    done = subprocess.run(command, input="yes\n" * 100, capture_output=True, text=True, check=True, timeout=120)
    assert not (root / "marker").exists()
    lines = dict.fromkeys(KINDS, "")
    for line in done.stdout.splitlines():
        kind, _, text = line.partition(" ")
        lines[kind] += f"{text}\n"
    return lines


@pytest.mark.parametrize("kind", KINDS)
def test_no_code_of_a_models_folder_runs(told: dict[str, str], kind: str) -> None:
    expected = KINDS[kind][1]
    if expected:
        assert expected in told[kind]
    elif kind != "config":  # Without its configuration the tokenizer has another end, which does not fit.
        assert told[kind] == ""
