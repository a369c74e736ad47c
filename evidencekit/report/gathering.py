"""From the bytes of the record to the facts that the documents print.

Every reader takes a member's bytes as they stand in the bundle and raises `FormatError` for anything else, so that the
documents can be rendered again from a bundle alone.
"""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

from evidencekit.errors import FormatError
from evidencekit.hashing.canonical import canonical_bytes, parse_canonical
from evidencekit.hashing.chainline import beijing_time
from evidencekit.hashing.chainlog import parse_lines
from evidencekit.hashing.deposit import MAX_ITEM_LINE, read_item
from evidencekit.hashing.fields import Fields, check_version
from evidencekit.hashing.manifest import VERSION
from evidencekit.model import Text
from evidencekit.report.fields import (
    ArtifactFacts,
    EnvironmentCheck,
    EnvironmentFacts,
    ExchangeLine,
    ExchangesSummary,
    SessionFacts,
    WorkLogLine,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from evidencekit.hashing.deposit import Item
    from evidencekit.hashing.manifest import Manifest
    from evidencekit.hashing.process import Process
    from evidencekit.hashing.records import Records
    from evidencekit.model import JsonValue

ENVIRONMENT_LIMIT = 64 << 20
EXCHANGES_LIMIT = 256 << 20
EXCHANGE_LINE_LIMIT = 4 << 20
LISTED_ITEMS = 400
"""Items of a deposit that the documents list one by one."""
LISTED_EXCHANGES = 2000
"""Exchanges that the report lists one by one; the others are counted."""

_RESULTS = frozenset({"PASS", "WARN", "FAIL", "NOT_PERFORMED"})
_DOCUMENT = "Document"
_RECORDED = "recorded"
_GROUPS = ("browser", "tool", "system", "clock")


def session_facts(
    manifest: Manifest, items: Iterator[Item] | None = None, process: Process | None = None
) -> SessionFacts:
    """What the certificate prints of the manifest, of a deposit's first items, and of a process."""
    mode = manifest.request.get("mode")
    return SessionFacts(
        number=manifest.number,
        capture_id=manifest.capture_id,
        kind=manifest.kind,
        mode=mode if isinstance(mode, str) else "",
        spec_version=VERSION,
        tool=f"{manifest.tool.name} {manifest.tool.version}",
        matter=manifest.matter,
        operator=manifest.operator,
        started_at=manifest.started_at,
        finished_at=manifest.finished_at,
        time_source=manifest.clock_source,
        attempt=manifest.open.attempt,
        pages=manifest.pages,
        completeness=manifest.completeness,
        transformations=manifest.transformations,
        withheld=manifest.withheld,
        partial=manifest.partial,
        not_performed=manifest.not_performed,
        pending=manifest.t_open.pending,
        secrets_included=manifest.request.get("include_secrets") is True,
        deposit=manifest.deposit,
        items=tuple(islice(items or (), LISTED_ITEMS)),
        process=process,
    )


def first_items(lines: Iterable[bytes]) -> Iterator[Item]:
    """Reads the items of `deposit/items.jsonl`, its header passed over.

    Raises:
        FormatError: a line is not one.
    """
    for number, line in enumerate(lines):
        if number:
            what = f"items.jsonl line {number}"
            yield read_item(Fields(parse_canonical(line.rstrip(b"\n"), limit=MAX_ITEM_LINE, what=what), what))


def artifact_facts(manifest: Manifest, records: Records) -> tuple[ArtifactFacts, ...]:
    """The evidence list: the manifest's artifacts with the sizes and digests that their openings give.

    Raises:
        FormatError: an artifact has no line in records.jsonl.
    """
    openings = {opening.path: opening for opening in records.artifacts}
    listed: list[ArtifactFacts] = []
    for artifact in manifest.artifacts:
        opening = openings.get(artifact.path)
        if opening is None:
            raise FormatError(
                f"records.jsonl: no line opens {artifact.path}", f"records.jsonl：没有打开 {artifact.path} 的行"
            )
        listed.append(
            ArtifactFacts(
                path=artifact.path,
                role=artifact.role,
                media_type=artifact.media_type,
                page=artifact.page,
                hashed_at=artifact.hashed_at,
                size=opening.size,
                digests=opening.digests,
                derived_from=artifact.derived_from,
                withheld=opening.withheld,
            )
        )
    return tuple(listed)


def read_environment(data: bytes) -> EnvironmentFacts:
    """Reads `capture/environment.json` (docs/spec/environment.md).

    Raises:
        FormatError: not canonical, a field missing, or a result that is none of the four.
    """
    what = "environment.json"
    top = Fields(parse_canonical(data, limit=ENVIRONMENT_LIMIT, what=what), what)
    check_version(top, "environment", 1)
    groups = {name: _pairs(top, name) for name in _GROUPS}
    return EnvironmentFacts(
        summary=top.bilingual("summary"),
        counts=top.counts("counts"),
        checks=tuple(_check(item) for item in top.items("checks")),
        browser=groups["browser"],
        tool=groups["tool"],
        system=groups["system"],
        clock=groups["clock"],
    )


def _check(item: Fields) -> EnvironmentCheck:
    result = item.text("result", limit=16)
    if result not in _RESULTS:
        item.refuse("result", f"is {result!r}, not one of the four", f"为 {result!r}，不属于四种结果")
    return EnvironmentCheck(
        id=item.text("id"),
        name=item.bilingual("name") if item.has("name") else Text(en=item.text("id"), zh=item.text("id")),
        method=item.bilingual("method"),
        result=result,
        started=item.text("started"),
        finished=item.text("finished"),
        reason=item.bilingual("reason"),
        raw=_plain(item.value("raw")),
    )


def _pairs(top: Fields, name: str) -> tuple[tuple[str, str], ...]:
    if not top.has(name) or top.value(name) is None:
        return ()
    return tuple((key, _plain(value)) for key, value in top.mapping(name).items())


def _plain(value: JsonValue) -> str:
    """A text as it is, anything else as its JSON."""
    return value if isinstance(value, str) else canonical_bytes(value).decode("utf-8")


def read_log(data: bytes, format_name: str) -> tuple[WorkLogLine, ...]:
    """Reads a work log (`worklog`) or custody log (`custody`) without judging its chain.

    Raises:
        FormatError: a line is not one.
    """
    return tuple(
        WorkLogLine(
            n=line.n,
            beijing=beijing_time(line.time),
            step=line.step,
            object=line.object,
            outcome=line.outcome.value,
            detail=canonical_bytes(line.detail).decode("utf-8"),
            previous=line.previous.hex(),
        )
        for line in parse_lines(data, format_name)
    )


def summarise_exchanges(data: bytes) -> ExchangesSummary:
    """Counts `capture/exchanges.jsonl` and picks the lines worth printing.

    Documents, redirects and everything that was not recorded are listed, at most `LISTED_EXCHANGES`.

    Raises:
        FormatError: a line is not an exchange, or their number is not the header's.
    """
    by_outcome, by_type = Counter[str](), Counter[str]()
    listed: list[ExchangeLine] = []
    lines = _lines(data)
    header = next(lines, None)
    if header is None:
        raise FormatError("exchanges.jsonl is empty; capture again", "exchanges.jsonl 为空；请重新取证")
    check_version(header, "exchanges", 1)
    for item in lines:
        line, telling = _exchange(item)
        by_outcome[line.outcome] += 1
        by_type[line.resource_type] += 1
        if telling and len(listed) < LISTED_EXCHANGES:
            listed.append(line)
    total = by_outcome.total()
    if header.integer("count") != total:
        header.refuse("count", f"is not the number of lines, {total}", f"与行数 {total} 不符")
    return ExchangesSummary(
        total=total, by_outcome=by_outcome, by_type=by_type, lines=tuple(listed), left_out=total - len(listed)
    )


def _lines(data: bytes) -> Iterator[Fields]:
    if len(data) > EXCHANGES_LIMIT:
        raise FormatError(
            f"exchanges.jsonl: {len(data)} bytes, more than the {EXCHANGES_LIMIT} allowed",
            f"exchanges.jsonl：{len(data)} 字节，超过上限 {EXCHANGES_LIMIT}",
        )
    for number, line in enumerate(data.removesuffix(b"\n").split(b"\n")):
        what = f"exchanges.jsonl line {number}"
        yield Fields(parse_canonical(line, limit=EXCHANGE_LINE_LIMIT, what=what), what)


def _exchange(item: Fields) -> tuple[ExchangeLine, bool]:
    answer = item.optional("response", item.object)
    outcome, kind = item.text("outcome"), item.text("resource_type")
    line = ExchangeLine(
        id=item.text("id"),
        page=item.optional("page", item.text),
        method=item.text("method"),
        url=item.text("url"),
        resource_type=kind,
        outcome=outcome,
        reason=item.optional("reason", item.text),
        status=answer.integer("status") if answer else None,
        remote_address=item.optional("remote_address", item.text),
        protocol=item.optional("protocol", item.text),
        body_size=answer.optional("body_size", answer.integer) if answer else None,
        after_t_capture=item.flag("after_t_capture"),
    )
    redirect = item.optional("redirected_to", item.text) is not None
    return line, redirect or kind == _DOCUMENT or outcome != _RECORDED
