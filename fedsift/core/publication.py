"""Noise on the merged model that a federation publishes. The state stays exact; only what leaves it is noisy.

    S + rint(Z),    Z_j normal with mean 0 and standard deviation noise * sensitivity, independent of each other

One member changes S by its levels q, each from 0 to L, so by at most L sqrt(n) in length: the L2 sensitivity of the
Gaussian mechanism (Dwork and Roth 2014, appendix A). Rounding does not weaken it, since S is whole: rint(S + Z) is
S + rint(Z). Z derives from a secret of the ledger and the state's digest, so that a state that is published again has
the same noise: nobody can average it away.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from numpy.typing import NDArray

Noise = Callable[[int, int], NDArray[np.float64]]  # of the entries from the first on, so many: whole numbers

_DOMAIN = b"fedsift publication noise"
_WORD = 8  # bytes of a draw


@dataclass(frozen=True)
class Publication:
    """How the merged model is published. No part of the state: only what is served changes."""

    scale: float = 1.0  # lambda, a public factor
    noise: float = 0.0  # standard deviation, in multiples of the sensitivity; 0 for none


EXACT = Publication()


def sensitivity(levels: int, size: int) -> float:
    """How far one member can move the sum of levels, by Euclidean length; of the highest level and n."""
    return levels * math.sqrt(size)


def publication_noise(secret: bytes, state_digest: bytes, deviation: float) -> Noise:
    """The noise of a state.

    Args:
        secret: that nobody whom the model is published to knows.
        state_digest: of what is published.
        deviation: the standard deviation, in levels.
    """
    key = hashlib.sha256(_DOMAIN + secret + state_digest).digest()

    def drawn(start: int, count: int) -> NDArray[np.float64]:
        """By Box and Muller (1958), from two uniform numbers of 53 bits each an entry."""
        stream = Cipher(ChaCha20(key, start.to_bytes(16, "big")), mode=None).encryptor()
        words = np.frombuffer(stream.update(bytes(2 * _WORD * count)), "<u8").reshape(2, count)
        radius, angle = ((words >> 11) + np.array([[1], [0]], np.uint64)) / 2.0**53
        normal: NDArray[np.float64] = np.sqrt(-2 * np.log(radius)) * np.cos(2 * np.pi * angle)
        return np.rint(deviation * normal)

    return drawn
