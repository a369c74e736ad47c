"""The sentence above a report, tied to what verified and to nothing else (R33, R66).

Nothing here is said unless the finding that carries it passed: a check that did not run or could not be decided only
ever adds to what is *not* proved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.model import Finding, Outcome, Text
from evidencekit.verify.outcome import KINDS, REGISTERED, STATUS_ID, Layer, Required, absent_ids, weakest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


_OUTSIDE = Text(
    en="the deposited files were made outside evidencekit, and what their depositor states was not observed",
    zh="存证文件在 evidencekit 之外形成，存证人的陈述未经观察",
)
_PASSED, _FAILED = Outcome.PASSED, Outcome.FAILED
_INTEGRITY = (Layer.CONTAINER, Layer.OUTER_SEAL, Layer.RECORD)
_INTACT_WITHOUT_ANCHORS = {"outer.timestamp", "seal.signature", "ledger.entry", "ledger.inclusion"}

_TIED = (
    (("seal.identity", "seal.validity"), Text(en="who signed", zh="签署人")),
    (
        ("time.open", "time.capture", "time.seal", "time.order", "outer.timestamp"),
        Text(en="when", zh="时间"),
    ),
    (("ledger.checkpoint", "ledger.open"), Text(en="the log", zh="日志")),
)


def headline(outcome: Outcome, findings: Sequence[Finding], *, asked: Sequence[str] = ()) -> Text:
    """Return the one sentence that stands above a report.

    Args:
        outcome: The verdict of `evidencekit.verify.outcome.overall`.
        findings: The findings it was computed from.
        asked: Ids that the user's policy made required.
    """
    if outcome is _FAILED:
        return _failed_headline(findings)
    if outcome is _PASSED:
        en = "PASSED — every required check passed against the anchors you gave"
        zh = "PASSED — 全部必需检查均已通过（以您提供的信任锚为准）"
        if _is_deposit(findings):
            return Text(en=f"{en}; {_OUTSIDE.en}", zh=f"{zh}；{_OUTSIDE.zh}")
        for note in _disagreement(findings):
            en, zh = f"{en}; {note.en}", f"{zh}；{note.zh}"
        return Text(en=en, zh=zh)
    parts = _status_note(findings) + _undecided_parts(outcomes_by_id(findings)) + _self_note(findings)
    parts += _asked_note(outcomes_by_id(findings), asked)
    parts += _disagreement(findings)
    if _is_deposit(findings):
        parts.append(_OUTSIDE)
    return Text(
        en=f"INDETERMINATE — {'; '.join(part.en for part in parts)}",
        zh=f"INDETERMINATE — {'；'.join(part.zh for part in parts)}",
    )


def _is_deposit(findings: Sequence[Finding]) -> bool:
    return "deposit.items" in {finding.id for finding in findings}


def _disagreement(findings: Sequence[Finding]) -> list[Text]:
    """Say where the record does not account for itself: no verdict hangs on it, and no reader may miss it."""
    names = [
        finding.id
        for finding in findings
        if finding.id.startswith("corroboration.") and finding.outcome is Outcome.INDETERMINATE and _told(findings)
    ]
    if not names:
        return []
    return [
        Text(
            en=f"but parts of the record do not account for each other: {', '.join(names)}",
            zh=f"但记录各部分未能完全相互印证：{'、'.join(names)}",
        )
    ]


def _told(findings: Sequence[Finding]) -> bool:
    """Whether there is a manifest that this program reads; without one nothing was compared."""
    return outcomes_by_id(findings).get("manifest.form") is _PASSED


def _status_note(findings: Sequence[Finding]) -> list[Text]:
    """What became of the record since stands first."""
    return [
        finding.reason for finding in findings if finding.id == STATUS_ID and finding.outcome is Outcome.INDETERMINATE
    ]


def _asked_note(outcomes: Mapping[str, Outcome], asked: Sequence[str]) -> list[Text]:
    """Name what only the policy asks for and what did not pass."""
    missed = [name for name in asked if outcomes.get(name) is not _PASSED and not bounds(name)]
    if not missed:
        return []
    names = ", ".join(missed)
    return [Text(en=f"your policy also asks for {names}", zh=f"您的策略还要求 {names}")]


def _undecided_parts(outcomes: Mapping[str, Outcome]) -> list[Text]:
    undecided = [name for name in REGISTERED if bounds(name) and outcomes.get(name, _PASSED) is not _PASSED]
    parts = []
    if _integrity_holds(outcomes):
        parts.append(Text(en="integrity holds", zh="完整性成立"))
    untied = [text for ids, text in _TIED if any(name in ids for name in undecided)]
    if untied:
        names = _and([text.en for text in untied])
        zh = "、".join(text.zh for text in untied)
        parts.append(
            Text(en=f"{names} could not be tied to anything you trust", zh=f"{zh}无法与您信任的任何依据相联系")
        )
    rest = [name for name in undecided if not _explained_by_anchors(name, outcomes)]
    if rest:
        parts.append(Text(en=f"not decided: {', '.join(rest)}", zh=f"未能判定：{'、'.join(rest)}"))
    return parts


def outcomes_by_id(findings: Sequence[Finding]) -> dict[str, Outcome]:
    """Return the worst outcome of each id that occurs."""
    grouped: dict[str, list[Outcome]] = {}
    for finding in findings:
        grouped.setdefault(finding.id, []).append(finding.outcome)
    return {name: weakest(found) for name, found in grouped.items()}


def bounds(name: str) -> bool:
    """Tell whether an id may bound the verdict; an unknown one does."""
    kind = KINDS.get(name)
    return kind is None or kind.required is not Required.NO


def _integrity_holds(outcomes: Mapping[str, Outcome]) -> bool:
    names = {kind.id for kind in KINDS.values() if kind.layer in _INTEGRITY and kind.required is Required.YES}
    names -= absent_ids(outcomes)
    strict = (names | _INTACT_WITHOUT_ANCHORS) - {"outer.timestamp", "container.form"}
    return all(outcomes.get(name) is _PASSED for name in strict)


def _explained_by_anchors(name: str, outcomes: Mapping[str, Outcome]) -> bool:
    if name == "time.lasting" and outcomes.get(name) is Outcome.NOT_PERFORMED:
        return True  # no time-stamp is trusted, which "when" says
    return any(name in ids for ids, _ in _TIED)


def _self_note(findings: Sequence[Finding]) -> list[Text]:
    if all(finding.id != "trust.self" for finding in findings):
        return []
    return [
        Text(
            en="the anchors came from the bundle itself (--trust self), so nothing was checked against the outside",
            zh="信任锚取自证据包自身(--trust self)，未与任何外部依据核对",
        )
    ]


def _failed_headline(findings: Sequence[Finding]) -> Text:
    names = list(dict.fromkeys(finding.id for finding in findings if finding.outcome is _FAILED))
    first = next(finding for finding in findings if finding.outcome is _FAILED)
    return Text(
        en=f"FAILED — {', '.join(names)}: {first.reason.en}",
        zh=f"FAILED — {'、'.join(names)}:{first.reason.zh}",
    )


def _and(words: list[str]) -> str:
    if len(words) == 1:
        return words[0]
    head = ", ".join(words[:-1])
    return f"{head}{',' if len(words) > 2 else ''} and {words[-1]}"  # noqa: PLR2004 - the comma of a list of three
