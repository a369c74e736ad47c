"""Who else vouches for the checkpoint: receipts of anchors, in the bundle or beside it (docs/spec/anchor.md).

A receipt is pending, failed or confirmed. Only a time-stamp can be checked offline; what an API answered is its own
word as the operator kept it, and whoever wants to rely on it asks the API.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from evidencekit.bundle import paths
from evidencekit.errors import FormatError
from evidencekit.hashing.canonical import format_time
from evidencekit.ledger.anchors.anchor import (
    MAX_RECEIPT_BYTES,
    AnchorState,
    Receipt,
    anchored_digests,
    fingerprint,
    parse_receipt,
)
from evidencekit.ledger.proof import parse_proof
from evidencekit.model import Outcome, Text
from evidencekit.timestamp.check import check_token
from evidencekit.verify.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evidencekit.model import Digests, Finding
    from evidencekit.verify.case import Case

MAX_RECEIPTS: Final = 64
_DER_SEQUENCE: Final = b"\x30"
_STATES: Final = {
    AnchorState.PENDING: Text(en="pending, which is no anchor yet", zh="待定，尚非锚定"),
    AnchorState.FAILED: Text(en="failed, which is no anchor", zh="失败，不是锚定"),
}


def has_receipts(case: Case) -> bool:
    """Tell whether the bundle holds receipts."""
    return any(name.startswith(paths.ANCHORS) for name in case.names)


def check_anchored(case: Case, given: Sequence[Receipt]) -> Finding:
    """`ledger.anchored`: a third party that the caller trusts vouches for the checkpoint.

    A confirmed receipt that is given counts before one of the same anchor in the bundle, which may have been pending.
    """
    tally = Tally("ledger.anchored", paths.ENTRY_PROOF)
    digests = anchored_digests(parse_proof(case.data(paths.ENTRY_PROOF)).checkpoint)[2]
    receipts = {receipt.anchor: receipt for receipt in _enclosed(case, digests, tally)}
    fitting = [receipt for receipt in given if receipt.digests == digests]
    if given and not fitting:
        tally.doubt(
            f"none of the {len(given)} receipts given is for the checkpoint of this bundle",
            f"所提供的 {len(given)} 份回执均不对应本证据包的检查点",
        )
    for receipt in fitting:
        # What was once confirmed is not taken back by a receipt of an earlier or failed attempt.
        if receipt.anchor not in receipts or receipt.state is AnchorState.CONFIRMED:
            receipts[receipt.anchor] = receipt
    judged = {name: _judge(receipt, case) for name, receipt in sorted(receipts.items())}
    tally.details["receipts"] = [
        {
            "anchor": name,
            "state": receipts[name].state.value,
            "number": receipts[name].number,
            "transaction": receipts[name].transaction,
            "anchored_at": receipts[name].anchored_at,
            "outcome": outcome.value,
            "en": reason.en,
            "zh": reason.zh,
        }
        for name, (outcome, reason) in judged.items()
    ]
    vouching = any(outcome is Outcome.PASSED for outcome, _ in judged.values())
    for name, (outcome, reason) in judged.items():
        # One that vouches is enough; what the others are stands in the details and in the reason.
        if outcome is Outcome.FAILED or not vouching:
            tally.note(outcome, Text(en=f"{name}: {reason.en}", zh=f"{name}：{reason.zh}"))
    said = [(name, reason) for name, (_, reason) in judged.items()]
    return tally.close(
        "; ".join(f"{name}: {reason.en}" for name, reason in said) or "no receipt",
        "；".join(f"{name}：{reason.zh}" for name, reason in said) or "没有回执",
    )


def _enclosed(case: Case, digests: Digests, tally: Tally) -> list[Receipt]:
    names = sorted(name for name in case.names if name.startswith(paths.ANCHORS))
    if len(names) > MAX_RECEIPTS:
        raise FormatError(
            f"the bundle holds {len(names)} anchor receipts, more than {MAX_RECEIPTS}",
            f"证据包含 {len(names)} 份锚定回执，超过 {MAX_RECEIPTS} 份",
        )
    receipts = [parse_receipt(case.data(name, limit=MAX_RECEIPT_BYTES)) for name in names]
    for name, receipt in zip(names, receipts, strict=True):
        if name != paths.anchor_receipt(receipt.anchor) or receipt.digests != digests:
            tally.fail(
                f"{name} is no receipt of that anchor for this checkpoint", f"{name} 不是该锚定方对本检查点的回执"
            )
    return [receipt for receipt in receipts if receipt.digests == digests]


def _judge(receipt: Receipt, case: Case) -> tuple[Outcome, Text]:
    if receipt.state is not AnchorState.CONFIRMED:
        said, why = _STATES[receipt.state], receipt.reason
        en, zh = (f" ({why.en})", f"({why.zh})") if why else ("", "")
        return Outcome.INDETERMINATE, Text(en=said.en + en, zh=said.zh + zh)
    if not receipt.evidence.startswith(_DER_SEQUENCE):
        number = receipt.number or "–"
        reason = Text(
            en=f"confirmed as number {number}, transaction {receipt.transaction}, by an answer that is not "
            "signed: ask the anchor whether it holds this digest",
            zh=f"已确认(编号 {number}，交易 {receipt.transaction})，但应答未经签名：请向锚定方核实其是否存有该摘要",
        )
        return Outcome.INDETERMINATE, reason
    check = check_token(
        receipt.evidence,
        digest=fingerprint(receipt.digests),
        anchors=case.trust.tsas,
        at=case.at,
        crls=case.crls,
        ocsp=case.ocsp,
    )
    if not check.intact:
        return Outcome.FAILED, check.reason
    if check.self_issued:
        return Outcome.INDETERMINATE, Text(
            en="the time-stamp is self-issued: no third party vouches", zh="时间戳为自行签发：没有第三方作证"
        )
    if check.trusted is not Outcome.PASSED:
        return check.trusted, check.reason
    # The token's own time: `anchored_at` is what whoever kept the receipt wrote beside it.
    stamped = "" if check.gen_time is None else format_time(check.gen_time)
    return Outcome.PASSED, Text(
        en=f"confirmed by a trusted time-stamp of {stamped}", zh=f"已由受信任的时间戳确认({stamped})"
    )
