"""The verification report as JSON: docs/spec/verify-report.schema.json."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from evidencekit.report.wording import LayerResult, check_of, layer_results

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evidencekit.model import Finding, JsonValue, Text, VerificationReport

FORMAT = "evidencekit/verify-report"
VERSION = 1


def rfc3339(moment: datetime) -> str:
    """Writes an aware time as RFC 3339 UTC with microseconds and `Z` (docs/spec/README.md)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _text(text: Text) -> Mapping[str, JsonValue]:
    return {"en": text.en, "zh": text.zh}


def _finding(finding: Finding) -> Mapping[str, JsonValue]:
    check = check_of(finding.id)
    return {
        "id": finding.id,
        "layer": check.layer,
        "required": check.required,
        "outcome": finding.outcome.value,
        "subject": finding.subject,
        "reason": _text(finding.reason),
        "details": dict(finding.details),
    }


def _layer(result: LayerResult) -> Mapping[str, JsonValue]:
    return {
        "id": result.layer.id,
        "name": _text(result.layer.name),
        "outcome": result.outcome.value,
        "does_not_prove": _text(result.layer.limits),
    }


def report_json(report: VerificationReport) -> dict[str, JsonValue]:
    """Turns a report into the published JSON shape; the same report gives the same value.

    Returns:
        An object that `json.dumps` and RFC 8785 can write; schema: docs/spec/verify-report.schema.json.
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        "bundle": report.bundle,
        "number": report.number,
        "at": rfc3339(report.at),
        "trust": report.trust,
        "overall": report.overall.value,
        "headline": _text(report.headline),
        "layers": [_layer(result) for result in layer_results(report)],
        "findings": [_finding(finding) for finding in report.findings],
    }
