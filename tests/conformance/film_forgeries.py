"""A process with a film: what its parts and their time-stamps say of it, and what forgers make of them.

Every file is committed to and sealed as it stands, so that nothing but `time.film` can notice.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from evidencekit.hashing.canonical import canonical_bytes, format_time
from evidencekit.hashing.process import Process, Segment, Video, format_process
from evidencekit.timestamp.authority import Authority
from evidencekit.timestamp.query import build_query
from tests.conformance.forgeries import CASES, Exhibit, Workshop
from tests.support.assembly import FOREIGN_POLICY, NOW, Hooks, Keys, Members

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from evidencekit.hashing.records import Records

    Change = Callable[[Members], None]

FILM = "capture/session.mp4"
PROCESS = "capture/process.json"
CAPTURE_ID = hashlib.sha256(b"one").hexdigest()[:32]
PICTURES = b"".join(hashlib.sha256(b"frame %d" % n).digest() for n in range(40))
ENDS = (500, len(PICTURES))


def _stamped(data: bytes, keys: Keys, at: datetime) -> bytes:
    tsa = Authority(keys.tsa_key, keys.tsa_certificate, policy=FOREIGN_POLICY, clock=lambda: at)
    return tsa.reply(build_query(hashlib.sha256(data).digest()))


def _part(n: int, size: int) -> Segment:
    digest, document = hashlib.sha256(PICTURES[:size]).hexdigest(), f"capture/film/{n:04d}.json"
    token = f"capture/film/{n:04d}-1.tsr"
    moment = NOW + timedelta(seconds=9 + n)
    return Segment(n=n, time=moment, size=size, sha256=digest, document=document, tokens=(token,))


def _document(part: Segment, capture_id: str = CAPTURE_ID) -> bytes:
    return canonical_bytes(
        {
            "capture_id": capture_id,
            "format": "evidencekit/film-segment",
            "n": part.n,
            "path": FILM,
            "sha256": part.sha256,
            "size": part.size,
            "time": format_time(part.time),
            "version": 1,
        }
    )


def _process(parts: tuple[Segment, ...] | None) -> bytes:
    film = None
    if parts is not None:
        film = Video(path=FILM, sound=True, width_px=1280, height_px=836, segments=parts)
    return format_process(
        Process(
            capture_id=CAPTURE_ID,
            kind="record",
            account_owner="",
            rights=None,
            started_at=NOW + timedelta(seconds=2),
            ended_at=NOW + timedelta(seconds=14),
            ended_by="operator",
            shots=(),
            video=film,
        )
    )


PARTS = tuple(_part(n, size) for n, size in enumerate(ENDS, 1))


def _filmed(
    *,
    parts: tuple[Segment, ...] = PARTS,
    by: Callable[[Workshop], Keys] = lambda shop: shop.keys,
    later_s: int = 2,
    change: Change = lambda _: None,
    **hooks: object,
) -> Callable[[Workshop], Exhibit]:
    """A bundle with a film of these parts, each stamped `later_s` after it closed; `change` is for what is sealed."""

    def forgery(shop: Workshop) -> Exhibit:
        def film(files: Members) -> Members:
            made = dict(files) | {FILM: PICTURES, PROCESS: _process(parts)}
            for part in parts:
                made[part.document] = _document(part)
                at = part.time + timedelta(seconds=later_s)
                made |= {token: _stamped(made[part.document], by(shop), at) for token in part.tokens}
            change(made)
            return made

        return shop.hooked(Hooks(files=film, **hooks))  # type: ignore[arg-type]

    return forgery


def _also(n: int, **changed: object) -> tuple[Segment, ...]:
    return tuple(replace(part, **changed) if part.n == n else part for part in PARTS)  # type: ignore[arg-type]


def _without(name: str) -> Change:
    def change(files: Members) -> None:
        del files[name]

    return change


def _swapped(files: Members) -> None:
    first, second = PARTS[0].tokens[0], PARTS[1].tokens[0]
    files[first], files[second] = files[second], files[first]


def _withheld(records: Records) -> Records:
    lines = tuple(
        replace(line, size=None, digests=None, salt=None, withheld=("redacted",)) if line.path == FILM else line
        for line in records.artifacts
    )
    return replace(records, artifacts=lines)


CASES["film"] = _filmed()
CASES["film_frame_changed_fail"] = _filmed(
    change=lambda files: files.update({FILM: b"\0" + PICTURES[1:]}),
)
CASES["film_cut_short_fail"] = _filmed(change=lambda files: files.update({FILM: PICTURES[:900]}))
CASES["film_of_other_capture_fail"] = _filmed(
    change=lambda files: files.update({PARTS[1].document: _document(PARTS[1], "0" * 32)})
)
CASES["film_document_says_otherwise_fail"] = _filmed(
    change=lambda files: files.update({PROCESS: _process(_also(1, time=NOW + timedelta(seconds=8)))})
)
CASES["film_parts_shrink_fail"] = _filmed(parts=tuple(_part(n, size) for n, size in ((1, 1280), (2, 500))))
CASES["film_part_left_out_fail"] = _filmed(parts=PARTS[1:])
CASES["film_tokens_swapped_fail"] = _filmed(change=_swapped)
CASES["film_token_garbage_fail"] = _filmed(change=lambda files: files.update({PARTS[0].tokens[0]: b"\x30\x00"}))
CASES["film_token_gone_fail"] = _filmed(change=_without(PARTS[1].tokens[0]))
CASES["film_before_open_fail"] = _filmed(later_s=-60)
CASES["film_after_seal_fail"] = _filmed(later_s=60)
CASES["film_process_garbage_fail"] = _filmed(change=lambda files: files.update({PROCESS: b"{}"}))
CASES["film_unnamed_fail"] = _filmed(change=lambda files: files.update({PROCESS: _process(None)}))
CASES["film_unstamped"] = _filmed(parts=_also(2, tokens=()))
CASES["film_tsa_not_trusted"] = _filmed(by=lambda shop: shop.others)
CASES["film_goes_on"] = _filmed(change=lambda files: files.update({FILM: PICTURES + b"more"}))
CASES["film_process_newer"] = _filmed(
    change=lambda files: files.update({PROCESS: b'{"format":"evidencekit/process","version":2}'})
)
CASES["film_without_process"] = _filmed(change=_without(PROCESS))
CASES["film_withheld"] = _filmed(
    records=_withheld, artifacts=lambda files: {name: data for name, data in files.items() if name != FILM}
)
