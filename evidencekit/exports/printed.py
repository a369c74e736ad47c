"""Printed parts of an export: what is printed, on which pages of the volume, in files below a size limit."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

from evidencekit.capture.printing import PrintJob, open_press
from evidencekit.errors import BrowserError, UsageError
from evidencekit.report.bands import Shot, band_count, numbering_css, render_bands

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from evidencekit.capture.launcher import BrowserOptions
    from evidencekit.capture.printing import Press

MIN_BROWSER: Final = 131
"""Chromium prints page margin boxes (CSS Paged Media), which number the pages, since this version."""
_EMPTY: Final = "<span></span>"
_COUNT: Final = re.compile(rb"/Type\s*/Pages\b[^>]*?/Count\s+(\d+)|/Count\s+(\d+)[^>]*?/Type\s*/Pages\b")


class Printer:
    """Prints the parts of an export with one browser, which is started by the first and ended with the context."""

    def __init__(self, *, browser: BrowserOptions, workdir: Path, max_bytes: int) -> None:
        """Prepare to print.

        Args:
            browser: how to start it.
            workdir: a scratch folder for it.
            max_bytes: the size over which a file is divided.
        """
        self._browser = browser
        self.workdir = workdir
        self._max_bytes = max_bytes
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._press: Press | None = None

    def __enter__(self) -> Self:
        """Return it; nothing is started yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the browser."""
        try:
            self._runner.run(self._stack.aclose())
        finally:
            self._runner.close()

    def print_html(self, html: str, out: Path) -> int:
        """Print one document; give its number of pages.

        Raises:
            BrowserError: the browser does not print.
            StorageError: the file cannot be written.
        """
        self._runner.run(self._print(PrintJob(html=html, header=_EMPTY, footer=_EMPTY, out=out)))
        return count_pages(out)

    def print_shot(self, shot: Shot, folder: Path, stem: str, numbers: tuple[int, int]) -> list[Path]:
        """Print a screenshot from page `numbers[0]` of a volume of `numbers[1]`, into as many files as the limit needs.

        Raises:
            BrowserError: the browser does not print, or not one page a band.
            UsageError: one page alone is over the limit.
        """
        count = band_count(shot.width_px, shot.height_px)
        files = self._parts(shot, folder, (0, count - 1), numbers)
        if len(files) == 1:
            return [files[0].rename(folder / f"{stem}.pdf")]
        return [file.rename(folder / f"{stem}-{n}of{len(files)}.pdf") for n, file in enumerate(files, 1)]

    def _parts(self, shot: Shot, folder: Path, span: tuple[int, int], numbers: tuple[int, int]) -> list[Path]:
        first, last = span
        out = folder / f".part-{first:05d}-{last:05d}.pdf"
        head = numbering_css(start=numbers[0] + first, total=numbers[1], label=shot.exhibit)
        pages = self.print_html(render_bands(shot, first=first, last=last, head=head), out)
        if pages != last - first + 1:
            raise BrowserError(
                f"{shot.path} was printed on {pages} pages instead of {last - first + 1}; report this defect",
                f"{shot.path} 打印为 {pages} 页，应为 {last - first + 1} 页；请报告此缺陷",
            )
        if out.stat().st_size <= self._max_bytes:
            return [out]
        out.unlink()
        if first == last:
            raise UsageError(
                f"one printed page of {shot.path} is larger than --max-file-mb; raise it",
                f"{shot.path} 的单页打印件已超过 --max-file-mb；请调大",
            )
        middle = (first + last) // 2
        return self._parts(shot, folder, (first, middle), numbers) + self._parts(
            shot, folder, (middle + 1, last), numbers
        )

    async def _print(self, job: PrintJob) -> None:
        if self._press is None:
            press = open_press(workdir=self.workdir, options=self._browser)
            self._press = await self._stack.enter_async_context(press)
        await self._press.print(job)


def check_browser(version: str) -> None:
    """Make sure that the browser numbers pages.

    Raises:
        BrowserError: it is too old.
    """
    major = int(version.partition(".")[0] or 0)
    if major < MIN_BROWSER:
        raise BrowserError(
            f"printing an export needs Chromium {MIN_BROWSER} or newer, this is {version}; install a newer one",
            f"打印导出文件需要 Chromium {MIN_BROWSER} 或更新版本，当前为 {version}；请升级",
        )


def count_pages(pdf: Path) -> int:
    """Count the pages of a PDF that the browser just wrote: its page tree is never compressed.

    Raises:
        BrowserError: it has none.
    """
    counts = [int(first or second) for first, second in _COUNT.findall(pdf.read_bytes())]
    if not counts:
        raise BrowserError(f"{pdf.name} has no pages; try again", f"{pdf.name} 没有页面；请重试")
    return max(counts)


def numbered_html(html: str, css: str) -> str:
    """Put style rules of ours at the end of a document's head, or before a document that has none."""
    head, end, rest = html.partition("</head>")
    return f"{head}<style>{css}</style>\n{end}{rest}" if end else f"<style>{css}</style>{html}"
