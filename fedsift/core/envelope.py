"""Signed statements: DSSE envelopes (Dead Simple Signing Envelope, version 1) of canonical JSON, with Ed25519."""

import base64
import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.dsse import Envelope as Dsse
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, Signature, SSlibKey  # type: ignore[attr-defined]

from fedsift.core.receipt import canonical
from fedsift.core.signing_key import read_public_key
from fedsift.core.strict_json import LARGEST, Misfit, parse_json, typed


@dataclass(frozen=True)
class _Signature:
    keyid: str
    sig: str


@dataclass(frozen=True)
class Envelope:
    """An envelope as its file holds it, with one signature, which is not checked yet."""

    payload: str  # base64
    payloadType: str  # noqa: N815 - the name is DSSE's
    signatures: list[_Signature]

    @classmethod
    def read(cls, content: bytes) -> "Envelope":
        """From a file's content, which may be hostile.

        Raises:
            ValueError: it is no envelope with one signature, or could be read in two ways.
        """
        try:
            envelope: Envelope = typed(parse_json(content, LARGEST), cls, "envelope")
        except Misfit as error:
            raise ValueError(f"it is no DSSE envelope, at {error}") from error
        if len(envelope.signatures) != 1:
            raise ValueError(f"it has {len(envelope.signatures)} signatures; expected one")
        for text in (envelope.payload, envelope.signatures[0].sig):
            if base64.b64encode(base64.b64decode(text, validate=True)).decode() != text:
                raise ValueError("its base64 is not in the one form")
        return envelope

    @property
    def statement(self) -> Any:
        """What is signed.

        Raises:
            ValueError: it is no JSON in canonical form.
        """
        text = base64.b64decode(self.payload)
        read = parse_json(text, LARGEST)
        if canonical(read).encode() != text:
            raise ValueError("what is signed is not in the canonical form")
        return read

    def is_signed_by(self, public_key: str) -> bool:
        """Whether the signature is that of a key, 64 hexadecimal digits."""
        (signature,) = self.signatures
        signed = Signature(signature.keyid, base64.b64decode(signature.sig).hex())
        envelope = Dsse(base64.b64decode(self.payload), self.payloadType, {signature.keyid: signed})
        try:
            envelope.verify([SSlibKey.from_crypto(read_public_key(public_key))], threshold=1)
        except (VerificationError, ValueError):  # The latter: nobody could hold such a key.
            return False
        return True

    @property
    def text(self) -> str:
        """The content of its file."""
        return json.dumps(dataclasses.asdict(self), indent=1) + "\n"


def signed(statement: Any, payload_type: str, key: Ed25519PrivateKey) -> Envelope:
    """A statement, signed; the same one is the same envelope every time."""
    envelope = Dsse(canonical(statement).encode(), payload_type, {})
    envelope.sign(CryptoSigner(key))
    found: Envelope = typed(envelope.to_dict(), Envelope, "envelope")
    return found
