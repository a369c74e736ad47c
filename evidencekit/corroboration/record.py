"""One record as corroboration reads it: the same whether it lies in a capture's folder or in a sealed bundle."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from evidencekit.corroboration.domtext import Dom, read_dom, squeeze
from evidencekit.corroboration.sources import MAX_BODY_BYTES, Kind, Message, Source, kind_of, unescaped
from evidencekit.errors import FormatError
from evidencekit.model import Outcome, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from evidencekit.model import JsonValue, PageResult

MAX_FRAMES_BYTES: Final = 8 << 20
MAX_DOM_BYTES: Final = 32 << 20
_MAX_HEAD: Final = 1 << 20
_ANSWERED: Final = frozenset({"recorded", "partial", "withheld", "not-retrievable"})
_WITHOUT_BODY: Final = frozenset({101, 204, 205, 301, 302, 303, 304, 307, 308})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of `exchanges.jsonl`, as far as corroboration needs it; what is missing or of another type is empty."""

    id: str
    page: str
    url: str
    method: str
    kind: str
    outcome: str
    reason: str
    redirected_to: str
    peer: str
    status: int
    media_type: str
    size: int
    after_t_capture: bool
    cached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What was recorded.

    Attributes:
        capture_id: of the session.
        pages: as the manifest states them.
        lines: of `exchanges.jsonl`, in order.
        names: paths of all files.
        read: gives a file's bytes; None when it is not there, withheld or unreadable.
        blocks: gives id and block of the archive's records that `wanted` picks by id and size in bytes.
    """

    capture_id: str
    pages: tuple[PageResult, ...]
    lines: tuple[Line, ...]
    names: frozenset[str]
    read: Callable[[str], bytes | None]
    blocks: Callable[[Callable[[str, int], bool]], Iterator[tuple[str, bytes]]]
    doms: dict[str, Dom | None] = field(default_factory=dict, compare=False, repr=False)
    """Sources of pages that were read already, by path."""

    def dom(self, path: str) -> Dom | None:
        """Give what a page's serialised DOM says; None when it is not there or over `MAX_DOM_BYTES`."""
        if path not in self.doms:
            data = self.read(path) if path in self.names else None
            long = data is None or len(data) > MAX_DOM_BYTES
            self.doms[path] = None if long or data is None else read_dom(data.decode("utf-8", "replace"))
        return self.doms[path]


@dataclass(slots=True)
class Judgement:
    """What one comparison came to: notes by outcome, a sentence for when there are none, and details for readers."""

    id: str
    subject: str
    agreed: Text
    notes: list[tuple[Outcome, Text]] = field(default_factory=list)
    details: dict[str, JsonValue] = field(default_factory=dict)

    def contradicts(self, en: str, zh: str) -> None:
        """Note that the record contradicts itself: named first, and no more than undecided.

        No comparison says who is wrong, and a verdict must be the same for verifiers that do not compare.
        """
        self.notes.insert(0, (Outcome.INDETERMINATE, Text(en=en, zh=zh)))

    def open(self, en: str, zh: str) -> None:
        """Note what the record does not account for."""
        self.notes.append((Outcome.INDETERMINATE, Text(en=en, zh=zh)))

    def skip(self, en: str, zh: str) -> None:
        """Note that there was nothing to compare with."""
        self.notes.append((Outcome.NOT_PERFORMED, Text(en=en, zh=zh)))


def parse_lines(lines: Iterable[bytes]) -> tuple[Line, ...]:
    """Read `exchanges.jsonl` without its header; `exchanges.complete` judges its form, this does not.

    Raises:
        FormatError: a line is no JSON object.
    """
    found: list[Line] = []
    for number, data in enumerate(lines):
        if number == 0 or not data:
            continue
        try:
            row = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise FormatError(
                f"exchanges.jsonl line {number} is no JSON", f"exchanges.jsonl 第 {number} 行不是 JSON"
            ) from error
        if not isinstance(row, dict):
            raise FormatError(f"exchanges.jsonl line {number} is no object", f"exchanges.jsonl 第 {number} 行不是对象")
        found.append(_line(row))
    return tuple(found)


def _line(row: dict[str, JsonValue]) -> Line:
    response = row.get("response")
    answer = response if isinstance(response, dict) else {}
    return Line(
        id=_text(row, "id"),
        page=_text(row, "page"),
        url=_text(row, "url"),
        method=_text(row, "method") or "GET",
        kind=_text(row, "resource_type"),
        outcome=_text(row, "outcome"),
        reason=_text(row, "reason"),
        redirected_to=_text(row, "redirected_to"),
        peer=_text(row, "remote_address"),
        status=_number(answer, "status"),
        media_type=_stated_type(answer),
        size=_number(answer, "body_size"),
        after_t_capture=row.get("after_t_capture") is True,
        cached=row.get("from_cache") is True or row.get("from_service_worker") is True,
    )


def _stated_type(answer: Mapping[str, JsonValue]) -> str:
    """The media type with its charset where the server stated one."""
    headers = answer.get("headers")
    for pair in headers if isinstance(headers, list) else ():
        if isinstance(pair, list) and len(pair) == 2 and str(pair[0]).lower() == "content-type":  # noqa: PLR2004
            return str(pair[1])[:300]
    return _text(answer, "mime_type")


def _text(row: Mapping[str, JsonValue], name: str) -> str:
    value = row.get(name)
    return value if isinstance(value, str) else ""


def _number(row: Mapping[str, JsonValue], name: str) -> int:
    value = row.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def messages_of(record: Record, missing: set[str]) -> Iterator[Message]:
    """Give the bodies of all responses that may hold text; `missing` then names the exchanges whose body was not had.

    Raises:
        FormatError: the archive cannot be read.
    """
    missing |= {line.id for line in record.lines if line.outcome in _ANSWERED and _may_say(line)}
    by_id = {line.id: line for line in record.lines}

    def wanted(name: str, size: int) -> bool:
        exchange, _, kind = name.partition(".")
        line = by_id.get(exchange)
        if not kind.startswith("response") or not 0 < size <= _MAX_HEAD + MAX_BODY_BYTES:
            return False  # a longer one is counted as not had
        return line is None or kind_of(line.media_type, line.url) is not None

    for name, block in record.blocks(wanted):
        exchange = name.partition(".")[0]
        line = by_id.get(exchange)
        missing.discard(exchange)
        headers, body = split_message(block)
        yield Message(
            exchange=exchange,
            url="" if line is None else line.url,
            media_type=headers.get("content-type", "" if line is None else line.media_type),
            coding=headers.get("content-encoding", ""),
            body=body,
        )


def _may_say(line: Line) -> bool:
    return (
        line.status not in _WITHOUT_BODY and not line.redirected_to and kind_of(line.media_type, line.url) is not None
    )


def split_message(block: bytes) -> tuple[dict[str, str], bytes]:
    """Cut an HTTP/1.1 message as the archive holds it; the last of several fields of a name counts."""
    end = block.find(b"\r\n\r\n", 0, _MAX_HEAD)
    if end < 0:
        return {}, b""
    headers: dict[str, str] = {}
    for field_line in block[:end].decode("utf-8", "replace").split("\r\n")[1:]:
        name, colon, value = field_line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return headers, block[end + 4 :]


def other_sources(record: Record) -> Iterator[Source]:
    """Give what is text and no response body: addresses with their queries, and what sockets and pages sent."""
    addresses = unescaped("\n".join(line.url.replace("+", " ") for line in record.lines))
    yield _source("addresses", addresses, Kind.DATA)
    for name in ("capture/websockets.jsonl",):
        data = record.read(name) if name in record.names else None
        if data is not None:
            yield _source("websockets", unescaped(data[:MAX_FRAMES_BYTES].decode("utf-8", "replace")), Kind.DATA)
    sent: list[str] = []

    def wanted(name: str, size: int) -> bool:
        return name.partition(".")[2].startswith("request") and size < MAX_FRAMES_BYTES and len(sent) < 1000  # noqa: PLR2004

    for _, block in record.blocks(wanted):
        sent.append(unescaped(block.decode("utf-8", "replace")))
    yield _source("requests", "\n".join(dict.fromkeys(sent)), Kind.DATA)


def _source(name: str, text: str, kind: Kind) -> Source:
    return Source(exchange=name, url="", kind=kind, text=text, squeezed=squeeze(text))
