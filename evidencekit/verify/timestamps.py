"""Time: T_open over the request, T_capture over every page's capture root, T_seal over the seal, and their order.

Each role may have tokens of several TSAs. One that the caller trusts is enough; one that is broken fails the role,
because nobody stores a broken token by accident; intact but untrusted tokens leave it undecided. A token whose TSA was
unfit or revoked fails the role unless another one stands for it, and one whose certificate is nowhere decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

from evidencekit.bundle import paths
from evidencekit.errors import FormatError
from evidencekit.model import Finding, JsonValue, Outcome, Text
from evidencekit.timestamp.check import TokenCheck, check_token
from evidencekit.timestamp.query import parse_query
from evidencekit.verify.stamped import check_capture_document, check_open_document
from evidencekit.verify.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evidencekit.verify.case import Case

RESOLUTION: Final = timedelta(seconds=1)
"""What a genTime without accuracy is good for: RFC 3161 §2.4.2 writes whole seconds by default."""
CLOCK_TOLERANCE: Final = timedelta(minutes=5)
"""How far the unverified system clock may disagree with the tokens before it is called a contradiction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """One token: its member and what became of it."""

    path: str
    check: TokenCheck
    asked: bool = True
    """False where a request is kept that the token does not answer."""

    @property
    def trusted(self) -> bool:
        """Whether it is intact and leads to an anchor."""
        return self.check.intact and self.check.trusted is Outcome.PASSED

    @property
    def earliest(self) -> datetime | None:
        """The earliest moment that the token can mean."""
        return None if self.check.gen_time is None else self.check.gen_time - (self.check.accuracy or RESOLUTION)

    @property
    def latest(self) -> datetime | None:
        """The latest moment that the token can mean."""
        return None if self.check.gen_time is None else self.check.gen_time + (self.check.accuracy or RESOLUTION)


class TimeChecks:
    """The checks of one bundle's inner time-stamps."""

    def __init__(self, case: Case) -> None:
        self._case = case

    def stamp_of(self, path: str, digest: bytes) -> Stamp:
        """Check the token in member `path` against a SHA-256 digest."""
        case = self._case
        check = check_token(
            case.data(path),
            digest=digest,
            anchors=case.trust.tsas,
            at=case.at,
            intermediates=case.trust.tsas,  # a token need not embed what the caller has
            crls=case.crls,
            ocsp=case.ocsp,
        )
        return Stamp(path=path, check=check, asked=self._is_asked(path, digest, check))

    def _is_asked(self, path: str, digest: bytes, check: TokenCheck) -> bool:
        """Whether the request that is kept beside a token, if it is, is the one that the token answers."""
        name = paths.query_of(path)
        if not self._case.has(name):
            return True
        try:
            query = parse_query(self._case.data(name))
        except FormatError:
            return False
        nonce = None if check.token is None else check.token.nonce
        return query.imprint.digest == digest and query.nonce in {None, nonce}

    @cached_property
    def opens(self) -> tuple[Stamp, ...]:
        """The tokens over `seal/open.json`."""
        open_record = self._case.manifest.t_open
        digest = self._case.sha256(open_record.document)
        return tuple(self.stamp_of(token.path, digest) for token in open_record.tokens if self._case.has(token.path))

    @cached_property
    def captures(self) -> dict[str, tuple[Stamp, ...]]:
        """The tokens over each page's capture root, by page."""
        found: dict[str, tuple[Stamp, ...]] = {}
        for record in self._case.manifest.t_capture:
            stem = record.document.removesuffix(".json")
            digest = self._case.sha256(record.document)
            found[record.page] = tuple(self.stamp_of(path, digest) for path in self._case.numbered(stem, ".tsr"))
        return found

    @cached_property
    def seals(self) -> tuple[Stamp, ...]:
        """The tokens over the CMS signature."""
        digest = self._case.sha256(paths.SEAL)
        return tuple(self.stamp_of(path, digest) for path in self._case.numbered("seal/seal", ".tsr"))

    @property
    def proved_seal_time(self) -> datetime | None:
        """The earliest time at which a trusted token proves the signature, or None."""
        if not self._case.has(paths.SEAL):
            return None
        return min((s.check.gen_time for s in self.seals if s.trusted and s.check.gen_time is not None), default=None)

    def check_open(self) -> Finding:
        """`time.open`: the document is the manifest's, the tokens are those the manifest names, one is trusted."""
        record = self._case.manifest.t_open
        tally = Tally("time.open", record.document)
        check_open_document(self._case, tally)
        for token in record.tokens:
            if not self._case.has(token.path):
                tally.fail(f"the token {token.path} is missing", f"缺少时间戳 {token.path}")
            elif self._case.digests[token.path].sha256 != token.sha256:
                tally.fail(f"{token.path} is not the token that was signed", f"{token.path} 不是已签名清单所载的时间戳")
        declared = {token.path: token.self_issued for token in record.tokens}
        for stamp in self.opens:
            if stamp.check.intact and stamp.check.self_issued != declared[stamp.path]:
                tally.fail(
                    f"the manifest is wrong about who issued {stamp.path}", f"清单对 {stamp.path} 的签发者记载有误"
                )
        note_stamps(tally, self.opens, pending=record.pending)
        return tally.close("T_open is proved by a TSA you trust", "T_open 由您信任的时间戳机构证明")

    def check_capture(self) -> Finding:
        """`time.capture`: for every page, the root is that of the records, and a token over it is trusted."""
        tally = Tally("time.capture", "seal/capture-*.json")
        pages = {page.id for page in self._case.manifest.pages}
        roots = [record.page for record in self._case.manifest.t_capture]
        if set(roots) != pages or len(roots) != len(pages):
            tally.fail("not every page has exactly one capture root", "并非每个页面恰有一个取证根")
        for record in self._case.manifest.t_capture:
            check_capture_document(self._case, record, tally)
        for page, stamps in self.captures.items():
            note_stamps(tally, stamps, of=Text(en=f"page {page}", zh=f"第 {page} 页"))
        return tally.close(
            "T_capture is proved for every page by a TSA you trust", "每个页面的 T_capture 均由您信任的时间戳机构证明"
        )

    def check_seal(self) -> Finding:
        """`time.seal`: a trusted token over the CMS signature."""
        tally = Tally("time.seal", paths.SEAL)
        note_stamps(tally, self.seals)
        return tally.close("T_seal is proved by a TSA you trust", "T_seal 由您信任的时间戳机构证明")

    def check_order(self) -> Finding:
        """`time.order`: T_open ≤ T_capture ≤ T_seal within what the tokens claim, and the record's times between."""
        tally = Tally("time.order", "T_open, T_capture, T_seal")
        captures = [stamp for stamps in self.captures.values() for stamp in stamps]
        groups = {"T_open": self.opens, "T_capture": captures, "T_seal": self.seals}
        if self._case.manifest.deposit is not None:
            del groups["T_capture"]  # the files of a deposit existed before; nothing is captured
        for name, stamps in groups.items():
            times = [
                stamp.check.gen_time.isoformat() for stamp in stamps if stamp.check.intact and stamp.check.gen_time
            ]
            tally.details[name] = [*times]
            if not times:
                tally.doubt(f"{name} is pending", f"{name} 待补")
            elif not any(stamp.trusted for stamp in stamps):
                tally.doubt(f"{name} comes from no TSA you trust", f"{name} 并非来自您信任的时间戳机构")
        last_open = max(times_of(self.opens, "earliest"), default=None)
        first_seal = min(times_of(self.seals, "latest"), default=None)
        last_seal = max(times_of(self.seals, "latest"), default=None)
        note_order(tally, ("T_open", last_open), ("T_seal", first_seal))
        for stamps in self.captures.values():
            note_order(tally, ("T_open", last_open), ("T_capture", min(times_of(stamps, "latest"), default=None)))
            # A second TSA may have answered late; the first answer is what T_capture rests on.
            note_order(tally, ("T_capture", min(times_of(stamps, "earliest"), default=None)), ("T_seal", last_seal))
        self._note_own_times(tally)
        return tally.close(
            "T_open ≤ T_capture ≤ T_seal, the record's times between", "T_open ≤ T_capture ≤ T_seal，记录时间居于其间"
        )

    def check_independent(self, outer: Sequence[Stamp]) -> Finding:
        """`time.independent`: one trusted token that the issuer did not make itself."""
        tally = Tally("time.independent", "time-stamps")
        stamps = [*self._all_inner(), *outer]
        foreign = [stamp for stamp in stamps if stamp.check.intact and not stamp.check.self_issued]
        tally.details["tokens"] = len(stamps)
        tally.details["self_issued"] = sum(stamp.check.self_issued for stamp in stamps)
        if not stamps:
            tally.skip("there is no time-stamp", "没有时间戳")
        elif not foreign:
            tally.doubt("every token is self-issued, not independent", "所有时间戳均为自行签发，不具独立性")
        elif not any(stamp.trusted for stamp in foreign):
            tally.doubt(
                "no token of another TSA leads to an anchor you gave", "其他时间戳机构的凭证均无法追溯至您提供的信任锚"
            )
        return tally.close("a TSA other than the issuer's own vouches for a time", "制作方以外的时间戳机构为时间作证")

    def _all_inner(self) -> list[Stamp]:
        captures = [stamp for stamps in self.captures.values() for stamp in stamps]
        return [*self.opens, *captures, *self.seals]

    def _note_own_times(self, tally: Tally) -> None:
        """The manifest's own times come from a clock that nobody verified: a contradiction leaves doubt."""
        manifest = self._case.manifest
        after = max(times_of(self.opens, "earliest"), default=None)
        before = max(times_of(self.seals, "latest"), default=None)
        for page in manifest.pages:
            shown = min(times_of(self.captures.get(page.id, ()), "latest"), default=before)
            _note_clock(
                tally, Text(en=f"page {page.id} began", zh=f"第 {page.id} 页的开始时间"), page.started_at, after, before
            )
            first = Text(en=f"page {page.id} was first shown", zh=f"第 {page.id} 页的初始画面时间")
            _note_clock(tally, first, page.initial_at, after, shown)
        ended = Text(en="the capture ended", zh="取证结束时间")
        if manifest.deposit is not None:
            ended = Text(en="the deposit ended", zh="存证结束时间")
        _note_clock(tally, ended, manifest.finished_at, after, before)


def note_stamps(tally: Tally, stamps: Sequence[Stamp], *, pending: Sequence[str] = (), of: Text | None = None) -> None:
    """Note what one role's tokens come to; see the module for the rule."""
    subject, subject_zh = (f" ({of.en})", f"（{of.zh}）") if of else ("", "")
    tally.details[f"tokens{subject}"] = [_described(stamp) for stamp in stamps]
    trusted = any(stamp.trusted for stamp in stamps)
    for stamp in stamps:
        if stamp.check.integrity is Outcome.FAILED or (stamp.check.trusted is Outcome.FAILED and not trusted):
            reason = stamp.check.reason
            tally.fail(f"{stamp.path}: {reason.en}", f"{stamp.path}：{reason.zh}")
        if not stamp.asked:
            query = paths.query_of(stamp.path)
            tally.fail(
                f"{query} is not the request that {stamp.path} answers", f"{query} 不是 {stamp.path} 所答复的请求"
            )
    if pending:
        tally.details["pending"] = list(pending)
    if not stamps:
        tally.doubt(f"the time-stamp is pending{subject}", f"时间戳待补{subject_zh}")
    elif not trusted:
        reason = stamps[0].check.reason
        tally.doubt(
            f"intact, but no token leads to a TSA you trust{subject}: {reason.en}",
            f"时间戳完整，但无法追溯至您信任的时间戳机构{subject_zh}：{reason.zh}",
        )


def _described(stamp: Stamp) -> dict[str, JsonValue]:
    check = stamp.check
    return {
        "path": stamp.path,
        "intact": check.intact,
        "trusted": check.trusted.value,
        "gen_time": check.gen_time.isoformat() if check.gen_time else None,
        "accuracy_s": check.accuracy.total_seconds() if check.accuracy is not None else None,
        "self_issued": check.self_issued,
        "policy": check.token.policy if check.token else None,
        "serial": f"{check.token.serial:x}" if check.token else None,
    }


def times_of(stamps: Sequence[Stamp], side: Literal["earliest", "latest"]) -> list[datetime]:
    """The earliest or latest moments that the intact ones of these tokens can mean."""
    found = [stamp.earliest if side == "earliest" else stamp.latest for stamp in stamps if stamp.check.intact]
    return [moment for moment in found if moment is not None]


def note_order(tally: Tally, first: tuple[str, datetime | None], second: tuple[str, datetime | None]) -> None:
    """Note where two named moments, if both are known, contradict their order."""
    if first[1] is not None and second[1] is not None and first[1] > second[1]:
        tally.fail(f"{first[0]} lies after {second[0]}", f"{first[0]} 晚于 {second[0]}")


def _note_clock(tally: Tally, what: Text, own: datetime, after: datetime | None, before: datetime | None) -> None:
    if after is not None and own < after - CLOCK_TOLERANCE:
        tally.doubt(
            f"by the system clock {what.en} at {own}, before T_open", f"按系统时钟，{what.zh}({own})早于 T_open"
        )
    if before is not None and own > before + CLOCK_TOLERANCE:
        tally.doubt(
            f"by the system clock {what.en} at {own}, after the time-stamp over it",
            f"按系统时钟，{what.zh}({own})晚于对应时间戳",
        )
