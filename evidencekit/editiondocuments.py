"""The certificate of a redacted edition, written from the edition's own files (docs/spec/redaction.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.bundle import paths
from evidencekit.capture.printing import PrintJob, printing_aside
from evidencekit.documents import strangers_view
from evidencekit.errors import BrowserError
from evidencekit.hashing.digest import digest_bytes
from evidencekit.hashing.records import parse_records
from evidencekit.model import Text
from evidencekit.report.certificate import footer_template, header_template
from evidencekit.report.compactpdf import compact
from evidencekit.report.edition import EditionData, Part, render_edition

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from evidencekit.bundle.redactionfile import Redaction
    from evidencekit.capture.launcher import BrowserOptions


def write_edition_documents(
    folder: Path, redaction: Redaction, browser: BrowserOptions, *, workdir: Path, at: datetime
) -> Text | None:
    """Write `certificate.html` and, where a browser prints, `certificate.pdf` into the edition.

    Args:
        folder: the edition's files so far, its custody log closed.
        redaction: what it withholds.
        browser: prints.
        workdir: an existing folder for the browser's profile, outside `folder`.
        at: the time of issue.

    Returns:
        Why there is no PDF; None when there is one.

    Raises:
        FormatError: a file is not what it should be.
    """
    html = render_edition(_facts(folder, redaction, at))
    (folder / paths.CERTIFICATE_HTML).write_text(html, encoding="utf-8")
    pdf = folder / paths.CERTIFICATE_PDF
    job = PrintJob(html=html, header=str(header_template()), footer=str(footer_template(redaction.number)), out=pdf)
    try:
        with printing_aside(workdir=workdir, options=browser) as printing:
            printing.give(job)
            printing.wait()
    except BrowserError as error:
        pdf.unlink(missing_ok=True)
        return Text(
            en=f"the edition has its certificate as HTML only, for no browser printed it: {error.en}",
            zh=f"遮盖版证书仅有 HTML 版本，因没有浏览器可供打印：{error.zh}",
        )
    pdf.write_bytes(compact(pdf.read_bytes()))
    return None


def _facts(folder: Path, redaction: Redaction, at: datetime) -> EditionData:
    openings = parse_records((folder / paths.RECORDS).read_bytes())
    artifacts, records = set(redaction.artifacts), set(redaction.records)
    parts = [Part(name=line.path, leaf=line.leaf.hex()) for line in openings.artifacts if line.path in artifacts]
    parts += [Part(name=line.id, leaf=line.leaf.hex()) for line in openings.records if line.id in records]
    withheld = [line.withheld for line in openings.artifacts] + [line.withheld for line in openings.records]
    return EditionData(
        number=redaction.number,
        issued_at=at,
        manifest=digest_bytes((folder / paths.MANIFEST).read_bytes()),
        original_sha256=redaction.original_sha256,
        original_size=redaction.original_size,
        rules=redaction.rules,
        parts=tuple(parts),
        files=(sum(not line.withheld for line in openings.artifacts), len(openings.artifacts)),
        records=(sum(not line.withheld for line in openings.records), len(openings.records)),
        withheld_before=sum(map(bool, withheld)) - len(parts),
        report=strangers_view(folder, at=at),
    )
