"""A certificate's PDF in half the bytes is the same document, and what is no such PDF is left alone."""

from __future__ import annotations

import asyncio
import subprocess
from typing import TYPE_CHECKING

import pytest

from evidencekit.capture.launcher import BrowserOptions
from evidencekit.capture.printing import PrintJob, open_press
from evidencekit.report.certificate import footer_template, header_template, render_certificate
from evidencekit.report.compactpdf import compact
from tests.support.tools import program
from tests.unit.report.report_samples import plain_data

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("print")
    data = plain_data()
    job = PrintJob(
        html=render_certificate(data),
        header=str(header_template()),
        footer=str(footer_template("9F3C2026000000172K")),
        out=folder / "certificate.pdf",
    )

    async def run() -> None:
        async with open_press(workdir=folder, options=BrowserOptions()) as press:
            await press.print(job)

    asyncio.run(run())
    return job.out.read_bytes()


def said(tool: str, *arguments: str, pdf: bytes, folder: Path) -> str:
    path = folder / "document.pdf"
    path.write_bytes(pdf)
    command = [program(tool), *(argument.replace("PDF", str(path)) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.browser
def test_it_is_the_same_document_in_little_more_than_half_the_bytes(printed: bytes, tmp_path: Path) -> None:
    made = compact(printed)
    assert len(made) < 0.6 * len(printed)
    assert compact(printed) == made
    assert "No syntax or stream encoding errors" in said("qpdf", "--check", "PDF", pdf=made, folder=tmp_path)
    for tool, arguments in (("pdftotext", ("-layout", "PDF", "-")), ("pdfinfo", ("-struct-text", "PDF"))):
        before, after = (said(tool, *arguments, pdf=each, folder=tmp_path) for each in (printed, made))
        assert before == after
    pictures = []
    for name, each in (("before", printed), ("after", made)):
        said("pdftoppm", "-r", "40", "PDF", str(tmp_path / name), pdf=each, folder=tmp_path)
        pictures.append([path.read_bytes() for path in sorted(tmp_path.glob(f"{name}-*.ppm"))])
    assert pictures[0] == pictures[1] != []


@pytest.mark.browser
def test_what_is_compact_stays_as_it_is(printed: bytes) -> None:
    made = compact(printed)
    assert compact(made) == made


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"%PDF-1.4\n",
        b"%PDF-1.4\ntrailer <<>> startxref 9 %%EOF",
        b"%PDF-1.4\nxref\n0 2\n0000000000 65535 f \n0000000xxx 00000 n \ntrailer\n<</Size 2>>\nstartxref\n9\n%%EOF\n",
        b"%PDF-1.4\nxref\n0 2\n0000000000 65535 f \n0000000002 00000 n \ntrailer\n<</Size 2>>\nstartxref\n9\n%%EOF\n",
        b"%PDF-1.4\nxref\n0 1\n0000000000 65535 f \ntrailer\n<</Size 1 /Prev 3>>\nstartxref\n9\n%%EOF\n",
        b"%PDF-1.4\nxref\n0 1\n0000000000 65535 f \ntrailer\n<</Size 1>>\nstartxref\n99999999999\n%%EOF\n",
    ],
)
def test_another_form_comes_back(data: bytes) -> None:
    assert compact(data) == data
