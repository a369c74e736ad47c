"""What is being done, on stderr, when it takes over a second and a person is watching."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Self

from evidencekit_cli.output import Sentence, Session, inert

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from rich.status import Status

_PATIENCE_S = 1.0
_STARTING = Sentence("starting", "准备中")
# A step is told when it is done, so each sentence says what follows it; other steps change nothing.
_STEPS: Mapping[str, Sentence] = {
    "session.start": Sentence("starting the browser", "启动浏览器"),
    "browser.start": Sentence("checking the environment", "检查环境清洁性"),
    "environment.probes": Sentence("preparing the page", "准备打开网页"),
    "page.navigate": Sentence("opening", "打开"),
    "page.committed": Sentence("loading page", "加载网页"),
    "page.loaded": Sentence("taking the untouched view of page", "固定初始画面,网页"),
    "page.root": Sentence("scrolling and waiting for late content of page", "滚动并等待延迟内容,网页"),
    "page.behaviours": Sentence("taking pictures, source and PDF of page", "保存截图、源码与 PDF,网页"),
    "page.rendered": Sentence("finishing page", "收尾网页"),
    "browser.drained": Sentence("writing the archive", "写入归档"),
    "session.archive": Sentence("checking that nothing is missing", "核对完整性"),
    "session.end": Sentence(
        "sealing, time-stamping, entering the ledger, writing documents", "签名、加盖时间戳、登记账本、生成文书"
    ),
}


class Progress:
    """A context in which `on_event` shows the step that runs; silent without a terminal."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._status: Status | None = None
        self._current = session.text(_STARTING)
        self._timer = threading.Timer(_PATIENCE_S, self._appear)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        if sys.stderr.isatty() and not self._session.json:
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            if self._status is not None:
                self._status.stop()
                self._status = None

    def on_event(self, step: str, detail: Mapping[str, object]) -> None:
        """Show `step`; called from any thread."""
        sentence = _STEPS.get(step)
        if sentence is None:
            return
        shown = self._session.text(sentence)
        subject = detail.get("url") or (detail.get("object") if step.startswith("page.") else None)
        with self._lock:
            self._current = f"{shown} {inert(subject, 60)}" if isinstance(subject, str) else shown
            if self._status is not None:
                self._status.update(_plain(self._current))

    def _appear(self) -> None:
        from rich.console import Console

        with self._lock:
            self._status = Console(stderr=True, highlight=False).status(_plain(self._current))
            self._status.start()


def _plain(text: str) -> str:
    """Return `text` with rich's mark-up taken literally."""
    from rich.markup import escape

    return escape(text)
