"""The options of `capture` as click hands them over."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from pathlib import Path


class CaptureOptions(TypedDict):
    """One entry an option; None where it was not given."""

    urls: tuple[str, ...]
    list_file: str | None
    demo: bool
    output: Path | None
    mode: str | None
    tsas: tuple[str, ...]
    matter: str | None
    operator: str | None
    relationship: str | None
    environment_control: str | None
    allow_private: bool
    allow_tls_errors: bool
    allow_http_errors: bool
    no_third_party: bool
    include_secrets: bool
    strict: bool
