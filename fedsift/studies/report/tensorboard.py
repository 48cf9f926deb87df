"""A scenario's steps as TensorBoard events."""

from pathlib import Path

from fedsift.core.extras import check_extra
from fedsift.core.plain_files import check_plain
from fedsift.studies.report.outcome import read_outcome


def check_tensorboard() -> None:
    """Raise BadInput where TensorBoard is not installed."""
    check_extra("--tensorboard", "tensorboard", "tensorboard")


def write_events(folder: Path) -> Path:
    """Write members, scores, trainings and seconds at each step, from a result.json of `fedsift optout`.

    Returns:
        The folder for `tensorboard --logdir`; events of an earlier time in it are replaced.

    Raises:
        BadInput: there is no such result.json, or TensorBoard is not installed.
    """
    check_tensorboard()
    from torch.utils.tensorboard import SummaryWriter

    outcome, events = read_outcome(folder), folder / "tensorboard"
    check_plain(events, folder=True)
    for old in events.glob("events.*"):
        old.unlink()
    with SummaryWriter(str(events)) as writer:
        for step in outcome.steps:
            values = {
                key: getattr(step, key) for key in ("members", "trainings", "steps_retrained", "bytes_up", "seconds")
            }
            values |= {f"score/{name}": value for name, value in (vars(step.scores) if step.scores else {}).items()}
            for name, value in values.items():
                if value is not None:
                    writer.add_scalar(name, value, step.step)
    return events
