"""What the commands of `identity` do and tell."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from evidencekit import countersigning, identities, keybackup
from evidencekit.errors import UsageError
from evidencekit.hashing.canonical import format_time
from evidencekit.identities import Role
from evidencekit.ledger.entry import KeyStatus
from evidencekit.office import embedded_tsa
from evidencekit.signing.keyfile import read_public_file
from evidencekit.signing.signer import load_pkcs12
from evidencekit_cli.authorities import authorities_named
from evidencekit_cli.exit_codes import ExitCode
from evidencekit_cli.homes import open_home
from evidencekit_cli.output import Sentence, inert, table
from evidencekit_cli.signers import secret_from, signer_chosen

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from evidencekit.identities import KeyFacts, Rotation
    from evidencekit.model import JsonValue
    from evidencekit.signing.signer import Signer
    from evidencekit_cli.output import Session

_ROLES = {
    Role.SEAL: Sentence("seal", "封存"),
    Role.TSA: Sentence("own time-stamps", "自有时间戳"),
    Role.LEDGER: Sentence("ledger", "账本"),
}
_STATES = {
    "present": Sentence("present", "存在"),
    "lost": Sentence("LOST", "已丢失"),
    "absent": Sentence("not made yet", "尚未创建"),
}
_HEADER = (
    Sentence("key", "密钥"),
    Sentence("state", "状态"),
    Sentence("holds until", "有效期至"),
    Sentence("fingerprint (SHA-256)", "指纹(SHA-256)"),
    Sentence("subject", "主体"),
)


def show(session: Session) -> ExitCode:
    """Show the keys."""
    home, _ = open_home()
    found = identities.facts(home)
    if session.json:
        session.print_json(
            {
                "format": "evidencekit/identities",
                "version": 1,
                "home": str(home.path),
                "keys": [_value(each) for each in found],
            }
        )
        return ExitCode.OK
    session.print(table([[session.text(heading) for heading in _HEADER], *(_row(session, each) for each in found)]))
    if any(each.self_signed for each in found):
        session.say(
            Sentence(
                "Self-signed: such a key proves integrity, not who holds it. With a certificate of an authority: "
                "evidencekit identity import FILE.p12",
                "自签:此类密钥只证明完整性,不证明持有人身份。如有认证机构签发的证书:"
                "evidencekit identity import 文件.p12",
            )
        )
    return ExitCode.OK


def create(session: Session, name: str | None) -> ExitCode:
    """Make the keys, and show them."""
    home, _ = open_home()
    identities.create(home, now=datetime.now(UTC), name=name)
    return show(session)


def adopt(session: Session, file: Path, passphrase_file: Path | None) -> ExitCode:
    """Import a key from PKCS#12, and show the keys."""
    data = read_public_file(file)
    signer = load_pkcs12(data, file, _passphrase(passphrase_file, new=False).encode() or None)
    home, _ = open_home()
    rotation = identities.adopt(home, signer, now=datetime.now(UTC))
    if rotation is not None and not session.json:
        _say(session, rotation)
    return show(session)


def signer_from(pkcs12: Path | None, passphrase_file: Path | None) -> Signer | None:
    """Give the signer in a PKCS#12 file, None when no file is named."""
    if pkcs12 is None:
        return None
    data = read_public_file(pkcs12)
    return load_pkcs12(data, pkcs12, _passphrase(passphrase_file, new=False).encode() or None)


def countersign(
    session: Session,
    bundle: Path,
    role: str,
    named: Callable[[], Signer | None],
    tsas: tuple[str, ...],
    folder: Path | None,
) -> ExitCode:
    """Sign a bundle in a role, and tell where the new file is."""
    home, settings = open_home()
    now = datetime.now(UTC)
    signer = named() or signer_chosen(settings)
    keys = home.keys(now)
    others = authorities_named(tsas or settings.texts("capture.tsa"))
    asked = (*others, embedded_tsa(keys.tsa))
    made = countersigning.countersign(
        bundle,
        signer or keys.seal.signer,
        countersigning.SignerRole(role),
        asked,
        at=now,
        folder=folder,
        third_party=settings.flag("capture.third_party"),
    )
    home.remember(made.number, made.bundle)
    if session.json:
        session.print_json(
            {
                "format": "evidencekit/countersigned",
                "version": 1,
                "number": made.number,
                "role": made.role.value,
                "made": str(made.bundle),
                "tsa": made.tsa,
                "self_issued": made.self_issued,
            }
        )
    else:
        session.say(
            Sentence(
                f"{made.bundle}  signed as {made.role.value}, stamped by {inert(made.tsa)}"
                + (", which is our own and not independent" if made.self_issued else ""),
                f"{made.bundle}  已以 {made.role.value} 身份签名,时间戳由 {inert(made.tsa)} 签发"
                + (",为自有时间戳,不具独立性" if made.self_issued else ""),
            )
        )
    return ExitCode.UNDECIDED if made.self_issued and others else ExitCode.OK


def backup(session: Session, file: Path, passphrase_file: Path | None) -> ExitCode:
    """Write a backup."""
    home, _ = open_home()
    names = keybackup.backup(home, file, _passphrase(passphrase_file, new=True))
    if session.json:
        value: dict[str, JsonValue] = {"format": "evidencekit/key-backup", "version": 1}
        session.print_json(value | {"file": str(file), "members": list(names)})
        return ExitCode.OK
    session.say(
        Sentence(
            f"{len(names)} files in {file}. Keep it and its passphrase apart, both away from this machine; "
            "make a new one after each day of captures.",
            f"已将 {len(names)} 个文件写入 {file}。请与口令分开保管,且均不放在本机;每日取证后重新备份。",
        )
    )
    return ExitCode.OK


def restore(session: Session, file: Path, passphrase_file: Path | None, *, continue_ledger: bool) -> ExitCode:
    """Restore a backup, and show the keys."""
    home, _ = open_home()
    passphrase = _passphrase(passphrase_file, new=False)
    rotation = keybackup.restore(home, file, passphrase, now=datetime.now(UTC), continue_ledger=continue_ledger)
    if rotation is not None and not session.json:
        _say(session, rotation)
    return show(session)


def rotate(session: Session, key: str, *, lost: bool, compromised: bool, name: str | None) -> ExitCode:
    """Replace a key."""
    if lost and compromised:
        raise UsageError(
            "a key is lost or came into other hands; give one of --lost and --compromised",
            "密钥或为丢失,或为泄露;--lost 与 --compromised 只能给出一个",
        )
    status = KeyStatus.LOST if lost else KeyStatus.COMPROMISED if compromised else KeyStatus.RETIRED
    home, _ = open_home()
    rotation = identities.rotate(home, Role(key), status, now=datetime.now(UTC), name=name)
    if session.json:
        session.print_json(
            {
                "format": "evidencekit/key-rotation",
                "version": 1,
                "role": rotation.role.value,
                "status": status.value,
                "old": rotation.old or None,
                "new": rotation.new,
                "kept": str(rotation.kept),
                "origin": rotation.origin,
                "index": rotation.index,
            }
        )
    else:
        _say(session, rotation)
    return ExitCode.OK


def _say(session: Session, rotation: Rotation) -> None:
    session.say(
        Sentence(
            f"New {rotation.role.value} key {rotation.new}; the old files are in {rotation.kept}. "
            f"Entered in the log {rotation.origin} as no. {rotation.index}. Publish the new anchor; make a new backup.",
            f"新 {rotation.role.value} 密钥 {rotation.new};旧文件保存在 {rotation.kept}。"
            f"已登记于日志 {rotation.origin} 第 {rotation.index} 条。请公布新的信任锚,并重新备份。",
        )
    )


def _value(facts: KeyFacts) -> JsonValue:
    return {
        "role": facts.role.value,
        "state": facts.state,
        "subject": facts.subject,
        "fingerprint": facts.fingerprint or None,
        "not_before": None if facts.not_before is None else format_time(facts.not_before),
        "not_after": None if facts.not_after is None else format_time(facts.not_after),
        "self_signed": facts.self_signed,
        "post_quantum": facts.post_quantum,
    }


def _row(session: Session, facts: KeyFacts) -> list[str]:
    until = "" if facts.not_after is None else f"{facts.not_after:%Y-%m-%d}"
    role, state = session.text(_ROLES[facts.role]), session.text(_STATES[facts.state])
    if facts.post_quantum:
        role += " (ML-DSA-65)"
    own = Sentence(" (self-signed)", "(自签)") if facts.self_signed else Sentence("", "")
    return [role, state, until, facts.fingerprint, inert(facts.subject) + session.text(own)]


def _passphrase(file: Path | None, *, new: bool) -> str:
    if file is not None:
        return secret_from(file).decode("utf-8", "surrogateescape")
    if not sys.stdin.isatty():
        raise UsageError(
            "no terminal to ask for the passphrase; give --passphrase-file FILE",
            "没有可询问口令的终端;请使用 --passphrase-file 文件",
        )
    text = "Passphrase / 口令"
    answer: str = click.prompt(text, hide_input=True, confirmation_prompt=new, default="", show_default=False, err=True)
    return answer
