import pytest
import torch
from torch import Tensor

from fedsift.learning.hidden_states import joined_states


def test_each_layer_is_brought_to_the_same_size() -> None:
    """(3, 4) has the root mean square sqrt(12.5); (0, 0) stays as it is."""
    joined = joined_states([torch.tensor([[3.0, 4.0], [0.0, 0.0]]), torch.tensor([[-30.0, 40.0], [5.0, 5.0]])])
    size = 12.5**0.5
    assert joined[0].tolist() == pytest.approx([3 / size, 4 / size, -3 / size, 4 / size])
    assert joined[1].tolist() == pytest.approx([0, 0, 1, 1])


@pytest.mark.parametrize(("width", "kept"), [(100, 5), (256, 4), (341, 3), (342, 2), (600, 1), (2000, 1)])
def test_the_last_layers_that_fit_are_used(width: int, kept: int) -> None:
    states = [layer(number, width) for number in range(1, 6)]
    assert joined_states(states).equal(joined_states(states[-kept:]))
    assert joined_states(states).shape == (1, kept * width)


def layer(number: int, width: int) -> Tensor:
    return torch.full((1, width), 1.0).index_fill(1, torch.tensor([number]), 9.0)
