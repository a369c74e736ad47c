"""What the documents print: frozen facts, gathered before anything is rendered.

`SessionFacts` come from the manifest, the rest from the stages that sealed, stamped and logged it.
`None` and empty mean that a fact does not exist; the documents then say 未提供 or 未执行， never nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from evidencekit.hashing.deposit import Deposit, Item
    from evidencekit.hashing.process import Process
    from evidencekit.model import (
        Completeness,
        Digests,
        Operator,
        PageResult,
        Text,
        Transformation,
        VerificationReport,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFacts:
    """What the manifest says about the session.

    `attempt` is this session's place among the attempts announced for the matter; `pending` lists the TSAs (URLs)
    that had not answered; `withheld` counts values kept out of the bundle by reason.
    """

    number: str
    capture_id: str
    kind: str
    mode: str
    spec_version: int
    tool: str
    matter: str | None
    operator: Operator
    started_at: datetime
    finished_at: datetime
    time_source: str
    attempt: int
    pages: tuple[PageResult, ...]
    completeness: Completeness
    transformations: tuple[Transformation, ...]
    withheld: Mapping[str, int]
    partial: tuple[Text, ...]
    not_performed: tuple[Text, ...]
    pending: tuple[str, ...]
    secrets_included: bool = False
    """Whether cookies and other secrets stand in the bundle because that was asked for (`--include-secrets`)."""
    deposit: Deposit | None = None
    """What a deposit adds; None for a capture."""
    items: tuple[Item, ...] = ()
    """The first items of a deposit."""
    process: Process | None = None
    """What a person or a script did after the first page; None when nobody did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFacts:
    """One time-stamp token. `role` is `open`, `capture` or `seal`; `accuracy_s` is in seconds, None when not stated."""

    role: str
    path: str
    over: str
    tsa: str
    serial: str
    gen_time: datetime
    accuracy_s: float | None
    policy: str
    self_issued: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerFacts:
    """Where the entry stands: log origin, index, size and root (hex) of the tree that includes it."""

    origin: str
    key: str
    index: int
    size: int
    root: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerFacts:
    """The sealing certificate; `serial` and `certificate_sha256` are hexadecimal."""

    subject: str
    issuer: str
    serial: str
    algorithm: str
    certificate_sha256: str
    not_before: datetime
    not_after: datetime
    self_signed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactFacts:
    """One file of the evidence list; size (bytes) and digests are None when it is withheld."""

    path: str
    role: str
    media_type: str
    page: str | None
    hashed_at: datetime
    size: int | None
    digests: Digests | None
    derived_from: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentCheck:
    """One probe: `result` is PASS, WARN, FAIL or NOT_PERFORMED; `raw` is its untouched output.

    `name` is the id where an older report gives none.
    """

    id: str
    name: Text
    method: Text
    result: str
    started: str
    finished: str
    reason: Text
    raw: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One moment: its step in the log, what it is about (a page), when, and whether a log or a token says it."""

    step: str
    name: Text
    about: str
    time: datetime
    stamped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """One time, by whom and where it stands."""

    kind: Text
    by: str
    where: str
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFacts:
    """What the record shows of the site's operator; each list in order of appearance, without doubles."""

    numbers: tuple[str, ...] = ()
    footer: tuple[str, ...] = ()
    subjects: tuple[tuple[str, str], ...] = ()
    """Certificate file and subject of its leaf."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentFacts:
    """What the probes saw. `browser`, `tool`, `system`, `clock` are name → value pairs as printed."""

    summary: Text
    counts: Mapping[str, int]
    checks: tuple[EnvironmentCheck, ...]
    browser: tuple[tuple[str, str], ...] = ()
    tool: tuple[tuple[str, str], ...] = ()
    system: tuple[tuple[str, str], ...] = ()
    clock: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueFacts:
    """What the issuer states; everything a person must declare is None until that person does.

    `attempts` is the number of attempts announced for the matter when the certificate was made (n of "k of n").
    """

    issued_at: datetime
    attempts: int | None = None
    issuer: str | None = None
    applicant: str | None = None
    applicant_identification: str | None = None
    witness: str | None = None
    right: str | None = None
    data_name: str | None = None
    egress: str | None = None
    verify_url: str | None = None
    retention: str | None = None
    storage: str | None = None
    notarial_number: str | None = None
    mask_names: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateData:
    """Everything the certificate prints. `report` is the verdict of a stranger who brought no anchors."""

    session: SessionFacts
    manifest: Digests
    report: VerificationReport
    signer: SignerFacts
    issue: IssueFacts
    tokens: tuple[TokenFacts, ...] = ()
    ledger: LedgerFacts | None = None
    environment: EnvironmentFacts | None = None
    artifacts: tuple[ArtifactFacts, ...] = ()
    stages: tuple[Stage, ...] = ()
    """The course of the session (report.chronology)."""
    site: SiteFacts | None = None
    hints: tuple[Hint, ...] = ()
    """Times that others stated in the recorded connections (report.hints)."""
    second_signer: SignerFacts | None = None
    """Who made the post-quantum signature; None when there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkLogLine:
    """One line of the work log or the custody log; `detail` is its JSON text, `previous` the hash before it (hex)."""

    n: int
    beijing: str
    step: str
    object: str
    outcome: str
    detail: str
    previous: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeLine:
    """One request of the navigation table; sizes in bytes."""

    id: str
    page: str | None
    method: str
    url: str
    resource_type: str
    outcome: str
    reason: str | None
    status: int | None
    remote_address: str | None
    protocol: str | None
    body_size: int | None
    after_t_capture: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangesSummary:
    """Counts over all requests, and the lines worth printing: documents, redirects and everything not recorded."""

    total: int
    by_outcome: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    by_type: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    lines: tuple[ExchangeLine, ...] = ()
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData:
    """Everything the forensic report prints beside the certificate's facts."""

    certificate: CertificateData
    worklog: tuple[WorkLogLine, ...]
    custody: tuple[WorkLogLine, ...]
    exchanges: ExchangesSummary | None
    """None for a deposit."""
