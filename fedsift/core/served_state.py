"""What a server serves of its state, how that is published, and by what the state is known."""

import hashlib
import json
import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fedsift.core.bit_packing import packed_size
from fedsift.core.blend import UNVOTED, Blend
from fedsift.core.contribution import UploadTerms
from fedsift.core.errors import Refused
from fedsift.core.ledger import Ledger
from fedsift.core.ledger_file import told_as_damage
from fedsift.core.linear_checksum import LinearChecksum
from fedsift.core.localisation import Localisation
from fedsift.core.member import Member
from fedsift.core.members import Members
from fedsift.core.merged_sums import MergedSums, joined
from fedsift.core.publication import Publication, publication_noise, sensitivity
from fedsift.core.receipt import canonical
from fedsift.core.running_sums import RunningSums
from fedsift.core.shared_head import HeadSums


class ServedState:
    """Sums and members, as a `ServerState` has them.

    Attributes:
        ledger: what lies on disk.
        publication: how the merged model is published.
        terms: of all uploads.
        sums: over the members.
        members: by client id.
    """

    ledger: Ledger
    publication: Publication
    terms: UploadTerms
    sums: RunningSums
    members: Members
    _checksum: LinearChecksum

    def serve(self, client_id: str, packed_mask: bytes, localisation: Localisation) -> NDArray[np.float32]:
        """All of `serve_slices`, shape (k,)."""
        return joined(self.serve_slices(client_id, packed_mask, localisation), self.terms.size)

    def serve_slices(
        self, client_id: str, packed_mask: bytes, localisation: Localisation
    ) -> Iterator[NDArray[np.float32]]:
        """Magnitudes for the k entries of a member's mask, by slices; none where it is served from its own levels.

        Raises:
            Refused: it is no member, or the mask is not the one it was merged with. A mask of its choice would
                read single members' values off the sums.
        """
        member = self._member(client_id)
        is_whole = len(packed_mask) == packed_size(self.terms.size, 1)
        if not is_whole or hashlib.sha256(packed_mask).digest() != member.mask_digest:
            raise Refused(f"client {client_id!r} asked to be served under a mask that it was not merged with")
        return self._merged.served_slices(packed_mask, localisation)

    def merged_magnitudes(self) -> NDArray[np.float32]:
        """All of `merged_slices`, shape (n,)."""
        return joined(self.merged_slices(), self.terms.size)

    def merged_slices(self) -> Iterator[NDArray[np.float32]]:
        """Lambda * S * step / |T|, n entries by slices: the merged model that everybody without a mask gets.

        Zero without members; as the `publication` says, with noise on S.
        """
        noise, secret = None, self.ledger.checksum_secret.to_bytes(16, "little")
        if self.publication.noise:
            deviation = self.publication.noise * sensitivity(self.terms.grid.levels, self.terms.size)
            noise = publication_noise(secret, self.digest(), deviation)
        return self._merged.merged_slices(self.publication.scale, noise)

    def publish(self) -> None:
        """The merged model of now is for others to see: with noise, the state counts as published from now on.

        Whether it is sent or not: it can be exported from now on.
        """
        digest, published = self.digest().hex(), self.ledger.publications
        if self.publication.noise and digest not in published:
            with self.ledger.transaction():
                self.ledger.set("publications", json.dumps([*published, digest]))

    def head_sums(self) -> HeadSums:
        """What the shared head is solved from, over all members; of a federation that has one."""
        assert self.terms.head is not None
        gram, targets, count = self.sums.head.values()
        return HeadSums.of_vectors(gram, targets, int(count[0]), self.terms.head.features)

    @property
    def blend(self) -> Blend:
        """The setting that the members of now have voted for; `UNVOTED` where they have not."""
        with told_as_damage():
            chosen = self.ledger.get("blend")
            return Blend(*map(float, json.loads(chosen))) if chosen else UNVOTED

    @blend.setter
    def blend(self, blend: Blend) -> None:
        with self.ledger.transaction():
            self.ledger.set("blend", json.dumps(blend))

    @property
    def has_voted(self) -> bool:
        """Whether the members of now have chosen a blend."""
        return bool(self.ledger.get("blend"))

    @property
    def _merged(self) -> MergedSums:
        return MergedSums(self.terms, self.sums, len(self.members))

    def digest(self) -> bytes:
        """SHA-256 of the state (32 bytes): equal digests, equal states.

        Over the terms, the hash of the members' uploads (`Members.hash`), and the sums. It holds no client id and no
        order of arrival, so a run that a removed client never joined has the same one.
        """
        grid = self.terms.grid
        terms = {
            "layout": self.terms.layout_digest.hex(),
            "parameters": self.terms.size,
            "sign_seed": self.terms.sign_seed,
            "levels": grid.levels,
            "max_magnitude": struct.pack("<d", grid.max_magnitude).hex(),
            "threshold": struct.pack("<d", grid.threshold).hex(),
            "members": [len(self.members), self.members.hash().hex()],
            **({"head": vars(self.terms.head)} if self.terms.head else {}),
        }
        state = hashlib.sha256(canonical(terms).encode())
        self.sums.update_hash(state)
        return state.digest()

    def checksums(self) -> dict[str, int]:
        """The checksum of each sum, by its name and in their order."""
        return {name: self._checksum.of_vector(vector) for name, vector in self.sums.vectors()}

    def _member(self, client_id: str) -> Member:
        if client_id not in self.members:
            raise Refused(f"client {client_id!r} is not a member")
        return self.members[client_id]
