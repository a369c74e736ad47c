"""One session under way: what was ordered, who works, what is known so far, and the files that mirror the bundle."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evidencekit.bundle import paths
from evidencekit.capture.environment.probe import ProbeSources
from evidencekit.errors import StorageError
from evidencekit.model import Text

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Mapping
    from concurrent.futures import Future
    from pathlib import Path

    from evidencekit.capture.control import Control
    from evidencekit.capture.launcher import BrowserOptions
    from evidencekit.capture.request import CaptureRequest
    from evidencekit.model import JsonValue, Operator
    from evidencekit.office import Announcement, Office
    from evidencekit.stamping import Stamped

    EventHandler = Callable[[str, Mapping[str, JsonValue]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the caller wants."""

    request: CaptureRequest | None
    """None for a deposit."""
    operator: Operator
    matter: str | None
    on_event: EventHandler | None
    cancel: threading.Event | None
    output: Path | None
    browser: BrowserOptions
    sources: ProbeSources = field(default_factory=ProbeSources)
    control: Control | None = None
    third_party: bool = True
    """Whether anybody but the site and the authorities named may be asked."""


@dataclass(slots=True, kw_only=True)
class CaseFile:
    """One session under way: what is known so far, and the files in `folder`, which mirrors the bundle.

    `pending` is all that is still to come; `owed` is what of it third-party time-stamps are.
    """

    order: Order
    office: Office
    workspace: Path
    announced: Announcement
    capture_folder: Path
    sealed: bool = False
    pending: list[Text] = field(default_factory=list)
    owed: list[Text] = field(default_factory=list)
    captured: dict[str, tuple[bytes, Future[Stamped]]] = field(default_factory=dict)
    segments: list[Future[Stamped]] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Where the bundle's files lie."""
        return self.capture_folder / "bundle"

    @property
    def capture_id(self) -> str:
        """The session's id, 32 hexadecimal characters."""
        return self.announced.capture_id

    def write(self, name: str, data: bytes) -> None:
        """Write a bundle file.

        Raises:
            StorageError: the disk refuses.
        """
        try:
            file = self.folder / name
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.write_bytes(data)
        except OSError as error:
            raise no_room(self.workspace, error) from error

    def keep(self, stamped: Stamped, name: Callable[[int], str], moment: Text) -> None:
        """Write the replies for one document and note what is owed."""
        self.note_owed(stamped, moment)
        for n, reply in enumerate(stamped.replies, 1):
            self.write(name(n), reply.response)
            if reply.request:  # a caller's own authority may not tell
                self.write(paths.query_of(name(n)), reply.request)

    def note_owed(self, stamped: Stamped, moment: Text) -> None:
        """Note a time-stamp that is owed, if it is."""
        if stamped.owing:
            self.owed.append(owed_sentence(moment, stamped))
            self.pending.append(self.owed[-1])


def owed_sentence(moment: Text, stamped: Stamped) -> Text:
    """Say which moment waits for a third-party time-stamp, and why."""
    reasons: Iterable[Text] = stamped.reasons
    return Text(
        en=f"{moment.en}: no third-party time-stamp yet, only our own, which is not independent "
        f"({'; '.join(each.en for each in reasons)})",
        zh=f"{moment.zh}:尚无第三方时间戳,仅有自行签发的时间戳,不具独立性({';'.join(each.zh for each in reasons)})",
    )


def no_room(folder: Path, error: OSError) -> StorageError:
    """Say that the disk refuses."""
    return StorageError(
        f"cannot write in {folder}: {error.strerror or error}; free space on the disk and capture again",
        f"无法写入 {folder}:{error.strerror or error};请清理磁盘后重新取证",
    )
