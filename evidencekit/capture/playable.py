"""Streamed media in a form that plays: joined from the answers that the archive holds, never re-encoded.

The archive keeps every playlist and segment as received; that is the record. A player wants one file, so the segments
of an HLS stream (RFC 8216), or a body that came without a length, are joined in order and put into one container by
ffmpeg, which copies the coded pictures and sounds. `capture/media.json` says which exchanges each file came from.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin

from evidencekit.capture.exchanges import ExchangeOutcome
from evidencekit.errors import StorageError
from evidencekit.hashing.canonical import canonical_bytes
from evidencekit.model import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from evidencekit.capture.exchanges import Body, Exchange
    from evidencekit.capture.staging import Staging
    from evidencekit.model import JsonValue

MEDIA_PATH: Final = "capture/media.json"
PLAYABLE_ROLE: Final = "media.playable"
_ARCHIVE: Final = "capture/page.wacz"
_MOST_STREAMS: Final = 10
_PLAYLIST_BYTES: Final = 4 << 20
_WITHIN_S: Final = 120.0
_OK: Final = 200
_MAP: Final = re.compile(r'#EXT-X-MAP:.*?URI="([^"]+)"')
_UNJOINABLE: Final = ("#EXT-X-BYTERANGE", "#EXT-X-KEY:METHOD=AES", "#EXT-X-KEY:METHOD=SAMPLE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One stream: the exchanges whose bodies make it, in order; `missing` segments were named and not received.

    Encrypted segments, and ranges of a file, are not `joinable`.
    """

    kind: str
    page: str | None
    playlists: tuple[str, ...]
    parts: tuple[Exchange, ...]
    missing: int = 0
    joinable: bool = True


def streams_of(exchanges: Sequence[Exchange]) -> list[Stream]:
    """Find the streams among what was recorded: HLS by its playlists, and media that came without a length."""
    whole = [each for each in exchanges if _is_whole(each)]
    by_url: dict[str, Exchange] = {}
    for each in whole:
        by_url.setdefault(each.url, each)
    playlists: dict[str, list[Exchange]] = {}
    for each in whole:
        if _playlist(each) is not None:
            playlists.setdefault(each.url, []).append(each)
    found = [stream for asked in playlists.values() if (stream := _hls(asked, by_url)) is not None]
    used = {part.id for stream in found for part in stream.parts}
    found += [
        Stream(kind="progressive", page=each.page, playlists=(), parts=(each,))
        for each in whole
        if each.id not in used and _is_streamed(each)
    ]
    return found


def keep_playable(
    staging: Staging, exchanges: Sequence[Exchange], bodies: Mapping[str, Body], capture_id: str
) -> tuple[Text, ...]:
    """Write a playable file for each stream, and what they came from; gives what to say of those without one.

    Args:
        staging: where the archive stands already.
        exchanges: as recorded: addresses in playlists are compared with them.
        bodies: what the archive holds of each exchange, by its id; masked ones are not media any more and do not play.
        capture_id: 32 hexadecimal characters.

    Raises:
        StorageError: the disk refuses.
    """
    streams = streams_of(exchanges)
    lines: list[JsonValue] = []
    failed = max(len(streams) - _MOST_STREAMS, 0)
    for number, stream in enumerate(streams[:_MOST_STREAMS], 1):
        path = _write(staging, stream, [bodies[part.id] for part in stream.parts if part.id in bodies], number)
        failed += path is None
        lines.append(
            {
                "exchanges": [part.id for part in stream.parts],
                "kind": stream.kind,
                "missing": stream.missing,
                "page": stream.page,
                "path": path,
                "playlists": list(stream.playlists),
            }
        )
    if lines:
        value: dict[str, JsonValue] = {
            "capture_id": capture_id,
            "format": "evidencekit/streamed-media",
            "streams": lines,
            "version": 1,
        }
        staging.write(MEDIA_PATH, canonical_bytes(value), role="other", media_type="application/json")
    en = f"{failed} streamed media have no playable copy (ffmpeg is missing or cannot join them); the archive has them"
    zh = f"{failed} 个流媒体没有可播放副本(缺少 ffmpeg 或无法拼接)；原始数据在归档中"
    return (Text(en=en, zh=zh),) if failed else ()


def _is_whole(exchange: Exchange) -> bool:
    answered = exchange.response is not None and exchange.response.status == _OK
    return answered and exchange.response_body is not None and exchange.outcome is ExchangeOutcome.RECORDED


def _is_streamed(exchange: Exchange) -> bool:
    response = exchange.response
    if response is None or not response.mime_type.startswith(("video/", "audio/")):
        return False
    return exchange.resource_type == "Media" and all(name.lower() != "content-length" for name, _ in response.headers)


def _playlist(exchange: Exchange) -> str | None:
    """The text of a media playlist, None for anything else; a master playlist names no segments."""
    body = exchange.response_body
    if body is None or not 0 < body.size <= _PLAYLIST_BYTES:
        return None
    with suppress(OSError), body.file.open("rb") as file:
        if file.read(7) == b"#EXTM3U":
            file.seek(0)
            text = file.read().decode("utf-8", "replace")
            return text if "#EXTINF" in text else None
    return None


def _hls(asked: Sequence[Exchange], by_url: Mapping[str, Exchange]) -> Stream | None:
    """One stream from all versions of its playlist, oldest first: a live one drops its beginning."""
    named: dict[str, None] = {}
    joinable = True
    for exchange in asked:
        text = _playlist(exchange) or ""
        joinable = joinable and not any(sign in text for sign in _UNJOINABLE)
        named |= dict.fromkeys(urljoin(exchange.url, each) for each in _addresses(text))
    parts = tuple(by_url[url] for url in named if url in by_url)
    if not parts:
        return None
    ids = tuple(exchange.id for exchange in asked)
    missing = len(named) - len(parts)
    page = asked[0].page
    return Stream(kind="hls", page=page, playlists=ids, parts=parts, missing=missing, joinable=joinable)


def _addresses(text: str) -> Iterable[str]:
    for line in text.splitlines():
        first = _MAP.match(line)
        if first is not None:
            yield first[1]
        elif line.strip() and not line.startswith("#"):
            yield line.strip()


def _write(staging: Staging, stream: Stream, bodies: Sequence[Body], number: int) -> str | None:
    """Join and repack one stream; None when it does not play."""
    if not stream.joinable or len(bodies) < len(stream.parts):
        return None
    joined = staging.work / f"stream-{number}"
    try:
        with joined.open("wb") as out:
            for body in bodies:
                with body.file.open("rb") as source:
                    shutil.copyfileobj(source, out, 1 << 20)
        form, suffix, media_type = _form(joined)
        path = f"capture/media/{number:04d}.{suffix}"
        done = form is not None and _repack(joined, form, staging.place(path))
    except OSError as error:
        raise StorageError(
            f"cannot write {joined}: {error.strerror or error}; free space on the disk and capture again",
            f"无法写入 {joined}：{error.strerror or error}；请清理磁盘后重新取证",
        ) from error
    finally:
        joined.unlink(missing_ok=True)
    if not done:
        staging.place(path).unlink(missing_ok=True)
        return None
    staging.register(path, role=PLAYABLE_ROLE, media_type=media_type, page=stream.page, derived_from=(_ARCHIVE,))
    return path


def _form(joined: Path) -> tuple[str | None, str, str]:
    """What ffmpeg may read it as, by its first bytes alone, and what it becomes: no playlist ever reaches ffmpeg."""
    with joined.open("rb") as file:
        head = file.read(189)
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "matroska", "webm", "video/webm"
    if head[4:8] in {b"ftyp", b"styp", b"moof"}:
        return "mov", "mp4", "video/mp4"
    if head[:1] == b"\x47" and head[188:189] == b"\x47":
        return "mpegts", "mp4", "video/mp4"
    return None, "mp4", "video/mp4"


def _repack(joined: Path, form: str, out: Path) -> bool:
    """Copy the coded pictures and sounds into one container."""
    command = ("ffmpeg", "-nostdin", "-v", "error", "-y", "-protocol_whitelist", "file", "-f", form, "-i", str(joined))
    try:
        done = subprocess.run(  # noqa: S603 (a fixed program, no shell; foreign bytes as one fixed form)
            [*command, "-map", "0:v?", "-map", "0:a?", "-c", "copy", str(out)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_WITHIN_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0 and out.exists() and out.stat().st_size > 0
