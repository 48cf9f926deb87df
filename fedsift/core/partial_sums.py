"""Sums of some contributions, made where these arise, for a server to add as one.

Integers make the grouping invisible: the server's state is byte for byte that of adding the contributions one by one.
"""

from collections.abc import Sequence

import numpy as np

from fedsift.core.contribution import UploadTerms
from fedsift.core.errors import Refused, counted
from fedsift.core.linear_checksum import LinearChecksum
from fedsift.core.member import Member, Training, summed_checksums
from fedsift.core.running_sums import RunningSums
from fedsift.core.upload import Upload


class PartialSums:
    """The sums over some clients, and what a server is to keep of each.

    Attributes:
        sums: all of them.
        members: client id -> what is kept of it.
        fingerprints: client id -> its environment, as text.
    """

    def __init__(self, terms: UploadTerms, capacity: int) -> None:
        """Nothing yet, with room for `capacity` clients."""
        self.terms = terms
        self.sums = RunningSums(terms, capacity)
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
            raise Refused(f"these sums have room for {counted(self.sums.capacity, 'client')}")
        read = Upload.from_bytes(upload, self.terms)
        self.members[client_id] = Member.of(read, upload, training, checksum)
        self.fingerprints[client_id] = training.fingerprint
        self.sums.add(read)

    def check(self, checksum: LinearChecksum) -> None:
        """See that the sums are those of the members.

        Raises:
            Refused: a sum does not have the checksum that its members' add up to.
        """
        vectors = self.sums.vectors()
        expected = summed_checksums(self.members.values(), len(vectors))
        for (name, vector), total in zip(vectors, expected, strict=True):
            if checksum.of_vector(vector) != total:
                raise Refused(
                    f"the {name} of {counted(len(self.members), 'client')} is not the sum of their contributions"
                )

    def vector_bytes(self) -> list[bytes]:
        """The sums as little-endian integers."""
        return [vector.astype(vector.dtype.newbyteorder("<")).tobytes() for _, vector in self.sums.vectors()]

    def read_vectors(self, data: Sequence[bytes]) -> None:
        """The inverse of `vector_bytes`, for sums of the same terms and capacity.

        Raises:
            Refused: they are of another size.
        """
        vectors = self.sums.vectors()
        if len(data) != len(vectors):
            raise Refused(f"{len(data)} sums; expected {len(vectors)}")
        for (name, vector), each in zip(vectors, data, strict=True):
            if len(each) != vector.nbytes:
                raise Refused(f"a {name} of {counted(len(each), 'byte')}; expected {vector.nbytes}")
            vector[:] = np.frombuffer(each, vector.dtype.newbyteorder("<"))
