"""What a record's comparison with itself says, written beside it before it is sealed (docs/spec/corroboration.md)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from evidencekit.bundle import paths
from evidencekit.bundle.warc import read_contents
from evidencekit.corroboration.images import judge_images
from evidencekit.corroboration.location import judge_location
from evidencekit.corroboration.network import judge_network
from evidencekit.corroboration.pictures import judge_pictures
from evidencekit.corroboration.record import Record, parse_lines
from evidencekit.corroboration.rerender import judge_rerender, reproduced_by
from evidencekit.corroboration.texts import judge_texts
from evidencekit.errors import FormatError
from evidencekit.hashing.canonical import canonical_bytes
from evidencekit.model import Outcome, Text
from evidencekit.verify.outcome import weakest
from evidencekit.verify.wacz import Wacz

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from evidencekit.corroboration.record import Judgement
    from evidencekit.corroboration.rerender import Rerendered
    from evidencekit.model import Capture, JsonValue

FORMAT_NAME: Final = "corroboration"
METHOD: Final = Text(
    en="visible texts were looked up in the recorded responses, pictures and addresses in the request log, the first "
    "picture compared with the last, and DevTools, network log and environment report with each other; agreement "
    "corroborates the record and proves no truth of its content; on a party's own machine a forgery as a whole is not "
    "excluded",
    zh="将可见文字与已记录的响应、图像及网址与请求记录、初始截图与最终截图、DevTools 与网络日志及环境报告逐一比对；"
    "相符仅表示相互印证，不证明内容真实；制作方控制环境，不能排除整体伪造",
)
_MAX_BLOCK: Final = 64 << 20
_MAX_NOTES: Final = 50


def corroborate(record: Record, rerendered: Rerendered | None = None) -> dict[str, JsonValue]:
    """Compare the files of a finished capture with each other.

    Args:
        record: what was recorded (`record_of`).
        rerendered: what an offline re-render showed, None when none was made.

    Returns:
        The object of `capture/corroboration.json`.
    """
    judges: dict[str, Callable[[Record], Judgement]] = {
        "corroboration.text": partial(judge_texts, reproduced=reproduced_by(rerendered)),
        "corroboration.images": judge_images,
        "corroboration.location": judge_location,
        "corroboration.pictures": judge_pictures,
        "corroboration.network": judge_network,
    }
    if rerendered is not None:
        judges["corroboration.rerender"] = partial(judge_rerender, rerendered=rerendered)
    return {
        "capture_id": record.capture_id,
        "checks": [_said(name, judge, record) for name, judge in judges.items()],
        "format": f"evidencekit/{FORMAT_NAME}",
        "method": {"en": METHOD.en, "zh": METHOD.zh},
        "version": 1,
    }


def format_corroboration(said: dict[str, JsonValue]) -> bytes:
    """Write `capture/corroboration.json`."""
    return canonical_bytes(said)


def outcomes_of(said: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Give the outcome of every comparison by its id, for the work log."""
    checks = said["checks"]
    return (
        {str(each["id"]): each["outcome"] for each in checks if isinstance(each, dict)}
        if isinstance(checks, list)
        else {}
    )


def record_of(folder: Path, capture: Capture) -> Record:
    """Give what corroboration reads of a capture's folder."""
    names = frozenset(artifact.path for artifact in capture.artifacts if not artifact.withheld)

    def read(name: str) -> bytes | None:
        try:
            return (folder / name).read_bytes() if name in names else None
        except OSError:
            return None  # sealing says so

    def blocks(wanted: Callable[[str, int], bool]) -> Iterator[tuple[str, bytes]]:
        with (folder / paths.ARCHIVE).open("rb") as file:
            wacz = Wacz(file)
            for name in wacz.archives:
                with wacz.open(name) as stream:
                    yield from read_contents(
                        cast("BinaryIO", stream), lambda record, size: size <= _MAX_BLOCK and wanted(record, size)
                    )

    return Record(
        capture_id=capture.capture_id,
        pages=capture.pages,
        lines=parse_lines((read(paths.EXCHANGES) or b"").split(b"\n")),
        names=names,
        read=read,
        blocks=blocks,
    )


def _said(name: str, judge: Callable[[Record], Judgement], record: Record) -> JsonValue:
    """One comparison; what cannot be read is undecided, and never stops a capture."""
    try:
        judged = judge(record)
    except FormatError as error:
        return {
            "details": {},
            "id": name,
            "notes": [],
            "outcome": "INDETERMINATE",
            "reason": {"en": error.en, "zh": error.zh},
        }
    outcome = weakest([Outcome.PASSED, *(noted for noted, _ in judged.notes)])
    reason = next((text for noted, text in judged.notes if noted is outcome), judged.agreed)
    notes: list[JsonValue] = [
        {"en": text.en, "outcome": noted.value, "zh": text.zh} for noted, text in judged.notes[:_MAX_NOTES]
    ]
    return {
        "details": judged.details,
        "id": name,
        "notes": notes,
        "outcome": outcome.value,
        "reason": {"en": reason.en, "zh": reason.zh},
    }
