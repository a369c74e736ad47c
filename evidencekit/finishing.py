"""From an entered record to its bundle: documents, private archive, container (design §3, steps 11 to 16).

The record in `folder` is whole and stands in the ledger, so this may be done again by a later command when the first
one was killed: `recovery` calls it with nothing but the files and the home.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evidencekit.bundle import paths
from evidencekit.bundle.privatearchive import private_path, write_private_archive
from evidencekit.casefile import owed_sentence
from evidencekit.container import seal_container
from evidencekit.documents import Setting, write_documents
from evidencekit.errors import FormatError, StorageError, TsaResponseError
from evidencekit.hashing.manifest import parse_manifest
from evidencekit.model import Text
from evidencekit.signing.pades import seal_pdf
from evidencekit.timestamp.token import parse_response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from evidencekit.capture.launcher import BrowserOptions
    from evidencekit.capture.printing import Printing
    from evidencekit.hashing.digest import KnownSm3
    from evidencekit.office import Office

_PRIVATE_LIST = "private.json"
_PRIVATE_LIST_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Finishing:
    """What remains of a session: `folder` mirrors the bundle, `out` is the ZIP to be, `private` what it withholds.

    `resumed` says that a killed run may have published the private archive already; it is whole then. `pending` is
    all that is still to come and `owed` the time-stamps of it; the outer one is added to both when it is owed, too.
    `known` holds the SM3 of what this process hashed when it was made; `printing` is a browser started ahead.
    """

    office: Office
    workspace: Path
    folder: Path
    number: str
    attempts: int
    out: Path
    private: Mapping[str, Path]
    browser: BrowserOptions
    resumed: bool = False
    known: KnownSm3 = field(default_factory=dict[str, str])
    printing: Printing | None = None
    pending: list[Text] = field(default_factory=list)
    owed: list[Text] = field(default_factory=list)


def write_private_list(workspace: Path, private: Mapping[str, Path]) -> None:
    """Write durably which files go to the private archive, before the ledger makes the session final.

    Raises:
        StorageError: the disk refuses.
    """
    value = {name: os.fsencode(os.path.relpath(path, workspace)).hex() for name, path in private.items()}
    path = workspace / _PRIVATE_LIST
    try:
        with path.open("xb") as file:
            file.write(json.dumps({"files": value, "version": 1}).encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror or error}; free space on the disk and capture again",
            f"无法写入 {path}：{error.strerror or error}；请清理磁盘后重新取证",
        ) from error


def read_private_list(workspace: Path) -> dict[str, Path]:
    """Read what `write_private_list` wrote.

    Raises:
        FormatError: it is missing or damaged.
    """
    path = workspace / _PRIVATE_LIST
    try:
        with path.open("rb") as file:
            value = json.loads(file.read(_PRIVATE_LIST_BYTES))
        return {str(name): workspace / os.fsdecode(bytes.fromhex(each)) for name, each in value["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(f"{path} cannot be read: {error}", f"无法读取 {path}：{error}") from error


def finish(work: Finishing) -> Path | None:
    """Write documents, private archive and bundle, and add the bundle to the home's list.

    Returns:
        The private archive, None when nothing was withheld or there is no home to encrypt it to.

    Raises:
        BrowserError, SigningError, TimestampError, StorageError: as their stages; neither file is left half-made.
    """
    office = work.office
    setting = Setting(
        signer=office.signer.certificate,
        algorithm=office.signer.algorithm,
        log=office.ledger.verifier,
        attempts=work.attempts,
        browser=work.browser,
        workdir=work.workspace,
        seal_pdf=_pdf_sealer(work) if office.seal_pdf else None,
        known=work.known,
        printing=work.printing,
    )
    write_documents(work.folder, setting, at=office.clock())
    private, made = _private(work)
    if work.resumed:
        work.owed.extend(_still_owed(work.folder))
    if work.owed:
        office.owe(work.number, work.out, work.owed)
    try:
        stamped = seal_container(
            work.folder, work.out, office.signer, office.stamper, at=office.clock(), known=work.known
        )
    except BaseException:
        if made and private is not None:
            private.unlink(missing_ok=True)
        raise
    if stamped.owing:
        work.owed.append(owed_sentence(Text(en="the outer time-stamp", zh="外层时间戳"), stamped))
        work.pending.append(work.owed[-1])
        office.owe(work.number, work.out, work.owed)
    office.remember(work.number, work.out)
    return private


def _still_owed(folder: Path) -> list[Text]:
    """What a killed run owed, as the manifest says."""
    owing = parse_manifest((folder / paths.MANIFEST).read_bytes()).t_open.pending
    en, zh = "T_open: no third-party time-stamp yet", "T_open(开始):尚无第三方时间戳"
    return [Text(en=en, zh=zh)] if owing else []


def _pdf_sealer(work: Finishing) -> Callable[[bytes], bytes]:
    """Seal the certificate as the bundle is sealed, with tokens of the authorities that stamped it."""
    office = work.office

    def stamp(digest: bytes) -> bytes:
        return _token(office.stamper.stamp(digest).replies[0].response)

    seal = (work.folder / paths.SEAL).read_bytes()
    # A resumed session stamps with other authorities than those that stamped its seal.
    first = (work.folder / paths.seal_token(1)).read_bytes()
    example = stamp(hashlib.sha256(seal).digest()) if work.resumed else _token(first)
    return lambda pdf: seal_pdf(pdf, office.signer, stamp, example)


def _token(response: bytes) -> bytes:
    token = parse_response(response).token
    if token is None:
        raise TsaResponseError("the TSA granted no token; try again", "时间戳机构未给出时间戳;请重试")
    return token


def _private(work: Finishing) -> tuple[Path | None, bool]:
    """Give the private archive, and whether this call made it."""
    recipient = work.office.recipient()
    if not work.private or recipient is None:
        return None, False
    private = private_path(work.out)
    if work.resumed and private.exists():
        return private, False
    write_private_archive(work.private, private, recipient=recipient, workdir=work.workspace)
    return private, True
