"""`manifest.json`: the document that the seal signs (docs/spec/manifest.md).

`format_manifest` and `parse_manifest` are inverse. Digests of documents and certificates are lower-case hexadecimal
text; leaves, roots, salts and chain heads are 32 raw bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidencekit.errors import FormatError
from evidencekit.hashing.canonical import canonical_bytes, format_time, parse_canonical
from evidencekit.hashing.deposit import DEPOSIT_KIND, Deposit, deposit_value, read_deposit
from evidencekit.hashing.fields import Fields, check_version
from evidencekit.hashing.session import (
    completeness_value,
    operator_value,
    page_value,
    read_completeness,
    read_operator,
    read_page,
    read_page_id,
    read_transformation,
    text_value,
    transformation_value,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from evidencekit.model import Completeness, JsonValue, Operator, PageResult, Text, Transformation

FORMAT = "manifest"
VERSION = 1
MAX_MANIFEST_BYTES = 64 << 20
CAPTURE_KIND = "capture"
UNVERIFIED_CLOCK = "system clock, unverified"
MAX_PATH_CHARS = 240

_WHAT = "manifest.json"
# A number names files: nothing that a file system could read as a path.
_NUMBER = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """The program that made the manifest."""

    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenEntry:
    """The ledger's announcement of this attempt: its index, leaf hash and salt, and which attempt this is."""

    index: int
    entry: bytes
    salt: bytes
    attempt: int
    attempts_note: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenReference:
    """One time-stamp reply in the bundle, by digest; `self_issued` when the TSA was the issuer's own."""

    path: str
    sha256: str
    self_issued: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStamp:
    """T_open: the stamped document, its tokens, and the URLs of TSAs that owe one."""

    document: str
    sha256: str
    tokens: tuple[TokenReference, ...]
    pending: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureStamp:
    """T_capture of one page: the document that is stamped."""

    page: str
    document: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestArtifact:
    """One artifact, committed to by its salted leaf (32 bytes); its opening is in `records.jsonl`."""

    path: str
    media_type: str
    role: str
    page: str | None
    derived_from: tuple[str, ...]
    hashed_at: datetime
    leaf: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordTree:
    """The tree over all record leaves in order of completion."""

    count: int
    root: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WorklogEnd:
    """Where the work log ends: lines in the file, header included, and the hash of the last one."""

    lines: int
    head: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SealSigner:
    """The certificate that will sign the manifest, and that of a second, post-quantum signature if there is one."""

    certificate_sha256: str
    self_signed: bool
    post_quantum_sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerReference:
    """The ledger that takes the entry: origin and verifier key (C2SP signed-note `vkey`)."""

    origin: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """`manifest.json`, field by field; `matter` is the caller's id of the case or None."""

    kind: str
    number: str
    capture_id: str
    tool: Tool
    matter: str | None
    operator: Operator
    request: Mapping[str, JsonValue]
    started_at: datetime
    finished_at: datetime
    clock_source: str
    open: OpenEntry
    t_open: OpenStamp
    t_capture: tuple[CaptureStamp, ...]
    pages: tuple[PageResult, ...]
    artifacts: tuple[ManifestArtifact, ...]
    artifacts_root: bytes
    records: RecordTree
    completeness: Completeness
    transformations: tuple[Transformation, ...]
    withheld: Mapping[str, int]
    partial: tuple[Text, ...]
    not_performed: tuple[Text, ...]
    worklog: WorklogEnd
    signer: SealSigner
    ledger: LedgerReference
    deposit: Deposit | None = None
    """What a deposit adds (docs/spec/deposit.md); None for a capture."""


def format_manifest(manifest: Manifest) -> bytes:
    """Write the manifest as the bytes that are signed.

    Raises:
        UsageError: a value has no canonical JSON form.
    """
    deposit = {} if manifest.deposit is None else {"deposit": deposit_value(manifest.deposit)}
    return canonical_bytes(
        deposit
        | {
            "artifacts": [_artifact_value(artifact) for artifact in manifest.artifacts],
            "artifacts_root": manifest.artifacts_root.hex(),
            "capture_id": manifest.capture_id,
            "completeness": completeness_value(manifest.completeness),
            "format": f"evidencekit/{FORMAT}",
            "kind": manifest.kind,
            "ledger": {"key": manifest.ledger.key, "origin": manifest.ledger.origin},
            "matter": manifest.matter,
            "not_performed": [text_value(text) for text in manifest.not_performed],
            "number": manifest.number,
            "open": _open_value(manifest.open),
            "operator": operator_value(manifest.operator),
            "pages": [page_value(page) for page in manifest.pages],
            "partial": [text_value(text) for text in manifest.partial],
            "records": {"count": manifest.records.count, "root": manifest.records.root.hex()},
            "request": manifest.request,
            "signer": {
                "certificate_sha256": manifest.signer.certificate_sha256,
                "self_signed": manifest.signer.self_signed,
                **_post_quantum(manifest.signer),
            },
            "t_capture": [
                {"document": stamp.document, "page": stamp.page, "sha256": stamp.sha256} for stamp in manifest.t_capture
            ],
            "t_open": _open_stamp_value(manifest.t_open),
            "times": {
                "finished": format_time(manifest.finished_at),
                "source": manifest.clock_source,
                "started": format_time(manifest.started_at),
            },
            "tool": {"name": manifest.tool.name, "version": manifest.tool.version},
            "transformations": [transformation_value(item) for item in manifest.transformations],
            "version": VERSION,
            "withheld": manifest.withheld,
            "worklog": {"head": manifest.worklog.head.hex(), "lines": manifest.worklog.lines},
        }
    )


def _post_quantum(signer: SealSigner) -> dict[str, JsonValue]:
    """The field that only a manifest with a second signature has."""
    return {} if signer.post_quantum_sha256 is None else {"post_quantum_sha256": signer.post_quantum_sha256}


def parse_manifest(data: bytes) -> Manifest:
    """Read `manifest.json`.

    Raises:
        FormatError: not canonical, a field missing or of another type, a path or page twice, or an unknown page named.
        UnknownVersionError: a newer major version.
    """
    top = Fields(parse_canonical(data, limit=MAX_MANIFEST_BYTES, what=_WHAT), _WHAT)
    check_version(top, FORMAT, VERSION)
    times, tool, ledger = top.object("times"), top.object("tool"), top.object("ledger")
    records, worklog, signer = top.object("records"), top.object("worklog"), top.object("signer")
    manifest = Manifest(
        kind=_read_kind(top),
        number=_read_number(top),
        capture_id=top.hex("capture_id", 16),
        tool=Tool(name=tool.text("name"), version=tool.text("version")),
        matter=top.optional("matter", top.text),
        operator=read_operator(top.object("operator")),
        request=top.mapping("request"),
        started_at=times.time("started"),
        finished_at=times.time("finished"),
        clock_source=times.text("source"),
        open=_read_open(top.object("open")),
        t_open=_read_open_stamp(top.object("t_open")),
        t_capture=tuple(_read_capture_stamp(item) for item in top.items("t_capture")),
        pages=tuple(read_page(item) for item in top.items("pages")),
        artifacts=tuple(_read_artifact(item) for item in top.items("artifacts")),
        artifacts_root=top.octets("artifacts_root", 32),
        records=RecordTree(count=records.integer("count"), root=records.octets("root", 32)),
        completeness=read_completeness(top.object("completeness")),
        transformations=tuple(read_transformation(item) for item in top.items("transformations")),
        withheld=top.counts("withheld"),
        partial=top.bilinguals("partial"),
        not_performed=top.bilinguals("not_performed"),
        worklog=WorklogEnd(lines=worklog.integer("lines", 1), head=worklog.octets("head", 32)),
        signer=SealSigner(
            certificate_sha256=signer.hex("certificate_sha256", 32),
            self_signed=signer.flag("self_signed"),
            post_quantum_sha256=signer.hex("post_quantum_sha256", 32) if signer.has("post_quantum_sha256") else None,
        ),
        ledger=LedgerReference(origin=ledger.text("origin"), key=ledger.text("key")),
        deposit=read_deposit(top.object("deposit")) if top.text("kind") == DEPOSIT_KIND else None,
    )
    _check_names(manifest)
    return manifest


def _artifact_value(artifact: ManifestArtifact) -> JsonValue:
    return {
        "derived_from": artifact.derived_from,
        "hashed_at": format_time(artifact.hashed_at),
        "leaf": artifact.leaf.hex(),
        "media_type": artifact.media_type,
        "page": artifact.page,
        "path": artifact.path,
        "role": artifact.role,
    }


def _open_value(entry: OpenEntry) -> JsonValue:
    return {
        "attempt": entry.attempt,
        "attempts_note": text_value(entry.attempts_note),
        "entry": entry.entry.hex(),
        "index": entry.index,
        "salt": entry.salt.hex(),
    }


def _open_stamp_value(stamp: OpenStamp) -> JsonValue:
    return {
        "document": stamp.document,
        "pending": stamp.pending,
        "sha256": stamp.sha256,
        "tokens": [
            {"path": token.path, "self_issued": token.self_issued, "sha256": token.sha256} for token in stamp.tokens
        ],
    }


def _read_kind(fields: Fields) -> str:
    kind = fields.text("kind", limit=64)
    if kind not in {CAPTURE_KIND, DEPOSIT_KIND}:
        fields.refuse("kind", f"is {kind!r}, neither a capture nor a deposit", f"为 {kind!r}，既非取证也非存证")
    return kind


def _read_number(fields: Fields) -> str:
    number = fields.text("number", limit=64)
    if not _NUMBER.fullmatch(number):
        fields.refuse("number", "is not a certificate number", "不是证书编号")
    return number


def _read_open(fields: Fields) -> OpenEntry:
    return OpenEntry(
        index=fields.integer("index"),
        entry=fields.octets("entry", 32),
        salt=fields.octets("salt", 32),
        attempt=fields.integer("attempt", 1),
        attempts_note=fields.bilingual("attempts_note"),
    )


def _read_open_stamp(fields: Fields) -> OpenStamp:
    return OpenStamp(
        document=fields.text("document", limit=MAX_PATH_CHARS),
        sha256=fields.hex("sha256", 32),
        tokens=tuple(
            TokenReference(
                path=item.text("path", limit=MAX_PATH_CHARS),
                sha256=item.hex("sha256", 32),
                self_issued=item.flag("self_issued"),
            )
            for item in fields.items("tokens")
        ),
        pending=fields.texts("pending"),
    )


def _read_capture_stamp(fields: Fields) -> CaptureStamp:
    return CaptureStamp(
        page=read_page_id(fields, "page"),
        document=fields.text("document", limit=MAX_PATH_CHARS),
        sha256=fields.hex("sha256", 32),
    )


def _read_artifact(fields: Fields) -> ManifestArtifact:
    return ManifestArtifact(
        path=fields.text("path", limit=MAX_PATH_CHARS),
        media_type=fields.text("media_type", limit=256),
        role=fields.text("role", limit=64),
        page=fields.optional("page", lambda name: read_page_id(fields, name)),
        derived_from=fields.texts("derived_from"),
        hashed_at=fields.time("hashed_at"),
        leaf=fields.octets("leaf", 32),
    )


def _check_names(manifest: Manifest) -> None:
    """Refuse names that stand there twice, and pages that are named but not there."""
    pages = _unique("pages", (page.id for page in manifest.pages))
    _unique("artifacts", (artifact.path for artifact in manifest.artifacts))
    _unique("t_capture", (stamp.page for stamp in manifest.t_capture))
    named = {artifact.page for artifact in manifest.artifacts} | {stamp.page for stamp in manifest.t_capture}
    named |= {transformation.page for transformation in manifest.transformations}
    for page in sorted(named - {None} - pages, key=str):
        raise FormatError(f"{_WHAT}: page {page} is named but not described", f"{_WHAT}：提及页面 {page} 但未作记载")


def _unique(field: str, names: Iterable[str]) -> set[str | None]:
    seen: set[str | None] = set()
    for name in names:
        if name in seen:
            raise FormatError(f"{_WHAT}: {field}: {name!r} stands there twice", f"{_WHAT}:{field}:{name!r} 重复出现")
        seen.add(name)
    return seen
