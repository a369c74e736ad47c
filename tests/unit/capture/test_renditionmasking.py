"""Secrets are found inside encoded MHTML parts and PDF streams; a real browser's files are the samples."""

from __future__ import annotations

import asyncio
import base64
import email
import email.policy
import quopri
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from evidencekit.capture.masking import Masker
from evidencekit.capture.rendering import mhtml, pdf
from evidencekit.capture.renditionmasking import is_mhtml, mask_mhtml, mask_pdf, pdf_reasons
from evidencekit.capture.withholding import Secrets, mask_text, shown_sentence

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_VALUE = "seeded=秘密/value&4711"
_PLAIN = "plain-seed-0815"
_MASKER = Masker([(_VALUE, "cookie"), (_PLAIN, "token")])


def _parts(data: bytes) -> list[bytes]:
    message = email.message_from_bytes(data, policy=email.policy.HTTP)
    return [part.get_payload(decode=True) for part in message.walk() if not part.is_multipart()]  # type: ignore[misc]


def _check_masked_pdf(printed: bytes, out: Path) -> None:
    public, found = mask_pdf(printed, _MASKER)
    assert found == ("token",)
    assert len(public) == len(printed)
    assert pdf_reasons(public, _MASKER) == ()
    assert b"/URI (https://a.test/?k=[withheld:token" in public
    out.write_bytes(public)
    if shutil.which("pdfinfo"):
        told = subprocess.run(["pdfinfo", str(out)], capture_output=True, text=True, check=True)
        assert "[withheld:token" in told.stdout
        assert _PLAIN not in told.stdout
        assert not told.stderr
    if shutil.which("qpdf"):
        subprocess.run(["qpdf", "--check", str(out)], capture_output=True, check=True)


@pytest.mark.browser
def test_what_chromium_saves(open_page: Callable[..., Any], serve_pages: Callable[..., Any], tmp_path: Path) -> None:
    escaped = _VALUE.replace("&", "&amp;")
    page = (
        f"<!DOCTYPE html><title>{_PLAIN} 标题</title><link rel=stylesheet href='/s.css?k={_PLAIN}'>"
        f"<p>{'长' * 60} {escaped} {'x' * 200}</p><a href='https://a.test/?k={_PLAIN}'>link</a><img src='/i.svg'>"
    )
    files = {
        "/": ("text/html; charset=utf-8", page),
        "/i.svg": ("image/svg+xml", f"<svg xmlns='http://www.w3.org/2000/svg'><desc>{_PLAIN}</desc></svg>"),
    }

    def answer(path: str) -> tuple[int, str, bytes]:
        content_type, text = files.get(path, ("text/css", f"p{{--x: '{_PLAIN}'}}"))
        return 200, content_type, text.encode()

    async def run() -> bytes:
        async with open_page() as tab:
            await tab.goto(f"{base}/")
            await pdf(tab, tmp_path / "page.pdf")
            return await mhtml(tab)

    with serve_pages(answer) as base:
        saved = asyncio.run(run())
    assert is_mhtml(saved)
    assert any(_PLAIN.encode() in part for part in _parts(saved)), "the sample must hold what is to be hidden"
    masked, reasons = mask_mhtml(saved, _MASKER)
    assert reasons == ("cookie", "token")
    assert _PLAIN.encode() not in masked
    before, after = _parts(saved), _parts(masked)
    assert len(before) == len(after) > 2
    assert not any(value.encode() in part for part in after for value in (_PLAIN, _VALUE, escaped, "4711"))
    assert any(b"[withheld:cookie]" in part for part in after)
    assert "长" * 60 in b"".join(after).decode("utf-8", "replace")
    printed = (tmp_path / "page.pdf").read_bytes()
    assert "token" in pdf_reasons(printed, _MASKER), "the link's address stands in the PDF"
    _check_masked_pdf(printed, tmp_path / "public.pdf")
    secrets = Secrets()
    secrets.add(_PLAIN, "token")
    assert mask_text(saved, secrets)[1] == ("token",)
    sentence = shown_sentence("nothing", printed, secrets)
    assert sentence is not None
    assert sentence.en.startswith("the PDF of the page")
    sentence = shown_sentence(f"x {_PLAIN}", b"", secrets)
    assert sentence is not None
    assert sentence.en.startswith("screenshots and PDF")
    assert shown_sentence("nothing", b"%PDF-", secrets) is None


def _mhtml(encoding: str, body: bytes, subject: str = "x") -> bytes:
    return (
        (
            f"From: <Saved by Blink>\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n"
            'Content-Type: multipart/related;\r\n\ttype="text/html";\r\n\tboundary="--b--"\r\n\r\n\r\n'
            f"----b--\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
        ).encode()
        + body
        + b"\r\n----b----\r\n"
    )


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("quoted-printable", quopri.encodestring(f"{'é' * 20}{_VALUE}".encode())),
        ("base64", base64.encodebytes(_VALUE.encode() * 9)),
        ("binary", _VALUE.encode()),
        ("base64", b"!" + _PLAIN.encode()),
    ],
)
def test_every_transfer_encoding(encoding: str, body: bytes) -> None:
    masked, reasons = mask_mhtml(_mhtml(encoding, body), _MASKER)
    assert reasons
    assert not any(b"4711" in part or _PLAIN.encode() in part for part in [masked, *_parts(masked)])


def test_encoded_subject() -> None:
    subject = "=?utf-8?Q?seeded=3D=E7=A7=98=E5=AF=86/?=\r\n =?utf-8?Q?value&4711?="
    masked, reasons = mask_mhtml(_mhtml("binary", b"x", subject), _MASKER)
    assert reasons == ("cookie",)
    assert b"4711" not in masked
    assert b"Subject: [withheld:cookie]\r\n" in masked


def test_utf16_strings_of_a_pdf() -> None:
    digits = ("\ufeff" + f"标题 {_VALUE}").encode("utf-16-be").hex().upper()
    data = f"%PDF-1.4\n1 0 obj <</Title <{digits}>>> endobj\n".encode()
    masked, reasons = mask_pdf(data, _MASKER)
    assert reasons == ("cookie",)
    assert len(masked) == len(data)
    assert pdf_reasons(masked, _MASKER) == ()
    assert b"<feff" in masked
    clean = b"%PDF-1.4 <FEFF00410042004300440045>"
    assert mask_pdf(clean, _MASKER) == (clean, ())


def test_without_secrets_not_a_byte_changes() -> None:
    data = _mhtml("quoted-printable", b"a=3Db soft=\r\nbreak\r\n", "=?utf-8?Q?=E5=BA=97?=")
    assert mask_mhtml(data, _MASKER) == (data, ())


def test_hostile_renditions_take_no_time() -> None:
    begun = time.process_time()
    mask_mhtml(_mhtml("binary", b"----b--\r\n" * 100_000 + b"A:" + b"\r\n " * 100_000), _MASKER)
    pdf_reasons(b"stream\n" * 100_000, _MASKER)
    assert time.process_time() - begun < 4
