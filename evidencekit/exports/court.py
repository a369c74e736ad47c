"""`export --for court`: what goes to a court as paper and as a disc (domain.md §1.1, R61).

Everything opens without a ZIP program and without a browser: PDF, PNG and text beside the bundles. Pages are numbered
through the whole printed volume; the list of evidence names every exhibit with its pages and digests.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from evidencekit.bundle import paths
from evidencekit.bundle.reader import Bundle, open_bundle
from evidencekit.capture.launcher import BrowserOptions, find_browser
from evidencekit.exports import courtfiles
from evidencekit.exports.exhibit import MAX_PICTURE_BYTES, copy_member, refused, write_file
from evidencekit.exports.folder import new_folder, write_sums
from evidencekit.exports.office import require_office, write_docx, write_xlsx
from evidencekit.exports.printed import Printer, check_browser, numbered_html
from evidencekit.hashing.assembly import SCREENSHOT_ROLE
from evidencekit.hashing.digest import digest_bytes
from evidencekit.model import Text
from evidencekit.report.bands import Shot, band_count, numbering_css, png_size
from evidencekit.report.blocks import document_html
from evidencekit.report.catalogue import (
    HEADS,
    ORIGINAL,
    PRINT,
    TITLE,
    WIDTHS_MM,
    Catalogue,
    CatalogueRow,
    catalogue_blocks,
    rows_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from evidencekit.exports.exhibit import Exhibit
    from evidencekit.model import Digests
    from evidencekit.report.fields import ArtifactFacts

CATALOGUE: Final = "1-catalogue"
PAPER: Final = "2-paper"
DISC: Final = "3-disc"
TRANSLATIONS: Final = "4-translations"
_SHOTS: Final = {
    "screenshot.initial": Text(en="screenshot before any action", zh="操作前截图"),
    "screenshot.before": Text(en="screenshot before a banner was answered", zh="处理提示前截图"),
    SCREENSHOT_ROLE: Text(en="full-page screenshot", zh="整页截图"),
    "screenshot.scrolled": Text(en="window half a window down", zh="向下滚动半屏截图"),
    "screenshot.inner": Text(en="content of the inner scroller", zh="页面内滚动区域截图"),
}
_STEMS: Final = {
    "screenshot.initial": "initial",
    "screenshot.before": "before",
    SCREENSHOT_ROLE: "full",
    "screenshot.scrolled": "scrolled",
    "screenshot.inner": "inner",
}
_BUNDLE: Final = Text(en="evidence bundle (captured web pages)", zh="证据包（网页取证电子数据）")
_DEPOSIT: Final = Text(en="evidence bundle (deposited files)", zh="证据包（存证电子数据）")
_READABLE: Final = (".png", ".jpg", ".jpeg", ".pdf", ".txt", ".mp4")
_MAX_HTML_BYTES: Final = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CourtOptions:
    """How to export: `office` editable forms too, `max_bytes` the size over which printed files are divided."""

    at: datetime
    matter: str | None = None
    office: bool = True
    max_bytes: int = 50 << 20
    browser: BrowserOptions = field(default_factory=BrowserOptions)


def export_court(exhibits: Sequence[Exhibit], out: Path, options: CourtOptions) -> None:
    """Write the export to the new folder `out`.

    Args:
        exhibits: In the order of the list of evidence.
        out: Must not exist; appears whole or not at all.
        options: The rest.

    Raises:
        UsageError: the extra for editable documents is missing, or a page is larger than the limit.
        BrowserError: there is no browser that numbers pages, or it does not print.
        FormatError: a screenshot is no picture.
        StorageError: `out` exists, or the disk refuses.
    """
    if options.office:
        require_office()
    binary = options.browser.binary or find_browser()
    check_browser(binary.version)
    with new_folder(out) as folder:
        scratch = folder / ".scratch"
        scratch.mkdir()
        with Printer(
            browser=BrowserOptions(binary=binary, extra_args=options.browser.extra_args, home=options.browser.home),
            workdir=scratch,
            max_bytes=options.max_bytes,
        ) as printer:
            _Court(exhibits, folder, options, printer).write()
        shutil.rmtree(scratch)
        write_sums(folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One printed part of the volume: `shot` None stands for the certificate."""

    exhibit: int
    artifact: ArtifactFacts | None
    pages: int
    number: str
    page: str | None = None


class _Court:
    """The steps of one export."""

    def __init__(self, exhibits: Sequence[Exhibit], folder: Path, options: CourtOptions, printer: Printer) -> None:
        self.exhibits = exhibits
        self.folder = folder
        self.options = options
        self.printer = printer
        self.rows: list[CatalogueRow] = []

    def write(self) -> None:
        (self.folder / PAPER).mkdir()
        parts = [part for place in range(len(self.exhibits)) for part in self._measure(place)]
        total = sum(part.pages for part in parts)
        for place, exhibit in enumerate(self.exhibits):
            self._write_disc(place, exhibit)
            page = 1 + sum(part.pages for part in parts if part.exhibit < place)
            for part in (part for part in parts if part.exhibit == place):
                self._print(exhibit, part, (page, total))
                page += part.pages
        self._write_catalogue(total)
        courtfiles.write_translations(self.folder / TRANSLATIONS)
        digest = write_sums(self.folder / DISC)
        label = courtfiles.label_html(self.exhibits, self._matter, self.options.at, digest)
        self.printer.print_html(label, self.folder / f"{DISC}-label.pdf")
        write_file(self.folder / "README.txt", courtfiles.readme(self.options.max_bytes).encode())

    @property
    def _matter(self) -> str | None:
        matters = {exhibit.manifest.matter for exhibit in self.exhibits}
        return self.options.matter or (matters.pop() if len(matters) == 1 else None)

    def _measure(self, place: int) -> Iterator[_Part]:
        """Find out what of a bundle is printed, on how many pages, before any page has its number."""
        exhibit, n = self.exhibits[place], 1
        with open_bundle(exhibit.source) as bundle:
            if paths.CERTIFICATE_HTML in bundle:
                draft = self.printer.workdir / "certificate.pdf"
                html = self._certificate(bundle, numbering_css(start=1, total=1, label=exhibit.number))
                yield _Part(
                    exhibit=place,
                    artifact=None,
                    pages=self.printer.print_html(html, draft),
                    number=f"{place + 1}-{n + 1}",
                )
                n += 1
            for artifact in exhibit.artifacts:
                if artifact.role in _SHOTS and artifact.digests is not None:
                    n += 1
                    size = png_size(next(bundle.stream(artifact.path)))
                    yield _Part(
                        exhibit=place,
                        artifact=artifact,
                        pages=band_count(*size),
                        number=f"{place + 1}-{n}",
                        page=artifact.page,
                    )

    def _certificate(self, bundle: Bundle, css: str) -> str:
        html = bundle.read(paths.CERTIFICATE_HTML, limit=_MAX_HTML_BYTES).decode("utf-8", errors="replace")
        return numbered_html(html, css)

    def _print(self, exhibit: Exhibit, part: _Part, numbers: tuple[int, int]) -> None:
        with open_bundle(exhibit.source) as bundle:
            if part.artifact is None:
                self._print_certificate(bundle, exhibit, part, numbers)
            else:
                self._print_shot(bundle, exhibit, part, part.artifact, numbers)

    def _print_certificate(self, bundle: Bundle, exhibit: Exhibit, part: _Part, numbers: tuple[int, int]) -> None:
        out = self.folder / PAPER / f"{part.number}-{exhibit.number}-certificate.pdf"
        html = self._certificate(
            bundle, numbering_css(start=numbers[0], total=numbers[1], label=f"{part.number}  {exhibit.number}")
        )
        self.printer.print_html(html, out)
        digests = digest_bytes(bundle.read(paths.CERTIFICATE_HTML, limit=_MAX_HTML_BYTES))
        name = Text(en="preservation certificate", zh="电子数据存证证书")
        self._add(exhibit, part, name, [out], (digests, numbers[0]))

    def _print_shot(
        self, bundle: Bundle, exhibit: Exhibit, part: _Part, artifact: ArtifactFacts, numbers: tuple[int, int]
    ) -> None:
        png = bundle.read(artifact.path, limit=MAX_PICTURE_BYTES)
        width, height = png_size(png)
        page = next((page for page in exhibit.manifest.pages if page.id == artifact.page), None)
        digests = digest_bytes(png)
        name = _SHOTS[artifact.role]
        shot = Shot(
            png=png,
            width_px=width,
            height_px=height,
            exhibit=f"{part.number}  {exhibit.number}",
            name=name,
            title=page.title if page else "",
            url=page.final_url if page else "",
            taken_at=artifact.hashed_at,
            path=artifact.path,
            digests=digests,
        )
        stem = f"{part.number}-{exhibit.number}-{artifact.page or '0'}-{_STEMS[artifact.role]}"
        files = self.printer.print_shot(shot, self.folder / PAPER, stem, numbers)
        title = Text(en=f"{name.en}, page {artifact.page}", zh=f"{name.zh}（网页 {artifact.page}）")
        self._add(exhibit, part, title, files, (digests, numbers[0]))

    def _add(
        self, exhibit: Exhibit, part: _Part, name: Text, files: Sequence[Path], printed: tuple[Digests, int]
    ) -> None:
        digests, first = printed
        page = next((page for page in exhibit.manifest.pages if page.id == part.page), None)
        self.rows.append(
            CatalogueRow(
                number=part.number,
                name=name,
                source=page.final_url if page else exhibit.url,
                formed=courtfiles.beijing(
                    exhibit.manifest.finished_at if part.artifact is None else part.artifact.hashed_at
                ),
                pages=(first, first + part.pages - 1),
                kind=PRINT,
                file="\n".join(file.relative_to(self.folder).as_posix() for file in files),
                digests=digests,
            )
        )

    def _write_disc(self, place: int, exhibit: Exhibit) -> None:
        """Copy the bundle, and what of it opens without a ZIP program and without a browser."""
        disc = self.folder / DISC
        with open_bundle(exhibit.source) as bundle:
            for name in bundle.names():
                readable = name.startswith(("capture/", "deposit/")) and name.endswith(_READABLE)
                if readable or name == paths.CERTIFICATE_PDF or (exhibit.digests is None):
                    copy_member(bundle, name, disc / exhibit.number / name)
        file = f"{DISC}/{exhibit.number}/"
        if exhibit.digests is not None:
            file = f"{DISC}/{exhibit.number}.zip"
            try:
                shutil.copyfile(exhibit.source, self.folder / file)
            except OSError as error:
                raise refused(self.folder / file, error) from error
        self.rows.append(
            CatalogueRow(
                number=f"{place + 1}-1",
                name=_BUNDLE if exhibit.manifest.deposit is None else _DEPOSIT,
                source=exhibit.url,
                formed=courtfiles.beijing(exhibit.manifest.finished_at),
                pages=None,
                kind=ORIGINAL,
                file=file,
                digests=exhibit.digests,
            )
        )

    def _write_catalogue(self, total: int) -> None:
        catalogue = Catalogue(
            matter=self._matter,
            rows=tuple(self.rows),
            total_pages=total,
            made=courtfiles.both_times(self.options.at),
            verdicts=tuple((exhibit.number, exhibit.report.headline) for exhibit in self.exhibits),
            trust=self.exhibits[0].trust,
        )
        blocks = catalogue_blocks(catalogue)
        pages = 1
        for _ in range(2):  # once to count the pages, once to print how many there are
            head = numbering_css(start=1, total=pages, label=TITLE.en)
            html = document_html(TITLE, blocks, landscape=True, head=head)
            pages = self.printer.print_html(html, self.folder / f"{CATALOGUE}.pdf")
        if self.options.office:
            write_docx(blocks, self.folder / f"{CATALOGUE}.docx", landscape=True)
            write_xlsx(HEADS, rows_of(catalogue.rows), self.folder / f"{CATALOGUE}.xlsx", widths_mm=WIDTHS_MM)
