"""Texts on their way into the bundle: what is secret stays home, the original goes to the private archive.

Secrets are learnt from every exchange so far, from the browser's cookie store and from local and session storage.
What is learnt later is looked for again when the recording is over (`recheck`).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidencekit.capture.cdp import text_of, value_at
from evidencekit.capture.withholding import Secrets, mask_printed, mask_text
from evidencekit.errors import BrowserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evidencekit.capture.cdp import CdpSession
    from evidencekit.capture.exchanges import Exchange
    from evidencekit.capture.staging import Staging
    from evidencekit.capture.studio import Studio
    from evidencekit.model import Artifact, JsonValue

_STORE_LIMIT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSpec:
    """Where a text goes and what it is."""

    path: str
    role: str
    media_type: str
    page: str | None


class PrivateTexts:
    """Masks texts before they are hashed, and remembers which were written."""

    def __init__(self, staging: Staging, secrets: Secrets) -> None:
        self._staging = staging
        self.secrets = secrets
        self._observed = 0
        self._written: list[tuple[TextSpec, Artifact, int]] = []
        self.reasons: dict[str, int] = {}

    async def learn(self, session: CdpSession, studio: Studio) -> None:
        """Collect secrets from what was recorded and from the page's stores; nothing runs in the page.

        Raises:
            StorageError: a recorded body cannot be read.
        """
        if self.secrets.include:
            return
        new = studio.recorder.exchanges[self._observed :]
        self._observed += len(new)
        await asyncio.to_thread(self._observe, new)
        with suppress(BrowserError):
            await self._learn_cookies(studio)
            await self._learn_storage(session)

    def _observe(self, exchanges: Sequence[Exchange]) -> None:
        for exchange in exchanges:
            self.secrets.observe(exchange)

    async def _learn_cookies(self, studio: Studio) -> None:
        own = studio.session_of(studio.recorder.session)
        cookies = value_at(await own.call("Storage.getCookies"), "cookies")
        for cookie in cookies[:_STORE_LIMIT] if isinstance(cookies, list) else ():
            self.secrets.add_cookie(text_of(cookie, "value"))

    async def _learn_storage(self, session: CdpSession) -> None:
        tree = await session.call("Page.getFrameTree")
        for frame in _frames(value_at(tree, "frameTree")):
            try:
                key = text_of(await session.call("Storage.getStorageKey", {"frameId": frame}), "storageKey")
                for is_local in (True, False):
                    store: JsonValue = {"storageKey": key, "isLocalStorage": is_local}
                    answer = await session.call("DOMStorage.getDOMStorageItems", {"storageId": store})
                    self.secrets.add_storage(_pairs(value_at(answer, "entries")))
            except BrowserError:
                continue  # a frame of another process or without storage

    async def write(self, spec: TextSpec, data: bytes) -> Artifact:
        """Write the public view as an artifact; where that differs, keep the original as private.

        Raises:
            StorageError: the disk refuses.
        """
        known = self.secrets.count
        public, reasons = await asyncio.to_thread(_masking_of(spec), data, self.secrets)
        artifact = await asyncio.to_thread(
            self._staging.write, spec.path, public, role=spec.role, media_type=spec.media_type, page=spec.page
        )
        if reasons:
            self._staging.keep_private(spec.path, data)
        for reason in reasons:
            self.reasons[reason] = self.reasons.get(reason, 0) + 1
        self._written.append((spec, artifact, known))
        return artifact

    def forget(self, page: str) -> None:
        """Forget the texts of a page that failed."""
        self._written = [written for written in self._written if written[0].page != page]

    def recheck(self) -> None:
        """Look again for secrets that became known after a text was written. Blocks; run it in a thread.

        A text is masked anew. The untouched DOM is different: T_capture has fixed its leaf, so the artifact stays as
        a withheld leaf and its public view stands beside it.

        Raises:
            StorageError: the disk refuses.
        """
        for spec, artifact, known in self._written:
            if known == self.secrets.count:
                continue  # nothing was learnt since
            data = artifact.file.read_bytes()
            public, reasons = _masking_of(spec)(data, self.secrets)
            if not reasons:
                continue
            self._staging.keep_private(f"{spec.path}.first-view", data)
            self._staging.withdraw(artifact, reasons, keep_leaf=spec.role == "dom.initial")
            path = spec.path.replace(".html", ".public.html") if spec.role == "dom.initial" else spec.path
            role = "other" if spec.role == "dom.initial" else spec.role
            self._staging.write(path, public, role=role, media_type=spec.media_type, page=spec.page)
            for reason in reasons:
                self.reasons[reason] = self.reasons.get(reason, 0) + 1


def _masking_of(spec: TextSpec) -> Callable[[bytes, Secrets], tuple[bytes, tuple[str, ...]]]:
    return mask_printed if spec.role == "pdf" else mask_text


def _frames(tree: JsonValue) -> Iterator[str]:
    """Frame ids of a frame tree, at most 200, without recursion."""
    waiting, count = [tree], 0
    while waiting and count < 200:  # noqa: PLR2004 (frames beyond are not looked at)
        node = waiting.pop()
        count += 1
        yield text_of(node, "frame", "id")
        children = value_at(node, "childFrames")
        waiting += children if isinstance(children, list) else []


def _pairs(entries: JsonValue) -> Iterator[tuple[str, str]]:
    for entry in entries[:_STORE_LIMIT] if isinstance(entries, list) else ():
        if isinstance(entry, list) and len(entry) == 2:  # noqa: PLR2004 (name and value)
            yield str(entry[0]), str(entry[1])
