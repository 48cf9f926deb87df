import dataclasses
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from fedsift.configuration.run_config import PRESETS, RunConfig, read_toml, write_toml
from fedsift.core.errors import BadInput
from fedsift.core.quantisation import QuantisationGrid

NAN, INF = float("nan"), float("inf")
CONFIGS = [
    RunConfig(),
    RunConfig(leave_count=3, oracle=True, seed=2**63 - 1, lr=1e-7),
    RunConfig(leave=("a", 'b,"c"'), levels=65535, localise="paper"),
    RunConfig(dataset="x.csv", client_column="u", prompt="{q}\n\tA:", target="a", choices=("a, b", "c")),
    RunConfig(dataset="owner/name:part", partition="dirichlet", clients=3, prompt="{q}", target="a", test_share=0.1),
    RunConfig.from_mapping({"dataset": "sent140", "data-file": "x.csv"}),
]


@pytest.mark.parametrize("config", CONFIGS)
def test_round_trips(tmp_path: Path, config: RunConfig) -> None:
    write_toml(config, tmp_path / "config.toml")
    assert RunConfig.from_mapping(read_toml(tmp_path / "config.toml")) == config
    user_config = config.to_user_config()
    assert all(type(value) in (bool, int, float, str) for value in user_config.values())
    assert RunConfig.from_user_config(user_config) == config


@given(lr=st.floats(1e-9, 10.0), steps=st.integers(1, 1000), levels=st.integers(1, 511))
def test_max_magnitude_follows_lr_steps_and_given_levels(lr: float, steps: int, levels: int) -> None:
    """A fifth of lr * steps a level, and no more than lr * steps."""
    config = RunConfig(lr=lr, steps=steps, levels=levels)
    assert config.grid.max_magnitude == pytest.approx(lr * steps * min(levels, 5) / 5)
    assert dataclasses.replace(config, max_magnitude=0.5).grid.max_magnitude == 0.5


def test_levels_follow_the_steps_where_none_are_given() -> None:
    config = RunConfig(lr=0.01, steps=100, threshold=0.1)
    assert config.grid == QuantisationGrid(128, 1.25, 0.1)
    assert dataclasses.replace(config, max_magnitude=0.5).grid == QuantisationGrid(128, 0.5, 0.1)


def test_the_preset_of_the_paper_has_its_step() -> None:
    assert RunConfig(steps=20, lr=0.01, **PRESETS["paper"]).grid == QuantisationGrid(65535, 0.2)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"stpes": 3}, "file: unknown key 'stpes'; did you mean 'steps'"),
        ({"batch_size": 3}, "unknown key 'batch_size'; did you mean 'batch-size'"),
        ({"steps": "3"}, "file: steps = '3': expected a whole number"),
        ({"steps": True}, "expected a whole number"),
        ({"oracle": 1}, "expected true or false"),
        ({"leave": [1]}, r"leave = \[1\]: expected a list of texts"),
        ({"leave": "a,b"}, "leave = 'a,b': expected a list of texts"),
        ({"leave": True}, "leave = True: expected a list of texts"),
        ({"leave": 3}, "file: leave takes ids; for a number of clients write leave-count = 3"),
        ({"leave": ["a"], "leave-count": 1}, "file: leave and leave-count exclude each other"),
        ({"lr": 0.0}, r"file: lr = 0.0: give a number from 1.2e-38 to 3.4e\+38 \(Adam's learning rate, in float32\)"),
        ({"lr": -1}, "lr = -1.0"),
        ({"steps": 0}, r"steps = 0: give a whole number from 1 on \(Optimiser steps a client "),
        ({"levels": -1}, "file: levels = -1"),
        ({"threshold": 1.5}, "threshold = 1.5"),
        ({"max-magnitude": -1.0}, "max-magnitude"),
        ({"localise": "papr"}, "did you mean 'paper'"),
        *(({key: -1}, f"{key} = -1") for key in ("clients", "leave-count", "workers", "seed")),
        ({"workers": 10**6}, "workers = 1000000: give 0 for one a core, or at most"),
        ({"max-length": 1}, "max-length = 1"),
        ({"prompt": "{q}"}, "prompt belongs to own or a csv, .*; dataset people takes none"),
        ({"dataset": "rows.txt"}, "unknown dataset 'rows.txt'; .* .or give module:function, .*, or a csv, jsonl or p"),
        *(
            ({key: size}, f"file: {key}: far too large a number; give at most 1,000,000,000$")
            for key in ("steps", "clients", "leave-count", "batch-size", "micro-batch", "max-length", "lora-rank")
            for size in (10**9 + 1, 10**400, 1 << 20_000)
        ),
        ({"steps": -(10**400)}, "steps: far too large a number"),
        ({"levels": 10**400}, "levels: far too large a number; give at most 4,294,967,295"),
        ({"seed": 2**63}, "seed: far too large a number; give at most 9,223,372,036,854,775,807"),
        ({"lr": 10**400}, "lr = .*: expected a number"),
        *(({"lr": lr}, r"lr = .*: give a number from 1.2e-38 to 3.4e\+38") for lr in (1e-320, 1e-40, 1e39)),
        *(({"max-magnitude": size}, "max-magnitude = .*float32 holds") for size in (1e-320, 1e-38, 1e39)),
        ({"lr": 1e38}, "max-magnitude = 2.5e.39, or 7.8125e.37 a level: .* decides"),
        *(({"alpha": alpha}, f"alpha = {alpha}: give a finite number above 0") for alpha in (0.0, -1.0, NAN, INF)),
        *(
            ({key: "{q}\udcff"}, rf"file: {key} = '{{q}}\\udcff': no valid Unicode at character 4")
            for key in ("prompt", "target", "dataset", "data-file", "client-column", "model", "tune", "task", "profile")
        ),
        ({"choices": ["a", "\ud800"]}, r"choices = '\\ud800': no valid Unicode at character 1"),
        ({"leave": ["\ud800"]}, r"leave = '\\ud800': no valid Unicode"),
        ({"dataset": "x.csv", "target": "a"}, "needs client-column, prompt and target"),
    ],
)
def test_bad_values(values: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        RunConfig.from_mapping(values, source="file")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("person-0003", "leave = 'person-0003': expected a list in JSON"),
        ("2", "write leave-count = 2"),
        ('"a"', "leave = 'a': expected a list of texts"),
    ],
)
def test_a_list_in_flowers_run_config(text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        RunConfig.from_user_config({"leave": text})


def test_a_setting_of_the_paper_brings_its_own_defaults() -> None:
    """Appendix B; what is given goes first."""
    config = RunConfig.from_mapping({"dataset": "tofu", "lr": 5e-3})
    assert (config.model, config.clients, config.batch_size) == ("openai-community/gpt2-xl", 200, 20)
    assert (config.steps, config.lr, config.choices) == (20, 5e-3, ())
    assert RunConfig.from_mapping({"dataset": "stackoverflow"}).choices[:2] == ("javascript", "python")
    assert RunConfig.from_mapping({"dataset": "people"}) == RunConfig.from_mapping({}) == RunConfig()


def test_terms_are_what_changes_the_bits() -> None:
    recorded = RunConfig(steps=5).to_user_config()
    free = RunConfig(steps=5, clients=3, leave=("a",), oracle=True, localise="paper", workers=1, partial_sums=True)
    assert free.changed_terms(recorded) == []
    assert RunConfig(steps=6, lora_rank=2).changed_terms(recorded) == ["lora-rank = 0", "steps = 5"]
    older = {key: value for key, value in recorded.items() if key != "lora-rank"}
    assert RunConfig(steps=5, lora_rank=2).changed_terms(older) == ["lora-rank = 0"]
    # Of a partition the number of clients is a term.
    parts = RunConfig(dataset="rows.csv", partition="iid", clients=4, prompt="{q}", target="a")
    recorded = parts.to_user_config()
    assert dataclasses.replace(parts, workers=2).changed_terms(recorded) == []
    assert dataclasses.replace(parts, clients=3).changed_terms(recorded) == ["clients = 4"]


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No such file"):
        read_toml(tmp_path / "missing.toml")
    for content, message in (
        (b"steps =", "Invalid value"),
        (b"steps = 1" + b"0" * 400, "steps is a whole number beyond 64 bits"),
        (b"steps = 1" + b"0" * 5000, "Exceeds the limit"),
        (b"steps = [0x1" + b"0" * 5000 + b"]", "steps is a whole number beyond 64 bits"),
        (b"x = " + b"[" * 5000 + b"]" * 5000, "brackets are nested too deep"),
        (b"x = " + b"{a=" * 5000 + b"1" + b"}" * 5000, "brackets are nested too deep"),
        (b".".join([b"a"] * 5000) + b" = 1", "brackets are nested too deep"),
        ("steps = 3".encode("utf-16"), "no UTF-8 at byte 1; save it as UTF-8"),
    ):
        (tmp_path / "broken.toml").write_bytes(content)
        with pytest.raises(BadInput, match=rf"^configuration .*broken\.toml: {message}") as told:
            read_toml(tmp_path / "broken.toml")
        assert "\n" not in str(told.value)


def test_a_byte_order_mark_and_any_line_ends_are_read(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_bytes(b'\xef\xbb\xbfsteps = 3\r\nprompt = "a"\n')
    assert read_toml(tmp_path / "c.toml") == {"steps": 3, "prompt": "a"}
