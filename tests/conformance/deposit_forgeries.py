"""Deposits: true ones of each kind, and what can be wrong with their items, their statement and their links."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from evidencekit.bundle import paths
from evidencekit.hashing.deposit import WARRANTY, DepositKind
from evidencekit.hashing.digest import digest_bytes
from evidencekit.hashing.manifest import RecordTree
from evidencekit.hashing.merkle import leaf_hash, prove_inclusion, root_of
from evidencekit.ledger.checkpoint import Checkpoint, format_checkpoint
from evidencekit.ledger.proof import TlogProof, format_proof
from evidencekit.signing.note import sign_note
from evidencekit.verify.trust import Trust
from tests.conformance.forgeries import CASES, Exhibit, Forgery, Workshop
from tests.support.assembly import Hooks
from tests.support.deposits import DepositPlan, make_deposit, relisted, renumbered

if TYPE_CHECKING:
    from collections.abc import Callable

    from evidencekit.hashing.deposit import Deposit, Link
    from evidencekit.hashing.manifest import Manifest
    from evidencekit.hashing.records import Records
    from evidencekit.signing.notesigner import Ed25519NoteSigner
    from tests.support.assembly import Keys, Members

WORK = {"creator": "张三", "completed": "2026-11-01", "right_type": "copyright", "warranty": WARRANTY}


def _deposit(**plan: object) -> Forgery:
    def make(shop: Workshop) -> Exhibit:
        return shop.exhibit(make_deposit(replace(DepositPlan(keys=shop.keys), **plan), shop.folder))  # type: ignore[arg-type]

    return make


def _hooked(**hooks: object) -> Forgery:
    return _deposit(hooks=Hooks(**hooks))  # type: ignore[arg-type]


CASES["deposit_files"] = _deposit()
CASES["deposit_work"] = _deposit(kind=DepositKind.ORIGINAL_WORK, statement=WORK)
CASES["deposit_hash_only"] = _deposit(hash_only=True)
CASES["deposit_linked"] = _deposit(linked=True)
CASES["deposit_stranger"] = lambda shop: replace(CASES["deposit_linked"](shop), trust=Trust.stranger())

# --- items ---------------------------------------------------------------------------------------

_OTHER = digest_bytes(b"another file")
CASES["deposit_item_changed_fail"] = _deposit(items=relisted(lambda item: replace(item, digests=_OTHER)))
CASES["deposit_item_resized_fail"] = _deposit(items=relisted(lambda item: replace(item, size=item.size + 1)))
CASES["deposit_item_unlisted_fail"] = _deposit(items=lambda items: items[:1])
CASES["deposit_item_of_no_file_fail"] = _deposit(items=relisted(lambda item: replace(item, path="manifest.json")))
CASES["deposit_item_without_file_fail"] = _deposit(items=relisted(lambda item: replace(item, path=None)))
CASES["deposit_items_out_of_order_fail"] = _deposit(items=relisted(renumbered))
CASES["deposit_items_counted_wrong_fail"] = _deposit(deposit=lambda d: replace(d, size=d.size + 1))
CASES["deposit_items_torn_fail"] = _deposit(items_bytes=lambda data: data[:-1])
CASES["deposit_hash_only_names_a_file_fail"] = _deposit(
    hash_only=True, items=relisted(lambda item: replace(item, name="原稿.docx"))
)


def _other_header(data: bytes) -> bytes:
    header, rest = data.split(b"\n", 1)
    start = header.index(b'"capture_id":"') + len(b'"capture_id":"')
    return header[:start] + b"0000" + header[start + 4 :] + b"\n" + rest


CASES["deposit_items_of_other_fail"] = _deposit(items_bytes=_other_header)


def _items_withheld(records: Records) -> Records:
    lines = tuple(
        replace(line, size=None, digests=None, salt=None, withheld=("redacted",)) if line.path == paths.ITEMS else line
        for line in records.artifacts
    )
    return replace(records, artifacts=lines)


CASES["deposit_items_withheld"] = _hooked(
    records=_items_withheld, artifacts=lambda files: {name: data for name, data in files.items() if name != paths.ITEMS}
)

# --- statement -----------------------------------------------------------------------------------


def _manifest(change: Callable[[Manifest], Manifest]) -> Forgery:
    return _hooked(manifest=change)


CASES["deposit_label_gone_fail"] = _manifest(lambda m: replace(m, not_performed=()))
CASES["deposit_with_requests_fail"] = _manifest(lambda m: replace(m, records=RecordTree(count=1, root=m.records.root)))
CASES["deposit_statement_incomplete_fail"] = _deposit(
    deposit=lambda d: replace(d, kind=DepositKind.FORENSIC, statement={"medium": "photo"})
)
CASES["deposit_statement_of_other_kind_fail"] = _deposit(deposit=lambda d: replace(d, statement={"medium": "photo"}))
CASES["deposit_statement_blank_fail"] = _deposit(deposit=lambda d: replace(d, statement={"title": " \u0085\u3000"}))

# --- links ---------------------------------------------------------------------------------------


def _link(change: Callable[[Link], Link]) -> Forgery:
    def relink(deposit: Deposit) -> Deposit:
        return replace(deposit, links=tuple(change(link) for link in deposit.links))

    return _deposit(linked=True, deposit=relink)


def _linked(change: Callable[[Members], Members]) -> Forgery:
    return _deposit(linked=True, hooks=Hooks(before_sums=change))


def _without(*names: str) -> Callable[[Members], Members]:
    return lambda members: {name: data for name, data in members.items() if name not in names}


CASES["deposit_link_proof_gone_fail"] = _linked(_without(paths.link_entry(1), paths.link_proof(1)))
CASES["deposit_link_entry_of_other_fail"] = _deposit(linked=True, older_number="9F3C2026000000156W")
CASES["deposit_link_manifest_other_fail"] = _link(lambda link: replace(link, manifest_sha256="00" * 32))
CASES["deposit_link_leaf_other_fail"] = _link(lambda link: replace(link, leaf=bytes(32)))
CASES["deposit_link_later_fail"] = _link(lambda link: replace(link, index=2))
CASES["deposit_link_entry_changed_fail"] = _linked(
    lambda m: m | {paths.link_entry(1): m[paths.link_entry(1)].replace(b'"none"', b'"pending"')}
)
CASES["deposit_link_to_announcement_fail"] = _linked(lambda m: m | {paths.link_entry(1): m[paths.OPEN_ENTRY]})
CASES["deposit_link_proof_garbage_fail"] = _linked(lambda m: m | {paths.link_proof(1): b"c2sp.org/tlog-proof@v1\n"})


def _proof_by(signer: Ed25519NoteSigner, entry: bytes) -> bytes:
    leaves = [leaf_hash(entry), leaf_hash(b"next")]
    text = format_checkpoint(Checkpoint(origin=signer.name, size=2, root=root_of(leaves)))
    return format_proof(TlogProof(index=0, path=tuple(prove_inclusion(leaves, 0)), checkpoint=sign_note(text, signer)))


def _in_other_log(shop: Workshop, *, known: bool, signer: Keys | None = None) -> Exhibit:
    """The work is in somebody else's log, which `signer` signed."""
    others = shop.others
    plan = DepositPlan(
        keys=shop.keys,
        linked=True,
        deposit=lambda d: replace(d, links=(replace(d.links[0], origin=others.log.name),)),
        hooks=Hooks(
            before_sums=lambda m: (
                m
                | {
                    paths.link_proof(1): _renamed(
                        _proof_by((signer or others).log, m[paths.link_entry(1)]), others, signer
                    )
                }
            )
        ),
    )
    trust = shop.keys.trust.merged(Trust(logs=(others.log.verifier,) if known else ()))
    return shop.exhibit(make_deposit(plan, shop.folder), trust=trust)


def _renamed(proof: bytes, claimed: Keys, signer: Keys | None) -> bytes:
    return (
        proof
        if signer is None
        else proof.replace(signer.log.name.encode() + b"\n2\n", claimed.log.name.encode() + b"\n2\n")
    )


CASES["deposit_link_in_other_log"] = lambda shop: _in_other_log(shop, known=True)
CASES["deposit_link_in_unknown_log"] = lambda shop: _in_other_log(shop, known=False)
CASES["deposit_link_unsigned_fail"] = lambda shop: _in_other_log(shop, known=True, signer=shop.keys)
