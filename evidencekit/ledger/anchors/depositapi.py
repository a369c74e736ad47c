"""Anchor a checkpoint by the deposit API of a notary office or a judicial chain: a hash out, a number back.

Such APIs differ in names only (docs of several were read for domain.md §2): a JSON object with the hash is posted, the
answer carries a deposit number and a state; later the number is posted to a query address, until state and transaction
say that it is on the chain. `ApiFields` names the fields. Nothing is sent but the digest and the constants there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from evidencekit.errors import TransportError
from evidencekit.ledger.anchors.anchor import (
    AnchorCheck,
    AnchorState,
    Receipt,
    anchored_digests,
    check_name,
    check_subject,
)
from evidencekit.model import Outcome, Text
from evidencekit.transport.http import post

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from evidencekit.model import Digests

_LIMIT: Final = 256 << 10
_OK: Final = frozenset({200, 201, 202})
_WORD_CHARS: Final = 512


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiFields:
    """What an API calls things. Names of an answer may be paths: `data.ano`.

    Attributes:
        hash: the request's field for the digest, hexadecimal.
        algorithm: `sha256` or `sm3`.
        constants: further fields of the request, e.g. `{"HashType": 0}`; never data of a record.
        number, transaction, state: fields of the answer.
        block, time, echo: further ones, if there are: the block, the time, the hash as the anchor holds it.
        states: which word of theirs means what; a word that is not here means failed.
    """

    hash: str
    number: str
    transaction: str
    state: str
    states: Mapping[str, AnchorState]
    algorithm: Literal["sha256", "sm3"] = "sha256"
    constants: Mapping[str, str | int] = field(default_factory=lambda: MappingProxyType({}))
    block: str | None = None
    time: str | None = None
    echo: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositApi:
    """One such API. `headers` carry its credentials and are never written anywhere."""

    label: str
    submit_url: str
    query_url: str
    fields: ApiFields
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    timeout_s: float = 20.0
    clock: Callable[[], datetime] = _now

    @property
    def name(self) -> str:
        """The anchor's name."""
        return check_name(self.label)

    def submit(self, checkpoint: bytes) -> Receipt:
        """Post the digest.

        Raises:
            FormatError: not a checkpoint note.
        """
        origin, size, digests = anchored_digests(checkpoint)
        blank = Receipt(
            anchor=self.name,
            digests=digests,
            origin=origin,
            size=size,
            state=AnchorState.FAILED,
            submitted_at=self.clock(),
        )
        return self._ask(self.submit_url, {**self.fields.constants, self.fields.hash: self._hash(digests)}, blank)

    def poll(self, receipt: Receipt) -> Receipt:
        """Ask what became of a pending receipt. An API that cannot be reached leaves it pending, and says so."""
        if receipt.state is not AnchorState.PENDING or receipt.number is None:
            return receipt
        return self._ask(self.query_url, {self.fields.number.rpartition(".")[2]: receipt.number}, receipt)

    def verify(self, receipt: Receipt, checkpoint: bytes) -> AnchorCheck:
        """Ask the API again: it must still confirm the same number, transaction and digest."""
        problem = check_subject(receipt, checkpoint)
        if problem is not None:
            return AnchorCheck(outcome=Outcome.FAILED, reason=problem)
        asked = self.poll(replace(receipt, state=AnchorState.PENDING))
        if asked.state is AnchorState.PENDING:
            reason = asked.reason or Text(en="the anchor calls it pending now", zh="锚定方现称其待定")
            return AnchorCheck(outcome=Outcome.INDETERMINATE, reason=reason)
        if asked.state is AnchorState.FAILED:
            reason = asked.reason or Text(en="the anchor denies it", zh="锚定方否认该存证")
            return AnchorCheck(outcome=Outcome.FAILED, reason=reason)
        if (asked.number, asked.transaction) != (receipt.number, receipt.transaction):
            return AnchorCheck(
                outcome=Outcome.FAILED,
                reason=Text(en="the anchor names another number or transaction", zh="锚定方给出的编号或交易不同"),
            )
        if self.fields.echo is None:
            return AnchorCheck(
                outcome=Outcome.INDETERMINATE,
                reason=Text(
                    en="the anchor confirms the number, but does not say which hash it holds",
                    zh="锚定方确认该编号，但未告知所存摘要",
                ),
            )
        return AnchorCheck(
            outcome=Outcome.PASSED,
            reason=Text(
                en=f"{self.name} confirms {asked.number}, transaction {asked.transaction}",
                zh=f"{self.name} 确认编号 {asked.number}、交易 {asked.transaction}",
            ),
        )

    def _hash(self, digests: Digests) -> str:
        return digests.sm3 if self.fields.algorithm == "sm3" else digests.sha256

    def _ask(self, url: str, request: Mapping[str, str | int], before: Receipt) -> Receipt:
        try:
            reply = post(
                url,
                json.dumps(request).encode(),
                content_type="application/json",
                accept="application/json",
                limit=_LIMIT,
                timeout_s=self.timeout_s,
                headers=self.headers,
            )
        except TransportError as error:
            return replace(before, reason=Text(en=error.en, zh=error.zh))
        if reply.status not in _OK:
            return replace(
                before,
                reason=Text(en=f"{self.name} answers {reply.status}", zh=f"{self.name} 返回 {reply.status}"),
            )
        try:
            answer = json.loads(reply.body)
        except (ValueError, RecursionError):
            return replace(before, reason=Text(en=f"{self.name} answers no JSON", zh=f"{self.name} 的应答不是 JSON"))
        return self._judge(answer, reply.body, before)

    def _judge(self, answer: object, body: bytes, before: Receipt) -> Receipt:
        names = self.fields
        number, transaction = _word(answer, names.number), _word(answer, names.transaction)
        state = names.states.get(_word(answer, names.state) or "", AnchorState.FAILED)
        found = replace(
            before,
            state=state,
            number=number or before.number,
            transaction=transaction,
            block=_word(answer, names.block),
            anchored_at=_word(answer, names.time),
            evidence=body,
            reason=None,
        )
        echo = _word(answer, names.echo)
        if before.number is not None and number is not None and number != before.number:
            return _failed(found, "the anchor answers for another number", "锚定方的应答对应另一编号")
        if echo is not None and echo.lower().removeprefix("0x") != self._hash(before.digests):
            return _failed(found, "the anchor holds another hash", "锚定方所存摘要不同")
        if state is AnchorState.FAILED:
            return _failed(found, "the anchor says that it failed", "锚定方告知失败")
        if found.number is None:
            return _failed(found, "the anchor gives no deposit number", "锚定方未给出存证编号")
        if state is AnchorState.CONFIRMED and (transaction is None or (names.echo is not None and echo is None)):
            # Confirmed without a transaction, or without the hash that it should show, is not confirmed.
            reason = Text(en="the anchor gives no transaction or hash yet", zh="锚定方尚未给出交易或摘要")
            return replace(found, state=AnchorState.PENDING, reason=reason)
        return found


def _failed(receipt: Receipt, en: str, zh: str) -> Receipt:
    return replace(receipt, state=AnchorState.FAILED, reason=Text(en=en, zh=zh))


def _word(answer: object, path: str | None) -> str | None:
    """Read a text or a number at a path like `data.ano`; anything else, an empty or an endless one is None."""
    if path is None:
        return None
    for name in path.split("."):
        if not isinstance(answer, dict):
            return None
        answer = answer.get(name)
    if isinstance(answer, bool) or not isinstance(answer, str | int):
        return None
    word = str(answer).strip()
    return word if 0 < len(word) <= _WORD_CHARS else None
