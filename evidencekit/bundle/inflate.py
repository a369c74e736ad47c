"""Raw deflate streams (RFC 1951) of members, in bounded time and memory, with no bit that could be changed unseen.

A deflate stream has bits that say nothing: those after its end in the last byte, and those between the header of a
stored block and its length (RFC 1951 §3.2.4). Every writer leaves them zero, so a set one was changed or hides
something. zlib does not tell where blocks lie; a stored block shows by its length and the complement of that length,
and whether bits before it are unused shows by flipping them.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from evidencekit.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PIECE_BYTES = 1 << 20
MAX_RATIO = 1032
"""The most bytes that one byte of deflate can stand for (zlib technical details, "Maximum Compression Factor")."""

_LENGTHS_BYTES = 4
_SHORT_TRIAL_BYTES = 64
_TRIAL_MARGIN_BYTES = 1024
_TRIAL_OUTPUT_BYTES = 1 << 18
_TRIAL_ALLOWANCE_BYTES = 1 << 20
_TRIAL_COST_BYTES = 1024
"""What a trial costs beside its data: a copy of zlib's state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeflateStream:
    """Where a member's stream is: `read(offset, length)` gives its bytes; sizes in bytes, before and after."""

    name: str
    compressed_size: int
    size: int
    read: Callable[[int, int], bytes]


def inflate(source: DeflateStream) -> Iterator[bytes]:
    """Inflate one stream that must fill its place exactly and give exactly the size that is declared.

    Yields:
        Pieces of at most 1 MiB.

    Raises:
        FormatError: the stream is damaged, ends early or late, gives another size, or has unused bits that are set.
    """
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    trials = _Trials(source)
    produced = 0
    for segment, watched in _segments(source):
        if stream.eof:
            _refuse(source.name, "bytes follow its deflate stream", "deflate 流之后还有其他字节")
        if watched is not None:
            trials.check(stream, watched)
        for piece in _drain(stream, segment, source.name):
            produced += len(piece)
            if produced > source.size:
                _refuse(source.name, "inflates to more than it declares", "解压后超过声明的大小")
            yield piece
    if not stream.eof or stream.unused_data:
        _refuse(source.name, "its deflate stream does not end where it must", "deflate 流未在规定处结束")
    if produced != source.size:
        _refuse(source.name, "inflates to less than it declares", "解压后小于声明的大小")


def _segments(source: DeflateStream) -> Iterator[tuple[bytes, int | None]]:
    """Cut the stream before every byte whose upper bits may be unused; give such a segment's offset as well."""
    start = 0
    last = source.compressed_size - 1
    while start <= last:
        end = min(start + PIECE_BYTES, source.compressed_size)
        # The lengths that follow a byte near the end of this block lie in the next one.
        block = source.read(start, min(end + _LENGTHS_BYTES, source.compressed_size) - start)
        borders = [index for index in _before_stored(block, end - start) if block[index]]
        if end > last and block[last - start]:
            borders.append(last - start)
        position, watched = 0, None
        for border in sorted(set(borders)):
            if border > position:
                yield block[position:border], watched
            position, watched = border, start + border
        yield block[position : end - start], watched
        start = end


def _before_stored(block: bytes, count: int) -> Iterator[int]:
    """Find bytes that stand before what may be a stored block's LEN and NLEN (RFC 1951 §3.2.4)."""
    # One operation for all bytes: byte i of `complement` is block[i] xor block[i - 2].
    number = int.from_bytes(block)
    complement = (number ^ (number >> 16)).to_bytes(len(block))
    position = complement.find(b"\xff\xff", 3)
    while position >= 0:
        if position - 3 < count:
            yield position - 3
        position = complement.find(b"\xff\xff", position + 1)


class _Trials:
    """Finds set bits that say nothing, within a budget of work that grows with the stream."""

    def __init__(self, source: DeflateStream) -> None:
        self._source = source
        self._budget = _TRIAL_ALLOWANCE_BYTES + source.compressed_size

    def check(self, stream: zlib._Decompress, offset: int) -> None:
        """Refuse when the highest set bit of the byte at `offset`, which `stream` has not taken yet, is unused.

        Bits fill a byte from the lowest. So the highest set bit is unused exactly when it and all bits above it can be
        flipped, each alone, without a difference: the last bit in use is among them, and flipping that one turns a
        code or a block type into another.
        """
        for length in (_SHORT_TRIAL_BYTES, self._full_length(offset)):
            data = self._source.read(offset, min(length, self._source.compressed_size - offset))
            wanted = self._outcome(stream, data)
            highest = data[0].bit_length() - 1
            if any(self._outcome(stream, _flipped(data, bit)) != wanted for bit in range(highest, 8)):
                return
        _refuse(self._source.name, "unused bits of its deflate stream are not zero", "deflate 流的空闲位不为零")

    def _full_length(self, offset: int) -> int:
        lengths = self._source.read(offset + 1, min(2, self._source.compressed_size - offset - 1))
        return 1 + _LENGTHS_BYTES + int.from_bytes(lengths, "little") + _TRIAL_MARGIN_BYTES

    def _outcome(self, stream: zlib._Decompress, data: bytes) -> tuple[bytes, bool, int] | None:
        self._budget -= len(data) + _TRIAL_COST_BYTES
        if self._budget < 0:
            _refuse(self._source.name, "has too many stored blocks to check", "存储块过多，无法逐一检查")
        trial = stream.copy()
        try:
            output = trial.decompress(data, _TRIAL_OUTPUT_BYTES)
        except zlib.error:
            return None
        return output, trial.eof, len(trial.unused_data)


def _flipped(data: bytes, bit: int) -> bytes:
    return bytes([data[0] ^ (1 << bit)]) + data[1:]


def _drain(stream: zlib._Decompress, chunk: bytes, name: str) -> Iterator[bytes]:
    try:
        while True:
            piece = stream.decompress(chunk, PIECE_BYTES)
            chunk = stream.unconsumed_tail
            if piece:
                yield piece
            # A full piece may have left output inside the stream even when all input was taken.
            if len(piece) < PIECE_BYTES and not chunk:
                return
    except zlib.error as error:
        raise FormatError(f"{name}: damaged deflate stream", f"{name}:deflate 流已损坏") from error


def _refuse(name: str, en: str, zh: str) -> NoReturn:
    raise FormatError(f"{name}: {en}", f"{name}:{zh}")
