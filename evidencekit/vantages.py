"""A capture set: the same address again, later or from elsewhere, side by side (R51, FM12).

Each bundle is verified first, as a stranger would; a table says where, when and by whom each was made and what of
them differs. The table is a document about the bundles: they stay as they are, and what seals the table links them.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from evidencekit.bundle import paths
from evidencekit.bundle.reader import open_bundle
from evidencekit.errors import FormatError, UsageError
from evidencekit.hashing.canonical import canonical_bytes, format_time
from evidencekit.hashing.digest import digest_bytes
from evidencekit.hashing.manifest import MAX_MANIFEST_BYTES, parse_manifest
from evidencekit.model import Outcome
from evidencekit.report.markup import escape
from evidencekit.verify.verifier import verify_bundle

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evidencekit.bundle.reader import Bundle
    from evidencekit.hashing.manifest import Manifest
    from evidencekit.model import JsonValue, PageResult

FORMAT_NAME = "vantages"
LEAST_BUNDLES, MOST_BUNDLES = 2, 50
_TEXT_BYTES = 4 << 20
_REPORT_BYTES = 16 << 20
_DIFF_LINES = 400
_COMPARED_LINES = 4000
_EGRESS = "network.egress"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vantage:
    """One capture of one address: `where` and `text` are as its own bundle has them; digests are SHA-256."""

    number: str
    requested_url: str
    shown: str
    operator: str
    place: str
    signer: str
    ledger: str
    egress: str
    server: str
    final_url: str
    status: str
    verdict: str
    title: str
    text: str
    text_sha256: str


_WHERE = ("shown", "operator", "place", "signer", "ledger", "egress")
_WHAT = ("server", "final_url", "status", "verdict", "title", "text_sha256")
_LABELS = {
    "number": "编号 Number",
    "shown": "画面时间 Shown at",
    "operator": "操作人 Operator",
    "place": "地点(自述) Place, as stated",
    "signer": "签署证书 Signer's certificate",
    "ledger": "账本 Ledger",
    "egress": "出口地址 Egress address",
    "server": "服务器地址 Server's address",
    "final_url": "最终网址 Final URL",
    "status": "状态 Status",
    "verdict": "页面判断 Verdict",
    "title": "标题 Title",
    "text_sha256": "可见文字摘要 Digest of the text shown",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressSet:
    """The vantages of one address, which of them differ in what, and which bundles lack it."""

    url: str
    vantages: tuple[Vantage, ...]
    differing: tuple[str, ...]
    lacking: tuple[str, ...]


def compare(bundles: Sequence[Path]) -> tuple[AddressSet, ...]:
    """Verify the bundles and compare what they hold of each address.

    Raises:
        UsageError: fewer than two bundles, too many, or nothing in common.
        FormatError: one is no bundle, no capture, or does not verify.
    """
    if not LEAST_BUNDLES <= len(bundles) <= MOST_BUNDLES:
        raise UsageError(
            f"a set compares {LEAST_BUNDLES} to {MOST_BUNDLES} bundles; {len(bundles)} were given",
            f"一组可比较 2 至 {MOST_BUNDLES} 个证据包；给出了 {len(bundles)} 个",
        )
    read = [_read(path) for path in bundles]
    numbers = [number for number, _ in read]
    addresses = list(dict.fromkeys(each.requested_url for _, found in read for each in found))
    sets = tuple(_set_of(url, numbers, [each for _, found in read for each in found]) for url in addresses)
    shared = tuple(each for each in sets if len({vantage.number for vantage in each.vantages}) > 1)
    if not shared:
        raise UsageError(
            "these bundles have no address in common; name captures of the same URL",
            "这些证据包没有共同的网址；请指定对同一网址的多次取证",
        )
    return shared


def _set_of(url: str, numbers: Sequence[str], vantages: Sequence[Vantage]) -> AddressSet:
    own = tuple(each for each in vantages if each.requested_url == url)
    held = {each.number for each in own}
    return AddressSet(
        url=url,
        vantages=own,
        differing=tuple(name for name in _WHAT if len({getattr(each, name) for each in own}) > 1),
        lacking=tuple(number for number in numbers if number not in held),
    )


def _read(path: Path) -> tuple[str, tuple[Vantage, ...]]:
    report = verify_bundle(path)
    if report.overall is Outcome.FAILED:
        raise FormatError(
            f"{path} does not verify ({report.headline.en}); only true records are compared",
            f"{path} 未通过核验({report.headline.zh})；只比较真实的记录",
        )
    with open_bundle(path) as bundle:
        manifest = parse_manifest(bundle.read(paths.MANIFEST, limit=MAX_MANIFEST_BYTES))
        names = set(bundle.names())
        egress = _egress(bundle) if paths.ENVIRONMENT in names else ""
        found = tuple(_vantage(bundle, names, manifest, page, egress) for page in manifest.pages)
    return manifest.number, found


def _vantage(bundle: Bundle, names: set[str], manifest: Manifest, page: PageResult, egress: str) -> Vantage:
    name = f"capture/pages/{page.id}/text.txt"
    data = bundle.read(name, limit=_TEXT_BYTES) if name in names and bundle.size(name) <= _TEXT_BYTES else b""
    return Vantage(
        number=manifest.number,
        requested_url=page.requested_url,
        shown=format_time(page.initial_at),
        operator=manifest.operator.name,
        place=manifest.operator.place,
        signer=manifest.signer.certificate_sha256,
        ledger=manifest.ledger.origin,
        egress=egress,
        server=page.remote_address or "",
        final_url=page.final_url,
        status="" if page.status is None else str(page.status),
        verdict=page.verdict,
        title=page.title,
        text=data.decode("utf-8", "replace"),
        text_sha256=digest_bytes(data).sha256 if data else "",
    )


def _egress(bundle: Bundle) -> str:
    """The address that the capture's own probe saw; empty when it asked nobody."""
    try:
        checks = json.loads(bundle.read(paths.ENVIRONMENT, limit=_REPORT_BYTES))["checks"]
        observed = next(each["observed"] for each in checks if each["id"] == _EGRESS)
        return ", ".join(sorted(str(each["address"]) for each in observed["addresses"]))[:200]
    except (FormatError, ValueError, KeyError, TypeError, StopIteration):
        return ""


def format_vantages(sets: Sequence[AddressSet]) -> bytes:
    """The comparison as RFC 8785 JSON: all but the texts themselves."""
    kept = [each.name for each in fields(Vantage) if each.name != "text"]
    value: JsonValue = {
        "format": f"evidencekit/{FORMAT_NAME}",
        "version": 1,
        "addresses": [
            {
                "url": each.url,
                "differing": list(each.differing),
                "lacking": list(each.lacking),
                "vantages": [{name: getattr(one, name) for name in kept} for one in each.vantages],
            }
            for each in sets
        ],
    }
    return canonical_bytes(value)


def render_vantages(sets: Sequence[AddressSet]) -> bytes:
    """The comparison as one HTML page, in Chinese and English, without scripts."""
    return (_HEAD + "".join(_section(each) for each in sets) + "</html>\n").encode()


def _section(each: AddressSet) -> str:
    rows = "".join(_row(name, each) for name in ("number", *_WHERE, *_WHAT))
    lacking = (
        f"<p class=warn>以下证据包中没有该网址 Not in: {escape(', '.join(each.lacking))}</p>" if each.lacking else ""
    )
    return f"<h2>{escape(each.url)}</h2>{lacking}<table>{rows}</table>{_differences(each)}"


def _row(name: str, each: AddressSet) -> str:
    mark = " class=differs" if name in each.differing else ""
    cells = "".join(f"<td>{escape(str(getattr(one, name)) or '—')}</td>" for one in each.vantages)
    return f"<tr{mark}><th>{_LABELS[name]}</th>{cells}</tr>"


def _differences(each: AddressSet) -> str:
    """How the text of each differs from the first one's, bounded."""
    parts: list[str] = []
    first, *others = each.vantages
    for other in others:
        if other.text == first.text:
            continue
        before, after = (one.text.splitlines()[:_COMPARED_LINES] for one in (first, other))
        lines = list(difflib.unified_diff(before, after, first.number, other.number, lineterm="", n=1))
        shown = "\n".join(lines[:_DIFF_LINES])
        cut = "\n…" if len(lines) > _DIFF_LINES else ""
        parts.append(f"<h3>{escape(first.number)} → {escape(other.number)}</h3><pre>{_lines(shown)}{cut}</pre>")
    return "".join(parts)


def _lines(text: str) -> str:
    return "\n".join(str(escape(line)) for line in text.split("\n"))


_HEAD = """<!doctype html><html lang="zh"><meta charset="utf-8"><title>取证对照 Capture set</title>
<style>body{font:14px/1.5 sans-serif;margin:32px;max-width:1100px}table{border-collapse:collapse;width:100%;
table-layout:fixed}th,td{border:1px solid #999;padding:4px 8px;text-align:left;vertical-align:top;
overflow-wrap:anywhere}th{width:190px;background:#f3f3f3;font-weight:normal}tr.differs td{background:#fff3cd}
.warn{color:#8a1c1c}pre{background:#f7f7f7;padding:12px;white-space:pre-wrap;overflow-wrap:anywhere}</style>
<h1>取证对照 Capture set</h1><p>对同一网址的多次取证。底色标出不一致之处;对照表不改变各证据包,亦不判断差异的原因。
Several captures of the same address. What differs is marked; the table changes none of the bundles and does not say
why they differ.</p>"""
