"""The tuned parameters, in the order in which they lie in one flat vector."""

import hashlib
import json
import math
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate


@dataclass(frozen=True)
class ParameterLayout:
    """The tuned parameters' names and shapes, in the fixed order in which they are flattened."""

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Entries of each parameter."""
        return tuple(math.prod(shape) for shape in self.shapes)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Where each parameter begins in the flat vector."""
        return tuple(accumulate(self.sizes, initial=0))[:-1]

    @property
    def size(self) -> int:
        """n, the number of tuned parameters."""
        return sum(self.sizes)

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 over names and shapes (32 bytes): equal digests, equal meaning of every index."""
        described = json.dumps([self.names, self.shapes], separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(described.encode()).digest()
