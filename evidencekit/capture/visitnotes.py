"""What one visit of a page learns, and where its results go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evidencekit.capture.privacy import TextSpec
from evidencekit.model import Text

if TYPE_CHECKING:
    from datetime import datetime

    from evidencekit.capture.exploration import PictureCount
    from evidencekit.capture.journal import Journal
    from evidencekit.capture.privacy import PrivateTexts
    from evidencekit.capture.staging import Staging
    from evidencekit.model import CaptureRoot, Transformation

_SHOWN = Text(en="the page was shown", zh="页面已显示")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where a session's results go."""

    staging: Staging
    journal: Journal
    privacy: PrivateTexts
    capture_id: str


@dataclass(slots=True, kw_only=True)
class VisitNotes:
    """What a visit learned; `partial` and `not_performed` are sentences for page 1.

    `url_given` says that the operator gave `requested_url`; the address of a shot may hold secrets and is masked.
    `complete` says that source and full picture are kept, the evidential minimum (R01); `crashed` that the page's
    process died after that. `first_source` and `first_picture` are the untouched view, which stands in where the page
    answers no more.
    """

    page: str
    requested_url: str
    started_at: datetime
    initial_at: datetime
    finished_at: datetime
    url_given: bool = True
    verdict: str = "ok"
    verdict_reason: Text = _SHOWN
    document_ids: tuple[str, ...] = ()
    status: int | None = None
    content_type: str = ""
    final_url: str = ""
    title: str = ""
    text: str = ""
    width_px: int = 0
    height_px: int = 0
    complete: bool = False
    crashed: bool = False
    root: CaptureRoot | None = None
    first_source: bytes = b""
    first_picture: bytes = b""
    pictures: PictureCount | None = None
    icons: tuple[str, ...] = ()
    partial: list[Text] = field(default_factory=list)
    not_performed: list[Text] = field(default_factory=list)
    transformations: list[Transformation] = field(default_factory=list)

    def path(self, name: str) -> str:
        """Bundle path of a file of this page."""
        return f"capture/pages/{self.page}/{name}"

    def text_spec(self, name: str, role: str, media_type: str) -> TextSpec:
        """Where a text of this page goes."""
        return TextSpec(path=self.path(name), role=role, media_type=media_type, page=self.page)
