"""`evidencekit export`: what a court, an expert and a declarant get, judged by other people's programs."""

from __future__ import annotations

import hashlib
import re
import struct
import subprocess
import zlib
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import docx
import openpyxl
import pytest

from evidencekit.bundle import paths
from evidencekit.errors import FormatError, StorageError, UsageError
from evidencekit.exports.certification import CertificationOptions, export_902
from evidencekit.exports.court import CourtOptions, export_court
from evidencekit.exports.exhibit import FailedBundleError, read_exhibits
from evidencekit.exports.expert import export_expert
from evidencekit.report.bands import BAND_MM, OVERLAP_MM, WIDTH_MM, band_count
from evidencekit_cli.main import main
from tests.support.assembly import AT, Hooks, Keys, Members, Plan, make_keys, make_members, pack
from tests.support.tools import program

if TYPE_CHECKING:
    from pathlib import Path

    from evidencekit.hashing.manifest import Manifest

# What its module makes is made once: one worker runs it whole.
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("export")]

FORMULA = '=HYPERLINK("http://evil.test/")'
NUMBERS = ("9F3C2026000000172K", "9F3C2026000000189M")
HEIGHT = 3300


def picture(width: int, height: int, *, noise: bytes = b"") -> bytes:
    """Draw a PNG: stripes, or incompressible rows."""
    rows = b"".join(
        b"\0"
        + (
            hashlib.shake_256(noise + bytes([y & 255, y >> 8])).digest(width * 3)
            if noise
            else bytes([y & 255]) * width * 3
        )
        for y in range(height)
    )

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def make_bundle(folder: Path, keys: Keys, number: str, *, noise: bytes = b"") -> Path:
    """Make a bundle with real pictures and a title that would be a formula in a spreadsheet."""

    def files(found: Members) -> Members:
        page = "capture/pages/0001/"
        shots = {
            f"{page}screenshot-initial.png": picture(1280, 800),
            f"{page}screenshot.png": picture(1280, HEIGHT, noise=noise),
        }
        return found | shots

    def manifest(made: Manifest) -> Manifest:
        page = replace(made.pages[0], title=FORMULA, final_url=FORMULA)
        return replace(made, number=number, pages=(page,))

    hooks = Hooks(files=files, manifest=manifest)
    members = make_members(Plan(keys=keys, seed=number, hooks=hooks), folder)
    out = folder / f"{number}.zip"
    out.write_bytes(pack(members))
    return out


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    folder = tmp_path_factory.mktemp("bundles")
    keys = make_keys(folder)
    return tuple(make_bundle(folder, keys, number) for number in NUMBERS)


@pytest.fixture(scope="module")
def court(bundles: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("court") / "out"
    export_court(read_exhibits(bundles, trust=None, at=AT), out, CourtOptions(at=AT, matter="(2026)京73民初1号"))
    return out


def rows_of(folder: Path) -> list[tuple[object, ...]]:
    sheet = openpyxl.load_workbook(folder / "1-catalogue.xlsx").worksheets[0]
    return list(sheet.iter_rows(min_row=2, values_only=True))


def files_of(row: tuple[object, ...]) -> list[str]:
    return str(row[1]).split("\n")[1:]


def text_of(pdf: Path, page: int | None = None) -> str:
    pages = [] if page is None else ["-f", str(page), "-l", str(page)]
    return subprocess.run(
        [program("pdftotext"), *pages, "-raw", str(pdf), "-"], capture_output=True, encoding="utf-8", check=True
    ).stdout


def pages_of(pdf: Path) -> int:
    said = subprocess.run([program("pdfinfo"), str(pdf)], capture_output=True, encoding="utf-8", check=True).stdout
    found = re.search(r"^Pages:\s+(\d+)$", said, flags=re.MULTILINE)
    assert found is not None
    return int(found[1])


def test_the_list_of_evidence_names_every_file_once_and_only_files_that_are_there(court: Path) -> None:
    listed = [file for row in rows_of(court) for file in files_of(row)]
    made = {str(path.relative_to(court)) for path in (court / "2-paper").iterdir()}
    made |= {str(path.relative_to(court)) for path in (court / "3-disc").glob("*.zip")}
    assert sorted(listed) == sorted(made)
    assert [row[0] for row in rows_of(court)] == ["1-1", "1-2", "1-3", "1-4", "2-1", "2-2", "2-3", "2-4"]


def test_pages_are_numbered_through_the_whole_volume(court: Path) -> None:
    expected = 1
    total = sum(pages_of(path) for path in (court / "2-paper").iterdir())
    for row in rows_of(court):
        if row[5] == "—":
            continue
        first, _, last = str(row[5]).partition("–")
        assert int(first) == expected
        pdf = court / files_of(row)[0]
        assert pages_of(pdf) == int(last or first) - int(first) + 1
        for page in range(pages_of(pdf)):
            assert f"第{expected}页/共{total}页" in re.sub(r"\s", "", text_of(pdf, page + 1))
            expected += 1
    assert expected == total + 1


def test_every_sheet_says_what_it_is_a_part_of(court: Path) -> None:
    row = next(row for row in rows_of(court) if row[0] == "1-4")
    pdf = court / files_of(row)[0]
    count = band_count(1280, HEIGHT)
    assert count == pages_of(pdf) == 3
    for page in range(1, count + 1):
        text = re.sub(r"\s", "", text_of(pdf, page))
        assert f"第{page}/{count}幅" in text
        assert FORMULA in text
        assert str(row[7]) in text
        assert "北京时间" in text


def test_bands_overlap_and_cover_the_whole_picture() -> None:
    for height in (1, 800, 1606, 1607, 1608, 5000, 30_000):
        total, count = height * WIDTH_MM / 1280, band_count(1280, height)
        assert (count - 1) * (BAND_MM - OVERLAP_MM) + BAND_MM >= total
        assert count == 1 or (count - 2) * (BAND_MM - OVERLAP_MM) + BAND_MM < total
    with pytest.raises(FormatError, match="pages"):
        band_count(10, 1 << 20)


def test_purpose_and_translation_are_left_to_the_party(court: Path) -> None:
    assert all(row[3] is None and row[8] is None for row in rows_of(court))
    document = docx.Document(str(court / "1-catalogue.docx"))
    (table,) = document.tables
    assert [cell.text for row in table.rows[1:] for cell in (row.cells[3], row.cells[8])] == [""] * 16
    assert (court / "4-translations/README.txt").is_file()


def test_a_source_stands_once_and_the_list_numbers_its_own_pages(court: Path) -> None:
    sources = [str(row[2]) for row in rows_of(court)]
    assert len({source for source in sources if not source.startswith("同 ")}) == len(
        [source for source in sources if not source.startswith("同 ")]
    )
    numbers = {str(row[0]) for row in rows_of(court)}
    referred = [source.removeprefix("同 ").partition(" / same as ") for source in sources if source.startswith("同 ")]
    assert referred
    assert all(zh == en and zh in numbers for zh, _, en in referred)
    listed = text_of(court / "1-catalogue.pdf")
    pages = len(re.findall(r"第 \d+ 页 / 共 \d+ 页", listed))
    assert [f"第 {n} 页 / 共 {pages} 页" in listed for n in range(1, pages + 1)] == [True] * pages


def test_foreign_text_is_no_formula(court: Path) -> None:
    sheet = openpyxl.load_workbook(court / "1-catalogue.xlsx").worksheets[0]
    cells = [cell for line in sheet.iter_rows(min_row=2) for cell in line if cell.value == FORMULA]
    assert cells
    assert {(cell.data_type, cell.quotePrefix) for cell in cells} == {("s", True)}


def test_originals_are_unchanged_and_open_without_a_zip_program(court: Path, bundles: tuple[Path, ...]) -> None:
    for bundle in bundles:
        assert (court / "3-disc" / bundle.name).read_bytes() == bundle.read_bytes()
        assert (court / "3-disc" / bundle.stem / "capture/pages/0001/screenshot.png").is_file()
    row = next(row for row in rows_of(court) if row[0] == "1-1")
    assert row[7] == hashlib.sha256(bundles[0].read_bytes()).hexdigest()


def test_coreutils_agrees_with_the_lists(court: Path) -> None:
    for folder in (court, court / "3-disc"):
        subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=folder, check=True)
        subprocess.run(
            ["cksum", "-a", "sm3", "--check", "--strict", "SM3SUMS"], cwd=folder, check=True, capture_output=True
        )
    listed = {line[66:] for line in (court / "SHA256SUMS").read_text().splitlines()}
    assert {str(p.relative_to(court)) for p in court.rglob("*") if p.is_file()} - listed == {"SHA256SUMS", "SM3SUMS"}
    label = re.sub(r"\s", "", text_of(court / "3-disc-label.pdf"))
    assert hashlib.sha256((court / "3-disc/SHA256SUMS").read_bytes()).hexdigest() in label
    assert all(number in label for number in NUMBERS)


def test_large_prints_are_divided(tmp_path: Path) -> None:
    keys = make_keys(tmp_path)
    bundle = make_bundle(tmp_path, keys, NUMBERS[0], noise=b"noise")
    exhibits = read_exhibits([bundle], trust=None, at=AT)
    whole = CourtOptions(at=AT, office=False)
    export_court(exhibits, tmp_path / "whole", whole)
    limit = next((tmp_path / "whole/2-paper").glob("*-full.pdf")).stat().st_size // 2
    export_court(exhibits, tmp_path / "parts", replace(whole, max_bytes=limit))
    parts = sorted((tmp_path / "parts/2-paper").glob("*-full-*of*.pdf"))
    assert len(parts) > 1
    assert all(part.stat().st_size <= limit for part in parts)
    assert sum(pages_of(part) for part in parts) == band_count(1280, HEIGHT)
    assert not (tmp_path / "parts/1-catalogue.docx").exists()
    with pytest.raises(UsageError, match="larger"):
        export_court(exhibits, tmp_path / "none", replace(whole, max_bytes=1000))
    assert not [path for path in tmp_path.iterdir() if "none" in path.name]


def test_what_does_not_verify_is_not_exported(
    bundles: tuple[Path, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = tmp_path / "damaged.zip"
    data = bytearray(bundles[0].read_bytes())
    data[data.index(b"<html><h1>") + 8] ^= 1
    damaged.write_bytes(bytes(data))
    with pytest.raises(FailedBundleError):
        read_exhibits([damaged], trust=None, at=AT)
    assert main(["export", str(damaged), "--for", "expert", "-o", str(tmp_path / "out")]) == 1
    assert "does not verify" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_same_number_twice_and_an_existing_folder_are_refused(bundles: tuple[Path, ...], tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="number"):
        read_exhibits([bundles[0], bundles[0]], trust=None, at=AT)
    with pytest.raises(StorageError, match="exists"):
        export_expert(read_exhibits(bundles, trust=None, at=AT), tmp_path)


def test_an_expert_hashes_everything_again_without_our_code(bundles: tuple[Path, ...], tmp_path: Path) -> None:
    out = tmp_path / "expert"
    export_expert(read_exhibits(bundles, trust=None, at=AT + timedelta(days=1)), out)
    sound = subprocess.run(["sh", "rehash.sh"], cwd=out, capture_output=True, encoding="utf-8", check=False)
    assert sound.returncode == 0, sound.stdout + sound.stderr
    assert [line.split(":")[0] for line in sound.stdout.splitlines()] == list(NUMBERS)
    assert sound.stdout.count(": OK (SM3: cksum") == 2
    for member in ("capture/worklog.jsonl", paths.SHA256SUMS, paths.SM3SUMS):
        file = out / NUMBERS[1] / member
        data = file.read_bytes()
        file.write_bytes(data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])
        changed = subprocess.run(["sh", "rehash.sh"], cwd=out, capture_output=True, encoding="utf-8", check=False)
        assert changed.returncode == 1
        assert f"{NUMBERS[1]}: FAILED" in changed.stdout
        file.write_bytes(data)
    assert '"openssl"' in (out / "versions.json").read_text()


def test_nothing_that_a_person_must_declare_is_prefilled(bundles: tuple[Path, ...], tmp_path: Path) -> None:
    out = tmp_path / "902"
    export_902(read_exhibits(bundles[:1], trust=None, at=AT), out, CertificationOptions())
    for rule in ("13", "14"):
        document = docx.Document(str(out / f"902-{rule}-{NUMBERS[0]}.docx"))
        lines = [paragraph.text for paragraph in document.paragraphs]
        for label in ("I, (name)", "What qualifies me to make this certification", "Declaration 声明: ", "Signature"):
            (line,) = (line for line in lines if label in line and "＿" in line)
            assert line.rstrip("＿").endswith(": ")
        assert lines[0].startswith("Certification under Fed. R. Evid. 902"), "the court that asks for it reads English"
        printed = text_of(out / f"902-{rule}-{NUMBERS[0]}.pdf")
        assert "DRAFT" in printed
        assert "unnamed" not in printed
        assert "I declare under penalty" not in printed + "".join(lines)
        digest = hashlib.sha256(picture(1280, 800)).hexdigest()
        assert digest in re.sub(r"\s", "", printed)
