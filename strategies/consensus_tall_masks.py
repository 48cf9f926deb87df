"""Consensus TALL-masks: one mask for everybody (Wang et al. 2024, arXiv 2405.07813, section 4.2)."""

import hashlib
import json
from collections.abc import Container, Iterable, Mapping

from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.serverapp import Grid

from fedsift.core.bit_packing import packed_size, unpack_mask
from fedsift.core.errors import Refused
from fedsift.protocol import messages
from fedsift.protocol.messages import TALL_MASKS
from fedsift.strategies.compared_method import Recipient, Vector
from fedsift.strategies.merged_fine_tunings import MergedFineTunings
from fedsift.strategies.merging.consensus_count import ConsensusCount
from fedsift.strategies.merging.fine_tune_merge import Mean
from fedsift.strategies.merging.tall_masks import DENSITIES, SCALES, served
from fedsift.strategies.method import Method, everybody_else, model


class ConsensusTallMasks(MergedFineTunings):
    """Everybody is served the mean where at least two members' TALL-masks keep it, times alpha.

    After each merge the members make their masks from the sum and send them; they are counted and dropped.
    """

    method = Method(
        "consensus-tall-masks",
        "consensus TALL-masks",
        "Wang et al. 2024, arXiv 2405.07813",
        True,
        everybody_else,
        "T",
        model,
        "M",
    )
    candidates = tuple({"density": density, "alpha": alpha} for density in DENSITIES for alpha in SCALES)

    def __init__(self, size: int, evaluated: Container[int], chosen: Mapping[str, float] | None = None) -> None:
        """Begin without members; arguments as of `ComparedMethod`."""
        super().__init__(size, evaluated, chosen)
        self._counts: dict[float, ConsensusCount] = {}

    def new_merger(self) -> Mean:
        """A sum of task vectors, in fixed point."""
        return Mean(self.size)

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Count the members' masks anew, since the sum has changed; then as always."""
        self._count_masks(server_round, grid)
        return super().configure_evaluate(server_round, arrays, config, grid)

    def _count_masks(self, server_round: int, grid: Grid) -> None:
        densities = (self.chosen["density"],) if self.chosen else DENSITIES
        self._counts = {density: ConsensusCount(self.size) for density in densities}
        total = ArrayRecord({"total": messages.float_array(self.merger.total())})
        content = RecordDict({"shared": total, "config": ConfigRecord({"densities": json.dumps(densities)})})
        asked = [
            Message(content, dst_node_id=node, message_type=TALL_MASKS, group_id=str(server_round))
            for node in self.nodes_of(self.members)
        ]
        for reply in grid.send_and_receive(asked) if asked else ():
            try:
                record = self.client_record(reply)
                for density, count in self._counts.items():
                    packed = messages.field(record, f"mask {density}", bytes)
                    if len(packed) != packed_size(self.size, 1):
                        raise Refused(f"a mask of {len(packed)} bytes; expected {packed_size(self.size, 1)}")
                    count.add(unpack_mask(packed, self.size))
            except Refused as error:
                self.failed(self.name(reply), TALL_MASKS, error)
        self.rounds[-1].state_digest = self.digest()

    def settle(self) -> None:
        """Keep the count of the density chosen."""
        density = self.chosen["density"]
        self._counts = {density: self._counts[density]}

    def digest(self) -> str:
        """Of the sum and of the counts of masks."""
        digest = hashlib.sha256(self.merger.digest())
        for count in self._counts.values():
            digest.update(count.digest())
        return digest.hexdigest()

    def shared(self) -> dict[str, Vector]:
        """The mean under the consensus of each density."""
        merged = self.merger.merged()
        return {str(density): served(merged, count.mask()) for density, count in self._counts.items()}

    @staticmethod
    def serve(recipient: Recipient, **terms: float) -> list[Vector]:
        """The mean under the consensus, times alpha."""
        return [recipient.shared[str(terms["density"])] * terms["alpha"]]
