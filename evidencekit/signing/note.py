"""Signed notes: C2SP signed-note v1.0.0, as written by golang.org/x/mod/sumdb/note.

```
<text: UTF-8, no control characters but LF, ends in LF>
<LF>
— <key name> <base64(4-byte key ID ‖ signature)><LF>       once or more; EM DASH U+2014, then a space
```

A verifier key reads `<name>+<8 hex digits of the key ID>+<base64(type ‖ public key)>`, where the key ID is the first
4 bytes of SHA-256(name ‖ LF ‖ type ‖ public key). A key name is not empty and has neither white space nor `+`.
The text ends at the last blank line, so it may itself hold blank lines.

Base64 is RFC 4648 §4. In keys it must be what an encoder writes; in signature lines free padding bits pass, as they do
in sumdb/note. Who needs every byte of a note fixed compares it with `format_note`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from evidencekit.errors import FormatError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

TYPE_ED25519: Final = 0x01
TYPE_COSIGNATURE: Final = 0x04
COSIGNATURE_TIME_BYTES: Final = 8
"""A cosignature begins with its time, in seconds since 1970."""

MAX_NOTE_BYTES: Final = 1_000_000
"""The same limit as sumdb/note."""
MAX_SIGNATURES: Final = 100
_MAX_KEY_CHARS: Final = 8192
_KEY_ID_BYTES: Final = 4
ED25519_BYTES: Final = 32
_DASH: Final = "— "
_CONTROL: Final = re.compile(rb"[\x00-\x09\x0b-\x1f]")


class NoteVerifier(Protocol):
    """A public key that can tell whether a note was signed by its holder."""

    @property
    def name(self) -> str:
        """The key name, e.g. a log's origin."""
        ...

    @property
    def key_id(self) -> bytes:
        """The 4-byte key ID."""
        ...

    @property
    def public_key(self) -> bytes:
        """The raw public key, which is the same whatever name it is given."""
        ...

    def verify(self, text: bytes, signature: bytes) -> bool:
        """Tell whether `signature` (without key ID) signs the note text; never raises on foreign bytes."""
        ...


class NoteSigner(Protocol):
    """A private key that signs notes."""

    @property
    def verifier(self) -> NoteVerifier:
        """The public key that verifies what this key signs."""
        ...

    @property
    def name(self) -> str:
        """The key name."""
        ...

    @property
    def key_id(self) -> bytes:
        """The 4-byte key ID."""
        ...

    def sign(self, text: bytes) -> bytes:
        """Sign the note text; the result has no key ID."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierKey:
    """An Ed25519 key for notes (type 0x01) or for cosignatures (0x04); `public_key` is 32 bytes."""

    name: str
    key_type: int
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """The first 4 bytes of SHA-256(name ‖ LF ‖ type ‖ public key)."""
        return key_id_of(self.name, self.key_type, self.public_key)

    def verify(self, text: bytes, signature: bytes) -> bool:
        """Tell whether `signature` (64 bytes; 8-byte time and 64 bytes for a cosignature) signs `text`."""
        if self.key_type == TYPE_ED25519:
            return _verify_ed25519(self.public_key, text, signature)
        if self.key_type != TYPE_COSIGNATURE:
            return False
        timestamp = int.from_bytes(signature[:COSIGNATURE_TIME_BYTES], "big")
        message = cosignature_message(timestamp, text)
        return _verify_ed25519(self.public_key, message, signature[COSIGNATURE_TIME_BYTES:])


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSignature:
    """One signature line: `signature` has no key ID."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A well-formed note: who signed it, whom we do not know, and whose signature is bad.

    `verified`, `unverified` (unknown name or key ID) and `invalid` (a known key, a wrong signature) are in the order
    of the lines; of repeated lines of one key the first counts.
    """

    text: bytes
    verified: tuple[NoteSignature, ...]
    unverified: tuple[NoteSignature, ...]
    invalid: tuple[NoteSignature, ...]

    @property
    def is_verified(self) -> bool:
        """Whether a known key signed it and no known key's signature is bad (C2SP signed-note, verification)."""
        return bool(self.verified) and not self.invalid


def cosignature_message(timestamp: int, text: bytes) -> bytes:
    """Build what a cosignature/v1 signs: a header with the Unix time, then the whole note text."""
    return b"cosignature/v1\ntime %d\n" % timestamp + text


@lru_cache(maxsize=64)
def key_id_of(name: str, key_type: int, public_key: bytes) -> bytes:
    """Compute the 4-byte key ID of a key of one of the registered one-byte types."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([key_type]) + public_key).digest()[:_KEY_ID_BYTES]


def format_vkey(key: VerifierKey) -> str:
    """Write a verifier key: `name+keyid+base64`."""
    return encode_vkey(key.name, key.key_type, key.public_key)


def encode_vkey(name: str, key_type: int, public_key: bytes) -> str:
    """Write a verifier key of any one-byte type."""
    encoded = base64.b64encode(bytes([key_type]) + public_key).decode()
    return f"{name}+{key_id_of(name, key_type, public_key).hex()}+{encoded}"


def parse_vkey(text: str) -> VerifierKey:
    """Read a verifier key of an Ed25519 note signer (0x01) or cosigner (0x04).

    Raises:
        FormatError: malformed, a key ID that is not the key's, or another type.
    """
    name, key_type, public_key = decode_vkey(text)
    if key_type not in (TYPE_ED25519, TYPE_COSIGNATURE) or len(public_key) != ED25519_BYTES:
        raise FormatError(
            f"The verifier key {name!r} is of type 0x{key_type:02x} with {len(public_key)} bytes; "
            "give an Ed25519 key of type 0x01 or 0x04.",
            f"验证密钥 {name!r} 的类型为 0x{key_type:02x}({len(public_key)} 字节)；请提供 0x01 或 0x04 的密钥。",
        )
    return VerifierKey(name=name, key_type=key_type, public_key=public_key)


def decode_vkey(text: str) -> tuple[str, int, bytes]:
    """Read a verifier key of any one-byte type into name, type and public key.

    Raises:
        FormatError: malformed, or the key ID is not that of the key.
    """
    parts = text.split("+", 2) if len(text) <= _MAX_KEY_CHARS else []
    if len(parts) != 3 or not is_key_name(parts[0]):  # noqa: PLR2004 - name, key ID, key
        raise FormatError(
            "A verifier key is not of the form name+keyid+base64.", "验证密钥不是 name+keyid+base64 的形式。"
        )
    name, key_id, encoded = parts
    key = decode_base64(encoded)
    if len(key) < 2 or key_id_of(name, key[0], key[1:]).hex() != key_id:  # noqa: PLR2004 - type and a key
        raise FormatError(
            f"The verifier key {name!r} does not have the key ID {key_id!r} that it states.",
            f"验证密钥 {name!r} 与其声明的密钥标识 {key_id!r} 不符。",
        )
    return name, key[0], key[1:]


def sign_note(text: bytes, *signers: NoteSigner) -> bytes:
    """Write the note of `text` with one signature line a signer.

    Raises:
        UsageError: the text is not UTF-8 that ends in LF, holds control characters, or nobody signs.
    """
    if not signers or not text.endswith(b"\n") or not _is_plain(text):
        raise UsageError(
            "A note's text must be UTF-8 without control characters, end in a newline, and have a signer.",
            "签名文本必须为不含控制字符的 UTF-8、以换行结尾，并至少有一个签名者。",
        )
    return text + b"\n" + b"".join(signature_line(signer, signer.sign(text)) for signer in signers)


def signature_line(key: NoteSigner | NoteVerifier | NoteSignature, signature: bytes) -> bytes:
    """Write one signature line, LF included; `signature` has no key ID."""
    return f"{_DASH}{key.name} {base64.b64encode(key.key_id + signature).decode()}\n".encode()


def open_note(data: bytes, verifiers: Iterable[NoteVerifier]) -> Note:
    """Read a note and sort its signatures by whether `verifiers` know and confirm them.

    Raises:
        FormatError: not a note, or over 1,000,000 bytes or 100 signatures.
    """
    text, signatures = split_note(data)
    known = {(verifier.name, verifier.key_id): verifier for verifier in verifiers}
    verified: list[NoteSignature] = []
    unverified: list[NoteSignature] = []
    invalid: list[NoteSignature] = []
    seen: set[tuple[str, bytes]] = set()
    for signature in signatures:
        key = (signature.name, signature.key_id)
        verifier = known.get(key)
        if verifier is None:
            unverified.append(signature)
        elif key not in seen:
            seen.add(key)
            (verified if verifier.verify(text, signature.signature) else invalid).append(signature)
    return Note(text=text, verified=tuple(verified), unverified=tuple(unverified), invalid=tuple(invalid))


def split_note(data: bytes) -> tuple[bytes, tuple[NoteSignature, ...]]:
    """Part a note into its text and its signature lines, verifying none.

    Raises:
        FormatError: not a note, or over 1,000,000 bytes or 100 signatures.
    """
    if len(data) > MAX_NOTE_BYTES:
        raise FormatError(f"A note of {len(data)} bytes is over the limit of {MAX_NOTE_BYTES}.")
    if not _is_plain(data):
        raise FormatError("A note is not UTF-8, or holds control characters.", "签名文本不是 UTF-8 或含有控制字符。")
    end = data.rfind(b"\n\n")
    lines = data[end + 2 :]
    if end < 0 or not lines.endswith(b"\n"):
        raise FormatError("A note has no signature lines after a blank line.", "签名文本在空行之后没有签名行。")
    rows = lines[:-1].split(b"\n", MAX_SIGNATURES)
    if len(rows) > MAX_SIGNATURES:
        raise FormatError(f"A note has over {MAX_SIGNATURES} signatures.", f"签名文本的签名超过 {MAX_SIGNATURES} 个。")
    return data[: end + 1], tuple(parse_signature_line(row) for row in rows)


def format_note(text: bytes, signatures: Iterable[NoteSignature]) -> bytes:
    """Write a note of given signatures: what `split_note` read, in the one canonical form."""
    return text + b"\n" + b"".join(signature_line(signature, signature.signature) for signature in signatures)


def parse_signature_line(line: bytes) -> NoteSignature:
    """Read one signature line without its LF.

    Raises:
        FormatError: malformed.
    """
    try:
        row = line.decode()
    except UnicodeDecodeError as error:
        raise FormatError("A signature line is not UTF-8.", "签名行不是 UTF-8。") from error
    name, separator, encoded = row.removeprefix(_DASH).partition(" ")
    if not row.startswith(_DASH) or not separator or not is_key_name(name):
        raise FormatError("A signature line is not '— name base64'.", "签名行不是“— 名称 base64”的形式。")
    blob = decode_base64(encoded, strict=False)
    if len(blob) <= _KEY_ID_BYTES:
        raise FormatError(f"The signature by {name!r} is too short.", f"{name!r} 的签名过短。")
    return NoteSignature(name=name, key_id=blob[:_KEY_ID_BYTES], signature=blob[_KEY_ID_BYTES:])


def is_key_name(name: str) -> bool:
    """Tell whether `name` may name a key: not empty, and free of white space, `+` and control characters."""
    return bool(name) and not any(c == "+" or c.isspace() or c < " " or "\ud800" <= c <= "\udfff" for c in name)


def check_key_name(name: str) -> str:
    """Return `name` if it may name a key.

    Raises:
        UsageError: it is empty or holds white space, `+` or control characters.
    """
    if not is_key_name(name):
        raise UsageError(
            f"{name!r} cannot name a key; use a name without spaces, '+' and control characters.",
            f"{name!r} 不能用作密钥名称；名称不得为空，不得含空白、“+”或控制字符。",
        )
    return name


def decode_base64(text: str, *, strict: bool = True) -> bytes:
    """Read standard base64 (RFC 4648 §4); `strict` accepts only what an encoder writes (§3.5).

    Raises:
        FormatError: foreign characters, missing padding, or, when strict, padding bits that are not zero.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormatError(f"{text[:64]!r} is not base64.", f"{text[:64]!r} 不是 base64。") from error
    encoded = base64.b64encode(data).decode()
    if encoded != text and (strict or len(encoded) != len(text)):
        raise FormatError(f"{text[:64]!r} is not canonical base64.", f"{text[:64]!r} 不是规范的 base64。")
    return data


def _is_plain(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return _CONTROL.search(data) is None


def _verify_ed25519(public_key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        VerifyKey(public_key).verify(message, signature)
    except (BadSignatureError, ValueError):
        return False
    return True
