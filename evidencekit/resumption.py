"""Finish a session that was killed between its entry in the ledger and its bundle.

All that is sealed lies in the workspace. It is held against the entry first; then the proofs are fetched from the
ledger anew, the custody log is taken up and says so, and the rest is done as always (`finishing`).
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from evidencekit.bundle import paths
from evidencekit.capture.launcher import BrowserOptions
from evidencekit.errors import EvidenceError, FormatError, StorageError
from evidencekit.finishing import Finishing, finish, read_private_list
from evidencekit.hashing.chainlog import CUSTODY, ChainHead, parse_lines
from evidencekit.hashing.chainresume import Step, continue_log, whole_lines
from evidencekit.hashing.digest import digest_file
from evidencekit.hashing.manifest import parse_manifest
from evidencekit.ledger.entry import CaptureEntry, parse_entry
from evidencekit.office import open_office
from evidencekit.sealing import write_proofs, write_trust
from evidencekit.signing.identity import key_id
from evidencekit.signing.pades import can_seal

if TYPE_CHECKING:
    from pathlib import Path

    from evidencekit.hashing.manifest import Manifest
    from evidencekit.home import Home
    from evidencekit.ledger.log import Ledger
    from evidencekit.model import JsonValue
    from evidencekit.office import Office


def resume(home: Home, workspace: Path, *, index: int, out: Path | None, seal_pdf: bool = False) -> None:
    """Write the bundle of the session that `index` announced and a later entry sealed.

    No third-party TSA is asked: the outer time-stamp and those in a sealed PDF, which only the container needs, are
    our own.

    Args:
        home: keys and ledger.
        workspace: what the killed run left.
        index: of the open entry.
        out: where the bundle goes.
        seal_pdf: whether the certificate PDF was to be sealed; it is, unless pyHanko is gone since.

    Raises:
        EvidenceError: it cannot be finished: files are missing or are not those entered, the signer was the caller's
            own, `out` is not known or taken, or a stage refuses.
    """
    if out is None:
        raise StorageError("it is not known where the bundle was to go", "不知道证据包应写入何处")
    folder = workspace / "capture" / "bundle"
    with open_office(home=home, signer=None, tsas=(), ledger=None, number=None, clock=None, output=None) as office:
        at, data, entry = _entry(office.ledger, index)
        manifest = _sealed_manifest(folder, entry, office)
        private = read_private_list(workspace)
        opened = next(iter(office.ledger.entries(index, index + 1)))

        def write(name: str, content: bytes) -> None:
            _write(folder / name, content)

        # Receipts of anchors are for the checkpoint of the proof, which is written anew.
        shutil.rmtree(folder / paths.ANCHORS, ignore_errors=True)
        write_proofs(write, office, (at, data), (index, opened))
        office.seal_pdf = seal_pdf and can_seal(office.signer.algorithm)
        unsealed = seal_pdf and not office.seal_pdf
        _take_up_custody(folder / paths.CUSTODY, manifest, office, at, unsealed=unsealed)
        write_trust(write, office, folder)
        finish(
            Finishing(
                office=office,
                workspace=workspace,
                folder=folder,
                number=manifest.number,
                attempts=manifest.open.attempt,
                out=out,
                private=private,
                browser=BrowserOptions(),
                resumed=True,
            )
        )


def _entry(ledger: Ledger, opened: int) -> tuple[int, bytes, CaptureEntry]:
    for at, data in enumerate(ledger.entries(opened + 1), opened + 1):
        with suppress(EvidenceError):
            entry = parse_entry(data)
            if isinstance(entry, CaptureEntry) and entry.open == opened:
                return at, data, entry
    raise FormatError(f"no entry seals the session announced as {opened}", f"没有登记封存第 {opened} 条所登记的取证")


def _sealed_manifest(folder: Path, entry: CaptureEntry, office: Office) -> Manifest:
    """Read the manifest, after holding manifest, seal and first time-stamp against what was entered."""
    found = tuple(digest_file(folder / name)[1] for name in (paths.MANIFEST, paths.SEAL, paths.seal_token(1)))
    if found[:2] != (entry.manifest, entry.seal) or found[2].sha256 != entry.timestamp:
        raise FormatError(
            f"the files in {folder} are not those that were entered", f"{folder} 中的文件与登记的摘要不符"
        )
    if entry.key_id != key_id(office.signer.certificate):
        raise FormatError(
            "it was sealed with another key than this home's, which alone can sign the container",
            "封存所用密钥不是本数据目录的密钥，容器须由同一密钥签名",
        )
    return parse_manifest((folder / paths.MANIFEST).read_bytes())


def _take_up_custody(path: Path, manifest: Manifest, office: Office, at: int, *, unsealed: bool) -> None:
    before = ChainHead(lines=manifest.worklog.lines, head=manifest.worklog.head, n=manifest.worklog.lines - 1)
    whole, end = whole_lines(path, format_name=CUSTODY, capture_id=manifest.capture_id, before=before)
    done = {line.step for line in parse_lines(whole, CUSTODY)}
    entered = Step(step="entered", object=office.ledger.origin, detail={"index": at})
    detail: dict[str, JsonValue] = {"after": "the process was killed once the entry stood in the ledger"}
    if unsealed:
        detail["certificate.pdf"] = "not sealed, because pyHanko is no longer installed"
    steps = [
        *([] if "entered" in done else [entered]),
        Step(step="resumed", detail=detail),
        Step(step="documents", detail={"from": "findings of a stranger's verification"}),
    ]
    continue_log(path, whole, end, steps, format_name=CUSTODY)


def _write(file: Path, content: bytes) -> None:
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.write_bytes(content)
    except OSError as error:
        raise StorageError(
            f"cannot write {file}: {error.strerror or error}; free space on the disk and try again",
            f"无法写入 {file}：{error.strerror or error}；请清理磁盘后重试",
        ) from error
