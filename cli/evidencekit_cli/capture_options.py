"""The options of `capture`, and those that say who works, as click hands them over."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from pathlib import Path


class WhoOptions(TypedDict):
    """What says who works; None where it was not given."""

    operator: str | None
    role: str | None
    on_behalf_of: str | None
    relationship: str | None
    environment_control: str | None
    place: str | None
    purpose: str | None
    lawful_basis: str | None


class CaptureOptions(WhoOptions):
    """One entry an option; None where it was not given."""

    urls: tuple[str, ...]
    list_file: str | None
    script: Path | None
    account_owner: str | None
    browser_profile: Path | None
    rights: str | None
    video: bool
    each: bool
    jobs: int | None
    resume: bool
    demo: bool
    output: Path | None
    mode: str | None
    tsas: tuple[str, ...]
    matter: str | None
    allow_private: bool
    allow_tls_errors: bool
    allow_http_errors: bool
    no_third_party: bool
    include_secrets: bool
    strict: bool
    dismiss_banners: bool
    headed: bool
    isolate: bool
    pcap: bool
    post_quantum: bool
