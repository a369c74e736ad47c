"""What happens in the tabs of a recorded process, into the work log while it happens: nothing runs in a page for it.

The browser itself tells of navigations and what asked for them, of tabs, popups, dialogs and downloads. Addresses are
written without query and fragment, which may hold secrets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.capture.cdp import flag_of, integer_of, mapping_of, text_of, value_at
from evidencekit.capture.journal import bare_url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from evidencekit.capture.cdp import OwnClient, Params
    from evidencekit.capture.journal import Journal
    from evidencekit.capture.targets import WatchedTarget
    from evidencekit.model import JsonValue

MOST_LINES = 20_000
_TEXT_CHARS = 200


class Happenings:
    """Listens to the recorder's sessions from `start` on.

    Attributes:
        unlogged: how many happenings came after `MOST_LINES` lines; a page can make any number.
        last_tab: the session of the tab that was opened or navigated last.
        loading: sessions of tabs whose page was asked to go elsewhere, or loads.
    """

    def __init__(self, client: OwnClient, journal: Journal) -> None:
        self.unlogged = 0
        self.last_tab = ""
        self.loading: set[str] = set()
        self._client = client
        self._journal = journal
        self._lines = 0
        self._tabs: dict[str, int] = {}
        self._documents: dict[str, str] = {}
        self._downloads: dict[str, str] = {}
        self._handlers: Mapping[str, Callable[[WatchedTarget, Params], None]] = {
            "Page.frameNavigated": self._navigated,
            "Page.frameRequestedNavigation": self._requested,
            "Page.frameStartedLoading": self._started_loading,
            "Page.frameStoppedLoading": self._stopped_loading,
            "Page.navigatedWithinDocument": self._within,
            "Page.windowOpen": self._window,
            "Page.javascriptDialogOpening": self._dialog,
            "Page.javascriptDialogClosed": self._dialog_closed,
        }

    def attached(self, target: WatchedTarget) -> None:
        """A target is watched from now on."""
        if target.kind != "page" or target.target_id in self._tabs:
            return
        self._tabs[target.target_id] = len(self._tabs) + 1
        self.last_tab = target.session
        self._client.post("Page.enable", {}, target.session)
        opener = self._tabs.get(target.opener or "")
        self._log("process.tab_opened", target, opener=opener)

    def detached(self, target: WatchedTarget) -> None:
        """A target is gone."""
        self.loading.discard(target.session)
        if target.target_id in self._tabs:
            self._log("process.tab_closed", target)

    def tab_of(self, target: WatchedTarget) -> int:
        """The tab's number, from 1 in the order of opening."""
        return self._tabs.get(target.target_id, len(self._tabs) + 1)

    def event(self, target: WatchedTarget, method: str, params: Params) -> None:
        """Take an event of a watched target's session."""
        handler = self._handlers.get(method)
        if handler is not None and target.kind == "page":
            handler(target, params)

    def download(self, method: str, params: Params) -> None:
        """Take an event of the browser's download manager."""
        guid = text_of(params, "guid")
        if method == "Browser.downloadWillBegin":
            self._downloads[guid] = text_of(params, "suggestedFilename")[:_TEXT_CHARS]
            self._write("process.download", bare_url(text_of(params, "url")), {"file": self._downloads[guid]})
        elif text_of(params, "state") in {"completed", "canceled"} and guid in self._downloads:
            received = integer_of(params, "receivedBytes")
            facts: Mapping[str, JsonValue] = {"file": self._downloads.pop(guid), "bytes": received}
            self._write(f"process.download_{text_of(params, 'state')}", "", facts)

    def _navigated(self, target: WatchedTarget, params: Params) -> None:
        frame = mapping_of(params, "frame")
        if value_at(frame, "parentId") is not None:
            return
        self.last_tab = target.session
        self._log("process.navigated", target, url=bare_url(text_of(frame, "url")), kind=text_of(params, "type"))

    def _started_loading(self, target: WatchedTarget, params: Params) -> None:
        if text_of(params, "frameId") == target.target_id:
            self.loading.add(target.session)

    def _stopped_loading(self, target: WatchedTarget, params: Params) -> None:
        if text_of(params, "frameId") == target.target_id:
            self.loading.discard(target.session)

    def _requested(self, target: WatchedTarget, params: Params) -> None:
        if text_of(params, "disposition") == "currentTab":
            self._started_loading(target, params)
        url, why = bare_url(text_of(params, "url")), text_of(params, "reason")
        self._log("process.navigation_asked", target, url=url, reason=why, where=text_of(params, "disposition"))

    def _within(self, target: WatchedTarget, params: Params) -> None:
        self._log("process.navigated_within", target, url=bare_url(text_of(params, "url")))

    def _window(self, target: WatchedTarget, params: Params) -> None:
        url, by_hand = bare_url(text_of(params, "url")), flag_of(params, "userGesture")
        self._log("process.popup", target, url=url, by_hand=by_hand)

    def _dialog(self, target: WatchedTarget, params: Params) -> None:
        words = text_of(params, "message")[:_TEXT_CHARS]
        self._log("process.dialog", target, kind=text_of(params, "type"), message=words)

    def _dialog_closed(self, target: WatchedTarget, params: Params) -> None:
        self._log("process.dialog_closed", target, accepted=flag_of(params, "result"))

    def _log(self, step: str, target: WatchedTarget, **detail: JsonValue) -> None:
        self._write(step, f"tab {self.tab_of(target)}", detail)

    def _write(self, step: str, subject: str, detail: Mapping[str, JsonValue]) -> None:
        if self._lines >= MOST_LINES:
            self.unlogged += 1
            return
        self._lines += 1
        self._journal.border(step, subject, **detail)
