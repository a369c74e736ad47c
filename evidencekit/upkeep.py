"""What a sealed bundle needs later: owed time-stamps, a token over a batch, renewal before a certificate ages.

Each makes a new file by the rule of growth (docs/spec/bundle.md); the bundle given stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evidencekit.bundle import paths
from evidencekit.bundle.growth import Growth, grown_path, latest
from evidencekit.bundle.reader import open_bundle
from evidencekit.errors import EvidenceError, FormatError, TimestampError, TsaUnreachableError, UsageError
from evidencekit.hashing.manifest import MAX_MANIFEST_BYTES, parse_manifest
from evidencekit.model import Text
from evidencekit.owed import count_token, owed_in, settle
from evidencekit.timestamp.client import EmbeddedTsa, TsaConfig, stamp
from evidencekit.timestamp.record import parse_record
from evidencekit.timestamp.renewal import begin_records
from evidencekit.timestamp.roles import Role, serving
from evidencekit.timestamp.standing import Standing, standing_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from evidencekit.bundle.reader import Bundle
    from evidencekit.home import Home
    from evidencekit.timestamp.client import StampReply, TimeStamper

MAX_BATCH: Final = 1000
_TOKEN_BYTES: Final = 1 << 18
_RECORD_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """A bundle that grew: its number, what it was and what it is now, and who stamped."""

    number: str
    bundle: Path
    grown: Path
    tsa: str
    self_issued: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of one bundle that waited; `problem` says why it still does."""

    number: str
    bundle: Path
    grown: Grown | None = None
    problem: Text | None = None


def stamp_bundle(bundle: Path, tsas: Sequence[TimeStamper], *, folder: Path | None = None) -> Grown:
    """Add a time-stamp over everything in a bundle, by the first of several TSAs that answers.

    Args:
        bundle: the bundle, which stays as it is.
        tsas: whom to ask.
        folder: where the new file goes; beside the bundle by default.

    Raises:
        TimestampError: nobody answered. FormatError, StorageError, UsageError: see `Growth`.
    """
    with open_bundle(bundle) as opened:
        growth, replies = Growth(opened), _no_replies()

        def take(digest: bytes) -> bytes:
            replies.append(first_reply(digest, tsas))
            return _token(replies[0])

        growth.add_timestamp(take)
        out = grown_path(bundle, folder=folder)
        growth.write(out)
        return _grown(opened, bundle, out, replies[0])


def renew_bundles(
    bundles: Sequence[Path], tsas: Sequence[TimeStamper], *, algorithm: str = "sha256", folder: Path | None = None
) -> tuple[Grown, ...]:
    """Add an evidence record (RFC 4998) to each bundle, all by one token over the root of their tree.

    With the hash function of the bundle's manifests this renews its time-stamps; with another one its hash trees, too.

    Raises:
        UsageError: no bundle, too many, or one twice. TimestampError: nobody answered. FormatError, StorageError: see
            `Growth`.
    """
    if not 0 < len(bundles) <= MAX_BATCH or len({path.absolute() for path in bundles}) != len(bundles):
        raise UsageError(
            f"one token covers one to {MAX_BATCH} different bundles; name each once",
            f"一枚时间戳可覆盖 1 至 {MAX_BATCH} 个不同的证据包；请各列一次",
        )
    replies = _no_replies()

    def take(function: str, digest: bytes) -> bytes:
        replies.append(first_reply(digest, tsas, algorithm=function))
        return _token(replies[0])

    # First what each must be covered by, then one token, then the files: a bundle is open only while it is read.
    groups = [_digests(path, algorithm) for path in bundles]
    records = begin_records(groups, algorithm, take)
    return tuple(
        _add_record(path, group, record, folder, replies[0])
        for path, group, record in zip(bundles, groups, records, strict=True)
    )


def settle_owed(home: Home, tsas: Sequence[TimeStamper]) -> tuple[Settled, ...]:
    """Fetch the time-stamps that were owed; where a TSA is kept for batches, one token for all.

    Nothing is lost when nobody answers: what could not be had stays on the list.

    Raises:
        StorageError: the home cannot be written to.
    """
    batch = serving(tsas, Role.BATCH)
    waiting = [(owed.number, latest(owed.bundle)) for owed in owed_in(home.path)]
    there = [(number, path) for number, path in waiting if path.is_file()]
    found = [Settled(number=number, bundle=path, problem=_gone(path)) for number, path in waiting if not path.is_file()]
    if batch and there:
        return (*found, *_settle_batch(home, there[:MAX_BATCH], batch))
    for number, path in there:
        done = _settle_one(home, number, path, tsas)
        found.append(done)
        if done.problem is not None and isinstance(done.problem, _Silence):
            break
    return tuple(found)


class _Silence(Text):
    """Nobody answered: to ask for the next bundle would only take time."""


def first_reply(digest: bytes, tsas: Sequence[TimeStamper], *, algorithm: str = "sha256") -> StampReply:
    """Ask several TSAs at once and return the first reply in their order.

    Raises:
        TimestampError: nobody answered, and why.
        UsageError: there is nobody to ask.
    """
    able = tuple(tsa for tsa in tsas if algorithm == "sha256" or isinstance(tsa, TsaConfig | EmbeddedTsa))
    if not able:
        raise UsageError(
            "there is no time-stamping authority to ask; name one with --tsa, or set one in config.toml",
            "没有可用的时间戳机构；请用 --tsa 指定，或在 config.toml 中设置",
        )
    answer = stamp(digest, able, algorithm=algorithm)
    if answer.replies:
        return answer.replies[0]
    raise TsaUnreachableError(
        f"no time-stamp could be had: {'; '.join(each.error.en for each in answer.failures)}",
        f"未能取得时间戳：{'；'.join(each.error.zh for each in answer.failures)}",
    )


def standing(bundle: Path) -> Standing:
    """Say who stamped a bundle last and until when that stands; nothing is verified.

    Raises:
        FormatError: it is no bundle, or its last proof cannot be read. StorageError, UsageError: it cannot be opened.
    """
    with open_bundle(bundle) as opened:
        return standing_of(_tokens(opened))


def _tokens(bundle: Bundle) -> list[bytes]:
    """The outer tokens, oldest first of each kind."""
    found = [bundle.read(name, limit=_TOKEN_BYTES) for name in _numbered(bundle, paths.asic_timestamp)]
    for name in _numbered(bundle, paths.evidence_record):
        chains = parse_record(bundle.read(name, limit=_RECORD_BYTES)).chains
        found += [each.token for chain in chains for each in chain]
    return found


def _numbered(bundle: Bundle, name: Callable[[int], str]) -> list[str]:
    return [name(n) for n in range(1, 1000) if name(n) in bundle]


def _digests(path: Path, algorithm: str) -> tuple[bytes, ...]:
    with open_bundle(path) as opened:
        return Growth(opened).digests_with(algorithm)


def _add_record(path: Path, group: tuple[bytes, ...], record: bytes, folder: Path | None, reply: StampReply) -> Grown:
    with open_bundle(path) as opened:
        growth = Growth(opened)
        if len(growth.digests) != len(group):
            raise FormatError(
                f"{path.name} changed meanwhile; renew it again", f"{path.name} 在此期间被改动；请重新续期"
            )
        growth.add_record(record)
        out = grown_path(path, folder=folder)
        growth.write(out)
        return _grown(opened, path, out, reply)


def _grown(opened: Bundle, bundle: Path, out: Path, reply: StampReply) -> Grown:
    number = parse_manifest(opened.read(paths.MANIFEST, limit=MAX_MANIFEST_BYTES)).number
    return Grown(number=number, bundle=bundle, grown=out, tsa=reply.tsa, self_issued=reply.check.self_issued)


def _no_replies() -> list[StampReply]:
    return []


def _token(reply: StampReply) -> bytes:
    if reply.check.token_der is None:
        raise FormatError(f"TSA {reply.tsa} sent no token", f"时间戳机构 {reply.tsa} 未给出时间戳")
    return reply.check.token_der


def _settle_one(home: Home, number: str, path: Path, tsas: Sequence[TimeStamper]) -> Settled:
    try:
        if standing(path).independent:  # a killed run, or somebody else, has seen to it
            home.remember(number, path)
            settle(home.path, number)
            return Settled(number=number, bundle=path)
        grown = stamp_bundle(path, serving(tsas, Role.SEAL))
    except TimestampError as error:
        return Settled(number=number, bundle=path, problem=_Silence(en=error.en, zh=error.zh))
    except EvidenceError as error:
        return Settled(number=number, bundle=path, problem=Text(en=error.en, zh=error.zh))
    return _keep(home, grown, number, Role.SEAL)


def _settle_batch(home: Home, waiting: Sequence[tuple[str, Path]], tsas: Sequence[TimeStamper]) -> list[Settled]:
    try:
        grown = renew_bundles([path for _, path in waiting], tsas)
    except EvidenceError as error:
        problem = Text(en=error.en, zh=error.zh)
        return [Settled(number=number, bundle=path, problem=problem) for number, path in waiting]
    count_token(home.path, grown[0].tsa, Role.BATCH)
    return [_keep(home, each, number, None) for each, (number, _) in zip(grown, waiting, strict=True)]


def _keep(home: Home, grown: Grown, number: str, role: Role | None) -> Settled:
    if role is not None:
        count_token(home.path, grown.tsa, role)
    home.remember(number, grown.grown)
    if not grown.self_issued:
        settle(home.path, number)
    return Settled(number=number, bundle=grown.bundle, grown=grown)


def _gone(path: Path) -> Text:
    return Text(
        en=f"{path} is not there any more; give its place: evidencekit timestamp stamp PATH",
        zh=f"{path} 已不在原处；请指明位置：evidencekit timestamp stamp 路径",
    )
