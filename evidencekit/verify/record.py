"""The record: manifest, salted leaves and artifacts, one against the other."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from evidencekit.bundle import paths
from evidencekit.hashing.assembly import ARCHIVE_ROLE, DOM_ROLES, SCREENSHOT_ROLE, missing_minimum
from evidencekit.hashing.merkle import root_of
from evidencekit.hashing.records import ArtifactOpening, opening_is_true
from evidencekit.model import Outcome
from evidencekit.verify.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evidencekit.hashing.manifest import Manifest
    from evidencekit.hashing.records import Opening
    from evidencekit.model import Finding, JsonValue, PageResult
    from evidencekit.verify.case import Case

MAX_LISTED: Final = 50


def check_form(case: Case) -> Finding:
    """`manifest.form`: canonical (else it does not parse), and consistent in itself and with its openings."""
    tally, manifest = Tally("manifest.form", paths.MANIFEST), case.read_manifest()
    tally.details["number"] = manifest.number
    listed = {artifact.path for artifact in manifest.artifacts}
    for artifact in manifest.artifacts:
        for parent in set(artifact.derived_from) - listed:
            tally.fail(
                f"{artifact.path} derives from {parent}, which is not there", f"{artifact.path} 的来源 {parent} 不存在"
            )
    _check_times(manifest, tally)
    if root_of([artifact.leaf for artifact in manifest.artifacts]) != manifest.artifacts_root:
        tally.fail("the root of the artifacts is not that of their leaves", "文件根与叶子不符")
    return tally.close("canonical and consistent in itself", "形式规范，内部一致")


def check_artifacts(case: Case) -> Finding:
    """`manifest.artifacts`: each opens its leaf and equals the bytes of its member, or is withheld with a reason."""
    tally, manifest, records = Tally("manifest.artifacts", paths.RECORDS), case.manifest, case.read_records()
    if records.capture_id != manifest.capture_id:
        tally.fail("the openings are of another capture", "开封记录属于另一次取证")
    committed = [(artifact.path, artifact.leaf) for artifact in manifest.artifacts]
    if [(line.path, line.leaf) for line in records.artifacts] != committed:
        tally.fail("the openings are not those of the manifest's artifacts", "开封记录与清单中的文件不符")
    for line in records.artifacts:
        _check_artifact(case, line, tally)
    opened = sum(not line.withheld for line in records.artifacts)
    withheld = _list_withheld(tally, ((line.path, line) for line in records.artifacts))
    return tally.close(
        f"{opened} files equal what was committed{_and_withheld(withheld)[0]}",
        f"{opened} 个文件与承诺一致{_and_withheld(withheld)[1]}",
    )


def check_records(case: Case) -> Finding:
    """`manifest.records`: the leaves rebuild the root, and every opened one is true."""
    tally, stated, lines = Tally("manifest.records", paths.RECORDS), case.manifest.records, case.records.records
    if len(lines) != stated.count:
        tally.fail(
            f"{len(lines)} records where the manifest says {stated.count}",
            f"有 {len(lines)} 条记录，清单记为 {stated.count} 条",
        )
    if root_of([line.leaf for line in lines]) != stated.root:
        tally.fail("the leaves do not rebuild the root in the manifest", "叶子无法重建清单中的根")
    originals = {line.id for line in lines if line.withheld}
    for line in lines:
        if not line.withheld and not opening_is_true(line):
            tally.fail(f"record {line.id} does not open its leaf", f"记录 {line.id} 无法开启其叶子")
        if line.id.endswith(".public") and line.id.removesuffix(".public") not in originals:
            tally.fail(f"{line.id} masks a record that is not withheld", f"{line.id} 所遮盖的记录并未保留不公开")
    withheld = _list_withheld(tally, ((line.id, line) for line in lines))
    return tally.close(
        f"{len(lines)} leaves rebuild the root{_and_withheld(withheld)[0]}",
        f"{len(lines)} 个叶子重建出根{_and_withheld(withheld)[1]}",
    )


def check_minimum(case: Case) -> Finding:
    """`manifest.minimum`: URL, source and full-page image with time, for every page (Berkeley Protocol ¶155; R01)."""
    tally = Tally("manifest.minimum", paths.MANIFEST)
    for missing in missing_minimum(case.manifest):
        tally.note(Outcome.FAILED, missing)
    withheld = {line.path for line in case.records.artifacts if line.withheld}
    for page in case.manifest.pages:
        _check_withheld(case.manifest, page, withheld, tally)
    count = len(case.manifest.pages)
    return tally.close(f"URL, source and full-page image of {count} pages", f"{count} 个页面的网址、源码与整页图像齐备")


def _check_artifact(case: Case, line: ArtifactOpening, tally: Tally) -> None:
    if line.withheld:
        if case.has(line.path):
            tally.fail(f"{line.path} is said to be withheld, but it is there", f"{line.path} 标为不公开，但实际存在")
        return
    if not opening_is_true(line):
        tally.fail(f"{line.path} does not open its leaf", f"{line.path} 无法开启其叶子")
    if line.path in case.broken:
        why = case.why_broken(line.path)
        tally.fail(why.en, why.zh)
    elif not case.has(line.path):
        tally.fail(f"{line.path} is missing", f"缺少 {line.path}")
    elif (case.sizes[line.path], case.digests.get(line.path)) != (line.size, line.digests):
        tally.fail(f"{line.path} does not equal what was committed", f"{line.path} 与承诺不符")


def _check_withheld(manifest: Manifest, page: PageResult, withheld: set[str], tally: Tally) -> None:
    """A minimum of which the bytes were withheld was captured, but cannot be checked here."""
    own = [artifact for artifact in manifest.artifacts if artifact.page == page.id]
    sources = [artifact.path for artifact in own if artifact.role in DOM_ROLES]
    sources += [artifact.path for artifact in manifest.artifacts if artifact.role == ARCHIVE_ROLE]
    images = [artifact.path for artifact in own if artifact.role == SCREENSHOT_ROLE]
    for what, zh, members in (("source", "源码", sources), ("full-page image", "整页图像", images)):
        if members and all(member in withheld for member in members):
            tally.doubt(f"the {what} of page {page.id} is withheld", f"页面 {page.id} 的{zh}不公开")


def _check_times(manifest: Manifest, tally: Tally) -> None:
    if manifest.started_at > manifest.finished_at:
        tally.fail("it ends before it starts", "结束时间早于开始时间")
    for page in manifest.pages:
        times = [manifest.started_at, page.started_at, page.initial_at, page.finished_at, manifest.finished_at]
        if times != sorted(times):
            tally.fail(f"the times of page {page.id} are not in order", f"页面 {page.id} 的时间顺序不正确")


def _list_withheld(tally: Tally, lines: Iterable[tuple[str, Opening]]) -> Counter[str]:
    reasons: Counter[str] = Counter()
    listed: list[JsonValue] = []
    for name, line in lines:
        if line.withheld:
            reasons.update(line.withheld)
            if len(listed) < MAX_LISTED:
                listed.append({"subject": name, "outcome": f"WITHHELD({', '.join(line.withheld)})"})
    if reasons:
        tally.details["withheld"] = dict[str, "JsonValue"](sorted(reasons.items()))
        tally.details["withheld_items"] = listed
    return reasons


def _and_withheld(reasons: Counter[str]) -> tuple[str, str]:
    if not reasons:
        return "", ""
    named = ", ".join(sorted(reasons))
    return f"; withheld, so not checked: {named}", f";不公开因而未核对：{named}"
