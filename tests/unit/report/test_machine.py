"""The JSON report against its published schema, and the registry against docs/spec/findings.md."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from evidencekit.hashing.canonical import canonical_bytes
from evidencekit.model import Outcome, Text
from evidencekit.report.machine import report_json
from evidencekit.report.wording import CHECKS, LAYERS, layer_results
from tests.unit.report.report_samples import finding, report_of, stranger_report, uniform_report

SPEC = Path(__file__).parents[3] / "docs" / "spec"


@pytest.mark.parametrize("outcome", list(Outcome))
def test_report_fits_the_published_schema(outcome: Outcome) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="the schema is checked where jsonschema is installed")
    schema = json.loads((SPEC / "verify-report.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    value = json.loads(json.dumps(report_json(uniform_report(outcome))))
    assert list(validator.iter_errors(value)) == []
    value["overall"] = "VALID"
    assert list(validator.iter_errors(value))


def test_report_is_deterministic_and_canonical_json() -> None:
    assert canonical_bytes(report_json(stranger_report())) == canonical_bytes(report_json(stranger_report()))


def test_report_keeps_every_finding_in_order() -> None:
    report = stranger_report()
    value = json.loads(json.dumps(report_json(report)))
    assert [row["id"] for row in value["findings"]] == [one.id for one in report.findings]
    assert value["at"] == "2026-11-23T03:05:15.678901Z"
    assert {row["id"]: row["required"] for row in value["findings"]}["time.independent"] is False


def test_registry_is_that_of_the_specification() -> None:
    rows = re.findall(
        r"^\| `([a-z_.0-9]+)` \| ([a-z ]+) \| ([a-z ]+) \|", (SPEC / "findings.md").read_text(), re.MULTILINE
    )
    assert len(rows) > 30
    assert [(one.id, one.layer, one.required) for one in CHECKS.values()] == [
        (row[0], row[1], row[2] == "yes") for row in rows
    ]
    assert {row[1] for row in rows} == {layer.id for layer in LAYERS}


def layer_of(layer_id: str, *pairs: tuple[str, Outcome]) -> Outcome:
    report = report_of(tuple(finding(*pair) for pair in pairs), Outcome.INDETERMINATE, Text(en="", zh=""))
    return {result.layer.id: result.outcome for result in layer_results(report)}[layer_id]


def test_a_layer_is_as_strong_as_its_weakest_required_finding() -> None:
    passed, failed, open_ = Outcome.PASSED, Outcome.FAILED, Outcome.INDETERMINATE
    assert layer_of("time", ("time.open", passed), ("time.seal", passed)) is passed
    assert layer_of("time", ("time.open", passed), ("time.seal", open_)) is open_
    assert layer_of("time", ("time.open", passed), ("time.seal", failed)) is failed
    assert layer_of("time", ("time.open", passed), ("time.independent", open_)) is passed
    assert layer_of("time", ("time.open", passed), ("time.independent", failed)) is failed
    assert layer_of("time", ("time.open", Outcome.NOT_PERFORMED)) is Outcome.NOT_PERFORMED
    assert layer_of("time", ("time.open", passed), ("time.seal", Outcome.NOT_PERFORMED)) is open_
    assert layer_of("environment", ("environment.report", open_)) is open_
    assert layer_of("ledger") is Outcome.NOT_PERFORMED


def test_an_unregistered_id_is_never_lost() -> None:
    report = report_of((finding("future.check", Outcome.FAILED),), Outcome.FAILED, Text(en="", zh=""))
    assert [one.id for result in layer_results(report) for one in result.findings] == ["future.check"]
    assert report_json(report)["findings"]
