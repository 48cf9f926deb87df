import math

import numpy as np
import pytest

from fedsift.protocol.compared_method import Recipient
from fedsift.strategies.apa import Apa


def test_adapters_are_weighed_by_their_errors() -> None:
    """Scores .8 and .5 are errors .2 and .5; with tau = 10 the second weighs exp(-3) of the first."""
    shared = {"0": np.array([1, 0, 2], np.float32), "1": np.array([0, 1, 2], np.float32)}
    recipient = Recipient(None, shared, [3], {"0": 0.8, "1": 0.5}.__getitem__)
    (served,) = Apa.serve(recipient, temperature=10.0)
    first = 1 / (1 + math.exp(-3))
    assert served == pytest.approx([first, 1 - first, 2])
