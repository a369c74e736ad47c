"""What `evidencekit timestamp stamp`, `renew` and `serve` do, and how it is told."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from evidencekit.bundle import paths
from evidencekit.bundle.growth import latest
from evidencekit.bundle.publish import publish_new
from evidencekit.bundle.reader import open_bundle
from evidencekit.errors import EvidenceError, FormatError, UsageError
from evidencekit.hashing.digest import digest_file
from evidencekit.office import embedded_tsa
from evidencekit.owed import settle
from evidencekit.timestamp.authority_server import AuthorityServer
from evidencekit.timestamp.roles import Role, serving
from evidencekit.upkeep import Grown, first_reply, settle_owed, stamp_bundle, standing
from evidencekit.upkeep import renew_bundles as renew
from evidencekit_cli.authorities import authorities_named
from evidencekit_cli.exit_codes import ExitCode
from evidencekit_cli.homes import open_home
from evidencekit_cli.output import Sentence, both, inert
from evidencekit_cli.settings import CONFIG_FILE, read_settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evidencekit.home import Home
    from evidencekit.model import JsonValue
    from evidencekit.timestamp.client import TimeStamper
    from evidencekit.upkeep import Settled
    from evidencekit_cli.output import Session

_NOTHING_OWED = Sentence("no time-stamp is owed", "没有待补的时间戳")
_NOTHING_DUE = Sentence(
    "no bundle of this home needs renewal within 180 days", "本数据目录中没有 180 天内需续期的证据包"
)
_SELF_ISSUED = Sentence("this time-stamp is self-issued, not independent", "该时间戳为自行签发,不具独立性")


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """What `renew` was asked for."""

    bundles: tuple[Path, ...]
    everything: bool
    function: str
    tsas: tuple[str, ...]
    folder: Path | None


def stamp_files(session: Session, files: Sequence[Path], tsas: Sequence[str], folder: Path | None) -> ExitCode:
    """Stamp bundles and other files one by one."""
    if not files:
        raise UsageError(
            "nothing to stamp was named; give a bundle or another file, or --pending",
            "未指定要盖时间戳的文件;请给出证据包或其他文件,或使用 --pending",
        )
    home = open_home()[0]
    chosen = _chosen(home, tsas, Role.SEAL)
    made = [
        _grow(home, file, chosen, folder) if _is_bundle(file) else _stamp_file(file, chosen, folder) for file in files
    ]
    _tell(session, made)
    return ExitCode.OK


def stamp_pending(session: Session, files: Sequence[Path], tsas: Sequence[str]) -> ExitCode:
    """Fetch what is owed; 3 when something still is."""
    if files:
        raise UsageError("--pending takes no files; name them, or leave it out", "--pending 不接受文件;请二者择一")
    home = open_home()[0]
    found = settle_owed(home, _authorities(home, tsas))
    if session.json:
        session.print_json(_settled_json(found))
    else:
        for line in pending_lines(found) or [_NOTHING_OWED]:
            session.say(line)
    return ExitCode.UNDECIDED if any(_still(each) for each in found) else ExitCode.OK


def pending_lines(found: Sequence[Settled]) -> list[Sentence]:
    """Say what became of each bundle that waited."""
    lines: list[Sentence] = []
    for each in found:
        number = inert(each.number)
        if each.grown is not None:
            where, tsa = each.grown.grown, inert(each.grown.tsa)
            lines.append(Sentence(f"{number}: stamped by {tsa}: {where}", f"{number}:已由 {tsa} 盖时间戳:{where}"))
        elif each.problem is None:
            lines.append(
                Sentence(f"{number}: stamped already: {each.bundle}", f"{number}:此前已盖时间戳:{each.bundle}")
            )
        if _still(each):
            en = each.problem.en if each.problem else _SELF_ISSUED.en
            zh = each.problem.zh if each.problem else _SELF_ISSUED.zh
            lines.append(Sentence(f"{number}: PENDING: {inert(en)}", f"{number}:待补 PENDING:{inert(zh)}"))
    return lines


def renew_bundles(session: Session, wanted: Renewal) -> ExitCode:
    """Renew bundles by one token."""
    home = open_home()[0]
    bundles = wanted.bundles or _due(home, everything=wanted.everything)
    if not bundles:
        session.say(_NOTHING_DUE)
        if session.json:
            session.print_json(_grown_json([]))
        return ExitCode.OK
    chosen = _chosen(home, wanted.tsas, Role.BATCH)
    made = renew(bundles, chosen, algorithm=wanted.function, folder=wanted.folder)
    for each in made:
        _remember(home, each)
    _tell(session, made)
    return ExitCode.OK


def serve_authority(session: Session, host: str, port: int) -> ExitCode:
    """Run the TSA until it is interrupted."""
    home = open_home()[0]
    tsa = embedded_tsa(home.keys().tsa)
    server = AuthorityServer(tsa.authority, host, port)
    if session.json:
        session.print_json({"format": "evidencekit/timestamp-service", "version": 1, "url": server.url})
    session.say(Sentence(f"TSA, self-issued, at {server.url}", f"时间戳服务(自行签发):{server.url}"))
    certificate = home.path / "keys" / "tsa.cert.pem"
    session.say(Sentence(f"  certificate  {certificate}", f"  证书         {certificate}"))
    try:
        server.serve_forever()
    finally:
        server.server_close()
    return ExitCode.OK


def _authorities(home: Home, tsas: Sequence[str]) -> tuple[TimeStamper, ...]:
    settings = read_settings(home.path / CONFIG_FILE)
    return authorities_named(tsas or settings.texts("capture.tsa"), settings.tsas)


def _chosen(home: Home, tsas: Sequence[str], role: Role) -> tuple[TimeStamper, ...]:
    """Those of the role where there are any, else all; without any the home's own."""
    found = _authorities(home, tsas)
    return serving(found, role) or found or (embedded_tsa(home.keys().tsa),)


def _is_bundle(file: Path) -> bool:
    if file.is_dir():
        return True
    with suppress(FormatError), open_bundle(file) as bundle:
        return paths.MANIFEST in bundle
    return False


def _grow(home: Home, file: Path, tsas: Sequence[TimeStamper], folder: Path | None) -> Grown:
    made = stamp_bundle(file, tsas, folder=folder)
    _remember(home, made)
    return made


def _remember(home: Home, made: Grown) -> None:
    """Keep the list up to date about bundles that are on it."""
    if made.number in {each.number for each in home.captures()}:
        home.remember(made.number, made.grown)
        if not made.self_issued:
            settle(home.path, made.number)


def _stamp_file(file: Path, tsas: Sequence[TimeStamper], folder: Path | None) -> Grown:
    _, digests = digest_file(file)
    reply = first_reply(bytes.fromhex(digests.sha256), tsas)
    out = (folder or file.parent) / f"{file.name}.tsr"
    publish_new(out, partial(_write, reply.response))
    return Grown(number="", bundle=file, grown=out, tsa=reply.tsa, self_issued=reply.check.self_issued)


def _write(data: bytes, stream: BinaryIO) -> None:
    stream.write(data)


def _due(home: Home, *, everything: bool) -> tuple[Path, ...]:
    now = datetime.now(UTC)
    found: list[Path] = []
    for path in dict.fromkeys(latest(each.bundle) for each in home.captures()):
        with suppress(EvidenceError):
            if everything or standing(path).is_due(now):
                found.append(path)
    return tuple(found)


def _tell(session: Session, made: Sequence[Grown]) -> None:
    if session.json:
        session.print_json(_grown_json(made))
        return
    for each in made:
        tsa = inert(each.tsa)
        session.say(Sentence(f"{each.grown}  by {tsa}", f"{each.grown}  由 {tsa} 签发"))
    if any(each.self_issued for each in made):
        session.note(_SELF_ISSUED)


def _grown_json(made: Sequence[Grown]) -> dict[str, JsonValue]:
    return {
        "format": "evidencekit/timestamped",
        "version": 1,
        "files": [
            {
                "number": each.number,
                "file": str(each.bundle),
                "made": str(each.grown),
                "tsa": each.tsa,
                "self_issued": each.self_issued,
            }
            for each in made
        ],
    }


def _settled_json(found: Sequence[Settled]) -> dict[str, JsonValue]:
    return {
        "format": "evidencekit/pending-stamps",
        "version": 1,
        "bundles": [
            {
                "number": each.number,
                "file": str(each.bundle),
                "made": str(each.grown.grown) if each.grown else None,
                "pending": _still(each),
                "problem": both(each.problem) if each.problem else None,
            }
            for each in found
        ],
    }


def _still(each: Settled) -> bool:
    return each.problem is not None or (each.grown is not None and each.grown.self_issued)
