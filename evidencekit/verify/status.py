"""What became of the record since: corrected, revoked, explained, superseded, as a newer copy of its log tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from evidencekit.hashing.canonical import format_time
from evidencekit.model import Outcome, Text
from evidencekit.verify.tally import Tally, finding

if TYPE_CHECKING:
    from evidencekit.ledger.amendment import Amended, Standing
    from evidencekit.model import Finding
    from evidencekit.verify.ledger import LedgerChecks

_WORDS: Final = {
    "revoked": Text(en="REVOKED", zh="已撤销"),
    "superseded": Text(en="SUPERSEDED", zh="已被替代"),
    "corrected": Text(en="CORRECTED", zh="已更正"),
}
"""What leaves a record in doubt, the gravest first; an explanation does not."""
_HARMLESS: Final = "explained"


def check_status(ledger: LedgerChecks, standing: Standing | None) -> Finding:
    """`status.current`: no correction or revocation in a newer log that holds the bundle's tree."""
    if standing is None:
        reason = Text(
            en="whether it was corrected or revoked later needs a newer ledger",
            zh="其后是否被更正或撤销，需要更新的日志才能判断",
        )
        return finding("status.current", Outcome.NOT_PERFORMED, reason)
    tally = Tally("status.current", standing.origin)
    as_of, as_of_zh = _as_of(standing)
    tally.details.update(size=standing.size, as_of=as_of)
    tally.details["amendments"] = [
        {
            "index": each.index,
            "status": each.status,
            "time": format_time(each.time),
            "key_id": each.key_id,
            "document_sha256": each.document_sha256,
        }
        for each in standing.amendments
    ]
    for each in _gravest_first(standing):
        tally.doubt(
            f"{_WORDS[each.status].en} by entry {each.index} of {format_time(each.time)}",
            f"{_WORDS[each.status].zh}：第 {each.index} 条登记，{format_time(each.time)}",
        )
    _check_log(ledger, standing, tally)
    explained = [each for each in standing.amendments if each.status == _HARMLESS]
    if explained:
        last = explained[-1]
        return tally.close(
            f"as of {as_of}: explained by entry {last.index} of {format_time(last.time)}, not corrected or revoked",
            f"截至 {as_of_zh}：第 {last.index} 条({format_time(last.time)})作了补正说明，未被更正或撤销",
        )
    return tally.close(
        f"as of {as_of}: no correction or revocation is entered",
        f"截至 {as_of_zh}：没有更正或撤销的登记",
    )


def _check_log(ledger: LedgerChecks, standing: Standing, tally: Tally) -> None:
    proof, given = ledger.entered
    if standing.origin != proof.checkpoint.origin:
        tally.doubt("the ledger given is another one", "所提供的账本是另一账本")
    elif standing.extends is None:
        tally.doubt(
            f"the ledger given has {standing.size} entries, fewer than the bundle's tree",
            f"所提供的账本只有 {standing.size} 条，少于证据包所载的树",
        )
    elif not standing.extends:
        tally.fail(
            "the ledger given does not hold the tree that the bundle proves: its operator signed two histories",
            "所提供的账本不含证据包所证明的树：其运营者签署了两个历史",
        )
    elif not given:
        tally.doubt(
            "the ledger given is signed by the key that the bundle itself names; you gave no key of this log",
            "所提供的账本由证据包自身载明的密钥签署；您未提供该日志的密钥",
        )


def _gravest_first(standing: Standing) -> list[Amended]:
    order = list(_WORDS)
    found = [each for each in standing.amendments if each.status in order]
    return sorted(found, key=lambda each: (order.index(each.status), each.index))


def _as_of(standing: Standing) -> tuple[str, str]:
    if standing.newest is None:
        return f"{standing.size} entries", f"{standing.size} 条"
    when = format_time(standing.newest)
    return f"{when} ({standing.size} entries)", f"{when}({standing.size} 条)"
