"""Checkpoints: C2SP tlog-checkpoint v1.0.0, the text that a log signs.

```
<origin>
<tree size, decimal>
<base64 of the root hash>
```

Each line ends in LF. Extension lines are refused: nobody audits them, and witnesses differ on whether they sign them.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evidencekit.errors import FormatError
from evidencekit.hashing.merkle import EMPTY_ROOT, HASH_BYTES
from evidencekit.signing.note import Note, decode_base64, open_note

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evidencekit.signing.note import NoteVerifier

MAX_SIZE: Final = (1 << 63) - 1
_LINES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What a log claims: under `origin`, `size` entries hash to `root` (32 bytes)."""

    origin: str
    size: int
    root: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCheckpoint:
    """A checkpoint with the note that carries it.

    `is_log_signed` says that a verifier whose name is the origin confirmed it and that no known signature is bad.
    """

    checkpoint: Checkpoint
    note: Note
    data: bytes

    @property
    def is_log_signed(self) -> bool:
        """Whether the log's own key, as given by the caller, signed this checkpoint."""
        return self.note.is_verified and any(s.name == self.checkpoint.origin for s in self.note.verified)

    @property
    def witnesses(self) -> tuple[str, ...]:
        """The names of the caller's other keys that confirmed it."""
        return tuple(s.name for s in self.note.verified if s.name != self.checkpoint.origin)


def format_checkpoint(checkpoint: Checkpoint) -> bytes:
    """Write the text of a checkpoint."""
    root = base64.b64encode(checkpoint.root).decode()
    return f"{checkpoint.origin}\n{checkpoint.size}\n{root}\n".encode()


def parse_checkpoint(text: bytes) -> Checkpoint:
    """Read the text of a checkpoint, which must be exactly what `format_checkpoint` writes.

    Raises:
        FormatError: malformed, with extension lines, or an empty tree with another root than SHA-256 of nothing.
    """
    try:
        lines = text.decode().split("\n")
    except UnicodeDecodeError as error:
        raise FormatError("A checkpoint is not UTF-8.", "检查点不是 UTF-8。") from error
    if len(lines) != _LINES + 1 or lines[-1] or not lines[0]:
        raise FormatError(
            "A checkpoint is not three lines: origin, size and root, without extension lines.",
            "检查点必须恰为三行：来源、大小与根，且不含扩展行。",
        )
    size, root = parse_decimal(lines[1]), decode_base64(lines[2])
    if len(root) != HASH_BYTES or (size == 0 and root != EMPTY_ROOT):
        raise FormatError("A checkpoint's root is not the hash of such a tree.", "检查点的根不是相应大小的树的哈希。")
    return Checkpoint(origin=lines[0], size=size, root=root)


def open_checkpoint(data: bytes, verifiers: Iterable[NoteVerifier]) -> SignedCheckpoint:
    """Read a checkpoint note and sort its signatures.

    Raises:
        FormatError: not a note, or not a checkpoint.
    """
    note = open_note(data, verifiers)
    return SignedCheckpoint(checkpoint=parse_checkpoint(note.text), note=note, data=data)


def parse_decimal(text: str) -> int:
    """Read a size or an index: ASCII decimal without leading zeros, below 2^63.

    Raises:
        FormatError: anything else.
    """
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(MAX_SIZE)) or (text[0] == "0" and text != "0"):
        raise FormatError(f"{text[:40]!r} is not a canonical decimal number.", f"{text[:40]!r} 不是规范的十进制数。")
    number = int(text)
    if number > MAX_SIZE:
        raise FormatError(f"{number} is over 2^63 - 1.", f"{number} 超过 2^63 - 1。")
    return number
