"""The browser's files against what was published: known digests, and the package manager's own record (R11, FM16).

dpkg keeps MD5 sums (dpkg(1), md5sums): enough to see that a file is not the one that was installed by mistake or by
somebody careless, not enough against somebody who changes the record as well; the reason says which was used.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Final

from evidencekit.capture.environment.files import text_in
from evidencekit.capture.environment.knownbrowsers import PUBLISHED
from evidencekit.capture.environment.probe import (
    Observation,
    Probe,
    ProbeContext,
    ProbeResult,
    failed,
    not_performed,
    passed,
)
from evidencekit.model import Text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from evidencekit.capture.environment.probe import BrowserFacts
    from evidencekit.model import JsonValue

_FAMILIES: Final = ("chromium*", "google-chrome*", "microsoft-edge*", "brave-browser*", "vivaldi*", "opera*")
_CHUNK: Final = 1 << 20
_MOST_BYTES: Final = 8 << 20
_SHOWN: Final = 5


def probe_integrity(context: ProbeContext) -> Observation:
    """Compare the program's digest with published ones, and its folder with the record of its package."""
    options = context.options
    browser = options.browser
    if browser is None:
        return not_performed("no browser is known", "尚未确定浏览器")
    where = {**PUBLISHED, **options.browser_digests}.get(browser.sha256)
    package, sums = _record_of(browser, options.package_folder)
    if where is not None:
        # The program is known; what lies beside it can only be compared with the package's record.
        sums.pop(str(browser.path), None)
        seen = _compare(browser, package or "-", sums, time.monotonic() + options.hashing_s) if sums else None
        return seen if seen is not None and seen.result is ProbeResult.FAIL else _published(where, seen)
    if package is None:
        return not_performed(
            "no package of this system owns the program, and its digest is none of those known",
            "本系统的软件包均不包含该程序，且其摘要不在已知之列",
        )
    return _compare(browser, package, sums, time.monotonic() + options.hashing_s)


def _published(where: str, beside: Observation | None) -> Observation:
    compared = 0 if beside is None else beside.observed.get("compared", 0)
    return passed(
        f"the program has the digest published for {where}; {compared} files beside it agree with the package's record",
        f"浏览器程序的摘要与已公布的一致：{where}；其旁的 {compared} 个文件与软件包记录一致",
        {"published": where, "compared": compared},
    )


def _compare(browser: BrowserFacts, package: str, sums: Mapping[str, str], deadline: float) -> Observation:
    wrong, done, left = [], 0, 0
    # The program first: it decides, should the time run out.
    for path, digest in sorted(sums.items(), key=lambda item: item[0] != str(browser.path)):
        found = _md5(path, deadline)
        if found is None:
            left += 1
        else:
            done += 1
            wrong += [path] if found != digest else []
    observed: dict[str, JsonValue] = {"package": package, "compared": done, "left": left, "different": list(wrong)}
    raw = "\n".join(wrong)
    if wrong:
        shown = ", ".join(wrong[:_SHOWN])
        return failed(
            f"files of the browser are not those of its package {package}: {shown}",
            f"浏览器文件与其软件包 {package} 的记录不符：{shown}",
            observed,
            raw,
        )
    if left or not done:
        return not_performed(
            f"{left} files of package {package} could not be compared in time; {done} were and agree",
            f"软件包 {package} 有 {left} 个文件未能及时比对；已比对的 {done} 个一致",
            observed,
        )
    return passed(
        f"{done} files agree with the record of package {package} (MD5, as dpkg keeps it)",
        f"{done} 个文件与软件包 {package} 的记录一致（dpkg 保存的 MD5）",
        observed,
    )


def _record_of(browser: BrowserFacts, folder: Path) -> tuple[str | None, dict[str, str]]:
    """Find the package whose record lists the program, and what its sister packages list in the same folder."""
    beside = f"{browser.path.parent}/"
    owner: str | None = None
    found: dict[str, str] = {}
    for family in _FAMILIES:
        for record in sorted(folder.glob(f"{family}.md5sums")):
            sums = _read_sums(record)
            found |= {path: digest for path, digest in sums.items() if path.startswith(beside)}
            if str(browser.path) in sums:
                owner = record.stem
    return owner, found


def _read_sums(record: Path) -> dict[str, str]:
    pairs = [line.split(None, 1) for line in text_in(record, _MOST_BYTES).splitlines()]
    return {f"/{pair[1]}": pair[0] for pair in pairs if len(pair) == 2}  # noqa: PLR2004


def _md5(path: str, deadline: float) -> str | None:
    """Hash a file; `None` when the time runs out, empty text when it cannot be read."""
    hasher = hashlib.md5(usedforsecurity=False)
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            while chunk := file.read(_CHUNK):
                if time.monotonic() > deadline:
                    return None
                hasher.update(chunk)
    except OSError:
        return ""
    return hasher.hexdigest()


PROBE = Probe(
    id="browser.integrity",
    name=Text(en="Integrity of the browser", zh="浏览器文件完整性"),
    method=Text(
        en="SHA-256 against published digests; MD5 against the package record (dpkg)",
        zh="与已公布的 SHA-256 摘要比对；与软件包记录（dpkg）的 MD5 比对",
    ),
    run=probe_integrity,
)
