"""What SIFT-Masks takes, from formulas (docs/reference/formulas.md): bytes on the wire, memory, files, compute."""

from dataclasses import dataclass
from typing import Any

from fedsift.core.bit_packing import packed_size
from fedsift.core.contribution import HEADER_BYTES, UploadTerms
from fedsift.core.head_statistics import largest_bytes
from fedsift.core.localisation import Localisation
from fedsift.core.running_sums import RunningSums
from fedsift.studies.plan.assumptions import Assumptions

# Digests of layout and M0; number of parameters, sign seed, levels, max-magnitude, threshold, features and labels of
# the shared head (`messages.terms_record`).
_TERMS = 2 * 32 + 7 * 8
_MEMBER_ROW = 200  # of the ledger, measured: 195.8 with ids of 12 characters
_MERGE = 2.5  # a merge beside decoding and adding alone, measured: 482 to 191 million entries a second
_SERVER_CONSTANT = 40_000_000  # measured (fedsift bench --memory)
_SECONDS_AN_HOUR = 3600
# Figures that are one client's: all clients have as many times more.
_OF_A_CLIENT = (
    "upload_bytes",
    "head_bytes",
    "served_head_bytes",
    "terms_bytes",
    "served_own_bytes",
    "served_coordinate_bytes",
    "mask_bytes",
    "levels_bytes",
    "add_seconds",
    "merge_seconds",
)


@dataclass(frozen=True)
class Footprint:
    """The figures of SIFT-Masks under some assumptions.

    Symbols: P parameters, n of them tuned, T clients, L the highest level, k entries that a mask keeps,
    b the bits that a kept entry's level takes: those of L - 1; h features and l labels of the shared head.
    """

    assumptions: Assumptions

    @property
    def kept(self) -> int:
        """Entries that a mask keeps: k = density n."""
        return round(self.assumptions.density * self._size)

    @property
    def upload_bytes(self) -> int:
        """What a client sends (docs/reference/upload.md): 80 + ceil(n/8) + ceil(k b/8), and for the shared head."""
        return HEADER_BYTES + self.mask_bytes + self.levels_bytes + self.head_bytes

    @property
    def head_bytes(self) -> int:
        """Of an upload at most: 26 + ceil(l/8) + 4 (h (h + 1)/2 + h l), h features with the constant and l labels."""
        return largest_bytes(self.assumptions.head) if self.assumptions.head else 0

    @property
    def served_head_bytes(self) -> int:
        """What whoever is served gets of the shared head: 8 (h (h + 1)/2 + h l), its sums."""
        return self._head_sums - 8 if self._head_sums else 0

    @property
    def terms_bytes(self) -> int:
        """What a client is sent before it trains, beside the base model that it has: 120, the terms."""
        return _TERMS

    @property
    def served_own_bytes(self) -> int:
        """What a member is sent with the default localisation: 0, it is served from its own levels."""
        return self._served_bytes("own")

    @property
    def served_coordinate_bytes(self) -> int:
        """What a member is sent where the sums serve it: 4 k, float32 for the entries of its mask."""
        return self._served_bytes("coordinate")

    @property
    def merged_bytes(self) -> int:
        """What everybody is served who has no mask: 4 n, float32 for all entries."""
        return 4 * self._size

    @property
    def mask_bytes(self) -> int:
        """What a member keeps: its mask, ceil(n/8)."""
        return packed_size(self._size, 1)

    @property
    def levels_bytes(self) -> int:
        """What a member keeps besides to be served from its own levels: ceil(k b/8)."""
        return packed_size(self.kept, self.assumptions.grid.level_bits)

    @property
    def client_bytes(self) -> int:
        """Memory of a training: 16 n + 4 P in float32, 14 n + 2 P in bfloat16; without activations.

        4 n less with moments in bfloat16.
        The second part is M0, which clients of one machine share where its file is mapped.
        """
        precision = self.assumptions.precision
        tuned_bytes = precision.tuned_bytes - (0 if self.assumptions.moments == "float32" else 4)
        return tuned_bytes * self._size + precision.itemsize * int(self.assumptions.model_parameters)

    @property
    def sums_bytes(self) -> int:
        """Of S and C: n times the narrowest 16, 32 or 64 bits that hold T L, and that hold T.

        On top 8 (h (h + 1)/2 + h l + 1) of the shared head.
        """
        one = UploadTerms(bytes(32), 1, 0, self.assumptions.grid)
        return self._size * RunningSums(one, self.assumptions.clients).nbytes + self._head_sums

    @property
    def server_bytes(self) -> int:
        """Server memory: the sums, an upload that is added, one that comes, and 40 MB for slices and SQLite."""
        return self.sums_bytes + 2 * self.upload_bytes + _SERVER_CONSTANT

    @property
    def ledger_bytes(self) -> int:
        """The ledger's file between two rounds: the sums, and 200 a member.

        Within a round uploads come on top, until they outgrow the sums and are folded into them.
        """
        return self.sums_bytes + _MEMBER_ROW * self.assumptions.clients

    @property
    def training_tokens(self) -> int:
        """Of one client: steps * rows * tokens."""
        return self.assumptions.steps * self.assumptions.batch_size * self.assumptions.tokens

    @property
    def training_flops(self) -> int:
        """Of one client: 4 P + 2 n a token.

        Forward 2 P, backward to the activations 2 P, backward to the tuned weights 2 n: 6 P where all are tuned.
        """
        return self.training_tokens * (4 * int(self.assumptions.model_parameters) + 2 * self._size)

    @property
    def training_hours(self) -> float:
        """Device-hours of one client."""
        return self.training_flops / self.assumptions.device_flops / _SECONDS_AN_HOUR

    @property
    def merge_hours(self) -> float:
        """Device-hours until all have trained once: T trainings."""
        return self.assumptions.clients * self.training_hours

    @property
    def merge_elapsed_hours(self) -> float:
        """The same by the clock: ceil(T / devices) trainings one after the other."""
        return -(-self.assumptions.clients // self.assumptions.devices) * self.training_hours

    @property
    def add_seconds(self) -> float:
        """One core of the server, one upload: n / rate to decode it and to add it to both sums."""
        return self._size / self.assumptions.codec_rate

    @property
    def merge_seconds(self) -> float:
        """One core of the server, one upload: 2.5 n / rate with checks, digests, checksums and the journal's row."""
        return _MERGE * self.add_seconds

    def to_json(self) -> dict[str, Any]:
        """All figures by name; those that are one a client also for all clients."""
        names = [name for name, value in vars(type(self)).items() if isinstance(value, property) and name[0] != "_"]
        every = {f"all_{name}": self.assumptions.clients * getattr(self, name) for name in _OF_A_CLIENT}
        return {name: getattr(self, name) for name in names} | every

    @property
    def _head_sums(self) -> int:
        head = self.assumptions.head
        return 8 * sum(head.vectors().values()) if head else 0

    def _served_bytes(self, localise: str) -> int:
        return 0 if Localisation(localise).keeps_levels else 4 * self.kept

    @property
    def _size(self) -> int:
        return self.assumptions.tuned_parameters
