"""What a page has stored in the browser: cookies, local and session storage; it goes to the private archive."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from evidencekit.capture.cdp import mapping_of, text_of, value_at
from evidencekit.capture.snapshots import json_bytes
from evidencekit.errors import BrowserError

if TYPE_CHECKING:
    from evidencekit.capture.rendering import Cdp
    from evidencekit.model import JsonValue

FORMAT = "evidencekit/storage"
_MOST = 10_000
_MOST_FRAMES = 200


async def stored_by(page: Cdp, browser: Cdp) -> bytes:
    """Read cookies (of the whole fresh profile) and the stores of every frame in the page's process; no script runs.

    Args:
        page: the page's session.
        browser: the browser's session.

    Raises:
        BrowserError: the browser does not answer, or it is too large.
    """
    cookies = value_at(await browser.call("Storage.getCookies"), "cookies")
    origins: dict[str, JsonValue] = {}
    waiting: list[JsonValue] = [mapping_of(await page.call("Page.getFrameTree"), "frameTree")]
    for node in waiting:  # grows while it is read
        children = value_at(node, "childFrames")
        waiting += children[: _MOST_FRAMES - len(waiting)] if isinstance(children, list) else []
        with suppress(BrowserError):  # a frame of another process or without storage
            frame = text_of(node, "frame", "id")
            key = text_of(await page.call("Storage.getStorageKey", {"frameId": frame}), "storageKey")
            if key not in origins:
                origins[key] = {
                    "local": await _items(page, key, local=True),
                    "session": await _items(page, key, local=False),
                }
    kept: JsonValue = cookies[:_MOST] if isinstance(cookies, list) else []
    return json_bytes({"format": FORMAT, "version": 1, "cookies": kept, "storage": origins})


async def _items(page: Cdp, key: str, *, local: bool) -> JsonValue:
    store: JsonValue = {"storageKey": key, "isLocalStorage": local}
    entries = value_at(await page.call("DOMStorage.getDOMStorageItems", {"storageId": store}), "entries")
    return entries[:_MOST] if isinstance(entries, list) else []
