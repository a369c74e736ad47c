"""Values that cross stage borders: frozen, keyword-only, without behaviour beyond derived fields.

Times are aware UTC datetimes. Digests are `Digests`: lower-case hexadecimal SHA-256 and SM3 of the same bytes.
Paths inside a bundle are `str` with `/`; paths on disk are `pathlib.Path`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
"""What RFC 8785 can write: no NaN, integers within ±(2^53 - 1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One sentence in English and Chinese."""

    en: str
    zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """SHA-256 and SM3 of the same bytes, each 64 lower-case hexadecimal characters."""

    sha256: str
    sm3: str


# --- capture -----------------------------------------------------------------------------------


class Relationship(StrEnum):
    """Who the operator is to the matter (R19)."""

    PARTY = "party"
    COUNSEL = "counsel"
    NOTARY = "notary"
    THIRD_PARTY = "third_party"


class EnvironmentControl(StrEnum):
    """Who controls the machine that captures (R19, FM4)."""

    PARTY_HOST = "party_host"
    NOTARY_HOST = "notary_host"
    NOTARY_CLOUD = "notary_cloud"
    THIRD_PARTY_CLOUD = "third_party_cloud"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """The person who captures; the defaults are those of self-service.

    `on_behalf_of`, `place`, `purpose` and `lawful_basis` are what the operator states; empty when nothing was stated.
    """

    name: str = "unnamed"
    role: str = "operator"
    relationship: Relationship = Relationship.PARTY
    environment_control: EnvironmentControl = EnvironmentControl.PARTY_HOST
    identity: str = "unverified"
    on_behalf_of: str = ""
    place: str = ""
    purpose: str = ""
    lawful_basis: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A finished file of the capture, hashed as its bytes were closed.

    `salt` (32 bytes) and `leaf` (32 bytes) are the salted commitment of docs/spec/records.md.
    With reasons in `withheld` only the leaf goes into the bundle, and `file` lies among the private files.
    """

    path: str
    file: Path
    media_type: str
    role: str
    size: int
    digests: Digests
    salt: bytes
    leaf: bytes
    hashed_at: datetime
    page: str | None = None
    derived_from: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The commitment to one WARC block (a request or a response), in order of completion.

    `id` is `000012.request`, `000012.response`, or the same with `.public` when the block in the
    archive is a masked view; `withheld` then gives the reasons on the original's line.
    """

    id: str
    size: int
    digests: Digests
    salt: bytes
    leaf: bytes
    withheld: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureRoot:
    """What T_capture stamps for one page: docs/spec/bundle.md, `seal/capture-NNNN.json`."""

    page: str
    records: int
    initial_screenshot: bytes
    initial_dom: bytes
    root: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Transformation:
    """One thing done to the page or the browser that a plain visit would not do (R14, FM10)."""

    time: datetime
    kind: str
    detail: Text
    page: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """One hop of the main document's redirect chain."""

    url: str
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PageResult:
    """What became of one page. `verdict` is `ok` or the id of an honest warning (FM11), e.g. `http_error`."""

    id: str
    requested_url: str
    final_url: str
    title: str
    status: int | None
    content_type: str
    redirects: tuple[Redirect, ...]
    remote_address: str | None
    protocol: str | None
    verdict: str
    verdict_reason: Text
    started_at: datetime
    initial_at: datetime
    finished_at: datetime
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """How every request ended (design: zero silent loss) and how many bytes were kept."""

    requests: int
    recorded: int
    partial: int
    failed: int
    withheld: int
    not_retrievable: int
    after_t_capture: int
    body_bytes: int
    reasons: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """Everything the capture stage hands to hashing. `partial` lists reasons; empty means complete."""

    capture_id: str
    started_at: datetime
    finished_at: datetime
    pages: tuple[PageResult, ...]
    artifacts: tuple[Artifact, ...]
    records: tuple[Record, ...]
    roots: tuple[CaptureRoot, ...]
    transformations: tuple[Transformation, ...]
    completeness: Completeness
    partial: tuple[Text, ...]
    withheld: Mapping[str, int]
    private_files: Mapping[str, Path]
    not_performed: tuple[Text, ...] = ()


# --- verification ------------------------------------------------------------------------------


class Outcome(StrEnum):
    """Result of one check (ETSI EN 319 102-1's three, and the one that did not run)."""

    PASSED = "PASSED"
    INDETERMINATE = "INDETERMINATE"
    FAILED = "FAILED"
    NOT_PERFORMED = "NOT_PERFORMED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check's result. `id` is registered in docs/spec/findings.md; `subject` is what it was about."""

    id: str
    outcome: Outcome
    subject: str
    reason: Text
    details: Mapping[str, JsonValue] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationReport:
    """All findings of one verification; `overall` is never above the weakest required finding."""

    bundle: str
    number: str
    at: datetime
    trust: str
    overall: Outcome
    headline: Text
    findings: tuple[Finding, ...]


NOTHING_WITHHELD = Text(
    en="At the operator's request nothing was withheld: this bundle may hold cookies, credentials and tokens.",
    zh="应操作人要求未作任何保密遮盖：本证据包可能含有 Cookie、登录凭据和令牌。",
)
"""What `--include-secrets` means; it stands at the head of page 1."""
