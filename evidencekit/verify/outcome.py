"""The registry of finding ids, and how findings add up to one verdict (docs/spec/findings.md).

The registry is data: a test holds it equal to the table of the specification. What a verdict says in words stands in
`evidencekit.verify.wording`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from evidencekit.model import Finding, Outcome

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


class Layer(StrEnum):
    """What a check is about, in the order in which a report shows it (design §2)."""

    CONTAINER = "container"
    OUTER_SEAL = "outer seal"
    RECORD = "record"
    ENVIRONMENT = "environment"
    SIGNATURE = "signature"
    TIME = "time"
    LEDGER = "ledger"
    STATUS = "status"


class Required(StrEnum):
    """Whether a check bounds the verdict; the values are the words of docs/spec/findings.md."""

    YES = "yes"
    NO = "no"
    BY_POLICY = "when a policy asks"


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingKind:
    """One registered finding id and what its check establishes."""

    id: str
    layer: Layer
    required: Required
    what: str


def _kind(identifier: str, layer: Layer, required: Required, what: str) -> FindingKind:
    return FindingKind(id=identifier, layer=layer, required=required, what=what)


_YES, _NO = Required.YES, Required.NO

REGISTRY: tuple[FindingKind, ...] = (
    _kind(
        "container.form",
        Layer.CONTAINER,
        _YES,
        "the ZIP is in the form that bundle.md fixes, byte for byte outside member data",
    ),
    _kind("container.members", Layer.CONTAINER, _YES, "exactly the members that may be there, with lawful names"),
    _kind("format.version", Layer.CONTAINER, _YES, "every document is of a major version this verifier reads"),
    _kind("sums.sha256", Layer.CONTAINER, _YES, "SHA256SUMS lists every member it must, and all agree"),
    _kind("sums.sm3", Layer.CONTAINER, _YES, "SM3SUMS likewise"),
    _kind("outer.manifest", Layer.OUTER_SEAL, _YES, "ASiC manifests list every member with the right digest"),
    _kind("outer.signature", Layer.OUTER_SEAL, _YES, "the CAdES signature over ASiCManifest001 is intact"),
    _kind("outer.signer", Layer.OUTER_SEAL, _YES, "the outer signer is the inner signer"),
    _kind("outer.timestamp", Layer.OUTER_SEAL, _YES, "the outer time-stamp is intact and over ASiCManifest002"),
    _kind("manifest.form", Layer.RECORD, _YES, "manifest.json is canonical and consistent in itself"),
    _kind(
        "manifest.artifacts",
        Layer.RECORD,
        _YES,
        "every artifact opens its salted leaf and equals its bytes, or is withheld with a reason",
    ),
    _kind("manifest.records", Layer.RECORD, _YES, "record leaves rebuild the root in the manifest"),
    _kind(
        "manifest.minimum",
        Layer.RECORD,
        _YES,
        "URL, source and full-page image with time are there for every page (R01)",
    ),
    _kind(
        "archive.records",
        Layer.RECORD,
        _YES,
        "every WARC block equals the record that was committed, and none is unaccounted for",
    ),
    _kind("archive.wacz", Layer.RECORD, _YES, "the WACZ's own digests agree"),
    _kind(
        "exchanges.complete",
        Layer.RECORD,
        _YES,
        "every request ends once; counts equal the manifest's; records stand at the address asked for",
    ),
    _kind(
        "exchanges.corroborated",
        Layer.RECORD,
        _NO,
        "DevTools and the browser's network log agree on status and peer of every exchange",
    ),
    _kind(
        "corroboration.text",
        Layer.RECORD,
        _NO,
        "visible texts are in recorded responses or made by recorded scripts; else listed as unaccounted",
    ),
    _kind("corroboration.images", Layer.RECORD, _NO, "every picture that was drawn has its recorded exchange"),
    _kind(
        "corroboration.location",
        Layer.RECORD,
        _NO,
        "address, redirects, status and title agree between manifest, log and DOM",
    ),
    _kind(
        "corroboration.pictures",
        Layer.RECORD,
        _NO,
        "the untouched and the final picture agree within a stated measure",
    ),
    _kind(
        "corroboration.network",
        Layer.RECORD,
        _NO,
        "peer, certificate and DNS agree between DevTools, network log and environment report",
    ),
    _kind(
        "corroboration.rerender",
        Layer.RECORD,
        _NO,
        "an offline re-render of the record in a second browser agrees within a stated measure",
    ),
    _kind("worklog.chain", Layer.RECORD, _YES, "the work log's hash chain is whole and ends where the manifest says"),
    _kind("custody.chain", Layer.RECORD, _YES, "the custody log continues it without a break"),
    _kind("deposit.items", Layer.RECORD, _YES, "of a deposit: every item listed, every stored file as listed"),
    _kind(
        "deposit.statement", Layer.RECORD, _YES, "of a deposit: the statement of its kind complete, labelled as said"
    ),
    _kind("deposit.links", Layer.RECORD, _YES, "of a deposit: every record it rests on was entered before it"),
    _kind("deposit.file", Layer.RECORD, _NO, "of a deposit: each file that the verifier's user holds is an item of it"),
    _kind(
        "environment.report",
        Layer.ENVIRONMENT,
        _NO,
        "probes ran and what they saw; WARN is INDETERMINATE, FAIL is FAILED",
    ),
    _kind("devtools.exclusive", Layer.ENVIRONMENT, _NO, "no sign of another DevTools client was seen"),
    _kind(
        "tls.handshake",
        Layer.ENVIRONMENT,
        _NO,
        "the holder of each certificate's key took part in a handshake with the browser; neither when, nor the bytes",
    ),
    _kind("seal.signature", Layer.SIGNATURE, _YES, "the CMS signature over manifest.json is intact"),
    _kind(
        "seal.identity",
        Layer.SIGNATURE,
        _YES,
        "the signer's certificate leads to an anchor that the verifier's user gave",
    ),
    _kind("seal.validity", Layer.SIGNATURE, _YES, "the certificate was valid when the signature provably existed"),
    _kind("seal.revocation", Layer.SIGNATURE, _NO, "revocation data said nothing against it"),
    _kind(
        "seal.post_quantum",
        Layer.SIGNATURE,
        _NO,
        "a second signature over manifest.json, with ML-DSA-65, by the certificate that the manifest names",
    ),
    _kind("time.open", Layer.TIME, _YES, "T_open token intact, over open.json, TSA trusted at genTime"),
    _kind(
        "time.capture",
        Layer.TIME,
        _YES,
        "the same for every page's capture root, and the root is that of the records",
    ),
    _kind(
        "time.film",
        Layer.TIME,
        _NO,
        "of a film: its parts are as their stamped documents say, each document's token intact and its TSA trusted",
    ),
    _kind("time.seal", Layer.TIME, _YES, "the same over the seal"),
    _kind("time.order", Layer.TIME, _YES, "T_open ≤ T_capture ≤ T_seal, and the record's own times lie between"),
    _kind("time.independent", Layer.TIME, _NO, "at least one token comes from a TSA that is not the issuer's own"),
    _kind(
        "time.lasting",
        Layer.TIME,
        _YES,
        "the trusted time-stamps still stand: their TSAs' certificates are valid, or they were renewed in time",
    ),
    _kind("ledger.entry", Layer.LEDGER, _YES, "the entry holds the digests of this manifest, seal and token"),
    _kind("ledger.inclusion", Layer.LEDGER, _YES, "the entry is in the tree of the checkpoint"),
    _kind(
        "ledger.checkpoint",
        Layer.LEDGER,
        _YES,
        "the checkpoint is signed by a log key that the verifier's user trusts",
    ),
    _kind(
        "ledger.open",
        Layer.LEDGER,
        _YES,
        "the attempt was announced before: open entry included, commitment opens, lower index",
    ),
    _kind(
        "ledger.independent",
        Layer.LEDGER,
        _NO,
        "a witness (not dated ahead) or foreign stamp vouches for the checkpoint; else nothing against its operator",
    ),
    _kind(
        "ledger.anchored",
        Layer.LEDGER,
        _NO,
        "an anchor whose receipt is in the bundle or was given vouches for the checkpoint; pending or failed is none",
    ),
    _kind(
        "outer.roles",
        Layer.SIGNATURE,
        _NO,
        "who signed after the issuer, in which claimed role: intact, and by certificates that lead to an anchor",
    ),
    _kind("policy.signatures", Layer.SIGNATURE, Required.BY_POLICY, "the role signatures that the policy demands"),
    _kind(
        "policy.timestamps",
        Layer.TIME,
        Required.BY_POLICY,
        "as many independent time-stamp authorities vouch for the sealed record as the policy demands",
    ),
    _kind(
        "policy.witnesses",
        Layer.LEDGER,
        Required.BY_POLICY,
        "as many witnesses cosigned the checkpoint as the policy demands",
    ),
    _kind(
        "redaction.edition",
        Layer.CONTAINER,
        _NO,
        "a redacted edition: it withholds exactly what it says, and names the bundle that it was made from",
    ),
    _kind(
        "trust.self",
        Layer.CONTAINER,
        _NO,
        "anchors came from the bundle itself (`--trust self`): nothing was checked against the outside",
    ),
    _kind(
        "status.current",
        Layer.STATUS,
        _NO,
        "NOT_PERFORMED: later correction or revocation needs a newer ledger",
    ),
)
"""Every finding id, in the order of docs/spec/findings.md, which is also the order of a report."""

KINDS = {kind.id: kind for kind in REGISTRY}
REGISTERED = tuple(KINDS)
_OF_PAGES = (
    "archive.",
    "corroboration.",
    "devtools.",
    "environment.",
    "exchanges.",
    "manifest.minimum",
    "time.capture",
    "time.film",
    "tls.",
)
ONLY_CAPTURE = frozenset(kind.id for kind in REGISTRY if kind.id.startswith(_OF_PAGES))
"""Ids about web pages, which a deposit does not have."""
ONLY_DEPOSIT = frozenset({"deposit.items", "deposit.statement", "deposit.links"})
"""Ids that only the report of a deposit holds."""
_ONLY_SOMETIMES = frozenset(
    {
        "corroboration.rerender",
        "deposit.file",
        "ledger.anchored",
        "outer.roles",
        "policy.signatures",
        "policy.timestamps",
        "policy.witnesses",
        "redaction.edition",
        "seal.post_quantum",
        "time.film",
        "trust.self",
    }
)
ALWAYS = tuple(kind.id for kind in REGISTRY if kind.id not in _ONLY_SOMETIMES | ONLY_DEPOSIT)
"""The ids that the report of every capture holds, whatever the arguments."""
STATUS_ID = "status.current"

_SEVERITY = (Outcome.FAILED, Outcome.NOT_PERFORMED, Outcome.INDETERMINATE, Outcome.PASSED)


def weakest(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the worst of several outcomes; NOT_PERFORMED when there is none."""
    return min(outcomes, key=_SEVERITY.index, default=Outcome.NOT_PERFORMED)


def overall(findings: Iterable[Finding], *, asked: Collection[str] = ()) -> Outcome:
    """Return the verdict, never above the weakest required finding (docs/spec/findings.md).

    Args:
        findings: All findings of one verification.
        asked: Further ids that the caller's policy makes required, its own among them.

    Returns:
        FAILED when anything failed; PASSED when nothing failed, every required id is there and passed and the anchors
        did not come from the bundle; INDETERMINATE otherwise.
    """
    by_id: dict[str, list[Outcome]] = {}
    for finding in findings:
        by_id.setdefault(finding.id, []).append(finding.outcome)
    if any(Outcome.FAILED in outcomes for outcomes in by_id.values()):
        return Outcome.FAILED
    absent = absent_ids(by_id)
    wanted = [kind.id for kind in REGISTRY if kind.id not in absent and kind.required is Required.YES]
    wanted += asked
    if "trust.self" in by_id or Outcome.INDETERMINATE in by_id.get(STATUS_ID, ()):
        return Outcome.INDETERMINATE
    # An id that is required and absent is as good as not performed.
    if all(weakest(by_id.get(identifier, ())) is Outcome.PASSED for identifier in wanted):
        return Outcome.PASSED
    return Outcome.INDETERMINATE


def absent_ids(identifiers: Iterable[str]) -> frozenset[str]:
    """Give the ids that do not apply: to a deposit, which its own ids tell, those of captures, and the other way."""
    return ONLY_DEPOSIT if ONLY_DEPOSIT.isdisjoint(identifiers) else ONLY_CAPTURE
