"""Sums of some contributions, made where these arise, for a server to add as one.

Integers make the grouping invisible: the server's state is byte for byte that of adding the contributions one by one.
"""

import numpy as np

from fedsift.core.contribution import Contribution, UploadTerms
from fedsift.core.errors import Refused
from fedsift.core.linear_checksum import LinearChecksum
from fedsift.core.member import Member, Training, summed_checksums
from fedsift.core.running_sums import RunningSums


class PartialSums:
    """S and C over some clients, and what a server is to keep of each.

    Attributes:
        sums: S and C.
        members: client id -> what is kept of it.
        fingerprints: client id -> its environment, as text.
    """

    def __init__(self, terms: UploadTerms, capacity: int) -> None:
        """Nothing yet, with room for `capacity` clients."""
        self.terms = terms
        self.sums = RunningSums(terms.size, terms.grid.levels, capacity)
        self.members: dict[str, Member] = {}
        self.fingerprints: dict[str, str] = {}

    def add(self, client_id: str, upload: bytes, training: Training, checksum: LinearChecksum) -> None:
        """Add a client's upload.

        Raises:
            Refused: it is there already, there is no room for it, or the upload is not valid; nothing is changed.
        """
        if client_id in self.members:
            raise Refused(f"client {client_id!r} has sent two uploads")
        if len(self.members) >= self.sums.capacity:
            raise Refused(f"these sums have room for {self.sums.capacity} clients")
        contribution = Contribution.from_bytes(upload, self.terms)
        self.members[client_id] = Member.of(contribution, training, checksum)
        self.fingerprints[client_id] = training.fingerprint
        self.sums.add(contribution)

    def check(self, checksum: LinearChecksum) -> None:
        """See that the sums are those of the members.

        Raises:
            Refused: a sum does not have the checksum that its members' add up to.
        """
        expected = summed_checksums(self.members.values())
        for name, vector in self.sums.vectors():
            if checksum.of_vector(vector) != expected[name]:
                raise Refused(f"the {name} of {len(self.members)} clients is not the sum of their contributions")

    def vector_bytes(self) -> tuple[bytes, ...]:
        """S and C as little-endian integers."""
        return tuple(vector.astype(vector.dtype.newbyteorder("<")).tobytes() for _, vector in self.sums.vectors())

    def read_vectors(self, *data: bytes) -> None:
        """The inverse of `vector_bytes`, for sums of the same terms and capacity.

        Raises:
            Refused: they are of another size.
        """
        for (name, vector), each in zip(self.sums.vectors(), data, strict=True):
            if len(each) != vector.nbytes:
                raise Refused(f"a {name} of {len(each)} bytes; expected {vector.nbytes}")
            vector[:] = np.frombuffer(each, vector.dtype.newbyteorder("<"))
