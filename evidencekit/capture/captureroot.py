"""What T_capture stamps for a page: the root over all records so far and the untouched picture and DOM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.hashing.canonical import canonical_bytes
from evidencekit.hashing.merkle import root_of
from evidencekit.model import Artifact, CaptureRoot, Record

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMAT_NAME = "capture-root"


def build_root(page: str, records: Sequence[Record], screenshot: Artifact, dom: Artifact) -> CaptureRoot:
    """RFC 6962 root over the record leaves in order, then the two artifacts' leaves (docs/spec/bundle.md)."""
    leaves = [*(record.leaf for record in records), screenshot.leaf, dom.leaf]
    return CaptureRoot(
        page=page,
        records=len(records),
        initial_screenshot=screenshot.leaf,
        initial_dom=dom.leaf,
        root=root_of(leaves),
    )


def root_document(capture_id: str, root: CaptureRoot) -> bytes:
    """The bytes of `seal/capture-NNNN.json`."""
    return canonical_bytes(
        {
            "capture_id": capture_id,
            "format": f"evidencekit/{FORMAT_NAME}",
            "initial_dom": root.initial_dom.hex(),
            "initial_screenshot": root.initial_screenshot.hex(),
            "page": root.page,
            "records": root.records,
            "root": root.root.hex(),
            "version": 1,
        }
    )
