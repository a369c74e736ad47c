"""What of a recording is a stream, what it is joined from, and that the joined file holds the same coded frames."""

from __future__ import annotations

import hashlib
import json
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from evidencekit.capture.exchanges import Body, Exchange, ExchangeOutcome, ResponseHead
from evidencekit.capture.playable import MEDIA_PATH, keep_playable, streams_of
from evidencekit.capture.staging import Staging
from tests.support.exchanges import exchange_with
from tests.support.tools import program

if TYPE_CHECKING:
    from pathlib import Path

BASE = "https://live.test/room/"
CAPTURE_ID = "0" * 32
TONE = ("-f", "lavfi", "-i", "testsrc=size=64x48:rate=10", "-f", "lavfi", "-i", "sine=frequency=440", "-t", "4")


@pytest.fixture(scope="module")
def segments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four segments of a second as MPEG-TS, as many of them in a container that needs no playlist."""
    folder = tmp_path_factory.mktemp("stream")
    ffmpeg = (program("ffmpeg"), "-v", "error", "-nostdin", *TONE, "-g", "10")
    hls = ("-hls_time", "1", "-hls_list_size", "0", str(folder / "all.m3u8"))
    subprocess.run([*ffmpeg, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", *hls], check=True)
    subprocess.run([*ffmpeg, "-c:v", "libvpx", "-c:a", "libopus", str(folder / "all.webm")], check=True)
    return folder


class Recorded:
    """Exchanges as a recorder leaves them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.exchanges: list[Exchange] = []

    def add(self, url: str, data: bytes, mime: str, *, headers: tuple[tuple[str, str], ...] = ()) -> str:
        number = f"{len(self.exchanges) + 1:06d}"
        file = self.folder / number
        file.write_bytes(data)
        made = replace(
            exchange_with(url, None),
            id=number,
            resource_type="Media",
            response=ResponseHead(status=200, status_text="", headers=headers, mime_type=mime),
            response_body=Body(file=file, size=len(data), sha256=hashlib.sha256(data).hexdigest()),
        )
        self.exchanges.append(made)
        return number

    def playlist(self, *lines: str) -> str:
        text = "\n".join(("#EXTM3U", "#EXT-X-VERSION:3", *lines, ""))
        return self.add(f"{BASE}live.m3u8", text.encode(), "application/vnd.apple.mpegurl")

    def keep(self, folder: Path) -> tuple[Staging, int]:
        staging = Staging(folder / "staging")
        bodies = {each.id: each.response_body for each in self.exchanges if each.response_body is not None}
        return staging, len(keep_playable(staging, self.exchanges, bodies, CAPTURE_ID))


def frames_of(film: Path) -> list[str]:
    """The digest of each coded picture as it stands in its container."""
    command = [program("ffmpeg"), "-v", "error", "-nostdin", "-i", str(film), "-map", "0:v", "-c", "copy"]
    shown = subprocess.run([*command, "-f", "framemd5", "-"], capture_output=True, text=True, check=True).stdout
    return [line.rpartition(",")[2].strip() for line in shown.splitlines() if line[:1] != "#"]


def pictures_of(film: Path) -> list[str]:
    """The digest of each picture as it is seen: coded again, none would be the same."""
    command = [program("ffmpeg"), "-v", "error", "-nostdin", "-i", str(film), "-map", "0:v", "-f", "framemd5", "-"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line.rpartition(",")[2].strip() for line in shown.splitlines() if line[:1] != "#"]


def test_segments_of_a_sliding_playlist_play_as_one_file(segments: Path, tmp_path: Path) -> None:
    """The last versions of a live playlist no longer name the first segments."""
    recorded = Recorded(tmp_path)
    first = recorded.playlist("#EXTINF:1,", "all0.ts", "#EXTINF:1,", "all1.ts")
    ids = [recorded.add(f"{BASE}all{n}.ts", (segments / f"all{n}.ts").read_bytes(), "video/mp2t") for n in (0, 1, 2, 3)]
    last = recorded.playlist("#EXTINF:1,", "/room/all2.ts", "#EXTINF:1,", f"{BASE}all3.ts", "#EXT-X-ENDLIST")
    staging, failed = recorded.keep(tmp_path)
    assert failed == 0
    (stream,) = json.loads((staging.bundle / MEDIA_PATH).read_bytes())["streams"]
    path = "capture/media/0001.mp4"
    assert stream == {
        "exchanges": ids,
        "kind": "hls",
        "missing": 0,
        "page": "0001",
        "path": path,
        "playlists": [first, last],
    }
    (artifact,) = [each for each in staging.artifacts if each.path == path]
    assert (artifact.role, artifact.derived_from) == ("media.playable", ("capture/page.wacz",))
    whole = tmp_path / "whole.ts"
    whole.write_bytes(b"".join((segments / f"all{n}.ts").read_bytes() for n in range(4)))
    assert len(pictures_of(whole)) == 40
    assert pictures_of(staging.bundle / path) == pictures_of(whole)


def test_what_was_named_and_not_received_is_counted(segments: Path, tmp_path: Path) -> None:
    recorded = Recorded(tmp_path)
    recorded.playlist("#EXTINF:1,", "all0.ts", "#EXTINF:1,", "gone.ts", "#EXTINF:1,", "all1.ts")
    for n in (0, 1):
        recorded.add(f"{BASE}all{n}.ts", (segments / f"all{n}.ts").read_bytes(), "video/mp2t")
    recorded.exchanges[-1] = replace(recorded.exchanges[-1], outcome=ExchangeOutcome.PARTIAL)
    (stream,) = streams_of(recorded.exchanges)
    assert ([each.url for each in stream.parts], stream.missing) == ([f"{BASE}all0.ts"], 2)


def test_a_body_without_a_length_is_a_stream_and_one_with_is_a_file(segments: Path, tmp_path: Path) -> None:
    recorded, data = Recorded(tmp_path), (segments / "all.webm").read_bytes()
    streamed = recorded.add(f"{BASE}live.webm", data, "video/webm")
    recorded.add(f"{BASE}file.webm", data, "video/webm", headers=(("Content-Length", str(len(data))),))
    staging, failed = recorded.keep(tmp_path)
    (stream,) = json.loads((staging.bundle / MEDIA_PATH).read_bytes())["streams"]
    assert (stream["kind"], stream["exchanges"], stream["path"], failed) == (
        "progressive",
        [streamed],
        "capture/media/0001.webm",
        0,
    )
    assert frames_of(staging.bundle / stream["path"]) == frames_of(segments / "all.webm")


@pytest.mark.parametrize("tag", ["#EXT-X-KEY:METHOD=AES-128,URI=k", "#EXT-X-BYTERANGE:10@0"])
def test_what_cannot_be_joined_is_left_to_the_archive_and_told(tag: str, tmp_path: Path) -> None:
    recorded = Recorded(tmp_path)
    recorded.playlist(tag, "#EXTINF:1,", "all0.ts")
    part = recorded.add(f"{BASE}all0.ts", b"\x47" + bytes(187) + b"\x47", "video/mp2t")
    staging, failed = recorded.keep(tmp_path)
    (stream,) = json.loads((staging.bundle / MEDIA_PATH).read_bytes())["streams"]
    assert (stream["path"], stream["exchanges"], failed) == (None, [part], 1)


@pytest.mark.parametrize(
    "data", [b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", b"ffconcat version 1.0\nfile /etc/passwd\n", b"\x47" * 9]
)
def test_a_segment_that_is_no_media_never_reaches_ffmpeg_and_is_told(data: bytes, tmp_path: Path) -> None:
    recorded = Recorded(tmp_path)
    recorded.playlist("#EXTINF:1,", "evil.ts")
    recorded.add(f"{BASE}evil.ts", data, "video/mp2t")
    staging, failed = recorded.keep(tmp_path)
    (stream,) = json.loads((staging.bundle / MEDIA_PATH).read_bytes())["streams"]
    assert (stream["path"], failed) == (None, 1)
    assert not list((staging.bundle / "capture").glob("media/*"))


def test_pages_without_streams_get_no_list(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path)
    recorded.add(f"{BASE}index.html", b"<p>", "text/html")
    staging, failed = recorded.keep(tmp_path)
    assert failed == 0
    assert staging.artifacts == []
