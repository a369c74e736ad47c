"""`capture/process.json`: what an operator or a script did in a recorded process (docs/spec/process.md).

Facts that the program observed, apart from what the operator says: markers name what a shot is meant to show, and
operator notes are another file.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from evidencekit.hashing.canonical import canonical_bytes, format_time, parse_canonical
from evidencekit.hashing.fields import Fields, check_version
from evidencekit.hashing.session import read_page_id

if TYPE_CHECKING:
    from datetime import datetime

    from evidencekit.model import JsonValue

FORMAT_NAME: Final = "process"
PROCESS_ROLE: Final = "process"
NOTES_ROLE: Final = "operator.notes"
VIDEO_ROLE: Final = "video"
MAX_BYTES: Final = 16 << 20
_MOST_PIXELS: Final = 1 << 16
_MOST_BYTES: Final = 1 << 50


class Marker(StrEnum):
    """What a shot is meant to show; the operator's word."""

    LISTING = "listing"
    PRICE = "price"
    SALES = "sales"
    SELLER = "seller"
    ORDER = "order"
    PAYMENT = "payment"
    LOGISTICS = "logistics"
    STATEMENT = "statement"


class Deed(StrEnum):
    """What a person did that no program may do for them; logged as such."""

    LOGIN = "login"
    CHALLENGE = "challenge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One numbered shot: its page in the manifest, the tab (in order of opening) and what it is meant to show."""

    n: int
    page: str
    tab: int
    time: datetime
    marker: Marker | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanDeed:
    """That a person signed in or solved a challenge, as they said at that moment."""

    time: datetime
    deed: Deed


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """The video's first `size` bytes at `time`: SHA-256, the document that names it, and the tokens over that."""

    n: int
    time: datetime
    size: int
    sha256: str
    document: str
    tokens: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """The recording of the whole screen. `sound` says that it has a sound track, not that anything was heard."""

    path: str
    sound: bool
    width_px: int
    height_px: int
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A recorded process. `kind` is `record` (a person) or `script`; `ended_by` says what ended it.

    `account_owner` is whose account was used, as the operator says; empty when none was named. `steps` are those of a
    script as written, secrets by reference.
    """

    capture_id: str
    kind: str
    account_owner: str
    rights: str | None
    started_at: datetime
    ended_at: datetime
    ended_by: str
    shots: tuple[Shot, ...]
    deeds: tuple[HumanDeed, ...] = ()
    steps: tuple[str, ...] = ()
    notes: int = 0
    video: Video | None = None


def format_process(process: Process) -> bytes:
    """Give the bytes of `capture/process.json`."""
    return canonical_bytes(
        {
            "account_owner": process.account_owner,
            "capture_id": process.capture_id,
            "deeds": [{"deed": each.deed.value, "time": format_time(each.time)} for each in process.deeds],
            "ended": format_time(process.ended_at),
            "ended_by": process.ended_by,
            "format": f"evidencekit/{FORMAT_NAME}",
            "kind": process.kind,
            "notes": process.notes,
            "rights": process.rights,
            "shots": [_shot_value(shot) for shot in process.shots],
            "started": format_time(process.started_at),
            "steps": list(process.steps),
            "version": 1,
            "video": None if process.video is None else _video_value(process.video),
        }
    )


def parse_process(data: bytes) -> Process:
    """Read `capture/process.json`.

    Raises:
        FormatError: it is not what `format_process` writes, or of a newer version.
    """
    fields = Fields(parse_canonical(data, limit=MAX_BYTES, what="process.json"), "process.json")
    check_version(fields, FORMAT_NAME)
    return Process(
        capture_id=fields.text("capture_id", limit=32),
        kind=fields.text("kind", limit=16),
        account_owner=fields.text("account_owner"),
        rights=fields.optional("rights", lambda name: fields.text(name, limit=64)),
        started_at=fields.time("started"),
        ended_at=fields.time("ended"),
        ended_by=fields.text("ended_by", limit=64),
        shots=tuple(_read_shot(shot) for shot in fields.items("shots")),
        deeds=tuple(
            HumanDeed(time=deed.time("time"), deed=deed.choice("deed", Deed)) for deed in fields.items("deeds")
        ),
        steps=fields.texts("steps"),
        notes=fields.integer("notes"),
        video=_read_video(fields),
    )


def _shot_value(shot: Shot) -> JsonValue:
    return {
        "marker": None if shot.marker is None else shot.marker.value,
        "n": shot.n,
        "page": shot.page,
        "tab": shot.tab,
        "time": format_time(shot.time),
    }


def _read_shot(fields: Fields) -> Shot:
    return Shot(
        n=fields.integer("n", 1),
        page=read_page_id(fields, "page"),
        tab=fields.integer("tab", 1),
        time=fields.time("time"),
        marker=fields.optional("marker", lambda name: fields.choice(name, Marker)),
    )


def _video_value(video: Video) -> JsonValue:
    return {
        "height_px": video.height_px,
        "path": video.path,
        "segments": [
            {
                "document": each.document,
                "n": each.n,
                "sha256": each.sha256,
                "size": each.size,
                "time": format_time(each.time),
                "tokens": list(each.tokens),
            }
            for each in video.segments
        ],
        "sound": video.sound,
        "width_px": video.width_px,
    }


def _read_video(fields: Fields) -> Video | None:
    found = fields.optional("video", fields.object)
    if found is None:
        return None
    return Video(
        path=found.text("path"),
        sound=found.flag("sound"),
        width_px=found.integer("width_px", 0, _MOST_PIXELS),
        height_px=found.integer("height_px", 0, _MOST_PIXELS),
        segments=tuple(
            Segment(
                n=each.integer("n", 1),
                time=each.time("time"),
                size=each.integer("size", 0, _MOST_BYTES),
                sha256=each.hex("sha256", 32),
                document=each.text("document"),
                tokens=each.texts("tokens"),
            )
            for each in found.items("segments")
        ),
    )
