r"""Cosignatures: C2SP tlog-cosignature, a witness's word that it saw a checkpoint and that the tree only grew.

Ed25519 (type 0x04) signs a time and the whole checkpoint text; `signing.note` and `signing.notesigner` hold it.
ML-DSA-44 (type 0x06, FIPS 204) signs, big-endian and without separators:

```
"subtree/v1\\n\\0" ‖ u8 length ‖ cosigner name ‖ u64 time ‖ u8 length ‖ origin ‖ u64 0 ‖ u64 size ‖ root (32 bytes)
```

Both signatures stand in the note as u64 time ‖ signature. The time is the witness's own clock: it supports an RFC 3161
time-stamp, it does not replace one. Each cosigner needs a key of its own, since type 0x04 does not sign its name.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from evidencekit.errors import FormatError, UsageError
from evidencekit.ledger.checkpoint import parse_checkpoint
from evidencekit.signing.note import (
    TYPE_COSIGNATURE,
    TYPE_ED25519,
    check_key_name,
    decode_vkey,
    encode_vkey,
    key_id_of,
    parse_vkey,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from evidencekit.signing.note import NoteSignature, NoteVerifier

TYPE_MLDSA44: Final = 0x06
LOG_TYPES: Final = frozenset((TYPE_ED25519, TYPE_MLDSA44))
WITNESS_TYPES: Final = frozenset((TYPE_COSIGNATURE, TYPE_MLDSA44))
_TIME_BYTES: Final = 8
_PUBLIC_BYTES: Final = 1312
_SEED_BYTES: Final = 32
_MAX_NAME_BYTES: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class MlDsaVerifier:
    """An ML-DSA-44 cosigner's public key (1,312 bytes)."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """The 4-byte key ID."""
        return key_id_of(self.name, TYPE_MLDSA44, self.public_key)

    def verify(self, text: bytes, signature: bytes) -> bool:
        """Tell whether `signature` (8-byte time ‖ 2,420 bytes) cosigns the checkpoint `text`."""
        try:
            message = mldsa_message(self.name, int.from_bytes(signature[:_TIME_BYTES], "big"), text)
            MLDSA44PublicKey.from_public_bytes(self.public_key).verify(signature[_TIME_BYTES:], message)
        except (InvalidSignature, FormatError, UsageError, ValueError):
            return False
        return True


class MlDsaSigner:
    """Cosigns checkpoints with ML-DSA-44; `clock` gives Unix seconds."""

    __slots__ = ("_clock", "_key", "verifier")

    def __init__(self, name: str, seed: bytes, clock: Callable[[], float] = time.time) -> None:
        """Take a 32-byte seed (FIPS 204 §3.6.3).

        Raises:
            UsageError: the name cannot name a key, or the seed is not 32 bytes.
        """
        check_key_name(name)
        if len(seed) != _SEED_BYTES:
            raise UsageError(f"An ML-DSA-44 seed has 32 bytes, not {len(seed)}.", "ML-DSA-44 种子应为 32 字节。")
        self._key = MLDSA44PrivateKey.from_seed_bytes(seed)
        self._clock = clock
        self.verifier = MlDsaVerifier(name=name, public_key=self._key.public_key().public_bytes_raw())

    @property
    def name(self) -> str:
        """The key name."""
        return self.verifier.name

    @property
    def key_id(self) -> bytes:
        """The 4-byte key ID."""
        return self.verifier.key_id

    def sign(self, text: bytes) -> bytes:
        """Cosign the checkpoint text: 8-byte time ‖ 2,420 bytes."""
        timestamp = int(self._clock())
        message = mldsa_message(self.name, timestamp, text)
        return timestamp.to_bytes(_TIME_BYTES, "big") + self._key.sign(message)


def mldsa_message(cosigner: str, timestamp: int, text: bytes) -> bytes:
    """Build what an ML-DSA-44 cosignature signs of a checkpoint.

    Raises:
        FormatError: the text is not a checkpoint.
        UsageError: a name is longer than 255 bytes.
    """
    checkpoint = parse_checkpoint(text)
    return b"".join(
        (
            b"subtree/v1\n\0",
            _short(cosigner),
            timestamp.to_bytes(8, "big"),
            _short(checkpoint.origin),
            bytes(8),
            checkpoint.size.to_bytes(8, "big"),
            checkpoint.root,
        )
    )


def format_mldsa_vkey(key: MlDsaVerifier) -> str:
    """Write an ML-DSA-44 verifier key."""
    return encode_vkey(key.name, TYPE_MLDSA44, key.public_key)


def parse_any_vkey(text: str) -> tuple[int, NoteVerifier]:
    """Read a verifier key of type 0x01, 0x04 or 0x06; return its type with it.

    Raises:
        FormatError: malformed, or another type.
    """
    name, key_type, public_key = decode_vkey(text)
    if key_type != TYPE_MLDSA44:
        return key_type, parse_vkey(text)
    if len(public_key) != _PUBLIC_BYTES:
        raise FormatError(f"The verifier key {name!r} is not ML-DSA-44.", f"验证密钥 {name!r} 不是 ML-DSA-44 密钥。")
    return key_type, MlDsaVerifier(name=name, public_key=public_key)


def time_of(signature: NoteSignature) -> int:
    """Read a cosignature's time, in Unix seconds; meaningful only for keys of type 0x04 and 0x06."""
    return int.from_bytes(signature.signature[:_TIME_BYTES], "big")


def _short(text: str) -> bytes:
    data = text.encode()
    if len(data) > _MAX_NAME_BYTES:
        raise UsageError(f"{text[:40]!r}… is over 255 bytes; use a shorter name.", f"{text[:40]!r}…超过 255 字节。")
    return bytes([len(data)]) + data
