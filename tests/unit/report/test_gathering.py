"""Facts from the record's bytes: a manifest, its openings, environment, logs and exchanges."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidencekit.errors import FormatError
from evidencekit.hashing.canonical import canonical_bytes
from evidencekit.hashing.chainlog import ChainWriter
from evidencekit.hashing.manifest import (
    CaptureStamp,
    LedgerReference,
    Manifest,
    ManifestArtifact,
    OpenEntry,
    OpenStamp,
    RecordTree,
    SealSigner,
    Tool,
    WorklogEnd,
)
from evidencekit.hashing.records import ArtifactOpening, Records
from evidencekit.model import Completeness, JsonValue, Operator, Text
from evidencekit.report.certificate import render_certificate
from evidencekit.report.gathering import (
    artifact_facts,
    read_environment,
    read_log,
    session_facts,
    summarise_exchanges,
)
from tests.unit.report.report_samples import START, page, plain_data, sum_of

if TYPE_CHECKING:
    from pathlib import Path

CAPTURE_ID = "0f" * 16
SHOT = "capture/pages/0001/screenshot.png"


def manifest() -> Manifest:
    return Manifest(
        kind="capture",
        number="9F3C2026000000172K",
        capture_id=CAPTURE_ID,
        tool=Tool(name="evidencekit", version="0.1.0"),
        matter=None,
        operator=Operator(),
        request={"mode": "forensic"},
        started_at=START,
        finished_at=START,
        clock_source="system clock, unverified",
        open=OpenEntry(index=3, entry=b"\1" * 32, salt=b"\2" * 32, attempt=1, attempts_note=Text(en="", zh="")),
        t_open=OpenStamp(document="seal/open.json", sha256="00" * 32, tokens=(), pending=("https://tsa.example/",)),
        t_capture=(CaptureStamp(page="0001", document="seal/capture-0001.json", sha256="00" * 32),),
        pages=(page("0001", "https://a.example/", "示例"),),
        artifacts=(
            ManifestArtifact(
                path=SHOT,
                media_type="image/png",
                role="screenshot",
                page="0001",
                derived_from=(),
                hashed_at=START,
                leaf=b"\3" * 32,
            ),
        ),
        artifacts_root=b"\4" * 32,
        records=RecordTree(count=0, root=b"\5" * 32),
        completeness=Completeness(
            requests=1,
            recorded=1,
            partial=0,
            failed=0,
            withheld=0,
            not_retrievable=0,
            after_t_capture=0,
            body_bytes=5,
            reasons={},
        ),
        transformations=(),
        withheld={"cookie": 2},
        partial=(),
        not_performed=(),
        worklog=WorklogEnd(lines=2, head=b"\6" * 32),
        signer=SealSigner(certificate_sha256="00" * 32, self_signed=True),
        ledger=LedgerReference(origin="evidencekit/x", key="k"),
    )


def opening(path: str) -> ArtifactOpening:
    return ArtifactOpening(path=path, size=7, digests=sum_of("x"), salt=b"\7" * 32, leaf=b"\3" * 32)


def test_manifest_reaches_the_certificate() -> None:
    facts = session_facts(manifest())
    listed = artifact_facts(manifest(), Records(capture_id=CAPTURE_ID, artifacts=(opening(SHOT),), records=()))
    assert (facts.mode, facts.attempt, facts.pending) == ("forensic", 1, ("https://tsa.example/",))
    assert [(one.path, one.size, one.digests) for one in listed] == [(SHOT, 7, sum_of("x"))]
    shown = render_certificate(replace(plain_data(), session=facts, artifacts=listed))
    assert "forensic" in shown
    assert sum_of("x").sm3[:8] in shown


def test_an_artifact_without_opening_is_refused() -> None:
    with pytest.raises(FormatError, match=r"no line opens capture/pages/0001/screenshot\.png"):
        artifact_facts(manifest(), Records(capture_id=CAPTURE_ID, artifacts=(), records=()))


def environment(result: str = "WARN") -> JsonValue:
    return {
        "format": "evidencekit/environment",
        "version": 1,
        "summary": {"en": "No sign", "zh": "未发现"},
        "counts": {"PASS": 0, "WARN": 1, "FAIL": 0, "NOT_PERFORMED": 0},
        "checks": [
            {
                "id": "dns",
                "method": {"en": "two resolvers", "zh": "两处解析"},
                "result": result,
                "started": "2026-11-23T03:04:05.000000Z",
                "finished": "2026-11-23T03:04:06.000000Z",
                "observed": {},
                "raw": {"answers": ["203.0.113.7"]},
                "reason": {"en": "differ", "zh": "不一致"},
            }
        ],
        "browser": {"product": "Chromium", "args": ["--x"]},
    }


def test_environment_is_read_with_its_raw_output() -> None:
    facts = read_environment(canonical_bytes(environment()))
    assert facts.checks[0].raw == '{"answers":["203.0.113.7"]}'
    assert facts.browser == (("args", '["--x"]'), ("product", "Chromium"))
    assert facts.system == ()


def test_environment_with_an_unknown_result_is_refused() -> None:
    with pytest.raises(FormatError, match="not one of the four"):
        read_environment(canonical_bytes(environment("GOOD")))


def test_log_is_read_in_beijing_time(tmp_path: Path) -> None:
    target = tmp_path / "worklog.jsonl"
    with ChainWriter(target, format_name="worklog", capture_id=CAPTURE_ID) as writer:
        writer.append("navigate", object="https://a.example/", detail={"try": 1})
    line = read_log(target.read_bytes(), "worklog")[-1]
    assert (line.step, line.object, line.detail) == ("navigate", "https://a.example/", '{"try":1}')
    assert line.beijing.endswith("+08:00")
    assert datetime.fromisoformat(line.beijing).tzinfo is not None


def exchange(number: int, kind: str = "Image", outcome: str = "recorded") -> JsonValue:
    return {
        "id": f"{number:06d}",
        "page": None,
        "url": "https://a.example/x",
        "method": "GET",
        "resource_type": kind,
        "outcome": outcome,
        "reason": None,
        "after_t_capture": False,
        "redirected_to": None,
        "remote_address": None,
        "protocol": None,
        "response": {"status": 200, "body_size": 4} if outcome == "recorded" else None,
    }


def exchanges(*lines: JsonValue, count: int | None = None) -> bytes:
    total = len(lines) if count is None else count
    header: JsonValue = {"capture_id": "x", "count": total, "format": "evidencekit/exchanges", "version": 1}
    return b"".join(canonical_bytes(line) + b"\n" for line in (header, *lines))


def test_exchanges_are_all_counted_and_the_telling_ones_listed() -> None:
    summary = summarise_exchanges(exchanges(exchange(1, "Document"), exchange(2), exchange(3, outcome="failed")))
    assert (summary.total, summary.left_out) == (3, 1)
    assert [line.id for line in summary.lines] == ["000001", "000003"]
    assert summary.by_outcome == {"recorded": 2, "failed": 1}


def test_a_missing_exchange_line_is_noticed() -> None:
    with pytest.raises(FormatError, match="not the number of lines"):
        summarise_exchanges(exchanges(exchange(1), count=2))


@given(st.binary(max_size=300))
def test_foreign_bytes_give_format_errors_only(data: bytes) -> None:
    for read in (read_environment, summarise_exchanges, lambda raw: read_log(raw, "worklog")):
        try:
            read(data)
        except FormatError:
            continue
