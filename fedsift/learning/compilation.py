"""A task's loss through torch.compile, with the same code in every process.

What torch.compile makes depends on the shapes that it sees first, and it compiles again as it sees others; left alone,
the bits of a client would depend on who came before it on its worker. So a loss is compiled once, for a batch that
follows from the settings alone, and sizes are left open. A batch that does not fit, such as one of a single row, runs
without compilation, and whether it fits depends on its shape alone.
"""

from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn

from fedsift.core.errors import BadInput
from fedsift.core.examples import Example
from fedsift.learning.cpp_compiler import cpp_compiler
from fedsift.learning.flat_model import FlatModel
from fedsift.learning.tasks.task import Task

_ROWS = range(13, 25)
_ANSWERS = ("two three",)


def compile_loss(model: FlatModel, task: Task, choices: Sequence[str]) -> None:
    """Put compiled code behind the loss of a task on texts, for this model. It takes about half a minute.

    `choices` are the targets that the task takes; empty for any.

    Raises:
        BadInput: there is no C++ compiler, the model is on a GPU, or torch cannot compile it.
    """
    if model.weights.device.type != "cpu":
        raise BadInput("compile is for device = cpu: a GPU's kernels would be chosen by timing, and the bits with them")
    cpp_compiler()
    batch = _canonical_batch(task, choices or _ANSWERS)
    # Graphs on disk may have been compiled for other sizes. Breaks in the graph would make several pieces, each with
    # what torch remembers of it.
    compiled = torch.compile(_own_code(task.loss), fullgraph=True, dynamic=True, options={"fx_graph_cache": False})
    try:
        torch.autograd.backward(compiled(model.module, batch))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise BadInput(f"compile: torch cannot compile this model: {reason} (leave compile out)") from error
    model.module.zero_grad()

    def loss(module: nn.Module, batch: Any) -> Tensor:
        with torch.compiler.set_stance("eager_on_recompile"):
            value: Tensor = compiled(module, batch)
        return value

    task.loss = loss  # type: ignore[method-assign, assignment]


def _canonical_batch(task: Task, answers: Sequence[str]) -> Any:
    """A batch with as many different sizes as can be: torch would take equal ones for one and the same."""

    def batch(rows: int) -> Any:
        examples = [Example("one " * row, f" {answers[row % len(answers)]}") for row in range(1, rows + 1)]
        return task.batch([task.encode(example) for example in examples])

    return max(map(batch, _ROWS), key=lambda each: len({size for tensor in each for size in tensor.shape}))


def _own_code(loss: Callable[[nn.Module, Any], Tensor]) -> Callable[[nn.Module, Any], Tensor]:
    """The same function with a code object of its own, by which torch keeps what it has compiled."""

    def call(module: nn.Module, batch: Any) -> Tensor:
        return loss(module, batch)

    return FunctionType(call.__code__.replace(), call.__globals__, closure=call.__closure__)
