"""Watching other logs: `evidencekit ledger monitor` and `evidencekit ledger witness`."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evidencekit.errors import FormatError, UsageError
from evidencekit.ledger.monitor import Observation, Sighting, audit, follow
from evidencekit.ledger.witness import Witness
from evidencekit.ledger.witness_server import WitnessServer
from evidencekit.signing.keyfile import create_secret_file, read_secret_file
from evidencekit.signing.note import VerifierKey, format_vkey, parse_vkey
from evidencekit.signing.notesigner import CosignatureSigner
from evidencekit_cli.exit_codes import ExitCode
from evidencekit_cli.homes import open_home
from evidencekit_cli.output import Sentence, Session, both, inert
from evidencekit_cli.places import source_of

if TYPE_CHECKING:
    from evidencekit.home import Home
    from evidencekit.model import JsonValue, Text

_KEY_BYTES = 4096
_SEED_BYTES = 32
_SAID = {
    Sighting.FIRST: Sentence("first look", "首次查看"),
    Sighting.SAME: Sentence("unchanged", "无变化"),
    Sighting.GROWN: Sentence("grown, consistent with what was seen before", "已增长,与此前所见一致"),
    Sighting.OLDER: Sentence(
        "the log shows less than it signed before: a stale copy, or it was set back",
        "日志少于其曾签署的内容:或为旧副本,或已被回退",
    ),
    Sighting.FORK: Sentence(
        "FORK: the log signed two histories; both notes are evidence, keep them",
        "分叉:日志签署了两个历史;两份签名文本均为证据,请妥善保存",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """How to watch: by which key, where the newest checkpoint is kept, whether all entries are read, how often."""

    key: str
    state: Path
    audit: bool
    every_s: float | None


def read_vkey(text: str) -> VerifierKey:
    """Read a verifier key, given itself or as a file.

    Raises:
        UsageError: it is none.
    """
    try:
        if "+" not in text or Path(text).is_file():
            with Path(text).open("rb") as file:
                text = file.read(_KEY_BYTES).decode("ascii").strip()
        return parse_vkey(text)
    except (OSError, UnicodeDecodeError, FormatError) as error:
        raise UsageError(
            f"{text[:80]!r} is no verifier key (vkey) and no file with one; give what the log's operator publishes",
            f"{text[:80]!r} 不是验证公钥(vkey),也不是含有公钥的文件;请使用日志运营者公布的公钥",
        ) from error


def monitor(session: Session, place: str, watch: Watch) -> ExitCode:
    """Look at a log once, or again and again until it forks or is interrupted."""
    fetch, keys = source_of(place), [read_vkey(watch.key)]
    while True:
        seen = follow(fetch, keys, watch.state)
        problems = audit(fetch, keys).problems if watch.audit and seen.sighting is not Sighting.FORK else ()
        _tell(session, seen, problems)
        if seen.sighting is Sighting.FORK or problems:
            return ExitCode.FAILED
        if seen.sighting is Sighting.OLDER:
            return ExitCode.UNDECIDED
        if watch.every_s is None:
            return ExitCode.OK
        time.sleep(watch.every_s)


def _tell(session: Session, seen: Observation, problems: tuple[Text, ...]) -> None:
    now = seen.now.checkpoint
    both_notes = seen.before is not None and seen.sighting in (Sighting.FORK, Sighting.OLDER)
    if session.json:
        value: dict[str, JsonValue] = {
            "format": "evidencekit/ledger-sighting",
            "version": 1,
            "sighting": seen.sighting.value,
            "origin": now.origin,
            "size": now.size,
            "root": now.root.hex(),
            "before": seen.before.data.decode() if seen.before and both_notes else None,
            "now": seen.now.data.decode() if both_notes else None,
            "problems": [both(problem) for problem in problems],
        }
        session.print_json(value)
        return
    session.say(_SAID[seen.sighting])
    session.print(f"{inert(now.origin)}  {now.size}  {now.root.hex()}")
    if seen.before is not None and both_notes:
        for note in (seen.before, seen.now):
            session.print("\n" + note.data.decode().rstrip("\n"))
    for problem in problems:
        session.say(problem)


def serve_witness(session: Session, logs: tuple[str, ...], listen: str, name: str | None) -> ExitCode:
    """Serve a witness until it is interrupted."""
    host, port = _address(listen)
    keys = [read_vkey(log) for log in logs]
    home = open_home()[0]
    state = home.path / "witness"
    state.mkdir(mode=0o700, exist_ok=True)
    signer = _witness_signer(home, name)
    witness = Witness(state, keys, [signer])
    server = WitnessServer(witness, host, port)
    try:
        if session.json:
            session.print_json(
                {"format": "evidencekit/witness", "version": 1, "key": format_vkey(signer.verifier), "url": server.url}
            )
        session.say(Sentence(f"witness at {server.url}", f"见证服务:{server.url}"))
        session.print(format_vkey(signer.verifier))
        server.serve_forever()
    finally:
        server.server_close()
        witness.close()
    return ExitCode.OK


def show_witness_key(session: Session, name: str | None) -> ExitCode:
    """Print the witness's verifier key, made at first use."""
    vkey = format_vkey(_witness_signer(open_home()[0], name).verifier)
    if session.json:
        session.print_json({"format": "evidencekit/witness", "version": 1, "key": vkey, "url": None})
    session.print(vkey)
    return ExitCode.OK


def _witness_signer(home: Home, name: str | None) -> CosignatureSigner:
    """Load the witness's own key, never the log's: a 0x04 signature does not bind its name (C2SP tlog-cosignature)."""
    file = home.path / "keys" / "witness.key"
    if not file.exists():
        seed = secrets.token_bytes(_SEED_BYTES)
        chosen = name or f"evidencekit-witness/{secrets.token_hex(8)}"
        CosignatureSigner(chosen, seed)  # refuses a name that cannot name a key
        create_secret_file(file, f"{chosen}\n{seed.hex()}\n".encode())
    lines = read_secret_file(file).decode("ascii", "replace").split("\n")
    stored, seed_text = (lines[0], lines[1]) if len(lines) > 1 else ("", "")
    try:
        seed = bytes.fromhex(seed_text)
    except ValueError as error:
        raise FormatError(
            f"{file} is no witness key; restore it from a copy", f"{file} 不是见证密钥;请从备份恢复"
        ) from error
    if name is not None and name != stored:
        raise UsageError(
            f"the witness key of this home is named {stored!r}; leave out --name",
            f"本机见证密钥名为 {stored!r};请去掉 --name",
        )
    return CosignatureSigner(stored, seed)


def _address(text: str) -> tuple[str, int]:
    host, separator, port = text.rpartition(":")
    if not separator or not host or not port.isascii() or not port.isdigit() or int(port) > 0xFFFF:  # noqa: PLR2004
        raise UsageError(
            f"--listen {text!r} is not HOST:PORT; write it as 127.0.0.1:8799",
            f"--listen {text!r} 不是 主机:端口;请写成 127.0.0.1:8799",
        )
    return host.strip("[]"), int(port)
