"""`evidencekit ledger anchor`: submit the newest checkpoint to anchors, and ask what became of the pending ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.ledger.anchors.anchor import AnchorState, Receipt, keep_receipt, parse_receipt
from evidencekit_cli.anchorfiles import anchors_of
from evidencekit_cli.exit_codes import ExitCode
from evidencekit_cli.ledgering import opened
from evidencekit_cli.output import Sentence, Session, both, inert, table

if TYPE_CHECKING:
    from pathlib import Path

_NONE = Sentence("no receipt yet; name an anchor with --tsa or --api", "尚无回执;请以 --tsa 或 --api 指定锚定方")


def anchor(session: Session, tsas: tuple[str, ...], apis: tuple[Path, ...]) -> ExitCode:
    """Poll what is pending, submit the newest checkpoint where it is not yet, and show every receipt.

    Returns:
        3 when a receipt is pending or failed, for neither is an anchor.
    """
    named = anchors_of([*map(str, apis), *tsas])
    with opened() as (home, ledger):
        anchors = named or home.standing.anchors
        folder, checkpoint = home.path / "anchors", ledger.checkpoint()
        size = ledger.size
    kept = {(each.anchor, each.size): each for each in _kept(folder)}
    for each in anchors:
        for receipt in [one for one in kept.values() if one.anchor == each.name and _waits(one)]:
            kept[receipt.anchor, receipt.size] = each.poll(receipt)
        known = kept.get((each.name, size))
        if known is None or known.state is AnchorState.FAILED:
            kept[each.name, size] = each.submit(checkpoint)
    folder.mkdir(mode=0o700, exist_ok=True)
    for receipt in kept.values():
        keep_receipt(folder, receipt)
    receipts = sorted(kept.values(), key=lambda one: (one.size, one.anchor))
    _show(session, receipts)
    return ExitCode.OK if all(one.state is AnchorState.CONFIRMED for one in receipts) else ExitCode.UNDECIDED


def _kept(folder: Path) -> list[Receipt]:
    files = sorted(folder.glob("*.json")) if folder.is_dir() else []
    return [parse_receipt(file.read_bytes()) for file in files]


def _waits(receipt: Receipt) -> bool:
    return receipt.state is AnchorState.PENDING


def _show(session: Session, receipts: list[Receipt]) -> None:
    if session.json:
        session.print_json(
            {
                "format": "evidencekit/ledger-anchors",
                "version": 1,
                "receipts": [
                    {
                        "anchor": one.anchor,
                        "size": one.size,
                        "state": one.state.value,
                        "number": one.number,
                        "transaction": one.transaction,
                        "reason": None if one.reason is None else both(one.reason),
                    }
                    for one in receipts
                ],
            }
        )
        return
    if not receipts:
        session.say(_NONE)
        return
    rows = [
        [
            str(one.size),
            inert(one.anchor),
            one.state.value,
            inert(one.number or "-", 80),
            inert(one.transaction or "-", 80),
            inert(session.text(one.reason), 300) if one.reason else "",
        ]
        for one in receipts
    ]
    session.print(table(rows))
