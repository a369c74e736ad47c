"""Refuse what cannot end well before it is announced: no browser, no font, no place for the result, no room."""

from __future__ import annotations

import secrets
import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from evidencekit.bundle.privatearchive import private_path
from evidencekit.capture.environment.fonts import has_cjk_font
from evidencekit.capture.isolation import require_isolation
from evidencekit.capture.launcher import find_browser
from evidencekit.errors import BrowserError, SigningError, StorageError
from evidencekit.revocations import check_signer_now
from evidencekit.signing.cades import content_of, sign_detached
from evidencekit.signing.identity import check_validity
from evidencekit.signing.pades import require_pades
from evidencekit.signing.signer import KeySigner, SignatureAlgorithm

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from evidencekit.casefile import Order
    from evidencekit.office import Office
    from evidencekit.signing.signer import Signer

_ROOM_BYTES = 200 << 20
"""Below this much free space a capture is not begun."""


def output_file(output: Path | None, office: Office, number: str) -> Path:
    """Where the bundle goes: the file asked for, or `<number>.zip` in the folder asked for or the home's."""
    folder = output if output is not None and output.is_dir() else None
    if output is not None and folder is None:
        return output
    return (folder or office.captures_folder) / f"{number}.zip"


def preflight(order: Order, office: Office) -> None:
    """Refuse what cannot end well.

    Raises:
        UsageError: the browser cannot be isolated here.
        SigningError: a certificate of the signer is not valid now or was revoked, or a key that is elsewhere does not
            sign.
        BrowserError: there is no browser, or no font that draws Chinese.
        StorageError: the output exists, its folder or the home cannot be written to, or there is no room.
    """
    with ThreadPoolExecutor(2, thread_name_prefix="preflight") as pool:
        # Both run programs and wait for them; the browser is also read whole.
        browser = None if order.browser.binary is not None else pool.submit(find_browser)
        font = pool.submit(has_cjk_font)
        _check_office(order, office)
        if browser is not None:
            browser.result()
        if font.result() is False:
            raise BrowserError(
                "no font on this machine draws Chinese, so pictures would show boxes; "
                "install one, e.g. `apt-get install fonts-noto-cjk`, and capture again",
                "本机没有中文字体，截图中的中文会显示为方框；请安装字体(如 `apt-get install fonts-noto-cjk`)后重新取证",
            )
    out = output_file(order.output, office, "0")
    if order.output is not None and not order.output.is_dir():
        for file in (out, private_path(out)):
            if file.exists():
                raise StorageError(
                    f"{file} exists and is not overwritten; choose another name with -o or move it away",
                    f"{file} 已存在，不会被覆盖；请用 -o 另选名称，或先移走该文件",
                )
    for folder in {out.absolute().parent, office.work_folder}:
        _writable(folder)


def _check_office(order: Order, office: Office) -> None:
    _check_signer(office)
    if order.request is not None and order.request.isolate:
        require_isolation(allow_private=order.request.allow_private)
    if not order.third_party:
        office.stamper.vet = None
    office.signer_status = check_signer_now(office.signer, at=office.clock(), ask=order.third_party)


def _check_signer(office: Office) -> None:
    """A wrong PIN or an expired certificate would otherwise be found when the page is long gone."""
    now = office.clock()
    for certificate in (office.signer.certificate, *office.signer.chain):
        check_validity(certificate, now)
    if office.seal_pdf:
        require_pades(office.signer.algorithm)
    if office.post_quantum is not None:
        _check_second(office.post_quantum, now)
    if not isinstance(office.signer, KeySigner):
        sign_detached(content_of(b"evidencekit preflight"), office.signer, at=now)


def _check_second(signer: Signer, now: datetime) -> None:
    check_validity(signer.certificate, now)
    if signer.algorithm is not SignatureAlgorithm.ML_DSA_65:
        raise SigningError(
            f"The second signature is made with ML-DSA-65, not {signer.algorithm.value}; give such a signer, or none.",
            f"第二签名须使用 ML-DSA-65，而非 {signer.algorithm.value}；请提供此类签署方，或不使用第二签名。",
        )
    sign_detached(content_of(b"evidencekit preflight"), signer, at=now)


def _writable(folder: Path) -> None:
    probe = folder / f".evidencekit-{secrets.token_hex(6)}"
    try:
        probe.touch(exist_ok=False)
        probe.unlink()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise StorageError(
            f"cannot write in {folder}: {error.strerror or error}; choose another folder with -o, or correct it",
            f"无法写入 {folder}：{error.strerror or error}；请用 -o 另选文件夹，或更正权限",
        ) from error
    if free < _ROOM_BYTES:
        raise StorageError(
            f"only {free >> 20} MiB are free in {folder}, a capture needs {_ROOM_BYTES >> 20} MiB; free space first",
            f"{folder} 仅剩 {free >> 20} MiB,取证至少需要 {_ROOM_BYTES >> 20} MiB;请先清理磁盘",
        )
