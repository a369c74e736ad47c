"""The web archive: every WARC block is one that was committed, and the WACZ agrees with itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final, cast

from evidencekit.bundle.warc import BlockPlace, WarcBlock, address_digest, read_blocks
from evidencekit.errors import FormatError
from evidencekit.verify.tally import Tally
from evidencekit.verify.wacz import check_package
from evidencekit.verify.waczsignature import check_wacz_signature

if TYPE_CHECKING:
    from evidencekit.hashing.records import RecordOpening
    from evidencekit.model import Finding
    from evidencekit.verify.case import Case
    from evidencekit.verify.wacz import Wacz

_PLACES: Final = 1 << 18
"""So many are remembered. Of an archive with more records every block is unpacked again, and the addresses of the rest
are not compared."""


def check_archive_records(case: Case) -> Finding:
    """`archive.records`: the blocks of the archive and the opened records are the same, each once."""
    tally = Tally("archive.records", case.archive)
    opened = {line.id: line for line in case.records.records if not line.withheld}
    blocks = 0
    with case.open_wacz() as wacz:
        for name in wacz.archives:
            try:
                blocks += _take_blocks(wacz, name, opened, tally, case)
            except FormatError as error:
                tally.fail(f"{name}: {error.en}", f"{name}:{error.zh}")
    for identifier in opened:
        tally.fail(
            f"record {identifier} was committed, but the archive lacks it", f"记录 {identifier} 已承诺，但归档中没有"
        )
    tally.details["blocks"] = blocks
    redacted = sum("redacted" in line.withheld for line in case.records.records)
    note = (f"; {redacted} WITHHELD(redacted), not checked", f"；{redacted} 条不公开，未核对") if redacted else ("", "")
    return tally.close(
        f"{blocks} blocks equal the records that were committed{note[0]}",
        f"{blocks} 个块与所承诺的记录一致{note[1]}",
    )


def check_archive_wacz(case: Case) -> Finding:
    """`archive.wacz`: every digest that the WACZ states, the parts it needs, and its own signature if it has one."""
    tally = Tally("archive.wacz", case.archive)
    with case.open_wacz() as wacz:
        problems, signed = check_package(wacz)
        tally.details["members"] = len(wacz.names)
    for problem in problems:
        tally.fail(problem, f"WACZ 不自洽：{problem}")
    tally.details["signature"] = "none" if signed is None else "verified"
    if signed is not None and not check_wacz_signature(signed):
        tally.details["signature"] = "wrong"
        tally.fail("the WACZ's own signature is wrong", "WACZ 自带的签名不正确")
    return tally.close("the WACZ's own digests agree", "WACZ 自带摘要一致")


def _take_blocks(wacz: Wacz, name: str, opened: dict[str, RecordOpening], tally: Tally, case: Case) -> int:
    """Strike every block of one WARC file off the opened records, and note those that are not there to strike."""
    count, places = 0, list[BlockPlace]()
    with wacz.open(name) as stream:
        for block in read_blocks(cast("BinaryIO", stream), pool=case.pool, known=case.known):
            if block.declared_sha256 not in {None, block.digests.sha256}:
                tally.fail(f"{_named(block)} has another digest than it states", f"{_named(block)} 与其声明的摘要不符")
            if block.record_id is None:
                continue
            count += 1
            if count <= _PLACES:
                places.append(BlockPlace(block.record_id, block.size, block.offset))
                case.addresses[block.record_id] = address_digest(block.target_uri)
            line = opened.pop(block.record_id, None)
            if line is None:
                tally.fail(f"{_named(block)} was never committed", f"{_named(block)} 未经承诺")
            elif (line.size, line.digests) != (block.size, block.digests):
                tally.fail(f"{_named(block)} does not equal what was committed", f"{_named(block)} 与承诺不符")
    if count <= _PLACES:
        case.places[name] = tuple(places)
    return count


def _named(block: WarcBlock) -> str:
    return f"record {block.record_id or block.warc_id}"
