"""Do the time-stamps still stand (RFC 4998 §1, ETSI EN 319 102-1 §5.6)?

A time-stamp proves something for as long as nobody can have made it later: while its TSA's certificate is valid. What
was covered meanwhile by another trusted time-stamp that still stands, is proved by that one. So a chain of renewals
carries a bundle past every certificate; one that was never renewed becomes a question, not a failure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evidencekit.model import Finding, Outcome, Text
from evidencekit.timestamp.horizon import expiry_of, horizon_of
from evidencekit.verify.tally import Tally
from evidencekit.x509.path import Purpose, build_path
from evidencekit.x509.signerinfo import load_embedded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from evidencekit.verify.case import Case
    from evidencekit.verify.outer import OuterChecks, OuterRecord
    from evidencekit.verify.timestamps import Stamp, TimeChecks

_OUTER: Final = Text(en="the outer time-stamp", zh="外层时间戳")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Standing:
    """A trusted time-stamp that still stands, and until when: its own certificate's end, or its latest cover's."""

    stamp: Stamp
    until: datetime


def check_lasting(case: Case, times: TimeChecks, outer: OuterChecks) -> Finding:
    """`time.lasting`: behind every proved moment one trusted time-stamp still stands."""
    tally = Tally("time.lasting", "time-stamps")
    _note_records(tally, outer)
    proofs = outer.readable_stamps
    standing = _standing(case, proofs)
    ends: list[datetime] = []
    for moment, stamps in _moments(times).items():
        _note_moment(tally, moment, [stamp for stamp in stamps if stamp.trusted], _Judge(case, standing), ends)
    trusted = [stamp for stamp in proofs if stamp.trusted]
    if trusted and not standing:
        _note_lapsed(tally, _OUTER, trusted[-1])
    ends += [max(each.until for each in standing)] if standing else []
    if not ends and tally.outcome is Outcome.PASSED:
        tally.skip("there is no time-stamp that you trust", "没有您信任的时间戳")
    by = min(ends, default=case.at)
    tally.details["renew_by"] = by.isoformat() if ends else None
    return tally.close(
        f"the time-stamps stand until {by:%Y-%m-%d}; renew before: evidencekit timestamp renew",
        f"时间戳有效至 {by:%Y-%m-%d}；请在此之前续期：evidencekit timestamp renew",
    )


class _Judge:
    """Whether a time-stamp stands by itself or because a later one covers it."""

    def __init__(self, case: Case, covers: Sequence[_Standing]) -> None:
        self._case = case
        self._covers = covers

    def until(self, stamp: Stamp) -> datetime | None:
        """Return until when `stamp` stands, None when it does not."""
        ends = [horizon_of(stamp.check)] if _holds(self._case, stamp, self._case.at) else []
        for cover in self._covers:
            moment = cover.stamp.check.gen_time
            if moment is not None and moment <= self._case.at and _holds(self._case, stamp, moment):
                ends.append(cover.until)
        return max(ends, default=None)


def _standing(case: Case, proofs: Sequence[Stamp]) -> list[_Standing]:
    """Judge from the last back, because each covers all before it."""
    found: list[_Standing] = []
    for stamp in reversed(proofs):
        until = _Judge(case, found).until(stamp) if stamp.trusted else None
        if until is not None:
            found.append(_Standing(stamp=stamp, until=until))
    return found


def _holds(case: Case, stamp: Stamp, moment: datetime) -> bool:
    """Whether the TSA's certificate still led to an anchor at `moment`, which is not before the time-stamp."""
    check = stamp.check
    if check.certificate is None or check.token is None or (check.gen_time is not None and moment < check.gen_time):
        return False
    pool = load_embedded(check.token.signed_data)
    return build_path(check.certificate, pool, case.trust.tsas, at=moment, purpose=Purpose.TIMESTAMPING).ok


def _moments(times: TimeChecks) -> dict[Text, Sequence[Stamp]]:
    pages = {
        Text(en=f"T_capture of page {page}", zh=f"第 {page} 页的 T_capture"): s for page, s in times.captures.items()
    }
    return {Text(en="T_open", zh="T_open"): times.opens, **pages, Text(en="T_seal", zh="T_seal"): times.seals}


def _note_moment(tally: Tally, moment: Text, trusted: Sequence[Stamp], judge: _Judge, ends: list[datetime]) -> None:
    found = [until for stamp in trusted if (until := judge.until(stamp)) is not None]
    if found:
        ends.append(max(found))
    elif trusted:
        _note_lapsed(tally, moment, trusted[0])


def _note_lapsed(tally: Tally, moment: Text, stamp: Stamp) -> None:
    end = f"{expiry_of(stamp.check):%Y-%m-%d}"
    tally.doubt(
        f"{moment.en}: its TSA's certificate ended {end} and no time-stamp renewed it before",
        f"{moment.zh}：时间戳机构证书已于 {end} 到期，此前未续期",
    )


def _note_records(tally: Tally, outer: OuterChecks) -> None:
    records = outer.readable_records  # a record that is sealed has no container yet
    tally.details["records"] = [
        {"path": each.path, "stamps": len(each.check.stamps), "outcome": each.check.integrity.value} for each in records
    ]
    for each in records:
        if each.check.integrity is not Outcome.PASSED:
            reason = each.check.reason
            tally.note(each.check.integrity, Text(en=f"{each.path}: {reason.en}", zh=f"{each.path}：{reason.zh}"))
    _note_loose(tally, outer, records[-1] if records else None)


def _note_loose(tally: Tally, outer: OuterChecks, last: OuterRecord | None) -> None:
    """The record that ends the bundle is protected by nothing but itself."""
    if last is None or outer.manifests[-1].content.sig_reference != last.path:
        return
    for loose in last.check.unaccounted:
        tally.doubt(f"{last.path} holds {loose.en}, unprotected", f"{last.path} 含未受保护的内容：{loose.zh}")
