"""The app that `flwr run` is given: a folder without code, which names both apps where fedsift is installed."""

from pathlib import Path

import tomli_w

from fedsift.configuration.run_config import RunConfig
from fedsift.configuration.server_settings import ServerSettings, app_config
from fedsift.files.output import make_empty

_README = "The code is that of the fedsift which is installed.\n"


def make_app(folder: Path, config: RunConfig, settings: ServerSettings) -> list[Path]:
    """Write pyproject.toml, with every key that `--run-config` may change, and README.md; returns the files.

    Raises:
        BadInput: the folder is not empty, or cannot be written.
    """
    components = {
        "serverapp": "fedsift.simulations.flower.server_app:app",
        "clientapp": "fedsift.simulations.flower.node_app:app",
    }
    app = {"publisher": "fedsift", "components": components, "config": app_config(config, settings)}
    project = {"name": "fedsift", "version": "1.0.0", "description": "", "license": "Apache-2.0"}
    make_empty(folder)
    contents = {"pyproject.toml": tomli_w.dumps({"project": project, "tool": {"flwr": {"app": app}}})}
    contents["README.md"] = _README
    for name, content in contents.items():
        (folder / name).write_text(content, encoding="utf-8")
    return [folder / name for name in contents]
