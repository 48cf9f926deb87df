"""`fedsift export`: what a member is served, or what everybody else is, as a folder that works without fedsift."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from fedsift.core.errors import BadInput, Refused
from fedsift.files.output import clear, make_empty, output_errors
from fedsift.runs.run_folder import RunFolder


@dataclass(frozen=True)
class Exported:
    """A model that was exported."""

    path: str  # the folder
    member: str | None  # who is served it; None for the merged model
    state_digest: str  # of the state that it was made from, in hexadecimal
    files: dict[str, int]  # sizes in bytes, by name


def export(path: Path, client_id: str | None, out: Path) -> Exported:
    """Write what a member of a run is served, or for None what everybody else is, into a new or empty folder.

    The folder has a model in the Hugging Face format (with LoRA a PEFT adapter), its tokenizer, where there is one the
    shared head, and a card whose lines predict from these as the client is served (docs/explanation/served.md).
    It is written whole or not at all. Nothing of it is kept in the run.

    Raises:
        BadInput: it is no run, something in it is missing or damaged, or the folder cannot be written or is in the run.
        Refused: the client is no member.
    """
    folder, config = RunFolder.open(path)
    if out.resolve().is_relative_to(path.resolve()):
        raise BadInput(f"out = {out}: it lies in the run, which is to keep nothing of those who leave; give another")
    if client_id is not None and client_id not in folder.members():
        raise Refused(folder.why_no_member(client_id))
    made = make_empty(out)
    try:
        # These load torch and transformers: what can be refused without them is refused at once.
        from fedsift.runs.exported_files import CARD, write_files
        from fedsift.runs.served import served_model

        served = served_model(path, client_id)
        with output_errors(out), TemporaryDirectory(prefix=".fedsift-", dir=out) as unfinished:
            write_files(Path(unfinished), folder, config, client_id, served)
            for each in sorted(Path(unfinished).iterdir(), key=lambda file: file.name == CARD):  # the card last
                shutil.move(each, out / each.name)
    except BaseException:
        clear(out, made)
        raise
    files = {str(file.relative_to(out)): file.stat().st_size for file in sorted(out.rglob("*")) if file.is_file()}
    return Exported(str(out), client_id, served.state_digest, files)
