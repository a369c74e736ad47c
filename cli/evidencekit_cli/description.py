"""What a bundle says of itself: read, shown as inert text, and judged by nobody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidencekit.bundle.paths import MANIFEST
from evidencekit.bundle.reader import open_bundle
from evidencekit.hashing.canonical import format_time
from evidencekit.hashing.deposit import deposit_value
from evidencekit.hashing.manifest import MAX_MANIFEST_BYTES, Manifest, parse_manifest
from evidencekit.hashing.process import MAX_BYTES as MAX_PROCESS_BYTES
from evidencekit.hashing.process import parse_process
from evidencekit.hashing.session import operator_value
from evidencekit_cli.exit_codes import ExitCode
from evidencekit_cli.output import Sentence, both, inert, table
from evidencekit_cli.processview import PROCESS_MEMBER, process_json, show_process

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from evidencekit.hashing.deposit import Deposit
    from evidencekit.hashing.process import Process
    from evidencekit.model import Completeness, JsonValue, PageResult
    from evidencekit_cli.output import Session

_NOT_VERIFIED = Sentence(
    "NOT VERIFIED: this is what the bundle says of itself. To judge it: evidencekit verify",
    "未核验:以下为证据包的自述。如需判断真伪:evidencekit verify",
)
_PAGES = Sentence("Pages", "网页")
_DEPOSIT = Sentence("Deposit, as its depositor states it", "存证(存证人自述)")
_MEMBERS = Sentence("Members", "成员文件")
_PARTIAL = Sentence("Partial", "不完整之处")


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """The manifest of a bundle, the sizes of its members in bytes, and its recorded process, if it has one."""

    manifest: Manifest
    sizes: Mapping[str, int]
    process: Process | None = None


def describe(session: Session, path: Path) -> ExitCode:
    """Show what the bundle at `path` says.

    Raises:
        UsageError: there is nothing at `path`.
        FormatError: it is no bundle.
        StorageError: it cannot be read.
    """
    description = read_description(path)
    if session.json:
        session.print_json(_json(description))
        return ExitCode.OK
    session.say(_NOT_VERIFIED)
    session.print("")
    session.print(table([[session.text(label), value] for label, value in _facts(description.manifest)]))
    deposit = description.manifest.deposit
    if deposit is None:
        session.print("\n" + session.text(_PAGES))
        for page in description.manifest.pages:
            session.print(_page(page, session))
    else:
        session.print("\n" + session.text(_DEPOSIT))
        session.print(table([[f"  {session.text(label)}", value] for label, value in _deposit_facts(deposit)]))
    if description.process is not None:
        show_process(session, description.process)
    if description.manifest.partial:
        session.print("\n" + session.text(_PARTIAL))
        for reason in description.manifest.partial:
            session.print(f"  {inert(session.text(reason))}")
    session.print("\n" + session.text(_MEMBERS))
    session.print(table([[f"{size:>12,}", inert(name)] for name, size in sorted(description.sizes.items())]))
    return ExitCode.OK


def read_description(path: Path) -> Description:
    """Read manifest and member sizes of the bundle at `path`."""
    with open_bundle(path) as bundle:
        manifest = parse_manifest(bundle.read(MANIFEST, limit=MAX_MANIFEST_BYTES))
        sizes = {name: bundle.size(name) for name in bundle.names()}
        held = PROCESS_MEMBER in sizes
        process = parse_process(bundle.read(PROCESS_MEMBER, limit=MAX_PROCESS_BYTES)) if held else None
        return Description(manifest=manifest, sizes=sizes, process=process)


def _facts(manifest: Manifest) -> list[tuple[Sentence, str]]:
    operator = manifest.operator
    return [
        (Sentence("number", "编号"), inert(manifest.number)),
        (Sentence("made with", "制作程序"), inert(f"{manifest.tool.name} {manifest.tool.version}")),
        (Sentence("matter", "案件"), inert(manifest.matter or "-")),
        (
            Sentence("operator", "操作人"),
            inert(
                f"{operator.name}, {operator.role}, {operator.relationship.value}, "
                f"{operator.environment_control.value}, {operator.identity}"
            ),
        ),
        (Sentence("for, at", "代表、地点"), inert(f"{operator.on_behalf_of or '-'}, {operator.place or '-'}")),
        (Sentence("purpose, basis", "目的、依据"), inert(f"{operator.purpose or '-'}, {operator.lawful_basis or '-'}")),
        (Sentence("started", "开始"), format_time(manifest.started_at)),
        (Sentence("finished", "结束"), format_time(manifest.finished_at)),
        (Sentence("clock", "时间来源"), inert(manifest.clock_source)),
        (Sentence("requests", "请求"), _requests(manifest.completeness)),
        (Sentence("signer", "签署证书"), f"SHA-256 {inert(manifest.signer.certificate_sha256)}"),
        *_second_signer(manifest),
        (Sentence("ledger", "账本"), inert(manifest.ledger.origin)),
    ]


def _second_signer(manifest: Manifest) -> list[tuple[Sentence, str]]:
    named = manifest.signer.post_quantum_sha256
    if named is None:
        return []
    return [(Sentence("second signer", "第二签署证书"), f"ML-DSA-65, SHA-256 {inert(named)}")]


def _deposit_facts(deposit: Deposit) -> list[tuple[Sentence, str]]:
    kept = "digests alone" if deposit.hash_only else "files kept"
    return [
        (Sentence("kind", "种类"), deposit.kind.value),
        (Sentence("files", "文件"), f"{deposit.files} ({deposit.size:,} B; {kept})"),
        *((Sentence(name, name), inert(value)) for name, value in sorted(deposit.statement.items())),
        *((Sentence("rests on", "关联"), inert(f"{link.number} ({link.kind})")) for link in deposit.links),
    ]


def _requests(complete: Completeness) -> str:
    return (
        f"{complete.requests} (recorded {complete.recorded}, partial {complete.partial}, failed {complete.failed}, "
        f"withheld {complete.withheld}, not-retrievable {complete.not_retrievable})"
    )


def _page(page: PageResult, session: Session) -> str:
    rows = [
        (Sentence("requested", "请求网址"), inert(page.requested_url)),
        (Sentence("final", "最终网址"), inert(page.final_url)),
        (Sentence("title", "标题"), inert(page.title)),
        (Sentence("status", "状态"), "-" if page.status is None else str(page.status)),
        (Sentence("verdict", "页面判断"), inert(f"{page.verdict}: {session.text(page.verdict_reason)}")),
        (Sentence("drawn", "画面"), f"{page.width_px} × {page.height_px} px, {format_time(page.initial_at)}"),
    ]
    return table([[f"  {page.id}", session.text(label), value] for label, value in rows])


def _json(description: Description) -> dict[str, JsonValue]:
    manifest = description.manifest
    return {
        "format": "evidencekit/description",
        "version": 1,
        "verified": False,
        "number": manifest.number,
        "matter": manifest.matter,
        "tool": {"name": manifest.tool.name, "version": manifest.tool.version},
        "started": format_time(manifest.started_at),
        "finished": format_time(manifest.finished_at),
        "operator": operator_value(manifest.operator),
        "pages": [
            {
                "id": page.id,
                "requested_url": page.requested_url,
                "final_url": page.final_url,
                "title": page.title,
                "status": page.status,
                "verdict": page.verdict,
                "verdict_reason": both(page.verdict_reason),
            }
            for page in manifest.pages
        ],
        "deposit": None if manifest.deposit is None else deposit_value(manifest.deposit),
        "process": None if description.process is None else process_json(description.process),
        "partial": [both(reason) for reason in manifest.partial],
        "members": dict(description.sizes),
    }
