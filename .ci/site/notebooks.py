"""A hook of mkdocs: each notebook becomes a page, its cells as text and code, and stays beside it to be downloaded."""

import json
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page `notebook-NAME.md` beside NAME.ipynb."""
    for file in [each for each in files if each.src_uri.endswith(".ipynb")]:
        folder, _, name = file.src_uri.rpartition("/")
        page = f"{folder}/notebook-{name.removesuffix('.ipynb')}.md"
        files.append(File.generated(config, page, content=_page(Path(file.abs_src_path or ""))))
    return files


def _page(notebook: Path) -> str:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    title, *parts = [_part("".join(cell["source"]), cell["cell_type"]) for cell in cells]
    download = f"[Download it as a notebook]({notebook.name})."
    return "\n\n".join([title, download, *parts])


def _part(source: str, kind: str) -> str:
    return f"```python\n{source}\n```" if kind == "code" else source
