"""Ed25519 keys that sign notes: a log's own key (type 0x01) and a witness's (0x04, C2SP tlog-cosignature).

A signing key is kept in the form of golang.org/x/mod/sumdb/note, one line that Go's tools read as well:
`PRIVATE+KEY+<name>+<8 hex digits of the key ID>+<base64(0x01 ‖ 32-byte seed)>`.
"""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING, Final

from nacl.signing import SigningKey

from evidencekit.errors import FormatError, UsageError
from evidencekit.signing.note import (
    ED25519_BYTES,
    TYPE_COSIGNATURE,
    TYPE_ED25519,
    VerifierKey,
    check_key_name,
    cosignature_message,
    decode_base64,
    is_key_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_SKEY_PREFIX: Final = "PRIVATE+KEY+"


class Ed25519NoteSigner:
    """Signs notes with an Ed25519 key of type 0x01."""

    __slots__ = ("_key", "verifier")

    def __init__(self, name: str, seed: bytes) -> None:
        check_key_name(name)
        self._key = SigningKey(_check_seed(seed))
        self.verifier = VerifierKey(name=name, key_type=TYPE_ED25519, public_key=bytes(self._key.verify_key))

    @property
    def name(self) -> str:
        """The key name."""
        return self.verifier.name

    @property
    def key_id(self) -> bytes:
        """The 4-byte key ID."""
        return self.verifier.key_id

    def sign(self, text: bytes) -> bytes:
        """Sign the note text (64 bytes)."""
        return self._key.sign(text).signature


class CosignatureSigner:
    """Cosigns checkpoints with an Ed25519 key of type 0x04; `clock` gives Unix seconds."""

    __slots__ = ("_clock", "_key", "verifier")

    def __init__(self, name: str, seed: bytes, clock: Callable[[], float] = time.time) -> None:
        check_key_name(name)
        self._key = SigningKey(_check_seed(seed))
        self._clock = clock
        self.verifier = VerifierKey(name=name, key_type=TYPE_COSIGNATURE, public_key=bytes(self._key.verify_key))

    @property
    def name(self) -> str:
        """The key name."""
        return self.verifier.name

    @property
    def key_id(self) -> bytes:
        """The 4-byte key ID."""
        return self.verifier.key_id

    def sign(self, text: bytes) -> bytes:
        """Cosign the checkpoint text: 8-byte time ‖ 64 bytes (C2SP tlog-cosignature)."""
        timestamp = int(self._clock())
        return timestamp.to_bytes(8, "big") + self._key.sign(cosignature_message(timestamp, text)).signature


def format_skey(name: str, seed: bytes) -> str:
    """Write an Ed25519 signing key as sumdb/note does: `PRIVATE+KEY+name+keyid+base64(0x01 ‖ seed)`.

    Raises:
        UsageError: the name or the seed cannot be used.
    """
    signer = Ed25519NoteSigner(name, seed)
    return f"{_SKEY_PREFIX}{name}+{signer.key_id.hex()}+{base64.b64encode(bytes([TYPE_ED25519]) + seed).decode()}"


def parse_skey(text: str) -> Ed25519NoteSigner:
    """Read an Ed25519 signing key.

    Raises:
        FormatError: malformed, of another type, or the key ID is not that of the key.
    """
    parts = text.removeprefix(_SKEY_PREFIX).split("+", 2)
    if not text.startswith(_SKEY_PREFIX) or len(parts) != 3 or not is_key_name(parts[0]):  # noqa: PLR2004
        raise FormatError("A signing key is not of the form PRIVATE+KEY+name+keyid+base64.", "签名密钥格式错误。")
    name, key_id, encoded = parts
    key = decode_base64(encoded)
    if len(key) != 1 + ED25519_BYTES or key[0] != TYPE_ED25519:
        raise FormatError(f"The signing key {name!r} is not Ed25519.", f"签名密钥 {name!r} 不是 Ed25519 密钥。")
    signer = Ed25519NoteSigner(name, key[1:])
    if signer.key_id.hex() != key_id:
        raise FormatError(
            f"The signing key {name!r} does not have the key ID it states.", f"签名密钥 {name!r} 的标识不符。"
        )
    return signer


def _check_seed(seed: bytes) -> bytes:
    """Return `seed` if it is an Ed25519 seed (RFC 8032 §5.1.5).

    Raises:
        UsageError: it is not 32 bytes long.
    """
    if len(seed) != ED25519_BYTES:
        raise UsageError(
            f"An Ed25519 seed has 32 bytes, not {len(seed)}; create a ledger key first.",
            f"Ed25519 种子应为 32 字节，而不是 {len(seed)} 字节；请先创建账本密钥。",
        )
    return seed
