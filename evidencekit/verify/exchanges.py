"""Whether every request of the session ends in exactly one line (docs/spec/exchanges.md)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from evidencekit.bundle import paths
from evidencekit.bundle.warc import address_digest
from evidencekit.errors import FormatError
from evidencekit.hashing.canonical import parse_canonical
from evidencekit.hashing.fields import Fields, check_version
from evidencekit.verify.tally import Tally

if TYPE_CHECKING:
    from evidencekit.model import Completeness, Finding
    from evidencekit.verify.case import Case

MAX_BYTES: Final = 256 << 20
MAX_LINES: Final = 1 << 20
MAX_LINE_BYTES: Final = 8 << 20
_OUTCOMES: Final = ("recorded", "partial", "failed", "withheld", "not-retrievable")


@dataclass(slots=True, kw_only=True)
class _Seen:
    """What the lines add up to."""

    ids: set[str] = field(default_factory=set)
    records: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    links: set[tuple[str, str]] = field(default_factory=set)
    back_links: set[tuple[str, str]] = field(default_factory=set)
    elsewhere: list[str] = field(default_factory=list)
    repeated: int = 0
    after_t_capture: int = 0


def check_exchanges(case: Case) -> Finding:
    """`exchanges.complete`: ids once, counts as in the manifest, and exactly the records that were committed."""
    tally = Tally("exchanges.complete", case.exchanges)
    seen, stated = _read(case, tally)
    lines = seen.outcomes.total()
    if lines != stated:
        tally.fail(
            f"the header announces {stated} requests, {lines} are there", f"表头声明 {stated} 个请求，实有 {lines} 个"
        )
    if seen.repeated:
        tally.fail(f"{seen.repeated} ids occur more than once", f"{seen.repeated} 个编号重复")
    _check_counts(tally, seen, case.manifest.completeness)
    _check_links(tally, seen)
    for name in seen.elsewhere:
        tally.fail(f"record {name} stands at another address than was asked for", f"记录 {name} 的网址与所请求的不符")
    _check_records(tally, seen, case)
    tally.details["requests"] = lines
    if case.exchanges != paths.EXCHANGES:
        tally.doubt(
            "the list is that of a redacted edition: it agrees with the manifest's counts and the records, but the "
            "list that was committed is WITHHELD(redacted)",
            "该列表属于遮盖版：与清单计数及各记录一致，但所承诺的原列表不公开(WITHHELD：redacted)",
        )
    return tally.close(
        f"each of {lines} requests ends once, as the manifest counts",
        f"{lines} 个请求各有且仅有一个结果，与清单计数一致",
    )


def _read(case: Case, tally: Tally) -> tuple[_Seen, int]:
    seen, stated = _Seen(), 0
    for number, line in enumerate(case.lines(case.exchanges, limit=MAX_BYTES, longest=MAX_LINE_BYTES)):
        if number > MAX_LINES:
            raise FormatError(f"{case.exchanges} has over {MAX_LINES} lines")
        row = Fields(
            parse_canonical(line, limit=MAX_LINE_BYTES, what=case.exchanges), f"{case.exchanges} line {number}"
        )
        if number:
            _add(seen, row)
            _compare_addresses(seen, row, case)
            continue
        check_version(row, "exchanges")
        stated = row.integer("count")
        if row.text("capture_id") != case.manifest.capture_id:
            tally.fail("the list is of another capture", "该列表属于另一次取证")
    return seen, stated


def _add(seen: _Seen, row: Fields) -> None:
    identifier, outcome = row.text("id", limit=64), row.text("outcome", limit=64)
    if outcome not in _OUTCOMES:
        row.refuse("outcome", f"is not one of {', '.join(_OUTCOMES)}", "不是规定的结果之一")
    seen.repeated += identifier in seen.ids
    seen.ids.add(identifier)
    seen.outcomes[outcome] += 1
    seen.after_t_capture += row.flag("after_t_capture")
    origin = row.optional("redirected_from", row.text)
    target = row.optional("redirected_to", row.text)
    if origin is not None:
        seen.back_links.add((origin, identifier))
    if target is not None:
        seen.links.add((identifier, target))
    records = row.texts("records")
    if any(name.partition(".")[0] != identifier for name in records):
        row.refuse("records", "names a record of another request", "包含其他请求的记录")
    seen.records.update(records)


def _compare_addresses(seen: _Seen, row: Fields, case: Case) -> None:
    """What replays at an address was asked for there. A redacted list masks addresses."""
    if case.exchanges != paths.EXCHANGES:
        return
    address = address_digest(row.text("url", limit=MAX_LINE_BYTES))
    seen.elsewhere += [name for name in row.texts("records") if case.addresses.get(name, address) != address]


def _check_counts(tally: Tally, seen: _Seen, stated: Completeness) -> None:
    found = seen.outcomes
    pairs = {
        "requests": (stated.requests, found.total()),
        "recorded": (stated.recorded, found["recorded"]),
        "partial": (stated.partial, found["partial"]),
        "failed": (stated.failed, found["failed"]),
        "withheld": (stated.withheld, found["withheld"]),
        "not_retrievable": (stated.not_retrievable, found["not-retrievable"]),
        "after_t_capture": (stated.after_t_capture, seen.after_t_capture),
    }
    for name, (wanted, counted) in pairs.items():
        if wanted != counted:
            tally.fail(
                f"the manifest counts {name} {wanted}, the lines give {counted}",
                f"清单中 {name} 为 {wanted}，逐行统计为 {counted}",
            )


def _check_links(tally: Tally, seen: _Seen) -> None:
    """A redirect leads to a request that is there, and does not contradict what that one says of itself."""
    came_from = {target: origin for origin, target in seen.back_links}
    for origin, target in sorted(seen.links | seen.back_links):
        if origin not in seen.ids or target not in seen.ids:
            zh = f"重定向 {origin} → {target} 指向不存在的请求"
            tally.fail(f"the redirect {origin} to {target} names a request that is not there", zh)
        elif came_from.get(target, origin) != origin:
            tally.fail(f"{origin} and {came_from[target]} both lead to {target}", f"{target} 的重定向来源矛盾")


def _check_records(tally: Tally, seen: _Seen, case: Case) -> None:
    committed = Counter(line.id for line in case.records.records)
    for name in sorted((committed - seen.records).keys()):
        tally.fail(f"record {name} was committed, but no request names it", f"记录 {name} 已承诺，但没有请求引用它")
    for name in sorted((seen.records - committed).keys()):
        tally.fail(f"record {name} is named more often than it was committed", f"记录 {name} 的引用次数多于承诺次数")
