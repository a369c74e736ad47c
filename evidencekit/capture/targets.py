"""Which of our sessions watches which target, and which page of the session it belongs to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from evidencekit.capture.cdp import text_of

if TYPE_CHECKING:
    from evidencekit.capture.cdp import Params

WATCHED = frozenset({"page", "iframe", "worker", "shared_worker", "service_worker"})
"""Target types whose traffic is the page's; `browser_ui` and the like are the browser's own furniture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedTarget:
    """A target that our session `session` watches; `page` is the page id (`0001`), None before the first page."""

    session: str
    target_id: str
    kind: str
    page: str | None
    opener: str | None


class TargetRegister:
    """Targets by session. A service worker is attached below the browser and below its page: it is watched once."""

    def __init__(self) -> None:
        self._by_session: dict[str, WatchedTarget] = {}
        self._by_target: dict[str, str] = {}
        self.seen = 0

    def attach(self, parent: str, params: Params, current_page: str | None) -> WatchedTarget | None:
        """Register an attached target; None when it is not watched or already is.

        Args:
            parent: the session that attached it.
            params: of `Target.attachedToTarget`.
            current_page: the page that is being captured, for targets that belong to none by descent.
        """
        session, info = text_of(params, "sessionId"), params.get("targetInfo")
        kind, target_id = text_of(info, "type"), text_of(info, "targetId")
        if kind not in WATCHED or target_id in self._by_target:
            return None
        opener = text_of(info, "openerId") or None
        above = self._by_session.get(parent) or self._by_session.get(self._by_target.get(opener or "", ""))
        target = WatchedTarget(
            session=session,
            target_id=target_id,
            kind=kind,
            page=current_page if above is None else above.page,
            opener=opener,
        )
        self._by_session[session] = target
        self._by_target[target_id] = session
        self.seen += 1
        return target

    def move(self, page: str) -> None:
        """Let all that is watched belong to `page` from now on."""
        self._by_session = {session: replace(target, page=page) for session, target in self._by_session.items()}

    def detach(self, session: str) -> WatchedTarget | None:
        """Forget a session that has ended."""
        target = self._by_session.pop(session, None)
        if target is not None:
            self._by_target.pop(target.target_id, None)
        return target

    def of_session(self, session: str) -> WatchedTarget | None:
        """The target that a session watches."""
        return self._by_session.get(session)

    def pages(self) -> tuple[WatchedTarget, ...]:
        """Top-level pages in the order attached."""
        return tuple(target for target in self._by_session.values() if target.kind == "page")

    def frames(self, page: str) -> tuple[WatchedTarget, ...]:
        """Frames of a page that live in processes of their own."""
        return tuple(each for each in self._by_session.values() if each.kind == "iframe" and each.page == page)

    def sessions(self) -> tuple[str, ...]:
        """All watched sessions."""
        return tuple(self._by_session)
