"""What a server of the oracle sends: an answer and its making."""

from __future__ import annotations

import base64
import gzip
from dataclasses import dataclass, field

import brotli
import zstandard

Fields = list[tuple[str, str]]
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
WORDS = ("明前龙井 West Lake Longjing. " * 400).encode()


@dataclass(kw_only=True)
class Answer:
    """What a server sends: header fields in this order, pieces with pauses (seconds) before them, trailers.

    `plain` is the content before coding; `aborts` says that the browser will not wait for the end; `hints` go out
    before it as 103 (RFC 8297). `said` is the text of HTTP/1.1's status line. A byte that is not UTF-8 stands in a
    header field as a lone surrogate (PEP 383).
    """

    status: int
    headers: Fields
    pieces: list[tuple[float, bytes]] = field(default_factory=list)
    trailers: Fields = field(default_factory=list)
    plain: bytes = b""
    aborts: bool = False
    hints: Fields = field(default_factory=list)
    said: str = "Said-So"

    @property
    def wire(self) -> bytes:
        """The content as coded."""
        return b"".join(piece for _, piece in self.pieces)


def raw(value: str) -> bytes:
    """A header value as it goes out."""
    return value.encode("utf-8", "surrogateescape")


def whole(status: int, media_type: str, body: bytes, *, coding: str = "", extra: Fields | None = None) -> Answer:
    """An answer in one piece with its length."""
    coded = {"": lambda data: data, "gzip": gzip.compress, "br": brotli.compress, "zstd": zstandard.compress}[coding](
        body
    )
    headers = [("content-type", media_type), *([("content-encoding", coding)] if coding else []), *(extra or [])]
    headers.append(("content-length", str(len(coded))))
    return Answer(status=status, headers=headers, pieces=[(0.0, coded)], plain=body)


def streamed(media_type: str, pieces: list[tuple[float, bytes]], *, extra: Fields | None = None) -> Answer:
    """An answer of unknown length."""
    plain = b"".join(piece for _, piece in pieces)
    return Answer(status=200, headers=[("content-type", media_type), *(extra or [])], pieces=pieces, plain=plain)
