"""What `evidencekit doctor` looks at: one function a check, bounded in time, changing nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from evidencekit.errors import BrowserError, EvidenceError
from evidencekit_cli.exit_codes import ExitCode, exit_code_for
from evidencekit_cli.output import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from evidencekit_cli.language import Bilingual

_ENOUGH_DISK_BYTES = 2 << 30
_LITTLE_DISK_BYTES = 256 << 20
_FONT_TIMEOUT_S = 10.0
_EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
"""This program did not exist before; a clock that says otherwise is wrong."""


class Condition(StrEnum):
    """How a check came out. INFO is a limit that holds on every machine; it changes no exit status."""

    PASS = "PASS"  # noqa: S105  the word, not a secret
    INFO = "INFO"
    WARN = "WARN"
    FAIL = "FAIL"
    NOT_PERFORMED = "NOT_PERFORMED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """One check's result; `status` is the exit status of the command when it is a FAIL."""

    id: str
    condition: Condition
    sentence: Bilingual
    status: ExitCode = ExitCode.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing to look at: the id under which it is reported, and how."""

    id: str
    look: Callable[[], Diagnosis]


def passed(name: str, en: str, zh: str) -> Diagnosis:
    """Return a check that found what it looked for."""
    return Diagnosis(id=name, condition=Condition.PASS, sentence=Sentence(en, zh))


def warned(name: str, en: str, zh: str) -> Diagnosis:
    """Return a check that found something a capture can do without."""
    return Diagnosis(id=name, condition=Condition.WARN, sentence=Sentence(en, zh))


def informed(name: str, en: str, zh: str) -> Diagnosis:
    """Return a limit that a reader should know and that changes no exit status."""
    return Diagnosis(id=name, condition=Condition.INFO, sentence=Sentence(en, zh))


def failed(name: str, error: EvidenceError) -> Diagnosis:
    """Return a check that found what would stop a capture."""
    return Diagnosis(id=name, condition=Condition.FAIL, sentence=error, status=exit_code_for(type(error)))


def exit_status(diagnoses: list[Diagnosis]) -> ExitCode:
    """Return the status of the first failure, else 3 for a warning, else 0."""
    for diagnosis in diagnoses:
        if diagnosis.condition is Condition.FAIL:
            return diagnosis.status
    warnings = any(diagnosis.condition is Condition.WARN for diagnosis in diagnoses)
    return ExitCode.UNDECIDED if warnings else ExitCode.OK


def run_checks(checks: Iterable[Check]) -> list[Diagnosis]:
    """Run every check; one that raises an error of ours is a FAIL and does not stop the others."""
    return [_run(check) for check in checks]


def _run(check: Check) -> Diagnosis:
    try:
        return check.look()
    except EvidenceError as error:
        return failed(check.id, error)


def check_python() -> Diagnosis:
    """Report the interpreter that runs this."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    return passed("python", f"Python {version}", f"Python {version}")


def check_browser() -> Diagnosis:
    """Find the browser that a capture would use.

    Raises:
        BrowserError: there is none.
    """
    from evidencekit.capture.launcher import find_browser, runs_as_root

    browser = find_browser()
    found = f"{browser.name} {browser.version}, {browser.path}, SHA-256 {browser.sha256}"
    if runs_as_root():
        return informed(
            "browser",
            f"{found}; as root it runs without its sandbox: prefer an ordinary user",
            f"{found};以 root 运行时不启用沙箱,请尽量使用普通用户",
        )
    return passed("browser", found, found)


def check_interfaces() -> Diagnosis:
    """Start the browser and ask for the experimental interfaces that the recorder uses."""
    from evidencekit.capture.interfaces import INTERFACES, probe_browser

    try:
        missing = probe_browser()
    except BrowserError as error:
        # Whether there is a browser at all is the check above.
        return Diagnosis(id="interfaces", condition=Condition.NOT_PERFORMED, sentence=error)
    if missing:
        return warned("interfaces", "; ".join(text.en for text in missing), "；".join(text.zh for text in missing))
    return passed(
        "interfaces",
        f"the browser has all {len(INTERFACES)} experimental interfaces that the recorder uses, and its network log "
        "knows every event that is read",
        f"浏览器支持记录器所用的全部 {len(INTERFACES)} 个实验性接口,其网络日志支持所读取的全部事件",
    )


def check_fonts() -> Diagnosis:
    """Look for a font with Chinese characters (fontconfig systems)."""
    if sys.platform in ("darwin", "win32"):
        return passed("fonts", "this system brings Chinese fonts", "系统自带中文字体")
    tool = shutil.which("fc-list")
    if tool is None:
        return warned(
            "fonts",
            "fontconfig is not installed, so Chinese text may be drawn as boxes; "
            "as root: apt-get install fontconfig fonts-noto-cjk",
            "未安装 fontconfig,中文可能显示为方框;请以 root 运行:apt-get install fontconfig fonts-noto-cjk",
        )
    try:
        listed = subprocess.run(  # noqa: S603  a fixed command found on the path
            [tool, ":lang=zh-cn", "family"], capture_output=True, text=True, timeout=_FONT_TIMEOUT_S, check=False
        ).stdout
    except (OSError, subprocess.SubprocessError):
        listed = ""
    families = sorted({line.split(",")[0].strip() for line in listed.splitlines() if line.strip()})
    if not families:
        return warned(
            "fonts",
            "no font with Chinese characters, so Chinese text is drawn as boxes; "
            "as root: apt-get install fonts-noto-cjk",
            "没有中文字体,中文会显示为方框;请以 root 运行:apt-get install fonts-noto-cjk",
        )
    from evidencekit.capture.environment.fonts import EMOJI_SAMPLE, missing_glyphs

    if missing_glyphs(EMOJI_SAMPLE):
        return informed(
            "fonts",
            f"{len(families)} families with Chinese characters, none with emoji, which are drawn as boxes; "
            "as root: apt-get install fonts-noto-color-emoji",
            f"{len(families)} 种中文字体,但没有表情符号字体,表情会显示为方框;"
            "请以 root 运行:apt-get install fonts-noto-color-emoji",
        )
    return passed(
        "fonts",
        f"{len(families)} families with Chinese characters, e.g. {families[0]}",
        f"{len(families)} 种中文字体,如 {families[0]}",
    )


def check_recording() -> Diagnosis:
    """Look for the programs that `record` needs: a display, a camera, a sound server, and their leash."""
    needed = {"ffmpeg": "ffmpeg", "pulseaudio": "pulseaudio", "setpriv": "util-linux"}
    if not os.environ.get("DISPLAY"):
        needed["Xvfb"] = "xvfb"
    missing = [name for name in needed if shutil.which(name) is None]
    if missing:
        packages = " ".join(needed[name] for name in missing)
        return informed(
            "recording",
            f"`record` cannot film here: {', '.join(missing)} missing; as root: apt-get install {packages}. "
            "`record --no-video` works with a display alone",
            f"`record` 无法在本机录像:缺少 {'、'.join(missing)};请以 root 运行:apt-get install {packages}。"
            "仅有显示器时可用 `record --no-video`",
        )
    where = os.environ.get("DISPLAY") or "a display of its own, which nobody sees"
    where_zh = os.environ.get("DISPLAY") or "自建的不可见显示器"
    return passed("recording", f"`record` films with sound on {where}", f"`record` 可在{where_zh}上录制屏幕与声音")


def check_disk(home: Path) -> Diagnosis:
    """Report the free space where captures are kept."""
    place = next(folder for folder in (home, *home.parents) if folder.is_dir())
    free = shutil.disk_usage(place).free
    shown = f"{free / (1 << 30):.1f} GiB"
    if free < _LITTLE_DISK_BYTES:
        return warned(
            "disk",
            f"only {shown} free under {place}; a capture may end for want of space",
            f"{place} 仅剩 {shown},取证可能因空间不足而失败",
        )
    if free < _ENOUGH_DISK_BYTES:
        return warned(
            "disk",
            f"{shown} free under {place}; pages with video may need more",
            f"{place} 剩余 {shown};含视频的网页可能需要更多",
        )
    return passed("disk", f"{shown} free under {place}", f"{place} 剩余 {shown}")


def check_clock() -> Diagnosis:
    """Compare the system clock with what is certain without asking anybody."""
    now = datetime.now(UTC)
    shown = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    if now < _EARLIEST:
        return warned(
            "clock",
            f"the system clock says {shown}, which cannot be; set it before capturing",
            f"系统时钟为 {shown},不可能正确;请先校准再取证",
        )
    return passed(
        "clock",
        f"{shown} by the system clock (unverified; only a time-stamping authority proves a time)",
        f"系统时钟 {shown}(未经验证;只有时间戳机构能证明时间)",
    )


def check_sm3() -> Diagnosis:
    """Compute SM3 of "abc" (GB/T 32905-2016, example 1) with the library that a capture uses."""
    from evidencekit.hashing.digest import digest_bytes

    expected = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    if digest_bytes(b"abc").sm3 != expected:
        return Diagnosis(
            id="sm3",
            condition=Condition.FAIL,
            sentence=Sentence(
                "SM3 gives a wrong digest here, so nothing may be captured; reinstall Python or OpenSSL",
                "本机 SM3 计算结果错误,不能取证;请重新安装 Python 或 OpenSSL",
            ),
            status=ExitCode.BUG,
        )
    if "sm3" in hashlib.algorithms_available:
        return passed("sm3", "SM3 by Python's OpenSSL", "SM3 由 Python 的 OpenSSL 提供")
    return passed(
        "sm3", "SM3 by the cryptography package; Python's OpenSSL has none", "SM3 由 cryptography 提供(OpenSSL 未包含)"
    )


def check_environment() -> Diagnosis:
    """Name variables that change what a capture sees or reveals."""
    suspicious = [
        name
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "SSLKEYLOGFILE", "LD_PRELOAD")
        if os.environ.get(name) or os.environ.get(name.lower())
    ]
    if suspicious:
        names = ", ".join(suspicious)
        return warned(
            "environment",
            f"{names} are set; each stands in the environment record of a capture, so unset what you do not need",
            f"设置了 {names};它们会写入取证的环境记录,请取消不需要的",
        )
    return passed("environment", "no proxy, preload or key log variables", "没有代理、预加载或密钥日志变量")
