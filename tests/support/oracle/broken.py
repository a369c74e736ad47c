"""A server whose answers are broken in one way each, over real TLS; it logs what it was asked."""

from __future__ import annotations

import asyncio
import gzip
import json
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tests.support.oracle.servers import in_a_thread, over_tls

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_OK = b"HTTP/1.1 200 OK\r\n"
_TWO = b"Content-Length: 2\r\n\r\nok"
_BOMB = gzip.compress(bytes(40 << 20), 9)

ANSWERS: dict[str, tuple[bytes, str, str | None]] = {
    "short": (_OK + b"Content-Length: 100\r\n\r\nonly this", "partial", "net::ERR_CONTENT_LENGTH_MISMATCH"),
    "long": (_OK + b"Content-Length: 4\r\n\r\nmore than four", "recorded", None),
    "no-chunk": (
        _OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
        "partial",
        "net::ERR_INVALID_CHUNKED_ENCODING",
    ),
    "cut-chunks": (
        _OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "partial",
        "net::ERR_INCOMPLETE_CHUNKED_ENCODING",
    ),
    "chunks-and-length": (
        _OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0;c\r\nX-T: v\r\n\r\n",
        "recorded",
        None,
    ),
    "no-end": (_OK + b"\r\nuntil the end", "recorded", None),
    "http10": (b"HTTP/1.0 200 OK\r\n\r\nold", "recorded", None),
    "no-head": (b"just a body, no head", "failed", "net::ERR_INVALID_HTTP_RESPONSE"),
    "nothing": (b"", "failed", "net::ERR_EMPTY_RESPONSE"),
    "two-lengths": (
        _OK + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "failed",
        "net::ERR_RESPONSE_HEADERS_MULTIPLE_CONTENT_LENGTH",
    ),
    "folded": (_OK + b"X-Fold: one\r\n two\r\n" + _TWO, "recorded", None),
    "line-feeds": (b"HTTP/1.1 200 OK\nX-A: 1\nContent-Length: 2\n\nok", "recorded", None),
    "zero-byte": (_OK + b"X-Nul: a\0b\r\n" + _TWO, "failed", "net::ERR_INVALID_HTTP_RESPONSE"),
    "no-colon": (_OK + b"no colon here\r\n" + _TWO, "recorded", None),
    "no-status": (b"HTTP/1.1 abc OK\r\n" + _TWO, "recorded", None),
    "status-000": (b"HTTP/1.1 000 Zero\r\n" + _TWO, "recorded", None),
    "status-999": (b"HTTP/1.1 999 Nine\r\n" + _TWO, "recorded", None),
    "huge-head": (_OK + b"X-Huge: " + b"h" * 300_000 + b"\r\n" + _TWO, "failed", "net::ERR_RESPONSE_HEADERS_TOO_BIG"),
    "many-hints": (b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=a\r\n\r\n" * 30 + _OK + _TWO, "recorded", None),
    "204-with-body": (b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc", "recorded", None),
    "304-unasked": (b"HTTP/1.1 304 Not Modified\r\n\r\n", "recorded", None),
    "nowhere": (b"HTTP/1.1 302 Found\r\n" + _TWO, "recorded", None),
    "to-a-file": (
        b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n" + _TWO,
        "not-retrievable",
        "net::ERR_UNSAFE_REDIRECT",
    ),
    "bomb": (_OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(_BOMB) + _BOMB, "recorded", None),
}
"""What is sent for each path before the connection closes; the outcome that its line must have, and the reason."""

PAGE = """<!doctype html><meta charset="utf-8"><title>Broken</title><p id="state">…</p><script>
(async () => {
  for (const name of NAMES) try { await (await fetch("/" + name, { cache: "no-store" })).arrayBuffer() } catch {}
  document.getElementById("state").textContent = "all asked";
})();
</script>""".replace("NAMES", json.dumps(list(ANSWERS))).encode()


@contextmanager
def serving_broken(pem: Path) -> Iterator[tuple[int, list[str]]]:
    """Serve on loopback in a thread; yields the port and the paths asked for."""
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, OSError):
            path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
            asked.append(path)
            page = _OK + b"Content-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(PAGE) + PAGE
            writer.write(page if path == "/" else ANSWERS.get(path[1:], (_OK + _TWO,))[0])
            await writer.drain()
        writer.close()

    with in_a_thread(lambda: over_tls(answer, pem, "http/1.1")) as port:
        yield port, asked
