"""What the caller asks for: URLs, mode, limits and permissions, validated before anything starts."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING
from zoneinfo import available_timezones

from evidencekit.errors import UsageError
from evidencekit.hashing.rights import RIGHTS

if TYPE_CHECKING:
    from evidencekit.capture.steps import Step


class Mode(StrEnum):
    """How much is recorded (design §4.1)."""

    STANDARD = "standard"
    FAST = "fast"
    FORENSIC = "forensic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one capture; reaching one ends the page as PARTIAL with the reason."""

    navigation_s: float = 30.0
    quiet_s: float = 10.0
    page_s: float = 120.0
    scroll_steps: int = 200
    page_height_px: int = 100_000
    requests: int = 10_000
    bytes_total: int = 2 << 30
    body_bytes: int = 512 << 20


class ProcessKind(StrEnum):
    """Who acts in a recorded process."""

    RECORD = "record"
    SCRIPT = "script"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRequest:
    """What goes on after the first page was shown: a person at a headed browser, or the steps of a script.

    `account_owner` is whose account is used, as the operator says; `rights` the id of a template (`hashing.rights`).
    `video` asks for the whole screen with sound; every `segment_s` seconds its digest is logged and stamped.
    """

    kind: ProcessKind
    account_owner: str = ""
    rights: str | None = None
    steps: tuple[Step, ...] = ()
    video: bool = False
    timeout_s: float = 4 * 3600.0
    segment_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureRequest:
    """A session of 1…n pages. URLs are kept exactly as given; permissions are off by default."""

    urls: tuple[str, ...]
    mode: Mode = Mode.STANDARD
    width_px: int = 1280
    height_px: int = 800
    device_scale: float = 1.0
    locale: str = "zh-CN"
    timezone: str = "Asia/Shanghai"
    allow_private: bool = False
    allow_tls_errors: bool = False
    allow_http_errors: bool = False
    third_party: bool = True
    include_secrets: bool = False
    strict: bool = False
    """Stop before navigation when a probe of the environment sees a sign of forgery."""
    dismiss_banners: bool = False
    headed: bool = False
    """Show a window, on a private screen where there is none."""
    process: ProcessRequest | None = None
    isolate: bool = False
    packets: bool = False
    profile_owner: str = ""
    """Whose browser profile the session works on a copy of; empty for a fresh one."""
    limits: Limits = field(default_factory=Limits)


URL_COUNT_LIMIT = 200
_LOCALE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}", re.ASCII)


def check_request(request: CaptureRequest) -> None:
    """Check everything about a request but its URLs, which `url_policy.check_url` judges one by one.

    Raises:
        UsageError: a value cannot be used; the sentence names it and its range.
    """
    if not 1 <= len(request.urls) <= URL_COUNT_LIMIT:
        raise UsageError(
            f"a session captures 1 to {URL_COUNT_LIMIT} pages; {len(request.urls)} were given",
            f"一次取证可包含 1 至 {URL_COUNT_LIMIT} 个网页；给出了 {len(request.urls)} 个",
        )
    _within("width", request.width_px, 200, 7680)
    _within("height", request.height_px, 200, 4320)
    _within("device scale", request.device_scale, 0.5, 4)
    if not _LOCALE.fullmatch(request.locale):
        raise UsageError(
            f"{request.locale[:40]!r} is no language tag; give one such as zh-CN",
            f"{request.locale[:40]!r} 不是语言标记；请使用 zh-CN 这样的写法",
        )
    if request.timezone not in available_timezones():
        raise UsageError(
            f"{request.timezone[:60]!r} is no time zone; give one such as Asia/Shanghai",
            f"{request.timezone[:60]!r} 不是时区；请使用 Asia/Shanghai 这样的写法",
        )
    _check_limits(request.limits)
    if request.process is not None:
        _check_process(request.process)


def _check_process(process: ProcessRequest) -> None:
    _within("time limit", process.timeout_s, 1, 24 * 3600)
    _within("segment length", process.segment_s, 1, 3600)
    if process.rights is not None and process.rights not in RIGHTS:
        known = ", ".join(RIGHTS)
        raise UsageError(
            f"{process.rights[:40]!r} is no rights template; known are {known}",
            f"没有名为 {process.rights[:40]!r} 的权利模板；可用：{known}",
        )
    if (process.kind is ProcessKind.SCRIPT) != bool(process.steps):
        raise UsageError("a script needs steps, and nothing else has them", "脚本须有步骤，其他方式不得有步骤")


def _check_limits(limits: Limits) -> None:
    for name, seconds in (
        ("navigation limit", limits.navigation_s),
        ("quiet limit", limits.quiet_s),
        ("page limit", limits.page_s),
    ):
        _within(name, seconds, 0.1, 86_400)
    _within("scroll steps", limits.scroll_steps, 0, 100_000)
    _within("page height limit", limits.page_height_px, 200, 1_000_000)
    _within("request limit", limits.requests, 1, 1 << 19)
    _within("byte limit", limits.bytes_total, 1 << 10, 1 << 40)
    _within("body limit", limits.body_bytes, 1 << 10, 1 << 40)


def _within(name: str, value: float, least: float, most: float) -> None:
    if not math.isfinite(value) or not least <= value <= most:
        raise UsageError(
            f"{name} is {value:g}; it must lie between {least:g} and {most:g}",
            f"{name} 的值为 {value:g}；须在 {least:g} 与 {most:g} 之间",
        )
