"""The server's whole state: the running sums, the members' digests, and the terms they were made under."""

import hashlib
import json
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedsift.bit_packing import packed_size, unpack_mask
from fedsift.contribution import Contribution, UploadTerms
from fedsift.errors import Refused
from fedsift.localisation import Localisation
from fedsift.running_sums import RunningSums


@dataclass(frozen=True)
class Member:
    """What the server keeps of a member besides the sums.

    Attributes:
        digest: SHA-256 of its upload: what its rerun must reproduce.
        mask_digest: SHA-256 of its packed mask: it is served under the mask that it was merged with, and no other.
    """

    digest: bytes
    mask_digest: bytes


class ServerState:
    """Merge, remove, serve; every change is all or nothing."""

    def __init__(self, terms: UploadTerms, capacity: int) -> None:
        """An empty state with room for `capacity` members at a time."""
        self.terms = terms
        self.sums = RunningSums(terms.size, terms.grid.levels, capacity)
        self.members: dict[str, Member] = {}

    def merge(self, client_id: str, upload: bytes) -> Member:
        """Add a client's contribution to the sums and make it a member.

        Raises:
            Refused: it is a member already, the capacity is reached, or the upload is not valid.
        """
        if client_id in self.members:
            raise Refused(f"client {client_id!r} is a member already; it must be removed before it joins again")
        if len(self.members) >= self.sums.capacity:
            raise Refused(f"the sums have room for {self.sums.capacity} members; one more could overflow them")
        contribution = Contribution.from_bytes(upload, self.terms)
        self.sums.add(contribution)
        member = Member(hashlib.sha256(upload).digest(), hashlib.sha256(contribution.packed_mask).digest())
        self.members[client_id] = member
        return member

    def remove(self, client_id: str, upload: bytes) -> None:
        """Subtract a member's contribution, rerun by the member itself, and forget the member.

        Raises:
            Refused: it is no member, or the rerun is not bit for bit what was merged.
        """
        member = self._member(client_id)
        digest = hashlib.sha256(upload).digest()
        if digest != member.digest:
            raise Refused(
                f"the rerun of client {client_id!r} has upload digest {digest.hex()}; {member.digest.hex()} was merged"
            )
        self.sums.subtract(Contribution.from_bytes(upload, self.terms))
        del self.members[client_id]

    def serve(self, client_id: str, packed_mask: bytes, localisation: Localisation) -> NDArray[np.float32]:
        """Magnitudes of shape (k,) for the k entries of a member's mask.

        Raises:
            Refused: it is no member, or the mask is not the one it was merged with. A mask of somebody's choice would
                read single members' values off the sums.
        """
        member = self._member(client_id)
        if (
            len(packed_mask) != packed_size(self.terms.size, 1)
            or hashlib.sha256(packed_mask).digest() != member.mask_digest
        ):
            raise Refused(f"client {client_id!r} asked to be served under a mask that it was not merged with")
        mask = unpack_mask(packed_mask, self.terms.size)
        return localisation.magnitudes(
            self.sums.level_sum[mask], self.sums.mask_count[mask], self.terms.grid.step, len(self.members)
        )

    def merged_magnitudes(self) -> NDArray[np.float32]:
        """S * step / |T|, shape (n,): the merged model that everybody without a mask gets; zero without members."""
        scale = self.terms.grid.step / max(1, len(self.members))
        return (self.sums.level_sum * scale).astype(np.float32)

    def digest(self) -> bytes:
        """SHA-256 of the state (32 bytes): equal digests, equal states.

        Over the terms, |T|, the members' digests in sorted order, S and C. It holds no client id and no order of
        arrival, so a run that a removed client never joined has the same one.
        """
        grid = self.terms.grid
        terms = {
            "layout": self.terms.layout_digest.hex(),
            "parameters": self.terms.size,
            "sign_seed": self.terms.sign_seed,
            "bits": grid.bits,
            "max_magnitude": struct.pack("<d", grid.max_magnitude).hex(),
            "threshold": struct.pack("<d", grid.threshold).hex(),
            "members": sorted(member.digest.hex() for member in self.members.values()),
        }
        state = hashlib.sha256(json.dumps(terms, sort_keys=True, separators=(",", ":")).encode())
        self.sums.update_hash(state)
        return state.digest()

    def _member(self, client_id: str) -> Member:
        if client_id not in self.members:
            raise Refused(f"client {client_id!r} is not a member")
        return self.members[client_id]
