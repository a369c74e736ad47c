"""Re-render a record offline, from a bundle or a capture's folder; the outcome is judged by the offline verifier.

The browser stands here, above `verify`, as the network does for `--ledger`: first it is done, then it is judged.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from evidencekit.bundle.reader import open_bundle
from evidencekit.capture.launcher import BrowserOptions
from evidencekit.capture.rerendering import Answer, Answers, Scene, lawful_headers, rerender
from evidencekit.corroboration.pictures import compare
from evidencekit.corroboration.record import MAX_FRAMES_BYTES
from evidencekit.corroboration.rerender import MOST_ROWS, Rerendered, RerenderedPage
from evidencekit.corroboration.sources import UnreadableBodyError, decoded
from evidencekit.errors import BrowserError, EvidenceError, FormatError
from evidencekit.model import Text
from evidencekit.verify.case import Case
from evidencekit.verify.corroboration import CorroborationChecks
from evidencekit.verify.tally import InputMissingError
from evidencekit.verify.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evidencekit.capture.rerendering import Shown
    from evidencekit.corroboration.record import Line, Record
    from evidencekit.model import JsonValue

_TOTAL_BYTES: Final = 512 << 20
_WITHOUT: Final = frozenset({101, 206, 304})
_WEBSOCKETS: Final = "capture/websockets.jsonl"
_DEFAULT: Final = BrowserOptions()


def rerender_bundle(bundle: Path, *, options: BrowserOptions = _DEFAULT) -> Rerendered:
    """Show the pages of a bundle again, from its own records, without a network; nothing is judged here.

    Args:
        bundle: the ZIP, or the folder that it was unpacked to.
        options: how to start the browser.

    Returns:
        What the second browser showed; `not_performed` where there was none, or nothing to show.

    Raises:
        FormatError: there is no bundle.
        StorageError: no temporary folder.
    """
    with (
        open_bundle(bundle) as opened,
        closing(Case(opened, bundle.name, trust=Trust.stranger(), at=datetime.now(UTC))) as case,
    ):
        try:
            record = CorroborationChecks(case).record()
            request = case.manifest.request
        except (InputMissingError, FormatError) as error:
            reason = error.reason if isinstance(error, InputMissingError) else Text(en=error.en, zh=error.zh)
            return Rerendered(browser="", pages=(), not_performed=reason)
        return rerender_record(record, request, options=options)


def rerender_record(
    record: Record, request: Mapping[str, JsonValue], *, options: BrowserOptions = _DEFAULT
) -> Rerendered:
    """Show the pages of a record again; as `rerender_bundle`.

    Args:
        record: what was recorded.
        request: the request as the manifest states it: size of the window, language, time zone.
        options: how to start the browser.
    """
    workdir = Path(tempfile.mkdtemp(prefix="evidencekit-rerender-"))
    try:
        browser, shown = asyncio.run(
            rerender(_scene(record, request), _answers(record), workdir=workdir, options=options)
        )
        return Rerendered(browser=browser, pages=tuple(_page(record, each) for each in shown))
    except (BrowserError, FormatError) as error:
        return Rerendered(browser="", pages=(), not_performed=_not_performed(error))
    finally:
        shutil.rmtree(workdir, ignore_errors=True)


def _not_performed(error: EvidenceError) -> Text:
    return Text(en=f"no re-render: {error.en}", zh=f"未能离线重现：{error.zh}")


def _page(record: Record, shown: Shown) -> RerenderedPage:
    sealed = record.read(f"capture/pages/{shown.page}/screenshot.png")
    trouble = None if shown.trouble is None else Text(en=shown.trouble.en, zh=shown.trouble.zh)
    measure = None
    if shown.picture is not None and sealed is not None:
        try:
            measure = compare(sealed, shown.picture.read_bytes(), most_rows=MOST_ROWS)
        except FormatError as error:
            trouble = Text(en=error.en, zh=error.zh)
    return RerenderedPage(
        page=shown.page, texts=shown.texts, unanswered=shown.unanswered, measure=measure, trouble=trouble
    )


def _scene(record: Record, request: Mapping[str, JsonValue]) -> Scene:
    return Scene(
        urls=[(page.id, page.requested_url, page.started_at) for page in record.pages],
        width_px=_integer(request, "width_px", 1280),
        height_px=_integer(request, "height_px", 800),
        device_scale=_fraction(request.get("device_scale")),
        locale=_language(request.get("locale")),
        timezone=_zone(request.get("timezone")),
        frames=_frames(record),
    )


def _answers(record: Record) -> Answers:
    """Everything that the archive answers, in the order recorded."""
    answers, total = Answers(), 0
    lines = {line.id: line for line in record.lines}

    def wanted(name: str, size: int) -> bool:
        nonlocal total
        line = lines.get(name.partition(".")[0])
        if not name.partition(".")[2].startswith("response") or line is None or line.status in _WITHOUT:
            return False
        total += size
        return total <= _TOTAL_BYTES

    for name, block in record.blocks(wanted):
        line = lines[name.partition(".")[0]]
        answer = _answer(line, block)
        if answer is not None:
            answers.add(line.method, line.url, answer)
    return answers


def _answer(line: Line, block: bytes) -> Answer | None:
    head, _, body = block.partition(b"\r\n\r\n")
    pairs = [each.partition(":") for each in head.decode("utf-8", "replace").split("\r\n")[1:]]
    headers = tuple((name.strip(), value.strip()) for name, colon, value in pairs if colon)
    coding = next((value for name, value in headers if name.lower() == "content-encoding"), "")
    try:
        return Answer(status=line.status or 200, headers=lawful_headers(headers), body=decoded(body, coding))
    except UnreadableBodyError:
        return None


def _frames(record: Record) -> dict[str, list[str]]:
    """Texts that each WebSocket received, by its address."""
    found: dict[str, list[str]] = {}
    urls = {line.id: line.url for line in record.lines}
    data = record.read(_WEBSOCKETS) if _WEBSOCKETS in record.names else None
    for line in (data or b"")[:MAX_FRAMES_BYTES].splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and row.get("direction") == "received" and row.get("opcode") == 1:
            found.setdefault(urls.get(str(row.get("exchange")), ""), []).append(str(row.get("payload")))
    return found


def _integer(request: Mapping[str, JsonValue], name: str, default: int) -> int:
    value = request.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and 200 <= value <= 7680 else default  # noqa: PLR2004


def _fraction(value: JsonValue) -> float:
    try:
        number = float(str(value))
    except ValueError:
        return 1.0
    return number if 0.5 <= number <= 4 else 1.0  # noqa: PLR2004 (what a request may ask for)


def _language(value: JsonValue) -> str:
    text = str(value)
    return text if 0 < len(text) < 40 and all(each.isalnum() or each == "-" for each in text) else "zh-CN"  # noqa: PLR2004


def _zone(value: JsonValue) -> str:
    text = str(value)
    return text if 0 < len(text) < 60 and text.replace("/", "").replace("_", "").isalnum() else "Asia/Shanghai"  # noqa: PLR2004
