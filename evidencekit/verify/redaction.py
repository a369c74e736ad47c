"""`redaction.edition`: whether a redacted edition withholds exactly what it says (docs/spec/redaction.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from evidencekit.bundle import paths
from evidencekit.bundle.redactionfile import FILE_LIMIT, parse_redaction
from evidencekit.verify.tally import Tally

if TYPE_CHECKING:
    from evidencekit.model import Finding
    from evidencekit.verify.case import Case

_REASON: Final = "redacted"
_EDITIONS: Final = ((paths.ARCHIVE, paths.ARCHIVE_EDITION), (paths.EXCHANGES, paths.EXCHANGES_EDITION))


def check_redaction(case: Case) -> Finding:
    """`redaction.edition`: it is of this record, and its lists are those of the lines that were redacted."""
    tally = Tally("redaction.edition", paths.REDACTION)
    stated = parse_redaction(case.data(paths.REDACTION, limit=FILE_LIMIT))
    if (stated.capture_id, stated.number) != (case.manifest.capture_id, case.manifest.number):
        tally.fail("the edition is of another record", "该遮盖版属于另一份记录")
    artifacts = tuple(sorted(line.path for line in case.records.artifacts if _REASON in line.withheld))
    records = tuple(sorted(line.id for line in case.records.records if _REASON in line.withheld))
    for what, zh, said, found in (
        ("files", "文件", stated.artifacts, artifacts),
        ("records", "记录", stated.records, records),
    ):
        if said != found:
            tally.fail(
                f"the {what} that it says it withholds are not those that are withheld", f"所称不公开的{zh}与实际不符"
            )
    for original, edition in _EDITIONS:
        if case.has(edition) != (original in artifacts):
            tally.fail(
                f"{edition} may stand there exactly when {original} is withheld",
                f"仅当 {original} 不公开时才应有 {edition}",
            )
    tally.details["original_sha256"] = stated.original_sha256
    tally.details["rules"] = list(stated.rules)
    return tally.close(
        f"a redacted edition of the bundle with SHA-256 {stated.original_sha256}: {len(records)} records and "
        f"{len(artifacts)} files WITHHELD({_REASON}), not checked",
        f"SHA-256 为 {stated.original_sha256} 的证据包的遮盖版：{len(records)} 条记录、{len(artifacts)} 个文件"
        f"不公开(WITHHELD：{_REASON})，未核对",
    )
