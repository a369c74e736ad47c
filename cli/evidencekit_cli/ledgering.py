"""What the commands of `evidencekit ledger` do with the ledger of this home."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evidencekit.errors import ConfigError, LedgerError, LedgerRollbackError, StorageError, UsageError
from evidencekit.ledger.checkpoint import open_checkpoint
from evidencekit.ledger.extension import check_extension
from evidencekit.ledger.monitor import audit, read_checkpoint
from evidencekit.ledger.publishers.directory import DirectoryTarget
from evidencekit.ledger.publishers.target import collect
from evidencekit.ledger.publishers.target import publish as publish_log
from evidencekit.ledger.witnessing import gather_cosignatures
from evidencekit.model import Text
from evidencekit.signing.identity import load_ledger_key
from evidencekit.signing.note import VerifierKey, format_vkey
from evidencekit.standing import checkpoint_in
from evidencekit_cli.exit_codes import ExitCode
from evidencekit_cli.homes import open_home
from evidencekit_cli.output import Sentence, Session, both, inert, table
from evidencekit_cli.places import source_of, target_at
from evidencekit_cli.settings import CONFIG_FILE, read_settings

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from evidencekit.home import Home
    from evidencekit.ledger.checkpoint import SignedCheckpoint
    from evidencekit.ledger.fsck import FsckReport
    from evidencekit.ledger.log import Ledger
    from evidencekit.ledger.witnessing import Witnessed, Witnessing
    from evidencekit.model import JsonValue

_UNDETECTABLE = Sentence(
    "rollback undetectable: no head mirror, publication or witness is configured (ledger.head_mirror, "
    "ledger.published, ledger.witness_policy in config.toml)",
    "无法察觉回退:未配置头镜像、公布位置或见证者"
    "(config.toml 中的 ledger.head_mirror、ledger.published、ledger.witness_policy)",
)


@contextmanager
def opened() -> Generator[tuple[Home, Ledger]]:
    """Open this home's ledger, which must be there.

    Raises:
        LedgerError: there is none yet.
    """
    home = open_home()[0]
    standing = home.standing
    if standing.database is None and not home.has_ledger() and not standing.shows_rollback:
        raise LedgerError(
            f"there is no ledger in {home.path} yet; the first capture or deposit begins it",
            f"{home.path} 中尚无账本;首次取证或存证时建立",
        )
    key = load_ledger_key(home.path / "keys")
    with home.ledger(key, create=False) as ledger:
        yield home, ledger


def show_status(session: Session) -> ExitCode:
    """Show origin, key, size, root, store, and what would show a rollback."""
    with opened() as (home, ledger):
        head = open_checkpoint(ledger.checkpoint(), []).checkpoint
        mirror, witnessing = home.standing.head_mirror, home.standing.witnessing
        names = [line.name for line in witnessing.policy.witnesses] if witnessing else []
        published = read_settings(home.path / CONFIG_FILE).texts("ledger.published")
        store = "sqlite" if home.standing.database is None else "postgresql"
        if session.json:
            session.print_json(
                {
                    "format": "evidencekit/ledger-status",
                    "version": 1,
                    "origin": head.origin,
                    "key": _vkey(ledger),
                    "size": head.size,
                    "root": head.root.hex(),
                    "store": store,
                    "head_mirror": None if mirror is None else str(mirror),
                    "published": [*published],
                    "rollback": "detectable" if home.standing.shows_rollback else "undetectable",
                    "witnesses": [*names],
                    "fail_open": witnessing.fail_open if witnessing else False,
                }
            )
            return ExitCode.OK
        session.print(
            table(
                [
                    [session.text(Sentence("origin", "来源")), inert(head.origin)],
                    [session.text(Sentence("key", "公钥")), _vkey(ledger)],
                    [session.text(Sentence("entries", "条数")), str(head.size)],
                    [session.text(Sentence("root", "根")), head.root.hex()],
                    [session.text(Sentence("store", "存储")), "PostgreSQL" if store == "postgresql" else "SQLite"],
                    [session.text(Sentence("head mirror", "头镜像")), inert(str(mirror)) if mirror else "-"],
                    [session.text(Sentence("published", "公布位置")), ", ".join(map(inert, published)) or "-"],
                    [session.text(Sentence("witnesses", "见证者")), ", ".join(map(inert, names)) or "-"],
                ]
            )
        )
        if not home.standing.shows_rollback:
            session.say(_UNDETECTABLE)
    return ExitCode.OK


def give_checkpoint(session: Session, *, witness: bool, output: Path | None) -> ExitCode:
    """Print or write the newest checkpoint, cosigned if that was asked for."""
    with opened() as (home, ledger):
        witnessed = _witness(ledger, _policy(home)) if witness else None
        note = ledger.checkpoint() if witnessed is None else witnessed.checkpoint
    met = witnessed is None or witnessed.quorum_met
    _note_failures(session, witnessed)
    _give(
        session,
        note,
        output,
        {
            "format": "evidencekit/ledger-checkpoint",
            "version": 1,
            "checkpoint": note.decode(),
            "witnesses": list(witnessed.witnesses) if witnessed else [],
            "quorum_met": witnessed.quorum_met if witnessed else None,
        },
    )
    return ExitCode.OK if met else ExitCode.UNDECIDED


def give_proof(session: Session, index: int, output: Path | None) -> ExitCode:
    """Print or write the proof of an entry."""
    with opened() as (_, ledger):
        proof, entry = ledger.prove(index), ledger.entry(index)
    _give(
        session,
        proof,
        output,
        {
            "format": "evidencekit/ledger-proof",
            "version": 1,
            "index": index,
            "entry": entry.decode("utf-8", "replace"),
            "proof": proof.decode(),
        },
    )
    return ExitCode.OK


def check(session: Session, against: str | None) -> ExitCode:
    """Rebuild the ledger, and what is published, and compare."""
    home, settings = open_home()
    key = load_ledger_key(home.path / "keys")
    report = home.check_ledger(key)
    problems = list(report.problems)
    published: FsckReport | None = None
    if against is not None:
        bundle = _bundle_at(against)
        fetch = None if bundle else source_of(against, settings.text("ledger.s3_endpoint") or None)
        if fetch is not None:
            published = audit(fetch, [key.signer.verifier])
            problems += published.problems
        if report.is_sound:
            with home.ledger(key, create=False) as ledger:
                known = read_checkpoint(fetch, [key.signer.verifier]) if fetch else _known(bundle, ledger)
                problems += _extends(ledger, against, known)
    if session.json:
        session.print_json(
            {
                "format": "evidencekit/ledger-fsck",
                "version": 1,
                "size": report.size,
                "root": report.root.hex(),
                "signed": report.signed,
                "published_size": None if published is None else published.size,
                "problems": [both(problem) for problem in problems],
            }
        )
    for problem in problems:
        session.say(problem)
    if not problems:
        also = f"; {published.size} published" if published else ""
        also_zh = f";已公布 {published.size} 条" if published else ""
        session.say(
            Sentence(
                f"sound: {report.size} entries, root {report.root.hex()}{also}",
                f"完好:{report.size} 条,根 {report.root.hex()}{also_zh}",
            )
        )
    return ExitCode.FAILED if problems else ExitCode.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishing:
    """Where to publish, and how: `endpoint` and `retain_days` are for buckets."""

    place: str
    collect: bool
    endpoint: str | None
    retain_days: int | None


def publish(session: Session, wanted: Publishing) -> ExitCode:
    """Bring a folder or bucket up to the newest checkpoint, witnessed where a policy asks for it."""
    with opened() as (home, ledger):
        endpoint = wanted.endpoint
        if endpoint is None and wanted.place.startswith("s3://"):
            endpoint = read_settings(home.path / CONFIG_FILE).text("ledger.s3_endpoint") or None
        target = target_at(wanted.place, endpoint=endpoint, retain_days=wanted.retain_days)
        for warning in [] if isinstance(target, DirectoryTarget) else target.traits.warnings:
            session.note(warning)
        note, witnessing = None, home.standing.witnessing
        if witnessing is not None:
            witnessed = _witness(ledger, witnessing)
            _note_failures(session, witnessed)
            if not witnessed.quorum_met and not witnessing.fail_open:
                raise LedgerError(
                    "the witness policy was not met, so nothing was published; try again, or set ledger.fail_open",
                    "未达到见证策略的要求,未作公布;请重试,或设置 ledger.fail_open",
                )
            note = witnessed.checkpoint
        try:
            done = publish_log(ledger, target, checkpoint=note)
            deleted = collect(target, done.size) if wanted.collect else 0
        except OSError as error:
            raise StorageError(
                f"cannot publish into {wanted.place}: {error.strerror or error}; make it writable",
                f"无法公布到 {wanted.place}:{error.strerror or error};请使其可写",
            ) from error
    if session.json:
        session.print_json(
            {
                "format": "evidencekit/ledger-publication",
                "version": 1,
                "size": done.size,
                "written": done.written,
                "deleted": deleted,
            }
        )
    session.say(
        Sentence(
            f"published {done.size} entries, {done.written} files written, {deleted} deleted",
            f"已公布 {done.size} 条,写入 {done.written} 个文件,删除 {deleted} 个",
        )
    )
    return ExitCode.OK


def _bundle_at(against: str) -> Path | None:
    """Tell a bundle from a published log: a file, or an unpacked one."""
    path = Path(against)
    return path if path.is_file() or (path / "manifest.json").is_file() else None


def _known(bundle: Path | None, ledger: Ledger) -> SignedCheckpoint:
    """Read the checkpoint of a bundle, which this ledger's key must have signed.

    Raises:
        UsageError: it is of another ledger.
    """
    note = b"" if bundle is None else checkpoint_in(bundle)
    known = open_checkpoint(note, [ledger.verifier])
    if not known.is_log_signed:
        raise UsageError(
            f"{bundle} was entered in {known.checkpoint.origin!r}, not in this ledger; name a bundle of this one",
            f"{bundle} 登记于 {known.checkpoint.origin!r},而非本账本;请指定本账本的证据包",
        )
    return known


def _extends(ledger: Ledger, against: str, known: SignedCheckpoint) -> list[Text]:
    try:
        check_extension(ledger, known, Text(en=f"the checkpoint at {against}", zh=f" {against} 的检查点"))
    except LedgerRollbackError as error:
        return [Text(en=error.en, zh=error.zh)]
    return []


def _witness(ledger: Ledger, witnessing: Witnessing) -> Witnessed:
    return gather_cosignatures(ledger, witnessing.policy)


def _policy(home: Home) -> Witnessing:
    if home.standing.witnessing is None:
        raise ConfigError(
            "no witness policy is configured; set ledger.witness_policy in config.toml",
            "未配置见证策略;请在 config.toml 中设置 ledger.witness_policy",
        )
    return home.standing.witnessing


def _note_failures(session: Session, witnessed: Witnessed | None) -> None:
    for name, reason in witnessed.failures.items() if witnessed else ():
        session.note(Sentence(f"{inert(name)}: {inert(reason.en)}", f"{inert(name)}:{inert(reason.zh)}"))


def _give(session: Session, data: bytes, output: Path | None, value: Mapping[str, JsonValue]) -> None:
    if output is not None:
        try:
            with output.open("xb") as file:
                file.write(data)
        except OSError as error:
            raise StorageError(
                f"cannot write {output}: {error.strerror}; name a new file in a folder you may write to",
                f"无法写入 {output}:{error.strerror};请指定可写文件夹中的新文件名",
            ) from error
    if session.json:
        session.print_json(value)
    elif output is None:
        session.print(data.decode().rstrip("\n"))


def _vkey(ledger: Ledger) -> str:
    verifier = ledger.verifier
    return format_vkey(verifier) if isinstance(verifier, VerifierKey) else ""
