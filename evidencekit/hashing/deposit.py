"""What a manifest says of a deposit, and `deposit/items.jsonl` (docs/spec/deposit.md).

A deposit takes files that somebody made elsewhere. Everything in its statement is what the depositor says; nothing of
it was observed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from evidencekit.errors import UsageError
from evidencekit.hashing.canonical import canonical_bytes
from evidencekit.hashing.fields import Fields, check_version
from evidencekit.model import Digests, Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from evidencekit.model import JsonValue

DEPOSIT_KIND: Final = "deposit"
"""The manifest's `kind`."""
ITEMS_FORMAT: Final = "items"
ITEM_ROLE: Final = "deposit"
ITEMS_ROLE: Final = "items"
MAX_FILES: Final = 100_000
MAX_LINKS: Final = 64
MAX_ITEM_LINE: Final = 1 << 16
MAX_ITEMS_BYTES: Final = 256 << 20
MAX_NAME_CHARS: Final = 4096
MAX_FIELD_CHARS: Final = 2000
OUTSIDE: Final = Text(
    en="captured outside evidencekit: how, when and by whom the files were made was not observed",
    zh="在 evidencekit 之外形成：文件如何、何时、由何人形成，未经观察",
)
"""The label of every deposit; it stands in the manifest's `not_performed`, and so on page 1."""
WARRANTY: Final = (
    "The depositor warrants that these statements are true and the work is original. 存证人保证所述真实、作品为原创。"
)
_NUMBER: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")
_DATE: Final = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")


class DepositKind(StrEnum):
    """What is deposited (SF/T 0091-2021 knows original works and forensic data; R47–R49)."""

    FILE = "file"
    ORIGINAL_WORK = "original-work"
    LICENCE = "licence"
    TRANSFER = "transfer"
    PLEDGE = "pledge"
    FORENSIC = "forensic"
    OBJECT = "object"


class Medium(StrEnum):
    """How forensic data came about (SF/T 0091-2021, chapter 9)."""

    PHONE_SCREEN = "phone_screen"
    CALL_AUDIO = "call_audio"
    SITE_AUDIO = "site_audio"
    PHOTO = "photo"
    PHONE_VIDEO = "phone_video"
    PC_SCREEN = "pc_screen"


class RightType(StrEnum):
    """The right that a work is claimed under."""

    COPYRIGHT = "copyright"
    PATENT = "patent"
    TRADEMARK = "trademark"
    TRADE_SECRET = "trade_secret"  # noqa: S105 (a kind of right)
    OTHER = "other"


LIFECYCLE: Final = frozenset({DepositKind.LICENCE, DepositKind.TRANSFER, DepositKind.PLEDGE})
"""Records of what became of a work: each links to it."""
WORKS: Final = frozenset({DepositKind.ORIGINAL_WORK, *LIFECYCLE})
REQUIRED: Final[Mapping[DepositKind, tuple[str, ...]]] = MappingProxyType(
    {
        DepositKind.FILE: (),
        DepositKind.ORIGINAL_WORK: ("creator", "right_type", "completed", "warranty"),
        DepositKind.LICENCE: ("grantor", "grantee"),
        DepositKind.TRANSFER: ("grantor", "grantee"),
        DepositKind.PLEDGE: ("grantor", "grantee"),
        DepositKind.FORENSIC: ("medium", "device", "cleanliness"),
        DepositKind.OBJECT: ("order_number", "custodian"),
    }
)
OPTIONAL: Final[Mapping[DepositKind, tuple[str, ...]]] = MappingProxyType(
    {
        DepositKind.FILE: ("title",),
        DepositKind.ORIGINAL_WORK: ("first_published", "title"),
        DepositKind.LICENCE: ("scope", "title"),
        DepositKind.TRANSFER: ("scope", "title"),
        DepositKind.PLEDGE: ("scope", "title"),
        DepositKind.FORENSIC: ("recorded", "title"),
        DepositKind.OBJECT: ("seal_number", "title", "waybill"),
    }
)
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"medium": tuple(Medium), "right_type": tuple(RightType), "warranty": (WARRANTY,)}
)
_DATES: Final = frozenset({"completed", "first_published", "recorded"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A record that this one rests on: its number, log, index, leaf hash (32 bytes) and manifest (SHA-256, hex)."""

    number: str
    kind: str
    origin: str
    index: int
    leaf: bytes
    manifest_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposit:
    """The manifest's `deposit`: what was deposited, what the depositor says, and what it rests on.

    `size` is the sum of the files' sizes in bytes; with `hash_only` neither the files nor their names are kept.
    """

    kind: DepositKind
    hash_only: bool
    files: int
    size: int
    statement: Mapping[str, str]
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One deposited file. `name` is what its depositor called it, `path` its member; both None with hash-only."""

    n: int
    name: str | None
    path: str | None
    size: int
    digests: Digests


def check_statement(kind: DepositKind, statement: Mapping[str, str]) -> None:
    """Refuse a statement that lacks something, or says something that its kind has no place for.

    Raises:
        UsageError: it does.
    """
    problem = _problem(kind, statement)
    if problem is not None:
        raise UsageError(f"a deposit of kind {kind.value} {problem.en}", f"{kind.value} 类存证{problem.zh}")


def _problem(kind: DepositKind, statement: Mapping[str, str]) -> Text | None:
    allowed = {*REQUIRED[kind], *OPTIONAL[kind]}
    for name in sorted(set(REQUIRED[kind]) - statement.keys()):
        return Text(en=f"must state {name}; give it", zh=f"须载明 {name}；请补充")
    for name, value in sorted(statement.items()):
        if name not in allowed:
            return Text(en=f"has no place for {name}; leave it out", zh=f"不含 {name}；请去掉")
        if not value.strip() or len(value) > MAX_FIELD_CHARS:
            return Text(
                en=f"needs 1 to {MAX_FIELD_CHARS} characters in {name}", zh=f"的 {name} 须为 1 至 {MAX_FIELD_CHARS} 字"
            )
        if name in _CHOICES and value not in _CHOICES[name]:
            choices = ", ".join(_CHOICES[name])
            return Text(en=f"takes for {name} one of {choices}", zh=f"的 {name} 应为 {choices} 之一")
        if name in _DATES and not _DATE.fullmatch(value):
            return Text(en=f"needs a date like 2026-11-23 in {name}", zh=f"的 {name} 应为形如 2026-11-23 的日期")
    return None


def deposit_value(deposit: Deposit) -> dict[str, JsonValue]:
    """Give the JSON form of the manifest's `deposit`."""
    return {
        "bytes": deposit.size,
        "files": deposit.files,
        "hash_only": deposit.hash_only,
        "kind": deposit.kind.value,
        "links": [
            {
                "index": link.index,
                "kind": link.kind,
                "leaf": link.leaf.hex(),
                "manifest_sha256": link.manifest_sha256,
                "number": link.number,
                "origin": link.origin,
            }
            for link in deposit.links
        ],
        "statement": dict(deposit.statement),
    }


def read_deposit(fields: Fields) -> Deposit:
    """Read the manifest's `deposit`.

    Raises:
        FormatError: a field is missing or of another type, or the statement is not one of its kind.
    """
    kind = fields.choice("kind", DepositKind)
    body = fields.object("statement")
    statement = {name: body.text(name, limit=MAX_FIELD_CHARS) for name in fields.mapping("statement")}
    problem = _problem(kind, statement)
    if problem is not None:
        fields.refuse("statement", problem.en, problem.zh)
    links = tuple(_read_link(item) for item in fields.items("links"))
    if len(links) > MAX_LINKS or (kind in LIFECYCLE and not links):
        fields.refuse("links", "are too many, or name no work", "过多，或未指明作品")
    return Deposit(
        kind=kind,
        hash_only=fields.flag("hash_only"),
        files=fields.integer("files", 1, MAX_FILES),
        size=fields.integer("bytes"),
        statement=MappingProxyType(statement),
        links=links,
    )


def _read_link(fields: Fields) -> Link:
    number = fields.text("number", limit=64)
    if not _NUMBER.fullmatch(number):
        fields.refuse("number", "is not a certificate number", "不是证书编号")
    return Link(
        number=number,
        kind=fields.text("kind", limit=64),
        origin=fields.text("origin", limit=255),
        index=fields.integer("index"),
        leaf=fields.octets("leaf", 32),
        manifest_sha256=fields.hex("manifest_sha256", 32),
    )


def format_items(capture_id: str, items: Iterable[Item], count: int) -> Iterator[bytes]:
    """Write `deposit/items.jsonl`, a line at a time."""
    header: dict[str, JsonValue] = {
        "capture_id": capture_id,
        "count": count,
        "format": f"evidencekit/{ITEMS_FORMAT}",
        "version": 1,
    }
    yield canonical_bytes(header) + b"\n"
    for item in items:
        yield (
            canonical_bytes(
                {
                    "n": item.n,
                    "name": item.name,
                    "path": item.path,
                    "sha256": item.digests.sha256,
                    "size": item.size,
                    "sm3": item.digests.sm3,
                }
            )
            + b"\n"
        )


def read_items_header(fields: Fields) -> tuple[str, int]:
    """Read the first line of `deposit/items.jsonl`: capture id and count.

    Raises:
        FormatError: it is not one. UnknownVersionError: a newer major version.
    """
    check_version(fields, ITEMS_FORMAT)
    return fields.hex("capture_id", 16), fields.integer("count", 1, MAX_FILES)


def read_item(fields: Fields) -> Item:
    """Read one item's line.

    Raises:
        FormatError: it is not one.
    """
    return Item(
        n=fields.integer("n", 1, MAX_FILES),
        name=fields.optional("name", lambda name: fields.text(name, limit=MAX_NAME_CHARS)),
        path=fields.optional("path", lambda name: fields.text(name, limit=240)),
        size=fields.integer("size"),
        digests=fields.digests(),
    )
