"""The check of `evidencekit doctor` that looks at every key: which file is lost or damaged, and what to do next."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from evidencekit.bundle.privatearchive import recipient_of
from evidencekit.errors import EvidenceError, SigningError
from evidencekit.home import lost_key
from evidencekit.identities import FILES, Role
from evidencekit.signing.identity import check_validity, load_ledger_key
from evidencekit.signing.keyfile import read_secret_file
from evidencekit.signing.postquantum import CERTIFICATE_FILE, KEY_FILE, load_post_quantum
from evidencekit.signing.signer import load_signer
from evidencekit_cli.diagnosis import informed, passed, warned
from evidencekit_cli.output import Sentence

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from evidencekit_cli.diagnosis import Diagnosis
    from evidencekit_cli.language import Bilingual

_HOLDER, _MATTER = "holder.age", "matter.key"


def check_keys(home: Path) -> Diagnosis:
    """Load every key: is it there, readable by its owner alone, whole, valid, and that of its public half.

    Raises:
        SigningError: one of the three that every capture needs does not work; each that does not is named.
    """
    keys = home / "keys"
    if not keys.is_dir() or (not any(keys.iterdir()) and not (home / "ledger.sqlite").exists()):
        return informed("keys", "the first capture makes three keys", "首次取证时生成三把密钥")
    problems = [found for role in Role if (found := _problem_of(home, role)) is not None]
    if problems:
        raise SigningError("; ".join(each.en for each in problems), "；".join(each.zh for each in problems))
    lesser = tuple(_lesser_problems(home))
    if lesser:
        return warned("keys", "; ".join(each.en for each in lesser), "；".join(each.zh for each in lesser))
    secret, public = (keys / name for name in FILES[Role.SEAL])
    until = f"{load_signer(secret, public).certificate.not_valid_after_utc:%Y-%m-%d}"
    origin = load_ledger_key(keys).signer.name
    return passed(
        "keys",
        f"three keys in {keys}, self-signed, valid until {until}; ledger {origin}",
        f"{keys} 中三把密钥,自签名,有效期至 {until};账本 {origin}",
    )


def _problem_of(home: Path, role: Role) -> Bilingual | None:
    """Say what is wrong with one of the three keys, None when nothing is."""
    secret, public = (home / "keys" / name for name in FILES[role])
    if not secret.exists():
        used = public.exists() or (role is Role.LEDGER and (home / "ledger.sqlite").exists())
        return lost_key(secret.name, role.value) if used else None
    if not public.exists() and role is not Role.LEDGER:
        return _lost_certificate(public, role)
    try:
        read_secret_file(secret)
    except SigningError as error:
        return error
    try:
        if role is Role.LEDGER:
            load_ledger_key(home / "keys")
            return None
        signer = load_signer(secret, public)
    except EvidenceError as error:
        return _damaged(secret, public, role, error)
    try:
        check_validity(signer.certificate, datetime.now(UTC))
    except SigningError as error:
        return error
    return None


def _lost_certificate(public: Path, role: Role) -> Bilingual:
    return Sentence(
        f"the certificate {public.name} is gone, and the next capture would make another one; put it back from a "
        f"backup, or go on with a new key: evidencekit identity rotate {role.value} --lost",
        f"证书文件 {public.name} 已丢失,下次取证将另行生成;请从备份放回,"
        f"或改用新密钥:evidencekit identity rotate {role.value} --lost",
    )


def _damaged(secret: Path, public: Path, role: Role, error: EvidenceError) -> Bilingual:
    said, said_zh = error.en.rstrip("."), error.zh.rstrip("。")
    return Sentence(
        f"{secret.name} and {public.name} do not work together: {said}. Put both back from one backup (evidencekit "
        f"identity restore FILE), or go on with a new key: evidencekit identity rotate {role.value} --lost",
        f"{secret.name} 与 {public.name} 无法配合使用:{said_zh}。请从同一备份放回二者"
        f"(evidencekit identity restore 文件),或改用新密钥:evidencekit identity rotate {role.value} --lost",
    )


def _lesser_problems(home: Path) -> Iterator[Bilingual]:
    """What a capture can do without: the keys of private archives, of matters, and of the second signature."""
    keys = home / "keys"
    for name, read in ((_HOLDER, _read_holder), (_MATTER, read_secret_file)):
        if (keys / name).exists():
            try:
                read(keys / name)
            except EvidenceError as error:
                yield error
    try:
        if (keys / CERTIFICATE_FILE).exists() and not (keys / KEY_FILE).exists():
            yield lost_key(KEY_FILE, Role.SEAL.value)
        elif (keys / CERTIFICATE_FILE).exists():
            load_post_quantum(keys, now=datetime.now(UTC))
    except EvidenceError as error:
        yield error
    if not (keys / _HOLDER).exists() and any((home / "captures").glob("*.private.zip.age")):
        yield Sentence(
            f"{_HOLDER} is gone: private archives made so far cannot be opened without a copy of it; put it back from "
            "a backup before the next capture makes another one",
            f"{_HOLDER} 已丢失:没有其副本则无法打开已有的私有存档;请在下次取证生成新密钥之前从备份放回",
        )


def _read_holder(file: Path) -> str:
    return recipient_of(read_secret_file(file).decode("ascii", "replace"))
