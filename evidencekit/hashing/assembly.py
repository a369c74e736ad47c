"""From a capture to its manifest, and the evidential minimum without which there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidencekit.errors import MinimumError
from evidencekit.hashing.deposit import DEPOSIT_KIND
from evidencekit.hashing.manifest import (
    CAPTURE_KIND,
    UNVERIFIED_CLOCK,
    CaptureStamp,
    LedgerReference,
    Manifest,
    ManifestArtifact,
    OpenEntry,
    OpenStamp,
    RecordTree,
    SealSigner,
    Tool,
    WorklogEnd,
)
from evidencekit.hashing.merkle import root_of
from evidencekit.model import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evidencekit.hashing.chainlog import ChainHead
    from evidencekit.hashing.deposit import Deposit
    from evidencekit.model import Artifact, Capture, JsonValue, Operator, PageResult

TOOL_NAME = "evidencekit"
ARCHIVE_ROLE = "archive"
DOM_ROLES = frozenset({"dom", "dom.initial"})
SCREENSHOT_ROLE = "screenshot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What the manifest says beside the capture itself: who, by whose order, announced where, signed by whom.

    `request` is the object that T_open stamped; `worklog` is the closed work log's end.
    """

    number: str
    operator: Operator
    matter: str | None
    request: Mapping[str, JsonValue]
    open: OpenEntry
    t_open: OpenStamp
    t_capture: tuple[CaptureStamp, ...]
    worklog: ChainHead
    signer: SealSigner
    ledger: LedgerReference
    tool_version: str
    clock_source: str = UNVERIFIED_CLOCK
    deposit: Deposit | None = None


def build_manifest(capture: Capture, circumstances: Circumstances) -> Manifest:
    """Assemble the manifest of a capture; the roots are computed from the leaves in the capture's order.

    Raises:
        MinimumError: the evidential minimum (R01) is incomplete; such a capture is no evidence.
    """
    manifest = Manifest(
        kind=CAPTURE_KIND if circumstances.deposit is None else DEPOSIT_KIND,
        number=circumstances.number,
        capture_id=capture.capture_id,
        tool=Tool(name=TOOL_NAME, version=circumstances.tool_version),
        matter=circumstances.matter,
        operator=circumstances.operator,
        request=circumstances.request,
        started_at=capture.started_at,
        finished_at=capture.finished_at,
        clock_source=circumstances.clock_source,
        open=circumstances.open,
        t_open=circumstances.t_open,
        t_capture=circumstances.t_capture,
        pages=capture.pages,
        artifacts=tuple(_manifest_artifact(artifact) for artifact in capture.artifacts),
        artifacts_root=root_of([artifact.leaf for artifact in capture.artifacts]),
        records=RecordTree(count=len(capture.records), root=root_of([record.leaf for record in capture.records])),
        completeness=capture.completeness,
        transformations=capture.transformations,
        withheld=capture.withheld,
        partial=capture.partial,
        not_performed=capture.not_performed,
        worklog=WorklogEnd(lines=circumstances.worklog.lines, head=circumstances.worklog.head),
        signer=circumstances.signer,
        ledger=circumstances.ledger,
        deposit=circumstances.deposit,
    )
    missing = missing_minimum(manifest) if manifest.deposit is None else ()
    if missing:
        raise MinimumError(
            f"the capture is no evidence: {'; '.join(text.en for text in missing)}; capture the page again",
            f"本次取证不构成证据：{';'.join(text.zh for text in missing)}；请重新取证",
        )
    return manifest


def missing_minimum(manifest: Manifest) -> tuple[Text, ...]:
    """Say what is missing of the evidential minimum: for every page its URL, source and full-page image (R01)."""
    if not manifest.pages:
        return (Text(en="no page was captured", zh="没有任何页面"),)
    archived = any(artifact.role == ARCHIVE_ROLE for artifact in manifest.artifacts)
    roles: dict[str, set[str]] = {page.id: set() for page in manifest.pages}
    for artifact in manifest.artifacts:
        if artifact.page is not None:
            roles.setdefault(artifact.page, set()).add(artifact.role)
    return tuple(text for page in manifest.pages for text in _missing_of_page(page, roles[page.id], archived=archived))


def _missing_of_page(page: PageResult, roles: set[str], *, archived: bool) -> list[Text]:
    missing: list[Text] = []
    if not page.requested_url:
        missing.append(Text(en=f"page {page.id} has no URL", zh=f"页面 {page.id} 缺少网址"))
    if not archived and not roles & DOM_ROLES:
        missing.append(Text(en=f"page {page.id} has no source", zh=f"页面 {page.id} 缺少源代码"))
    if SCREENSHOT_ROLE not in roles:
        missing.append(Text(en=f"page {page.id} has no full-page image", zh=f"页面 {page.id} 缺少整页截图"))
    return missing


def _manifest_artifact(artifact: Artifact) -> ManifestArtifact:
    return ManifestArtifact(
        path=artifact.path,
        media_type=artifact.media_type,
        role=artifact.role,
        page=artifact.page,
        derived_from=artifact.derived_from,
        hashed_at=artifact.hashed_at,
        leaf=artifact.leaf,
    )
