"""Files that a page hands over without a request that DevTools reports: `<a download>`, and what a script made.

They stand beside the archive, under `capture/downloads/`, with a list that says when each came, from where and under
what name. A file whose peer the network log does not show, or shows to be private, is deleted and called refused.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

from evidencekit.capture.journal import bare_url
from evidencekit.capture.privacy import TextSpec
from evidencekit.capture.snapshots import json_bytes
from evidencekit.capture.url_policy import is_private_peer
from evidencekit.errors import StorageError
from evidencekit.hashing.canonical import format_time

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evidencekit.capture.downloads import Unreported
    from evidencekit.capture.exchanges import Exchange
    from evidencekit.capture.visitnotes import Desk
    from evidencekit.model import JsonValue

ROLE: Final = "download"
LIST_PATH: Final = "capture/downloads.json"
_TEXT_BYTES: Final = 16 << 20
_SUFFIX: Final = re.compile(r"\.([a-z0-9]{1,8})$")


async def keep_handed_over(
    files: Sequence[Unreported], exchanges: Sequence[Exchange], desk: Desk, *, allow_private: bool
) -> list[Unreported]:
    """Put the files into the bundle, with their list.

    Args:
        files: whole, on disk.
        exchanges: all of the session, those that only the network log knows included.
        desk: where files go.
        allow_private: whether a private peer is all right, or an unknown one.

    Returns:
        Those that were not kept, because their peer is private or unknown; they are deleted.

    Raises:
        StorageError: the disk refuses.
    """
    rows: list[JsonValue] = []
    refused: list[Unreported] = []
    for each in files:
        source = None if each.made else _exchange_of(each, exchanges)
        if not each.made and not allow_private and not _is_public(source):
            refused.append(each)
            each.file.unlink(missing_ok=True)
            continue
        path = f"capture/downloads/{len(rows) + 1:04d}{_suffix(each.name)}"
        await _keep(each.file, path, desk)
        rows.append(
            {
                "exchange": None if source is None else source.id,
                "file": path,
                "made_by_page": each.made,
                "name": each.name,
                "time": format_time(each.began),
                "url": "blob:" if each.made else bare_url(each.url),
            }
        )
    if rows:
        data = json_bytes({"format": "evidencekit/downloads", "version": 1, "downloads": rows})
        await desk.privacy.write(
            TextSpec(path=LIST_PATH, role="downloads", media_type="application/json", page=None), data
        )
    return refused


async def _keep(file: Path, path: str, desk: Desk) -> None:
    """A text goes the way of all texts, so that secrets in it stay out; other bytes are taken as they are."""
    try:
        text = await asyncio.to_thread(_text_of, file)
        if text is not None:
            await desk.privacy.write(TextSpec(path=path, role=ROLE, media_type="text/plain", page=None), text)
            return
        await asyncio.to_thread(file.replace, desk.staging.place(path))
    except OSError as error:
        raise StorageError(
            f"the download {path} cannot be kept: {error.strerror or error}; free space on the disk and capture again",
            f"无法保存下载文件 {path}：{error.strerror or error}；请清理磁盘后重新取证",
        ) from error
    await asyncio.to_thread(desk.staging.register, path, role=ROLE, media_type="application/octet-stream")


def _text_of(file: Path) -> bytes | None:
    """The file's bytes when they are a text that can be masked."""
    if file.stat().st_size > _TEXT_BYTES:
        return None
    data = file.read_bytes()
    return data if _is_text(data) else None


def _is_text(data: bytes) -> bool:
    try:
        return "\0" not in data.decode("utf-8")
    except UnicodeDecodeError:
        return False


def _exchange_of(file: Unreported, exchanges: Sequence[Exchange]) -> Exchange | None:
    """The last exchange with its address that has a peer."""
    for each in reversed(exchanges):
        if each.url.partition("#")[0] == file.url and each.remote_address is not None:
            return each
    return None


def _is_public(source: Exchange | None) -> bool:
    return source is not None and source.remote_address is not None and not is_private_peer(source.remote_address)


def _suffix(name: str) -> str:
    found = _SUFFIX.search(name.lower())
    return "" if found is None else f".{found[1]}"
