"""`process.json` reads back as written, and rights templates name what is missing."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from evidencekit.errors import FormatError
from evidencekit.hashing.process import (
    Deed,
    HumanDeed,
    Marker,
    Process,
    Segment,
    Shot,
    Video,
    format_process,
    parse_process,
)
from evidencekit.hashing.rights import RIGHTS, SHOT_NAMES, missing_shots

NOW = datetime(2026, 11, 27, 3, 0, 0, 123456, tzinfo=UTC)
SEGMENT = Segment(n=1, time=NOW, size=9, sha256="0" * 64, document="capture/film/0001.json", tokens=("t.tsr",))
PROCESS = Process(
    capture_id="0" * 32,
    kind="record",
    account_owner="李明",
    rights="trademark",
    started_at=NOW,
    ended_at=NOW,
    ended_by="operator",
    shots=(Shot(n=1, page="0002", tab=1, time=NOW, marker=Marker.PRICE), Shot(n=2, page="0003", tab=2, time=NOW)),
    deeds=(HumanDeed(time=NOW, deed=Deed.LOGIN),),
    steps=("shot",),
    notes=3,
    video=Video(path="capture/session.mp4", sound=True, width_px=1320, height_px=996, segments=(SEGMENT,)),
)


def test_a_process_reads_back_as_written() -> None:
    assert parse_process(format_process(PROCESS)) == PROCESS
    assert b'"rights":"trademark"' in format_process(PROCESS)


@pytest.mark.parametrize("name", json.loads(format_process(PROCESS)))
def test_every_field_is_needed(name: str) -> None:
    value = json.loads(format_process(PROCESS))
    del value[name]
    with pytest.raises(FormatError):
        parse_process(json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode())


def test_a_template_names_the_shots_that_are_missing() -> None:
    assert missing_shots(PROCESS) == tuple(each for each in RIGHTS["trademark"].shots if each is not Marker.PRICE)
    whole = Process(
        capture_id="0" * 32,
        kind="script",
        account_owner="",
        rights="copyright",
        started_at=NOW,
        ended_at=NOW,
        ended_by="script",
        shots=tuple(Shot(n=n, page=f"{n:04d}", tab=1, time=NOW, marker=each) for n, each in enumerate(Marker, 1)),
    )
    assert missing_shots(whole) == ()


def test_every_template_is_in_two_languages_and_every_shot_has_a_name() -> None:
    assert set(SHOT_NAMES) == set(Marker)
    for template in RIGHTS.values():
        assert template.shots
        assert all(text.en and text.zh for text in (template.name, *template.facts))
