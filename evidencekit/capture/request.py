"""What the caller asks for: URLs, mode, limits and permissions, validated before anything starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


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
    limits: Limits = field(default_factory=Limits)
