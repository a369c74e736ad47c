"""Receipts of anchors in a bundle and beside it, and copies of deposited files that their holder compares."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from evidencekit.bundle import paths
from evidencekit.ledger.anchors.anchor import AnchorState, Receipt, anchored_digests, format_receipt
from evidencekit.ledger.proof import parse_proof
from evidencekit.model import Text
from evidencekit.signing.note import split_note
from evidencekit.timestamp.authority import SELF_ISSUED_POLICY
from evidencekit.verify.trust import Trust
from tests.conformance.forgeries import CASES, Exhibit, Forgery, Workshop
from tests.support.assembly import FOREIGN_POLICY, NOW, Hooks, Keys, Members, bare_token
from tests.support.deposits import FILES, DepositPlan, make_deposit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Receipts = dict[str, Receipt]


def _checkpoint(members: Mapping[str, bytes]) -> bytes:
    return parse_proof(members[paths.ENTRY_PROOF]).checkpoint


def _pending(members: Mapping[str, bytes]) -> Receipt:
    """What an office's API gave while its chain was still at it."""
    origin, size, digests = anchored_digests(_checkpoint(members))
    return Receipt(
        anchor="office",
        digests=digests,
        origin=origin,
        size=size,
        state=AnchorState.PENDING,
        submitted_at=NOW,
        number="ANO-1",
        reason=Text(en="the chain has not confirmed it", zh="链上尚未确认"),
    )


def _answered(members: Mapping[str, bytes]) -> Receipt:
    """What an office's API says, which nobody signed."""
    reply = json.dumps({"blockchainHash": "0x1"}).encode()
    return replace(
        _pending(members), state=AnchorState.CONFIRMED, transaction="0x1", block="7", evidence=reply, reason=None
    )


def _stamped(members: Mapping[str, bytes], keys: Keys, policy: str = FOREIGN_POLICY) -> Receipt:
    """What a TSA stamped: the one receipt that can be checked without asking anybody.

    The time that its keeper wrote beside the token is a lie, which no finding may repeat.
    """
    token = bare_token(split_note(_checkpoint(members))[0], keys, NOW, policy)
    return replace(
        _answered(members), anchor="rfc3161-1", number="1", anchored_at="2019-01-01T00:00:00Z", evidence=token
    )


def _enclosing(make: Callable[[Members, Workshop], Mapping[str, bytes]], **terms: object) -> Forgery:
    """Put members beside the entry's proof, before everything is listed, signed and stamped."""

    def forge(shop: Workshop) -> Exhibit:
        hooks = Hooks(before_sums=lambda members: members | dict(make(members, shop)))
        return replace(shop.hooked(hooks), **terms)  # type: ignore[arg-type]

    return forge


def _receipts(*receipts: Receipt) -> Mapping[str, bytes]:
    return {paths.anchor_receipt(one.anchor): format_receipt(one) for one in receipts}


CASES["anchor_stamped"] = _enclosing(lambda m, shop: _receipts(_stamped(m, shop.keys), _pending(m)))
CASES["anchor_pending"] = _enclosing(lambda m, _: _receipts(_pending(m)))
CASES["anchor_failed"] = _enclosing(lambda m, _: _receipts(replace(_pending(m), state=AnchorState.FAILED)))
CASES["anchor_answer_unsigned"] = _enclosing(lambda m, _: _receipts(_answered(m)))
CASES["anchor_by_unknown_tsa"] = _enclosing(lambda m, shop: _receipts(_stamped(m, shop.others)))
CASES["anchor_self_issued"] = _enclosing(lambda m, shop: _receipts(_stamped(m, shop.keys, SELF_ISSUED_POLICY)))
CASES["anchor_trust_self"] = _enclosing(
    lambda m, shop: _receipts(_stamped(m, shop.keys)), trust=Trust(self_bundle=True)
)
CASES["anchor_of_other_checkpoint_fail"] = _enclosing(
    lambda m, shop: _receipts(
        replace(_stamped(m, shop.keys), digests=replace(_pending(m).digests, sha256="ab" * 32)), _pending(m)
    )
)
CASES["anchor_of_other_sm3_fail"] = _enclosing(
    lambda m, shop: _receipts(replace(_stamped(m, shop.keys), digests=replace(_pending(m).digests, sm3="ab" * 32)))
)
CASES["anchor_token_of_other_checkpoint_fail"] = _enclosing(
    lambda m, shop: _receipts(replace(_stamped(m, shop.keys), evidence=bare_token(b"another", shop.keys, NOW)))
)
CASES["anchor_under_another_name_fail"] = _enclosing(
    lambda m, shop: {paths.anchor_receipt("office"): format_receipt(_stamped(m, shop.keys))}
)
CASES["anchor_name_unlawful_fail"] = _enclosing(
    lambda m, _: {paths.anchor_receipt("office"): format_receipt(replace(_pending(m), anchor="Office"))}
)
CASES["anchor_confirmed_by_nothing_fail"] = _enclosing(lambda m, _: _receipts(replace(_answered(m), evidence=b"")))
CASES["anchor_garbage_fail"] = _enclosing(lambda _, __: {paths.anchor_receipt("office"): b"{}"})
CASES["anchor_newer_version"] = _enclosing(
    lambda m, _: {paths.anchor_receipt("office"): format_receipt(_pending(m)).replace(b'"version":1', b'"version":2')}
)
CASES["anchor_evidence_not_canonical_fail"] = _enclosing(
    lambda m, _: {
        paths.anchor_receipt("office"): format_receipt(_answered(m)).replace(
            base64.b64encode(_answered(m).evidence), base64.b64encode(_answered(m).evidence) + b"\\n"
        )
    }
)
CASES["anchors_too_many_fail"] = _enclosing(
    lambda m, _: _receipts(*(replace(_pending(m), anchor=f"office-{n}") for n in range(65)))
)

# --- beside the bundle -----------------------------------------------------------------------------


def _given(make: Callable[[Members, Workshop], tuple[Receipt, ...]], *, pending: bool = True) -> Forgery:
    def forge(shop: Workshop) -> Exhibit:
        hooks = Hooks(before_sums=lambda members: members | dict(_receipts(_pending(members)) if pending else {}))
        members = shop.members(hooks=hooks)
        return shop.exhibit(members, receipts=make(members, shop))

    return forge


CASES["anchor_stamped_later"] = _given(lambda m, shop: (replace(_stamped(m, shop.keys), anchor="office"),))
CASES["anchor_given_alone"] = _given(lambda m, shop: (_stamped(m, shop.keys),), pending=False)
CASES["anchor_given_for_another"] = _given(
    lambda m, shop: (replace(_stamped(m, shop.keys), digests=replace(_pending(m).digests, sha256="ab" * 32)),)
)
CASES["anchor_given_failed_later"] = _given(lambda m, _: (replace(_pending(m), state=AnchorState.FAILED, reason=None),))
CASES["anchor_given_forged_fail"] = _given(
    lambda m, shop: (replace(_stamped(m, shop.keys), evidence=_stamped(m, shop.keys).evidence[:-1] + b"\0"),)
)


def _held(*copies: bytes, hash_only: bool = False) -> Forgery:
    def forge(shop: Workshop) -> Exhibit:
        plan = DepositPlan(keys=shop.keys, hash_only=hash_only)
        return shop.exhibit(make_deposit(plan, shop.folder), copies=copies)

    return forge


CASES["deposit_copies_held"] = _held(*reversed([*FILES.values()]))
CASES["deposit_copies_of_digests"] = _held(*FILES.values(), hash_only=True)
CASES["deposit_copy_changed_fail"] = _held(FILES["empty"], FILES["原稿.docx"] + b"!")
CASES["capture_copies_held"] = lambda shop: shop.exhibit(shop.members(), copies=(b"nothing was deposited",))
