"""What DevTools clients asked the browser to do: the facts behind `transformations[]` and `devtools.exclusive`.

Parameters may hold secrets (a password typed, a cookie set), so of most commands only the method is kept. Of
commands that can change what the page sees or what the picture shows, a short summary is kept: settings as they
are, scripts as length and SHA-256.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evidencekit.model import JsonValue

_SETTINGS = (
    "Emulation.",
    "Page.setBypassCSP",
    "Page.setFontFamilies",
    "Page.stopLoading",
    "Page.setDocumentContent",
    "Page.setInterceptFileChooserDialog",
    "Page.setWebLifecycleState",
    "Page.bringToFront",
    "Page.handleJavaScriptDialog",
    "Browser.setDownloadBehavior",
    "Browser.setContentsSize",
    "Browser.setWindowBounds",
    "Browser.grantPermissions",
    "Browser.setPermission",
    "Security.",
    "ServiceWorker.",
    "Fetch.",
    "Network.setBlockedURLs",
    "Network.setBypassServiceWorker",
    "Network.setCacheDisabled",
    "Network.emulateNetworkConditions",
)
_SCRIPTS = ("Page.addScriptToEvaluateOnNewDocument", "Runtime.evaluate", "Runtime.callFunctionOn", "Runtime.addBinding")
_NAMED_ONLY = (
    "DOM.set",
    "DOM.remove",
    "CSS.add",
    "CSS.create",
    "CSS.force",
    "CSS.set",
    "DOMDebugger.",
    "Debugger.",
    "DOMStorage.clear",
    "DOMStorage.remove",
    "DOMStorage.set",
    "Input.",
    "Network.setCookie",
    "Network.setExtraHTTPHeaders",
    "Network.setUserAgentOverride",
    "Page.createIsolatedWorld",
    "Storage.clear",
    "Storage.delete",
    "Storage.override",
    "Storage.set",
)
_ENTRY_LIMIT = 4096
_TEXT_LIMIT = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class AlteringCall:
    """One command that can alter the page, its surroundings or its picture."""

    time: datetime
    client: str
    method: str
    summary: str


class MethodLog:
    """Counts every command by client and method; lists the altering ones.

    Attributes:
        counts: number of commands by (client, method).
        altering: altering commands in the order sent, the first 4,096.
        broken: messages of the browser that could not be read.
        unowned: events of sessions that belong to nobody.
        foreign: answers of the browser to commands that no client here sent: somebody else has written to the pipe.
        accepted: clients that were let in over the loopback WebSocket.
        refused: attempts to connect with a wrong path or after the first client.
        withheld: commands of a client that were answered without being passed on, by method.
    """

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.altering: list[AlteringCall] = []
        self.broken = 0
        self.unowned = 0
        self.foreign = 0
        self.accepted = 0
        self.refused = 0
        self.withheld: Counter[str] = Counter()

    def note(self, client: str, method: str, params: Mapping[str, JsonValue]) -> None:
        """Note one command."""
        self.counts[client, method] += 1
        summary = _summary(method, params)
        if summary is not None and len(self.altering) < _ENTRY_LIMIT:
            self.altering.append(
                AlteringCall(time=datetime.now(UTC), client=client, method=method, summary=summary[:_TEXT_LIMIT])
            )

    def methods(self) -> dict[str, JsonValue]:
        """How often each client sent each command: client, then method, sorted."""
        return {
            client: {method: self.counts[name, method] for name, method in sorted(self.counts) if name == client}
            for client in sorted({name for name, _ in self.counts})
        }


def _summary(method: str, params: Mapping[str, JsonValue]) -> str | None:
    if method.startswith(_SCRIPTS):
        source = params.get("source") or params.get("expression") or params.get("functionDeclaration") or ""
        data = str(source).encode("utf-8", "surrogatepass")
        world = params.get("worldName")
        return f"script of {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}" + (
            f", isolated world {world}" if world else ""
        )
    if method == "Browser.setDownloadBehavior":
        return f'"behavior": {json.dumps(params.get("behavior"))}'  # the folder is nobody's business
    if method.startswith(_SETTINGS):
        return json.dumps(params, sort_keys=True, ensure_ascii=False)
    return "" if method.startswith(_NAMED_ONLY) else None
