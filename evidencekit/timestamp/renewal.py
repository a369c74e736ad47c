"""Make, renew and check evidence records (RFC 4998): proof that outlives keys, TSAs and hash functions.

- *Time-stamp renewal* (§5.2): before the TSA's certificate ends or its key weakens, a new time-stamp
  over the old one joins the same chain. The data are not needed.
- *Hash-tree renewal* (§5.2): before the hash function weakens, a new chain begins with a stronger
  one, over H(H(data) ‖ H(all chains so far)). This concatenation is not sorted.

A record holds if every time-stamp was still trusted when the next one was made, and the last is now.

A record is about one object or about a group of objects that belong together (§4.2): then the first list
of its hash tree holds the digests of exactly this group.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from evidencekit.errors import FormatError
from evidencekit.model import Outcome, Text
from evidencekit.timestamp.check import TokenCheck, check_token
from evidencekit.timestamp.record import (
    ArchiveTimeStamp,
    EvidenceRecord,
    format_record,
    format_stamp,
    parse_record,
    reduce_trees,
    root_of,
)
from evidencekit.timestamp.token import parse_token
from evidencekit.x509 import checks, der
from evidencekit.x509.certificate import load_certificate
from evidencekit.x509.digests import digest
from evidencekit.x509.path import Purpose, build_path

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

    from evidencekit.x509.checks import Check

DigestsOf: TypeAlias = Callable[[str], Sequence[bytes]]
"""Returns the digests of the archived objects, at least one, with the named hash function, in any order."""
StampDigest: TypeAlias = Callable[[str, bytes], bytes]
"""Returns a bare TimeStampToken, DER, over a digest made with the named hash function."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordTrust:
    """What the caller trusts and knows: anchors, further certificates, revocation lists, OCSP responses."""

    anchors: Sequence[x509.Certificate] = field(default=())
    intermediates: Sequence[x509.Certificate] = field(default=())
    crls: Sequence[bytes] = field(default=())
    ocsp: Sequence[bytes] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordCheck:
    """What became of a record. `first_time` is the time from which the object provably exists.

    `stamps` are the checks of the tokens, oldest first; steps carry ids like `tree.1.2` and `lasting.1.2`
    (chain and number within it, from one).
    """

    integrity: Outcome
    trusted: Outcome
    reason: Text
    checks: tuple[Check, ...]
    stamps: tuple[TokenCheck, ...]
    first_time: datetime | None
    unaccounted: tuple[Text, ...]


def begin_records(groups: Sequence[Sequence[bytes]], algorithm: str, stamp: StampDigest) -> tuple[bytes, ...]:
    """Stamp many groups of objects with one token and return each group's evidence record.

    Args:
        groups: The digests of each group's objects; a group of one is an object.
        algorithm: Name of the hash function that made them.
        stamp: Stamps the root.

    Raises:
        UsageError: No digest, too many, or one of another length.
    """
    root, trees = reduce_trees(groups, algorithm)
    token = stamp(algorithm, root)
    return tuple(format_record([[format_stamp(algorithm, tree, token)]], [algorithm]) for tree in trees)


def renew_stamp(record: bytes, stamp: StampDigest) -> bytes:
    """Add a time-stamp over the last one, with the chain's hash function.

    Raises:
        FormatError: Not an evidence record.
    """
    parsed = parse_record(record)
    algorithm = _algorithm(parsed.chains[-1][0])
    covered = digest(algorithm, parsed.chains[-1][-1].token)
    added = format_stamp(algorithm, ((covered,),), stamp(algorithm, covered))
    chains = _encoded_stamps(parsed)
    return format_record([*chains[:-1], [*chains[-1], added]], parsed.algorithms)


def renew_hash_tree(record: bytes, digests_of: DigestsOf, algorithm: str, stamp: StampDigest) -> bytes:
    """Begin a new chain with another hash function; needs the objects again.

    Raises:
        FormatError: Not an evidence record.
    """
    parsed = parse_record(record)
    tree = (tuple(sorted(set(_renewed(algorithm, digests_of, parsed.encoded_chains)))),)
    added = format_stamp(algorithm, tree, stamp(algorithm, root_of(tree, algorithm)))
    return format_record([*_encoded_stamps(parsed), [added]], [*parsed.algorithms, algorithm])


def check_record(record: bytes, digests_of: DigestsOf, *, trust: RecordTrust, at: datetime) -> RecordCheck:
    """Check that the objects existed when the oldest time-stamp says, and that the proof never lapsed.

    Args:
        record: EvidenceRecord, DER.
        digests_of: Digests of the objects.
        trust: Anchors and further material, the caller's alone.
        at: Now.

    Returns:
        The steps and both verdicts; malformed input is a FAILED step, not an error.
    """
    try:
        parsed = parse_record(record)
        stamps, steps = _check_stamps(parsed, digests_of, trust, at)
        lasting = _check_lasting(parsed, stamps, trust, at)
    except FormatError as error:
        step = checks.failed("structure", f"malformed: {error.en}", error.zh)
        return RecordCheck(
            integrity=Outcome.FAILED,
            trusted=Outcome.FAILED,
            reason=step.reason,
            checks=(step,),
            stamps=(),
            first_time=None,
            unaccounted=(),
        )
    integrity = checks.summary(steps)
    worst = checks.first_not_passed((*steps, *lasting))
    trusted = checks.summary(lasting)
    return RecordCheck(
        integrity=integrity,
        trusted=trusted if integrity is Outcome.PASSED else integrity,
        reason=worst.reason if worst else Text(en="the proof never lapsed", zh="证明从未中断"),
        checks=(*steps, *lasting),
        stamps=tuple(stamps),
        first_time=stamps[0].gen_time,
        unaccounted=_loose(parsed, stamps[-1]),
    )


def _algorithm(stamp: ArchiveTimeStamp) -> str:
    return stamp.algorithm or parse_token(stamp.token).imprint.algorithm


def _encoded_stamps(record: EvidenceRecord) -> list[list[bytes]]:
    return [[node.raw for node in der.children(der.parse(chain))] for chain in record.encoded_chains]


def _renewed(algorithm: str, digests_of: DigestsOf, before: Sequence[bytes]) -> tuple[bytes, ...]:
    """H(H(object) ‖ H(chains so far)) each; the chains as they stand in the record, in one SEQUENCE (§5.2)."""
    chains = digest(algorithm, der.sequence(*before))
    return tuple(digest(algorithm, each + chains) for each in digests_of(algorithm))


def _check_stamps(
    record: EvidenceRecord, digests_of: DigestsOf, trust: RecordTrust, at: datetime
) -> tuple[list[TokenCheck], list[Check]]:
    stamps: list[TokenCheck] = []
    steps: list[Check] = []
    for number, chain in enumerate(record.chains):
        algorithm = _algorithm(chain[0])
        before = record.encoded_chains[:number]
        covered = _renewed(algorithm, digests_of, before) if before else tuple(digests_of(algorithm))
        for place, stamp in enumerate(chain):
            name = f"{number + 1}.{place + 1}"
            steps.append(_check_tree(f"tree.{name}", stamp, covered, algorithm))
            found = _check_one(stamp, covered, algorithm, trust, at)
            previous = stamps[-1].gen_time if stamps else None
            steps.append(_check_token_step(f"token.{name}", found, previous))
            stamps.append(found)
            covered = (digest(algorithm, stamp.token),)
    return stamps, steps


def _check_tree(step: str, stamp: ArchiveTimeStamp, covered: Sequence[bytes], algorithm: str) -> Check:
    """The first list holds what must be covered; for a group nothing else may stand there (§4.3)."""
    if _algorithm(stamp) != algorithm:
        return checks.failed(step, "the hash function changes within a chain", "同一链内杂凑算法改变")
    wanted, first = set(covered), set(stamp.tree[0]) if stamp.tree else set[bytes]()
    if not wanted or (stamp.tree and not wanted <= first) or (len(wanted) > 1 and wanted != first):
        return checks.failed(step, "what it must cover is not in its hash tree", "应覆盖的摘要不在杂凑树中")
    return checks.passed(step, f"covers it ({algorithm})", f"已覆盖({algorithm})")


def _check_one(
    stamp: ArchiveTimeStamp, covered: Sequence[bytes], algorithm: str, trust: RecordTrust, at: datetime
) -> TokenCheck:
    return check_token(
        stamp.token,
        digest=root_of(stamp.tree or (covered,), algorithm),
        algorithm=algorithm,
        anchors=trust.anchors,
        at=at,
        intermediates=trust.intermediates,
        crls=trust.crls,
        ocsp=trust.ocsp,
    )


def _check_token_step(step: str, found: TokenCheck, previous: datetime | None) -> Check:
    if found.gen_time is not None and previous is not None and found.gen_time < previous:
        return checks.failed(step, "time-stamps are not in the order of time", "时间戳次序与时间不符")
    if not found.intact:
        return checks.Check(id=step, outcome=found.integrity, reason=found.reason)
    return checks.passed(
        step, f"intact, {found.gen_time:%Y-%m-%d %H:%M:%S}Z", f"完整，{found.gen_time:%Y-%m-%d %H:%M:%S}Z"
    )


def _check_lasting(
    record: EvidenceRecord, stamps: Sequence[TokenCheck], trust: RecordTrust, at: datetime
) -> list[Check]:
    """Each time-stamp must have been trusted when made, and its TSA's certificate valid until the next."""
    names = [f"lasting.{i + 1}.{k + 1}" for i, chain in enumerate(record.chains) for k in range(len(chain))]
    until = [*(later.gen_time or at for later in stamps[1:]), at]
    return [
        _lasts(name, stamp, trust, end, last=stamp is stamps[-1])
        for name, stamp, end in zip(names, stamps, until, strict=True)
    ]


def _lasts(step: str, stamp: TokenCheck, trust: RecordTrust, end: datetime, *, last: bool) -> Check:
    if stamp.trusted is not Outcome.PASSED or stamp.certificate is None or stamp.token is None:
        return checks.Check(id=step, outcome=stamp.trusted, reason=stamp.reason)
    pool = (*_readable(stamp.token.certificates), *trust.intermediates)
    path = build_path(stamp.certificate, pool, trust.anchors, at=end, purpose=Purpose.TIMESTAMPING)
    if path.ok:
        return checks.passed(step, f"trusted until {end:%Y-%m-%d}", f"至 {end:%Y-%m-%d} 仍可信")
    if last:
        return checks.undecided(step, f"was not renewed in time: {path.reason.en}", f"未及时续签：{path.reason.zh}")
    return checks.failed(step, f"had lapsed before it was renewed: {path.reason.en}", f"续签前已失效：{path.reason.zh}")


def _readable(certificates: Sequence[bytes]) -> list[x509.Certificate]:
    found: list[x509.Certificate] = []
    for raw in certificates:
        try:
            found.append(load_certificate(raw))
        except FormatError:
            continue
    return found


def _loose(record: EvidenceRecord, last: TokenCheck) -> tuple[Text, ...]:
    """Earlier tokens are covered by later ones; the last one and the record's own labels are not."""
    used = tuple(dict.fromkeys(_algorithm(stamp) for chain in record.chains for stamp in chain))
    found = list(last.unaccounted)
    if record.extras or any(stamp.attributes for chain in record.chains for stamp in chain):
        found.append(Text(en="attributes of the evidence record", zh="证据记录的附加属性"))
    if record.algorithms != used:
        found.append(Text(en="hash functions listed that are not those used", zh="所列杂凑算法与实际不符"))
    return tuple(found)
