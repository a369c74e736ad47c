"""The documents that T_open and T_capture stamp (docs/spec/bundle.md, Stamped documents)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from evidencekit.hashing.canonical import canonical_bytes, parse_canonical
from evidencekit.hashing.fields import Fields, check_version
from evidencekit.hashing.merkle import root_of

if TYPE_CHECKING:
    from evidencekit.hashing.manifest import CaptureStamp
    from evidencekit.verify.case import Case
    from evidencekit.verify.tally import Tally

MAX_BYTES: Final = 1 << 20
_INITIAL_ROLES: Final = {"initial_screenshot": "screenshot.initial", "initial_dom": "dom.initial"}


def open_stamped(case: Case, path: str, name: str) -> Fields:
    """Read a stamped document.

    Raises:
        FormatError: not canonical JSON of that format.
        InputMissingError: it is not there.
    """
    document = Fields(parse_canonical(case.data(path, limit=MAX_BYTES), limit=MAX_BYTES, what=path), path)
    check_version(document, name)
    return document


def check_open_document(case: Case, tally: Tally) -> None:
    """Note where `seal/open.json` is not what the manifest says was stamped."""
    manifest = case.manifest
    path = manifest.t_open.document
    document = open_stamped(case, path, "open")
    if case.digests[path].sha256 != manifest.t_open.sha256:
        tally.fail(f"{path} is not the document that was signed", f"{path} 不是已签名清单所载的文件")
    if document.text("capture_id") != manifest.capture_id:
        tally.fail(f"{path} is of another capture", f"{path} 属于另一次取证")
    if canonical_bytes(document.mapping("request")) != canonical_bytes(manifest.request):
        tally.fail("the request that was stamped is not the manifest's", "所盖时间戳的请求与清单不符")


def check_capture_document(case: Case, record: CaptureStamp, tally: Tally) -> None:
    """Note where a page's capture root is not that of the records and of the page's initial screenshot and DOM."""
    path = record.document
    document = open_stamped(case, path, "capture-root")
    if case.digests[path].sha256 != record.sha256:
        tally.fail(f"{path} is not the document that was signed", f"{path} 不是已签名清单所载的文件")
    if document.text("capture_id") != case.manifest.capture_id or document.text("page") != record.page:
        tally.fail(f"{path} is of another capture or page", f"{path} 属于另一次取证或另一页面")
    leaves = [line.leaf for line in case.records.records]
    count = document.integer("records")
    if count > len(leaves):
        tally.fail(
            f"{path} counts {count} records, there are {len(leaves)}",
            f"{path} 记 {count} 条记录，实有 {len(leaves)} 条",
        )
    initial = [document.octets(name, 32) for name in _INITIAL_ROLES]
    for leaf, (name, role) in zip(initial, _INITIAL_ROLES.items(), strict=True):
        if leaf not in _leaves_of(case, record.page, role):
            tally.fail(f"{path}: {name} is not the page's {role}", f"{path}:{name} 不是该页面的 {role}")
    if root_of([*leaves[:count], *initial]) != document.octets("root", 32):
        tally.fail(f"{path}: the root is not that of the records", f"{path}：根与记录不符")


def _leaves_of(case: Case, page: str, role: str) -> list[bytes]:
    return [a.leaf for a in case.manifest.artifacts if a.page == page and a.role == role]
