"""The verification report for a terminal: headline, verdict layer by layer, everything that is not PASSED."""

from __future__ import annotations

import unicodedata
from datetime import timedelta, timezone
from typing import Literal

from evidencekit.model import Finding, Outcome, Text, VerificationReport
from evidencekit.report.machine import rfc3339
from evidencekit.report.markup import visible
from evidencekit.report.wording import OUTCOMES, LayerResult, check_of, layer_results

Language = Literal["en", "zh"]

_BEIJING = timezone(timedelta(hours=8))
_OUTCOME_COLUMNS = 14
_LAYER_COLUMNS = 12
_WIDE = frozenset({"W", "F"})
_REASON_LIMIT = 600
_STATUS = "status.current"

_VERDICT = Text(en="Verdict", zh="结论")
_BUNDLE = Text(en="bundle", zh="证据包")
_NUMBER = Text(en="number", zh="编号")
_AT = Text(en="judged at", zh="核验时点")
_TRUST = Text(en="trust", zh="信任来源")
_LAYERS = Text(en="Layer by layer", zh="逐层结论")
_LIMITS = Text(en="does not prove: ", zh="不证明：")
_PROVES = Text(en="proves: ", zh="证明：")
_OPEN = Text(en="Not passed", zh="未通过、未定或未执行的事项")
_ALL = Text(en="All findings", zh="全部事项")
_NONE = Text(en="none: every finding passed", zh="无：全部事项均通过")
_OPTIONAL = Text(en="not required for the verdict", zh="不影响总结论")
_STRANGER = Text(en="no anchors (a stranger)", zh="无信任锚（陌生人）")
_NEXT = Text(en="; ", zh="；")
_COLON = Text(en=": ", zh="：")
_NO_NUMBER = Text(en="(none)", zh="（无）")


def pick(text: Text, lang: Language) -> str:
    """The sentence in one language; Chinese falls back to English where a translation is missing."""
    return text.en if lang == "en" else text.zh or text.en


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in _WIDE else 1 for char in text)


def _pad(text: str, columns: int) -> str:
    return text + " " * max(1, columns - _columns(text))


def _heading(report: VerificationReport, lang: Language) -> list[str]:
    beijing = report.at.astimezone(_BEIJING).strftime("%Y-%m-%d %H:%M:%S +08:00")
    rows = (
        (_BUNDLE, visible(report.bundle)),
        (_NUMBER, visible(report.number) or pick(_NO_NUMBER, lang)),
        (_AT, f"{rfc3339(report.at)}  ({beijing})"),
        (_TRUST, pick(_STRANGER, lang) if report.trust == _STRANGER.en else visible(report.trust)),
    )
    first = f"{pick(_VERDICT, lang)}{pick(_COLON, lang)}{pick(OUTCOMES[report.overall], lang)}"
    return [
        first,
        visible(pick(report.headline, lang)),
        "",
        *(f"  {_pad(pick(label, lang), _LAYER_COLUMNS)}{value}" for label, value in rows),
    ]


def _layer_line(result: LayerResult, lang: Language) -> str:
    name, outcome = pick(result.layer.name, lang), pick(OUTCOMES[result.outcome], lang)
    proves = ""
    if result.outcome is Outcome.PASSED:
        proves = f"{pick(_PROVES, lang)}{pick(result.layer.proves, lang)}{pick(_NEXT, lang)}"
    tail = f"{proves}{pick(_LIMITS, lang)}{pick(result.layer.limits, lang)}"
    return f"  {_pad(name, _LAYER_COLUMNS)}{_pad(outcome, _OUTCOME_COLUMNS)}{tail}"


def _finding_lines(finding: Finding, lang: Language, *, verbose: bool) -> list[str]:
    check = check_of(finding.id)
    # A later correction or revocation bounds the verdict although most reports cannot look for one.
    bounds = check.required or (finding.id == _STATUS and finding.outcome is Outcome.INDETERMINATE)
    note = "" if bounds or finding.outcome is Outcome.PASSED else f"  [{pick(_OPTIONAL, lang)}]"
    subject = f"  {visible(finding.subject, limit=_REASON_LIMIT)}" if finding.subject else ""
    lines = [f"  {_pad(pick(OUTCOMES[finding.outcome], lang), _OUTCOME_COLUMNS)}{visible(finding.id)}{subject}{note}"]
    reason = pick(finding.reason, lang)
    if reason:
        lines.append(f"    {visible(reason, limit=_REASON_LIMIT)}")
    if verbose:
        lines += [
            f"      {visible(str(key))} = {visible(str(value), limit=_REASON_LIMIT)}"
            for key, value in sorted(finding.details.items())
        ]
    return lines


def render_text(report: VerificationReport, lang: Language, *, verbose: bool = False) -> str:
    """Writes a report for a terminal, without colour and without control characters.

    Args:
        report: What the verifier found.
        lang: `en` or `zh`.
        verbose: Prints PASSED findings and every finding's details as well.
    """
    shown = [finding for finding in report.findings if verbose or finding.outcome is not Outcome.PASSED]
    lines = [*_heading(report, lang), "", pick(_LAYERS, lang)]
    lines += [_layer_line(result, lang) for result in layer_results(report)]
    lines += ["", pick(_ALL if verbose else _OPEN, lang)]
    for finding in shown:
        lines += _finding_lines(finding, lang, verbose=verbose)
    if not shown:
        lines.append(f"  {pick(_NONE, lang)}")
    return "\n".join(lines) + "\n"
