"""A small deposit made by the library's own functions, like the captures of `assembly`, with a hook at each step."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from evidencekit.bundle import paths
from evidencekit.hashing.chainlog import WORKLOG
from evidencekit.hashing.deposit import ITEM_ROLE, ITEMS_ROLE, OUTSIDE, Deposit, DepositKind, Item, Link, format_items
from evidencekit.hashing.digest import digest_bytes
from evidencekit.hashing.merkle import leaf_hash, salted_leaf
from evidencekit.hashing.records import artifact_descriptor
from evidencekit.ledger.entry import CaptureEntry, format_capture_entry
from evidencekit.model import Artifact, Capture, Completeness
from evidencekit.signing.identity import key_id
from tests.support import assembly
from tests.support.assembly import Hooks, Keys, Members, Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

OLDER_NUMBER = "9F3C2026000000164T"
OLDER_MANIFEST = digest_bytes(b"the manifest of an earlier work")
FILES: Mapping[str, bytes] = MappingProxyType({"原稿.docx": b"a manuscript", "empty": b""})
PARTIES: Mapping[str, str] = MappingProxyType({"grantor": "A", "grantee": "B", "scope": "排他许可"})


def _same_items(items: list[Item]) -> list[Item]:
    return items


def _same_deposit(deposit: Deposit) -> Deposit:
    return deposit


def _same_bytes(data: bytes) -> bytes:
    return data


@dataclass(frozen=True, kw_only=True)
class DepositPlan:
    """What is deposited, and where a forger meddles: in the items, in the manifest's `deposit`, in the list's bytes.

    `linked` makes it a licence that rests on the work which is the log's entry 0.
    """

    keys: Keys
    files: Mapping[str, bytes] = field(default_factory=lambda: FILES)
    kind: DepositKind = DepositKind.FILE
    statement: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    hash_only: bool = False
    linked: bool = False
    hooks: Hooks = field(default_factory=Hooks)
    items: Callable[[list[Item]], list[Item]] = _same_items
    items_bytes: Callable[[bytes], bytes] = _same_bytes
    deposit: Callable[[Deposit], Deposit] = _same_deposit
    older_number: str = OLDER_NUMBER


def make_deposit(plan: DepositPlan, folder: Path) -> Members:
    """Make all members of a deposit's bundle, outer seal included."""
    older = _older_entry(plan)
    work = assembly._Assembly(Plan(keys=plan.keys, hooks=plan.hooks, older=older), folder)
    worklog = work.log_file(WORKLOG, bytes(32), 1, 1, ("hashed", "close"))
    artifacts = _artifacts(work, plan)
    stamps, _ = assembly._stamp_documents(work, None)
    capture = _as_capture(work, artifacts)
    manifest = assembly._manifest(work, capture, worklog, (stamps, ()), deposit=_deposit(plan, older))
    assembly._openings(work, artifacts, ())
    assembly._seal(work, manifest)
    assembly._enter(work, manifest)
    assembly._finish(work, manifest, worklog)
    return work.members


def _older_entry(plan: DepositPlan) -> bytes:
    return format_capture_entry(
        CaptureEntry(
            key_id=key_id(plan.keys.signer.certificate),
            manifest=OLDER_MANIFEST,
            number=plan.older_number,
            open=0,
            seal=digest_bytes(b"its seal"),
            time=assembly.NOW,
            timestamp="none",
            kind="deposit",
        )
    )


def _deposit(plan: DepositPlan, older: bytes) -> Deposit:
    link = Link(
        number=OLDER_NUMBER,
        kind=DepositKind.ORIGINAL_WORK.value,
        origin=plan.keys.log.name,
        index=0,
        leaf=leaf_hash(older),
        manifest_sha256=OLDER_MANIFEST.sha256,
    )
    return plan.deposit(
        Deposit(
            kind=DepositKind.LICENCE if plan.linked else plan.kind,
            hash_only=plan.hash_only,
            files=len(plan.files),
            size=sum(len(data) for data in plan.files.values()),
            statement=PARTIES if plan.linked else plan.statement,
            links=(link,) if plan.linked else (),
        )
    )


def _artifacts(work: assembly._Assembly, plan: DepositPlan) -> tuple[Artifact, ...]:
    items: list[Item] = []
    files: dict[str, tuple[str, bytes]] = {}
    for n, (name, data) in enumerate(plan.files.items(), 1):
        path = None if plan.hash_only else paths.deposited(n, name)
        items.append(
            Item(n=n, name=None if plan.hash_only else name, path=path, size=len(data), digests=digest_bytes(data))
        )
        if path is not None:
            files[path] = (ITEM_ROLE, data)
    listed = plan.items(items)
    data = plan.items_bytes(b"".join(format_items(work.capture_id, listed, len(listed))))
    files = {
        paths.ITEMS: (ITEMS_ROLE, data),
        **files,
        paths.WORKLOG: ("worklog", work.members[paths.WORKLOG]),
    }
    made = tuple(_artifact(work, path, role, content) for path, (role, content) in files.items())
    work.members |= plan.hooks.artifacts({path: content for path, (_, content) in files.items()})
    return made


def _artifact(work: assembly._Assembly, path: str, role: str, data: bytes) -> Artifact:
    digests, salt = digest_bytes(data), hashlib.sha256(path.encode()).digest()
    return Artifact(
        path=path,
        file=work.folder / "unused",
        media_type=paths.media_type(path),
        role=role,
        size=len(data),
        digests=digests,
        salt=salt,
        leaf=salted_leaf(salt, artifact_descriptor(path, len(data), digests)),
        hashed_at=work.moment(12),
    )


def _as_capture(work: assembly._Assembly, artifacts: tuple[Artifact, ...]) -> Capture:
    nothing = Completeness(
        requests=0,
        recorded=0,
        partial=0,
        failed=0,
        withheld=0,
        not_retrievable=0,
        after_t_capture=0,
        body_bytes=0,
        reasons={},
    )
    return Capture(
        capture_id=work.capture_id,
        started_at=work.moment(0),
        finished_at=work.moment(15),
        pages=(),
        artifacts=artifacts,
        records=(),
        roots=(),
        transformations=(),
        completeness=nothing,
        partial=(),
        withheld={},
        private_files={},
        not_performed=(OUTSIDE,),
    )


def relisted(change: Callable[[Item], Item]) -> Callable[[list[Item]], list[Item]]:
    """Change the first item of a list."""
    return lambda items: [change(items[0]), *items[1:]]


def renumbered(item: Item) -> Item:
    """Give an item another place."""
    return replace(item, n=item.n + 1)
