"""`capture --each`: a bundle of each URL, told line by line as they end."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidencekit.batching import Item, run_batch
from evidencekit.batchjournal import BatchJournal
from evidencekit.errors import StorageError
from evidencekit_cli.exit_codes import ExitCode
from evidencekit_cli.output import Sentence, Session, both, inert

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from evidencekit.home import Home
    from evidencekit.model import JsonValue
    from evidencekit.notary import Evidence

_JOBS_BY_DEFAULT = 4
_URL_CHARS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """How the list is worked through; `jobs` None for half the processors, `output` None for the home's folder."""

    home: Home
    request: Mapping[str, JsonValue]
    output: Path | None
    jobs: int | None
    resume: bool
    cancel: threading.Event


def capture_each(
    session: Session, urls: Sequence[str], capture: Callable[[str, Path | None], Evidence], *, batch: Batch
) -> ExitCode:
    """Capture each URL by itself; 3 when one failed or is pending or partial, 11 when none was sealed.

    Raises:
        UsageError, StorageError: as `run_batch`.
        KeyboardInterrupt: the user stopped it; what was sealed stays, `--resume` goes on.
    """
    _prepare(batch.output)
    jobs = batch.jobs or max(1, min((os.cpu_count() or 1) // 2, _JOBS_BY_DEFAULT))
    count = 0

    def tell(item: Item) -> None:
        nonlocal count
        count += 1
        session.say(_line(item, count, len(urls)))

    with BatchJournal.open(batch.home.path, urls, batch.request, resume=batch.resume) as journal:
        items = run_batch(
            urls,
            lambda url: capture(url, batch.output),
            journal=journal,
            jobs=jobs,
            cancel=batch.cancel,
            on_item=tell,
        )
    if batch.cancel.is_set():
        session.note(_stopped(len(items), len(urls)))
        raise KeyboardInterrupt
    _tell_all(session, items)
    return _status(items)


def _prepare(output: Path | None) -> None:
    if output is None:
        return
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"with --each, -o names a folder, and {output} cannot be one: {error.strerror}; choose another",
            f"使用 --each 时 -o 应为文件夹,而 {output} 无法作为文件夹:{error.strerror};请另选",
        ) from error


def _line(item: Item, count: int, total: int) -> Sentence:
    line, url = item.line, inert(item.line.url, _URL_CHARS)
    if line.failure is not None:
        reason = line.failure.reason
        return Sentence(
            f"[{count}/{total}] FAILED {line.n}: {inert(reason.en)}",
            f"[{count}/{total}] 失败 {line.n}:{inert(reason.zh)}",
        )
    if item.before:
        en, zh = "sealed before", "此前已封存"
    else:
        en, zh = ("sealed", "已封存") if line.complete else ("sealed, not complete", "已封存,不完整")
    return Sentence(f"[{count}/{total}] {en} {line.number}  {url}", f"[{count}/{total}] {zh} {line.number}  {url}")


def _tell_all(session: Session, items: Sequence[Item]) -> None:
    failed = [item for item in items if item.line.failure is not None]
    sealed = len(items) - len(failed)
    if session.json:
        session.print_json(
            {
                "format": "evidencekit/batch-result",
                "version": 1,
                "sealed": sealed,
                "failed": len(failed),
                "items": [_value(item) for item in items],
            }
        )
        return
    session.say(Sentence(f"{sealed} sealed, {len(failed)} failed", f"已封存 {sealed} 个,失败 {len(failed)} 个"))
    if failed:
        session.say(
            Sentence(
                "The same command with --resume tries those that failed again; what is sealed is not captured twice.",
                "加上 --resume 再次运行同一命令可重试失败的网址;已封存的不会重复取证。",
            )
        )


def _value(item: Item) -> Mapping[str, JsonValue]:
    line, evidence = item.line, item.evidence
    return {
        "n": line.n,
        "url": line.url,
        "number": line.number,
        "bundle": line.bundle,
        "manifest_sha256": line.manifest_sha256,
        "before": item.before,
        "pending": [] if evidence is None else [both(reason) for reason in evidence.pending],
        "partial": [] if evidence is None else [both(reason) for reason in evidence.partial],
        "overall": None if evidence is None else evidence.report.overall.value,
        "error": None if line.failure is None else {"code": line.failure.code, "message": both(line.failure.reason)},
    }


def _status(items: Sequence[Item]) -> ExitCode:
    if all(item.line.failure is not None for item in items):
        return ExitCode.CAPTURE
    return ExitCode.OK if all(item.line.complete for item in items) else ExitCode.UNDECIDED


def _stopped(done: int, total: int) -> Sentence:
    return Sentence(
        f"stopped after {done} of {total}; the same command with --resume goes on",
        f"已停止,完成 {done}/{total};加上 --resume 再次运行即可继续",
    )
