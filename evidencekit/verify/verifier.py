"""From a bundle to its findings: every check by name, none skipped, no network, no browser, no home.

A check whose input is missing or broken ends as a finding that says so, and the later checks still run. The result is
a function of the bundle's bytes, the anchors, the time and the policy.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from evidencekit.bundle import paths
from evidencekit.bundle.reader import open_bundle
from evidencekit.errors import FormatError, UnknownVersionError, UsageError
from evidencekit.model import Finding, Outcome, Text, VerificationReport
from evidencekit.verify import archive, container, deposit, environment, exchanges, record, worklogs
from evidencekit.verify.anchored import check_anchored, has_receipts
from evidencekit.verify.case import Case
from evidencekit.verify.corroboration import CorroborationChecks
from evidencekit.verify.demands import check_signatures, check_timestamps, check_witnesses
from evidencekit.verify.film import check_film, has_film
from evidencekit.verify.lasting import check_lasting
from evidencekit.verify.ledger import LedgerChecks
from evidencekit.verify.network import check_network
from evidencekit.verify.outcome import ONLY_CAPTURE, ONLY_DEPOSIT, overall
from evidencekit.verify.outer import OuterChecks
from evidencekit.verify.pinned import pinned_trust
from evidencekit.verify.policy import Policy
from evidencekit.verify.postquantum import check_post_quantum, has_post_quantum
from evidencekit.verify.redaction import check_redaction
from evidencekit.verify.roles import check_roles, has_roles
from evidencekit.verify.seals import SealChecks
from evidencekit.verify.status import check_status
from evidencekit.verify.tally import InputMissingError, finding
from evidencekit.verify.timestamps import TimeChecks
from evidencekit.verify.tls import check_tls
from evidencekit.verify.trust import Trust
from evidencekit.verify.wording import headline

if TYPE_CHECKING:
    from collections.abc import Callable

    from evidencekit.corroboration.rerender import Rerendered
    from evidencekit.hashing.digest import KnownSm3
    from evidencekit.ledger.amendment import Standing
    from evidencekit.ledger.anchors.anchor import Receipt
    from evidencekit.model import Digests

Check: TypeAlias = "tuple[str, Callable[[], Finding]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What the caller has beside the bundle.

    Attributes:
        files: size and digests (`hashing.digest.digest_file`) of files to compare with what was deposited.
        receipts: of anchors, for the checkpoint of the entry's proof (`ledger.anchors.anchor.parse_receipt`).
        rerendered: what an offline re-render of the record showed (`evidencekit.rerender.rerender_bundle`).
    """

    files: tuple[tuple[int, Digests], ...] = ()
    receipts: tuple[Receipt, ...] = ()
    rerendered: Rerendered | None = None


def verify_bundle(  # noqa: PLR0913 (the front door: each names one thing that a caller may bring)
    path: Path | str,
    *,
    trust: Trust | None = None,
    at: datetime | None = None,
    policy: Policy | None = None,
    standing: Standing | None = None,
    beside: Beside | None = None,
    known: KnownSm3 | None = None,
) -> VerificationReport:
    """Verify a bundle.

    Args:
        path: The ZIP, or the folder that it was unpacked to.
        trust: Anchors; `None` judges as a stranger does.
        at: Aware time of verification; the policy's, or now, by default. It is in the report.
        policy: What to demand beside the required findings, and further anchors; `None` demands nothing.
        standing: How the entry stands in a newer log (`evidencekit.ledger.standing`); `None`: not looked at.
        beside: Copies of deposited files, and receipts of anchors that came later.
        known: The SM3 of bytes that the caller's own process hashed when it made this bundle; `None` for anybody else.

    Returns:
        All findings, in the order of docs/spec/findings.md.

    Raises:
        FormatError: there is nothing to verify: not a ZIP, or none of ours.
        StorageError: the file cannot be read.
        UsageError: `at` has no time zone.
    """
    demanded = policy or Policy()
    moment = at or demanded.at or datetime.now(UTC)
    if moment.tzinfo is None:
        raise UsageError(
            "The time of verification has no time zone; give an aware time.", "核验时间缺少时区；请给出带时区的时间。"
        )
    name = Path(path).name
    with open_bundle(Path(path)) as bundle:
        if paths.MANIFEST not in bundle and paths.SEAL not in bundle:
            raise FormatError(
                f"{name} holds neither manifest.json nor seal/manifest.p7s: it is no evidence bundle.",
                f"{name} 中既无 manifest.json 也无 seal/manifest.p7s：不是证据包。",
            )
        with closing(Case(bundle, name, trust=trust or Trust.stranger(), at=moment, known=known)) as case:
            case.trust = case.trust.merged(_pinned(case, demanded))
            return _report(case, demanded, standing, beside or Beside())


def checks_of(
    case: Case, policy: Policy, standing: Standing | None = None, beside: Beside | None = None
) -> tuple[Check, ...]:
    """List the checks of a bundle by finding id, in the order of docs/spec/findings.md."""
    left_out = ONLY_CAPTURE if deposit.is_deposit(case) else ONLY_DEPOSIT
    return tuple(check for check in _all_checks(case, policy, standing, beside or Beside()) if check[0] not in left_out)


def _all_checks(case: Case, policy: Policy, standing: Standing | None, beside: Beside) -> tuple[Check, ...]:
    times = TimeChecks(case)
    outer, ledger = OuterChecks(case, times), LedgerChecks(case)
    seals = SealChecks(case, times, lambda: outer.readable_stamps)
    agreement = CorroborationChecks(case, beside.rerendered)
    demanded: dict[str, Callable[[], Finding]] = {
        "policy.signatures": lambda: check_signatures(case, outer, policy),
        "policy.timestamps": lambda: check_timestamps(times.seals, outer.readable_stamps, policy),
        "policy.witnesses": lambda: check_witnesses(ledger, policy),
    }
    return (
        ("container.form", lambda: container.check_form(case)),
        ("container.members", lambda: container.check_members(case)),
        ("format.version", lambda: container.check_version(case)),
        ("sums.sha256", lambda: container.check_sha256sums(case)),
        ("sums.sm3", lambda: container.check_sm3sums(case)),
        ("outer.manifest", outer.check_manifest),
        ("outer.signature", outer.check_signature),
        ("outer.signer", lambda: outer.check_signer(seals)),
        ("outer.timestamp", outer.check_timestamp),
        ("manifest.form", lambda: record.check_form(case)),
        ("manifest.artifacts", lambda: record.check_artifacts(case)),
        ("manifest.records", lambda: record.check_records(case)),
        ("manifest.minimum", lambda: record.check_minimum(case)),
        ("archive.records", lambda: archive.check_archive_records(case)),
        ("archive.wacz", lambda: archive.check_archive_wacz(case)),
        ("exchanges.complete", lambda: exchanges.check_exchanges(case)),
        ("exchanges.corroborated", lambda: check_network(case)),
        ("corroboration.text", agreement.check_texts),
        ("corroboration.images", agreement.check_images),
        ("corroboration.location", agreement.check_location),
        ("corroboration.pictures", agreement.check_pictures),
        ("corroboration.network", agreement.check_network),
        *((("corroboration.rerender", agreement.check_rerender),) if agreement.has_rerender() else ()),
        ("worklog.chain", lambda: worklogs.check_worklog(case)),
        ("custody.chain", lambda: worklogs.check_custody(case)),
        ("deposit.items", lambda: deposit.check_items(case)),
        ("deposit.statement", lambda: deposit.check_statement(case)),
        ("deposit.links", lambda: deposit.check_links(case)),
        *((("deposit.file", lambda: deposit.check_files(case, beside.files)),) if beside.files else ()),
        ("environment.report", lambda: environment.check_environment(case)),
        ("devtools.exclusive", lambda: environment.check_devtools(case)),
        ("tls.handshake", lambda: check_tls(case)),
        ("seal.signature", seals.check_signature),
        ("seal.identity", seals.check_identity),
        ("seal.validity", seals.check_validity),
        ("seal.revocation", seals.check_revocation),
        *((("seal.post_quantum", lambda: check_post_quantum(case, outer)),) if has_post_quantum(case) else ()),
        ("time.open", times.check_open),
        ("time.capture", times.check_capture),
        *((("time.film", lambda: check_film(case, times)),) if has_film(case) else ()),
        ("time.seal", times.check_seal),
        ("time.order", times.check_order),
        ("time.independent", lambda: times.check_independent(outer.readable_stamps)),
        ("time.lasting", lambda: check_lasting(case, times, outer)),
        ("ledger.entry", ledger.check_entry),
        ("ledger.inclusion", ledger.check_inclusion),
        ("ledger.checkpoint", ledger.check_checkpoint),
        ("ledger.open", ledger.check_open),
        ("ledger.independent", lambda: ledger.check_independent(outer.readable_stamps)),
        *(
            (("ledger.anchored", lambda: check_anchored(case, beside.receipts)),)
            if beside.receipts or has_receipts(case)
            else ()
        ),
        *((("outer.roles", lambda: check_roles(case, outer)),) if has_roles(case) else ()),
        *((name, demanded[name]) for name in policy.own),
        *((("redaction.edition", lambda: check_redaction(case)),) if paths.REDACTION in case.names else ()),
        *((("trust.self", _trust_self),) if case.trust.self_bundle else ()),
        ("status.current", lambda: check_status(ledger, standing)),
    )


def _pinned(case: Case, policy: Policy) -> Trust:
    times = TimeChecks(case)
    outer = OuterChecks(case, times)
    return pinned_trust(case, policy.anchors, times, outer, SealChecks(case, times, lambda: outer.readable_stamps))


def _report(case: Case, policy: Policy, standing: Standing | None, beside: Beside) -> VerificationReport:
    checks = checks_of(case, policy, standing, beside)
    # First what reads the web archive again: its SM3 is meanwhile computed by another thread.
    early = {identifier: _run(identifier, check) for identifier, check in checks if identifier == "archive.records"}
    findings = tuple(early.get(identifier) or _run(identifier, check) for identifier, check in checks)
    outcome = overall(findings, asked=policy.demands)
    try:
        number = case.manifest.number
    except InputMissingError:
        number = ""
    return VerificationReport(
        bundle=case.name,
        number=number,
        at=case.at,
        trust=case.trust.describe("en"),
        overall=outcome,
        headline=headline(outcome, findings, asked=policy.demands),
        findings=findings,
    )


def _run(identifier: str, check: Callable[[], Finding]) -> Finding:
    """Run one check; what stops it becomes its finding."""
    try:
        found = check()
    except InputMissingError as error:
        return finding(identifier, error.outcome, error.reason)
    except UnknownVersionError as error:
        return finding(identifier, Outcome.INDETERMINATE, Text(en=error.en, zh=error.zh))
    except FormatError as error:
        return finding(identifier, Outcome.FAILED, Text(en=error.en, zh=error.zh))
    return replace(found, id=identifier)


def _trust_self() -> Finding:
    reason = Text(
        en="the anchors came from the bundle itself: nothing was checked against the outside",
        zh="信任锚取自证据包自身：未与任何外部依据核对",
    )
    return finding("trust.self", Outcome.INDETERMINATE, reason)
