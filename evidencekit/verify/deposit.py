"""A deposit: its items, what its depositor states, and the records that it rests on (docs/spec/deposit.md).

What a statement says is its depositor's word: it is checked for form, never for truth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.bundle import paths
from evidencekit.errors import FormatError
from evidencekit.hashing.canonical import parse_canonical
from evidencekit.hashing.deposit import (
    DEPOSIT_KIND,
    ITEM_ROLE,
    MAX_FILES,
    MAX_ITEM_LINE,
    MAX_ITEMS_BYTES,
    OUTSIDE,
    Deposit,
    Link,
    read_item,
    read_items_header,
)
from evidencekit.hashing.fields import Fields
from evidencekit.ledger.entry import CaptureEntry, parse_entry
from evidencekit.ledger.proof import check_proof
from evidencekit.model import Outcome
from evidencekit.signing.note import parse_vkey
from evidencekit.verify.tally import InputMissingError, Tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evidencekit.hashing.deposit import Item
    from evidencekit.hashing.records import ArtifactOpening
    from evidencekit.model import Digests, Finding
    from evidencekit.verify.case import Case


def is_deposit(case: Case) -> bool:
    """Tell whether the manifest says that this is a deposit; one that cannot be read is judged as a capture."""
    try:
        return case.manifest.kind == DEPOSIT_KIND
    except InputMissingError:
        return False


def check_items(case: Case) -> Finding:
    """`deposit.items`: one line a file; each stored file is a committed artifact of the same size and digests."""
    tally, deposit = Tally("deposit.items", paths.ITEMS), _deposit(case)
    stored = {line.path: line for line in case.records.artifacts}
    files = {artifact.path for artifact in case.manifest.artifacts if artifact.role == ITEM_ROLE}
    if paths.ITEMS not in stored:
        tally.fail("the list of items is not committed to", "条目清单未纳入承诺")
    count = size = 0
    for item in _items(case, tally):
        count += 1
        size += item.size
        if item.n != count:
            tally.fail(f"item {item.n} stands at place {count}", f"第 {count} 项的序号为 {item.n}")
        _check_item(tally, deposit, item)
        if item.path is not None:
            _check_file(tally, item, stored.get(item.path) if item.path in files else None)
            files.discard(item.path)
    for path in sorted(files)[:3]:
        tally.fail(f"{path} is no item", f"{path} 不在条目清单中")
    if (count, size) != (deposit.files, deposit.size):
        tally.fail(
            f"{count} items of {size} bytes where the manifest says {deposit.files} of {deposit.size}",
            f"共 {count} 项、{size} 字节，清单记为 {deposit.files} 项、{deposit.size} 字节",
        )
    tally.details.update(files=count, bytes=size, hash_only=deposit.hash_only)
    if deposit.hash_only:
        return tally.close(
            f"digests of {count} files; the files are not in the bundle: compare them with your own copy",
            f"{count} 个文件的摘要；文件不在证据包内，请与您手中的文件比对",
        )
    return tally.close(f"{count} deposited files as listed", f"{count} 个存证文件与清单一致")


def check_files(case: Case, held: Sequence[tuple[int, Digests]]) -> Finding:
    """`deposit.file`: each file that the caller holds, by size and digests, is an item of this deposit.

    Names and paths are not looked at: a hash-only deposit does not know them, and a report does not tell them.
    """
    tally, deposit = Tally("deposit.file", paths.ITEMS), case.manifest.deposit
    if deposit is None:
        tally.skip(
            "this is a capture, not a deposit: there are no deposited files to compare with",
            "这是取证而非存证：没有可比对的存证文件",
        )
        return tally.close("", "")
    items: dict[tuple[int, Digests], int] = {}
    for item in _items(case, tally):
        items.setdefault((item.size, item.digests), item.n)
    found = [items.get(one) for one in held]
    tally.details["items"] = [*found]
    for place, (one, n) in enumerate(zip(held, found, strict=True), 1):
        if n is None:
            tally.fail(
                f"file {place} of the {len(held)} given (SHA-256 {one[1].sha256}) is not what was deposited",
                f"所提供的第 {place} 个文件(SHA-256 {one[1].sha256})不是所存证的文件",
            )
    named, named_zh = ", ".join(str(n) for n in found[:20]), "、".join(str(n) for n in found[:20])
    return tally.close(
        f"the {len(held)} files given are deposited items, to the byte: {named}",
        f"所提供的 {len(held)} 个文件与存证条目逐字节一致：第 {named_zh} 项",
    )


def _check_file(tally: Tally, item: Item, line: ArtifactOpening | None) -> None:
    if line is None:
        tally.fail(f"item {item.n}: {item.path} is no deposited file", f"第 {item.n} 项：{item.path} 不是存证文件")
    elif not line.withheld and (line.size, line.digests) != (item.size, item.digests):
        tally.fail(f"item {item.n} has another size or digest", f"第 {item.n} 项的大小或摘要不符")


def check_statement(case: Case) -> Finding:
    """`deposit.statement`: all that its kind must state, and the label that nothing of it was observed."""
    tally, deposit = Tally("deposit.statement", paths.MANIFEST), _deposit(case)
    tally.details["kind"] = deposit.kind.value
    tally.details["statement"] = dict(deposit.statement)
    if OUTSIDE not in case.manifest.not_performed:
        tally.fail("the label that the files were made elsewhere is missing", "缺少“在外部形成”的标注")
    if case.manifest.pages or case.manifest.t_capture or case.manifest.records.count:
        tally.fail("a deposit holds no pages and no requests", "存证不应含有网页与请求")
    return tally.close(
        f"complete for {deposit.kind.value}; it is the depositor's word, nothing of it was observed",
        f"{deposit.kind.value} 类存证的陈述完整；陈述为存证人单方所述，未经观察",
    )


def check_links(case: Case) -> Finding:
    """`deposit.links`: each record that this one rests on was entered before it.

    The manifest names its leaf, so it existed before; in the same log, it was entered before this one was announced.
    Both orders run one way, so links cannot form a circle.
    """
    tally, deposit = Tally("deposit.links", paths.MANIFEST), _deposit(case)
    for place, link in enumerate(deposit.links, 1):
        try:
            _check_link(case, place, link, tally)
        except FormatError as error:
            tally.fail(f"link {place}: {error.en}", f"第 {place} 项关联：{error.zh}")
    tally.details["links"] = [f"{link.number} ({link.kind})" for link in deposit.links]
    if not deposit.links:
        return tally.close("it rests on no other record", "未关联其他记录")
    return tally.close(
        f"{len(deposit.links)} earlier records, entered before this one",
        f"{len(deposit.links)} 项在先记录，均先于本次登记",
    )


def _check_link(case: Case, place: int, link: Link, tally: Tally) -> None:
    entry_name, proof_name = paths.link_entry(place), paths.link_proof(place)
    if not (case.has(entry_name) and case.has(proof_name)):
        tally.fail(f"the proof of {link.number} is missing", f"缺少 {link.number} 的证明")
        return
    entry = parse_entry(case.data(entry_name))
    if not isinstance(entry, CaptureEntry) or entry.number != link.number:
        tally.fail(f"the entry is not that of {link.number}", f"该条目不是 {link.number} 的条目")
    elif entry.manifest.sha256 != link.manifest_sha256:
        tally.fail(f"the entry of {link.number} holds another manifest", f"{link.number} 的条目对应另一份清单")
    if link.origin == case.manifest.ledger.origin and link.index >= case.manifest.open.index:
        tally.fail(f"{link.number} was entered after this deposit was announced", f"{link.number} 晚于本次存证的登记")
    _check_link_proof(case, link, (entry_name, proof_name), tally)


def _check_link_proof(case: Case, link: Link, members: tuple[str, str], tally: Tally) -> None:
    """The caller's key of the link's log decides; without one, the manifest's own, if the log is the same."""
    verifiers = [key for key in case.trust.logs if key.name == link.origin]
    if not verifiers and link.origin == case.manifest.ledger.origin:
        verifiers = [parse_vkey(case.manifest.ledger.key)]
    proof = check_proof(case.data(members[1]), case.data(members[0]), verifiers)
    if (proof.leaf, proof.index, proof.checkpoint.origin) != (link.leaf, link.index, link.origin):
        tally.fail(f"the proof is not that of {link.number}", f"该证明不是 {link.number} 的证明")
    if not proof.included or proof.extra is not None:
        tally.fail(f"{link.number} is not in the tree of its checkpoint", f"{link.number} 不在其检查点的树中")
    if not verifiers:
        tally.doubt(
            f"{link.number} is in another log ({link.origin}); give its key with --trust log=FILE",
            f"{link.number} 在另一日志({link.origin})中；请以 --trust log=文件 提供其公钥",
        )
    elif not proof.log_signed:
        tally.fail(
            f"the checkpoint of {link.number} is not signed by its log", f"{link.number} 的检查点没有其日志的签名"
        )


def _check_item(tally: Tally, deposit: Deposit, item: Item) -> None:
    if deposit.hash_only and (item.name is not None or item.path is not None):
        tally.fail(f"item {item.n} names a file in a hash-only deposit", f"仅存摘要的存证中第 {item.n} 项出现文件名")
    if not deposit.hash_only and item.path is None:
        tally.fail(f"item {item.n} has no file", f"第 {item.n} 项没有文件")


def _items(case: Case, tally: Tally) -> Iterator[Item]:
    for number, line in enumerate(case.lines(paths.ITEMS, limit=MAX_ITEMS_BYTES, longest=MAX_ITEM_LINE)):
        if number > MAX_FILES:
            raise FormatError(f"{paths.ITEMS} has over {MAX_FILES} lines", f"{paths.ITEMS} 超过 {MAX_FILES} 行")
        what = f"{paths.ITEMS} line {number}"
        row = Fields(parse_canonical(line, limit=MAX_ITEM_LINE, what=what), what)
        if number:
            yield read_item(row)
            continue
        capture_id, count = read_items_header(row)
        if capture_id != case.manifest.capture_id or count != _deposit(case).files:
            tally.fail("the list of items is of another deposit", "条目清单属于另一次存证")


def _deposit(case: Case) -> Deposit:
    deposit = case.manifest.deposit
    if deposit is None:
        raise InputMissingError(Outcome.NOT_PERFORMED, OUTSIDE)
    return deposit
