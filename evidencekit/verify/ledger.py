"""The ledger: what was entered, that it is in the tree, who signed the tree, and that the attempt was announced.

The checkpoint's signature is always verified: by a key that the caller gave (then it counts), else by the key that the
manifest names (then a right signature leaves the finding undecided and a wrong one fails it).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

from evidencekit.bundle import paths
from evidencekit.errors import FormatError
from evidencekit.ledger.checkpoint import open_checkpoint
from evidencekit.ledger.entry import NONE, PENDING, CaptureEntry, OpenEntry, open_commitment, parse_entry
from evidencekit.ledger.policy import NONE as NO_QUORUM
from evidencekit.ledger.policy import check_policy
from evidencekit.ledger.proof import ProofCheck, check_proof, parse_proof
from evidencekit.signing.note import (
    COSIGNATURE_TIME_BYTES,
    TYPE_ED25519,
    NoteVerifier,
    VerifierKey,
    format_note,
    parse_vkey,
    split_note,
)
from evidencekit.timestamp.check import MAX_SKEW
from evidencekit.verify.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evidencekit.model import Finding
    from evidencekit.verify.case import Case
    from evidencekit.verify.timestamps import Stamp

_FIRST: Final = paths.seal_token(1)


class LedgerChecks:
    """The checks of one bundle's ledger proofs."""

    def __init__(self, case: Case) -> None:
        self._case = case

    @cached_property
    def own_key(self) -> VerifierKey:
        """The key that the manifest names."""
        return parse_vkey(self._case.manifest.ledger.key)

    @cached_property
    def entered(self) -> tuple[ProofCheck, bool]:
        """The proof of the capture's entry, as `proof_of` gives it."""
        return self.proof_of(paths.ENTRY_PROOF, paths.ENTRY)

    def proof_of(self, proof: str, entry: str) -> tuple[ProofCheck, bool]:
        """Check a proof with the caller's keys, or with the manifest's own when none of theirs is the log's.

        Returns:
            The check, and whether the key that decides is one that the caller gave.
        """
        data, body, given = self._case.data(proof), self._case.data(entry), self._case.trust.logs
        by_caller = check_proof(data, body, given)
        if any(key.name == by_caller.checkpoint.origin for key in given):
            return by_caller, True
        return check_proof(data, body, _with_own(given, self.own_key)), False

    def check_entry(self) -> Finding:
        """`ledger.entry`: the entry is about this bundle and nothing else."""
        tally = Tally("ledger.entry", paths.ENTRY)
        entry, manifest = parse_entry(self._case.data(paths.ENTRY)), self._case.manifest
        if not isinstance(entry, CaptureEntry):
            raise FormatError(f"{paths.ENTRY} is no capture entry", f"{paths.ENTRY} 不是取证条目")
        for held, member in ((entry.manifest, paths.MANIFEST), (entry.seal, paths.SEAL)):
            if held != self._case.digest_of(member):
                tally.fail(f"the entry holds other digests of {member}", f"条目中 {member} 的摘要不符")
        if entry.kind != manifest.kind:
            tally.fail("the entry is of another kind of record", "条目对应另一类记录")
        if entry.number != manifest.number:
            tally.fail("the entry is for another certificate number", "条目对应另一个证书编号")
        if entry.key_id != manifest.signer.certificate_sha256:
            tally.fail("the entry names another signer", "条目载明另一签署人")
        if entry.open != manifest.open.index:
            tally.fail("the entry names another open entry", "条目引用另一条开始登记")
        _check_entry_stamp(entry, self._case, tally)
        return tally.close(
            "the entry holds the digests of this manifest, seal and token", "条目载有本清单、签名与时间戳的摘要"
        )

    def check_inclusion(self) -> Finding:
        """`ledger.inclusion`: the path leads from the entry to the checkpoint's root."""
        tally = Tally("ledger.inclusion", paths.ENTRY_PROOF)
        proof, _ = self.entered
        tally.details.update(index=proof.index, size=proof.checkpoint.size, leaf=proof.leaf.hex())
        if not proof.included:
            tally.fail("the entry is not in the tree of the checkpoint", "条目不在检查点所述的树中")
        if proof.extra is not None:
            tally.fail("the proof holds data that nothing authenticates", "证明中含有未经认证的数据")
        return tally.close(
            f"entry {proof.index} is in the tree of {proof.checkpoint.size}",
            f"第 {proof.index} 条在大小为 {proof.checkpoint.size} 的树中",
        )

    def check_checkpoint(self) -> Finding:
        """`ledger.checkpoint`: signed by a log key that the caller trusts."""
        tally = Tally("ledger.checkpoint", paths.ENTRY_PROOF)
        proof, given = self.entered
        tally.details["origin"] = proof.checkpoint.origin
        tally.details["root"] = proof.checkpoint.root.hex()
        self._note_signature(tally, proof, given=given)
        return tally.close("the checkpoint is signed by a log key you trust", "检查点由您信任的日志密钥签署")

    def check_open(self) -> Finding:
        """`ledger.open`: announced before, by an entry whose commitment opens to this capture."""
        tally = Tally("ledger.open", paths.OPEN_PROOF)
        entry, opening = parse_entry(self._case.data(paths.OPEN_ENTRY)), self._case.manifest.open
        if not isinstance(entry, OpenEntry):
            raise FormatError(f"{paths.OPEN_ENTRY} is no open entry", f"{paths.OPEN_ENTRY} 不是开始登记")
        if entry.commitment != open_commitment(opening.salt, self._case.manifest.capture_id):
            tally.fail("the open entry announces another capture", "开始登记对应另一次取证")
        if entry.key_id != self._case.manifest.signer.certificate_sha256:
            tally.fail("the open entry names another signer", "开始登记载明另一签署人")
        proof, given = self.proof_of(paths.OPEN_PROOF, paths.OPEN_ENTRY)
        tally.details.update(index=proof.index, size=proof.checkpoint.size)
        if proof.leaf != opening.entry or proof.index != opening.index:
            tally.fail("the manifest names another open entry", "清单引用另一条开始登记")
        if not proof.included or proof.extra is not None:
            tally.fail("the open entry is not in the tree of the checkpoint", "开始登记不在检查点所述的树中")
        self._note_signature(tally, proof, given=given)
        self._note_same_log(tally, proof)
        return tally.close(
            f"announced as entry {proof.index}, before the capture was entered", f"先于取证登记为第 {proof.index} 条"
        )

    def check_independent(self, outer: Sequence[Stamp]) -> Finding:
        """`ledger.independent`: a witness whose key the caller gave, or a trusted foreign stamp over the proof."""
        tally = Tally("ledger.independent", paths.ENTRY_PROOF)
        proof, _ = self.entered
        witnesses = self.witnesses
        tally.details["witnesses"] = list(witnesses)
        for name in self._in_time[1] if proof.log_signed else ():
            tally.doubt(
                f"{name} cosigned at a time that has not come; it is not counted",
                f"{name} 的共签时间晚于核验时间，不予计入",
            )
        # The outer time-stamp is over a manifest that lists the proof, checkpoint included.
        stamps = [stamp.path for stamp in outer if stamp.trusted and not stamp.check.self_issued]
        tally.details["stamps"] = [*stamps]
        if not proof.log_signed:
            tally.fail("the checkpoint is not signed by its log", "检查点没有其日志的签名")
        elif not witnesses and not stamps:
            tally.doubt(
                "no witness or third-party stamp that you trust vouches for the checkpoint: "
                "it proves nothing against the log's own operator",
                "没有您信任的见证人或第三方时间戳为检查点作证：对日志运营者自身不构成证明",
            )
        return tally.close("a third party vouches for the checkpoint", "有第三方为检查点作证")

    @property
    def witnesses(self) -> tuple[str, ...]:
        """Those who cosigned: by the caller's policies, whose quorum must be met, else by the caller's keys.

        Nobody where the log itself did not sign; none whose time has not come.
        """
        proof, given = self.entered
        if not proof.log_signed:
            return ()
        note, _ = self._in_time
        policies = [policy for policy in self._case.trust.policies if policy.quorum != NO_QUORUM]
        if not policies:
            keys = self._case.trust.logs if given else _with_own(self._case.trust.logs, self.own_key)
            return tuple(dict.fromkeys(open_checkpoint(note, keys).witnesses))
        checks = [check_policy(policy, note) for policy in policies]
        return tuple(dict.fromkeys(name for check in checks if check.is_satisfied for name in check.witnesses))

    @cached_property
    def _in_time(self) -> tuple[bytes, tuple[str, ...]]:
        """The entry's checkpoint without the lines of known witnesses that are dated ahead, and the names of those."""
        trust = self._case.trust
        keys = [*trust.logs, *(witness.verifier for policy in trust.policies for witness in policy.witnesses)]
        dated = {(key.name, key.key_id) for key in keys if not _is_undated(key)}
        text, signatures = split_note(parse_proof(self._case.data(paths.ENTRY_PROOF)).checkpoint)
        limit = (self._case.at + MAX_SKEW).timestamp()
        ahead = [
            one
            for one in signatures
            if (one.name, one.key_id) in dated and int.from_bytes(one.signature[:COSIGNATURE_TIME_BYTES], "big") > limit
        ]
        kept = [one for one in signatures if one not in ahead]
        return format_note(text, kept), tuple(dict.fromkeys(one.name for one in ahead))

    def _note_signature(self, tally: Tally, proof: ProofCheck, *, given: bool) -> None:
        ledger = self._case.manifest.ledger
        if proof.checkpoint.origin != ledger.origin or self.own_key.name != ledger.origin:
            tally.fail("the checkpoint is of another log than the manifest names", "检查点所属日志与清单所载不符")
        if not proof.log_signed:
            tally.fail("the checkpoint's signature is not the log's", "检查点的签名不是该日志的签名")
        elif not given:
            tally.doubt(
                "the checkpoint is signed by the key that the bundle itself names; you gave no key of this log",
                "检查点由证据包自身载明的密钥签署；您未提供该日志的密钥",
            )

    def _note_same_log(self, tally: Tally, opened: ProofCheck) -> None:
        entered, _ = self.entered
        if opened.index >= entered.index:
            tally.fail("the attempt was announced after it was entered", "开始登记晚于取证登记")
        if opened.checkpoint.origin != entered.checkpoint.origin:
            tally.fail("the open entry is in another log", "开始登记在另一日志中")
        if opened.checkpoint.size == entered.checkpoint.size and opened.checkpoint.root != entered.checkpoint.root:
            tally.fail("the log signed two trees of one size: a fork", "日志对同一大小签署了两棵不同的树：分叉")


def _is_undated(key: NoteVerifier) -> bool:
    return isinstance(key, VerifierKey) and key.key_type == TYPE_ED25519


def _with_own(given: Sequence[VerifierKey], own: VerifierKey) -> list[NoteVerifier]:
    return [*given, own]


def _check_entry_stamp(entry: CaptureEntry, case: Case, tally: Tally) -> None:
    held = case.digest_of(_FIRST).sha256 if case.has(_FIRST) else None
    if entry.timestamp in {PENDING, NONE}:
        if held is not None:
            tally.fail(
                f"the entry says {entry.timestamp!r}, but there is {_FIRST}",
                f"条目记为 {entry.timestamp!r}，但存在 {_FIRST}",
            )
    elif entry.timestamp != held:
        tally.fail(f"the entry holds another digest of {_FIRST}", f"条目中 {_FIRST} 的摘要不符")
