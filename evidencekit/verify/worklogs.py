"""The work log and the custody log: one hash chain across two files (docs/spec/worklog.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.bundle import paths
from evidencekit.hashing.chainlog import CUSTODY, MAX_LOG_BYTES, WORKLOG, ChainCheck, check_chain
from evidencekit.verify.tally import Tally

if TYPE_CHECKING:
    from evidencekit.model import Finding
    from evidencekit.verify.case import Case


def check_worklog(case: Case) -> Finding:
    """`worklog.chain`: whole, of this capture, and ending where the manifest says."""
    tally = Tally("worklog.chain", paths.WORKLOG)
    stated = case.manifest.worklog
    data = case.data(paths.WORKLOG, limit=MAX_LOG_BYTES)
    chain = check_chain(data, format_name=WORKLOG, capture_id=case.manifest.capture_id)
    _note_break(tally, chain)
    if chain.ok and chain.head != stated.head:
        tally.fail("the log does not end where the manifest says", "日志结尾与清单所载不符")
    if chain.ok and chain.lines != stated.lines:
        tally.fail(
            f"the log has {chain.lines} lines, the manifest says {stated.lines}",
            f"日志有 {chain.lines} 行，清单记为 {stated.lines} 行",
        )
    return tally.close(f"{chain.lines} lines, chained without a break", f"{chain.lines} 行，链条完整")


def check_custody(case: Case) -> Finding:
    """`custody.chain`: continues the work log that the manifest fixes, in hash and in count."""
    tally = Tally("custody.chain", paths.CUSTODY)
    worklog = case.manifest.worklog
    data = case.data(paths.CUSTODY, limit=MAX_LOG_BYTES)
    chain = check_chain(
        data,
        format_name=CUSTODY,
        capture_id=case.manifest.capture_id,
        previous=worklog.head,
        # The header is line 0 of the file and has no number; the last line's number is one less than the lines.
        first_n=worklog.lines,
    )
    _note_break(tally, chain)
    if chain.ok and chain.lines < 2:  # noqa: PLR2004 - a header and an event
        tally.fail("the custody log holds no event", "保管日志没有任何事件")
    return tally.close(f"{chain.lines} lines continue the work log", f"{chain.lines} 行，与工作日志衔接")


def _note_break(tally: Tally, chain: ChainCheck) -> None:
    tally.details.update(lines=chain.lines, head=chain.head.hex())
    if chain.ok:
        return
    reason = chain.reason
    en, zh = (reason.en, reason.zh) if reason is not None else ("it is broken", "已断裂")
    tally.details["broken_at"] = chain.broken_at
    tally.fail(f"line {chain.broken_at}: {en}", f"第 {chain.broken_at} 行：{zh}")
