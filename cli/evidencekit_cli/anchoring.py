"""`evidencekit ledger anchor`: submit the newest checkpoint to anchors, and ask what became of the pending ones.

An API is described by a TOML file:

    name = "office"
    submit_url = "https://…/deposit"
    query_url = "https://…/query"
    algorithm = "sha256"            # sha256 | sm3
    headers_file = "office.headers" # lines "Name: value" with the credentials; mode 0600

    [fields]                        # what the API calls things; of answers, paths like data.ano
    hash = "fileHash"
    number = "data.ano"
    transaction = "data.blockchainHash"
    state = "data.status"
    echo = "data.fileHash"          # and block, time, if there are

    [states]
    1 = "pending"
    3 = "confirmed"

    [constants]                     # sent with each request
    attestationType = 8
"""

from __future__ import annotations

import stat
import tomllib
from typing import TYPE_CHECKING, Literal

from evidencekit.errors import ConfigError, FormatError
from evidencekit.ledger.anchors.anchor import Anchor, AnchorState, Receipt, check_name, keep_receipt, parse_receipt
from evidencekit.ledger.anchors.depositapi import ApiFields, DepositApi
from evidencekit.ledger.anchors.rfc3161 import Rfc3161Anchor
from evidencekit.timestamp.client import TsaConfig
from evidencekit_cli.exit_codes import ExitCode
from evidencekit_cli.ledgering import opened
from evidencekit_cli.output import Sentence, Session, both, inert, table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LIMIT = 1 << 16
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_NONE = Sentence("no receipt yet; name an anchor with --tsa or --api", "尚无回执;请以 --tsa 或 --api 指定锚定方")


def anchor(session: Session, tsas: tuple[str, ...], apis: tuple[Path, ...]) -> ExitCode:
    """Poll what is pending, submit the newest checkpoint where it is not yet, and show every receipt.

    Returns:
        3 when a receipt is pending or failed, for neither is an anchor.
    """
    anchors: list[Anchor] = [read_api(path) for path in apis]
    anchors += [
        Rfc3161Anchor(tsa=TsaConfig(url=url, name=url), label=f"rfc3161-{place}") for place, url in enumerate(tsas, 1)
    ]
    with opened() as (home, ledger):
        folder, checkpoint = home.path / "anchors", ledger.checkpoint()
        size = ledger.size
    kept = {(each.anchor, each.size): each for each in _kept(folder)}
    for each in anchors:
        for receipt in [one for one in kept.values() if one.anchor == each.name and _waits(one)]:
            kept[receipt.anchor, receipt.size] = each.poll(receipt)
        known = kept.get((each.name, size))
        if known is None or known.state is AnchorState.FAILED:
            kept[each.name, size] = each.submit(checkpoint)
    folder.mkdir(mode=0o700, exist_ok=True)
    for receipt in kept.values():
        keep_receipt(folder, receipt)
    receipts = sorted(kept.values(), key=lambda one: (one.size, one.anchor))
    _show(session, receipts)
    return ExitCode.OK if all(one.state is AnchorState.CONFIRMED for one in receipts) else ExitCode.UNDECIDED


def read_api(path: Path) -> DepositApi:
    """Read the description of a deposit API.

    Raises:
        ConfigError: it cannot be used.
    """
    try:
        with path.open("rb") as file:
            value = tomllib.loads(file.read(_LIMIT).decode("utf-8"))
        fields = value.get("fields", {})
        states = {str(word): AnchorState(meant) for word, meant in value.get("states", {}).items()}
        return DepositApi(
            label=check_name(str(value["name"])),
            submit_url=str(value["submit_url"]),
            query_url=str(value["query_url"]),
            headers=_headers(path.parent / str(value["headers_file"])) if "headers_file" in value else {},
            fields=ApiFields(
                hash=str(fields["hash"]),
                number=str(fields["number"]),
                transaction=str(fields["transaction"]),
                state=str(fields["state"]),
                states=states,
                algorithm=_algorithm(value.get("algorithm", "sha256")),
                constants=_constants(value.get("constants", {})),
                block=fields.get("block"),
                time=fields.get("time"),
                echo=fields.get("echo"),
            ),
        )
    except (OSError, ValueError, KeyError, AttributeError, FormatError) as error:
        said = error.en if isinstance(error, FormatError) else str(error)
        raise ConfigError(
            f"{path} describes no deposit API: {inert(said)}; see docs/spec/anchor.md",
            f"{path} 不是可用的存证接口描述:{inert(said)};见 docs/spec/anchor.md",
        ) from error


def _algorithm(word: object) -> Literal["sha256", "sm3"]:
    if word == "sha256":
        return "sha256"
    if word == "sm3":
        return "sm3"
    raise ValueError("algorithm is neither sha256 nor sm3")


def _constants(value: Mapping[str, object]) -> dict[str, str | int]:
    found = {name: each for name, each in value.items() if isinstance(each, str | int)}
    if len(found) != len(value):
        raise ValueError("constants must be texts or integers")
    return found


def _headers(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        if stat.S_IMODE(path.stat().st_mode) & _OTHERS:
            raise ValueError(f"{path.name} holds credentials and is open to others; chmod 600 it")
        lines = file.read(_LIMIT).decode("ascii").splitlines()
    pairs = [line.partition(":") for line in lines if line.strip()]
    return {name.strip(): value.strip() for name, _, value in pairs}


def _kept(folder: Path) -> list[Receipt]:
    files = sorted(folder.glob("*.json")) if folder.is_dir() else []
    return [parse_receipt(file.read_bytes()) for file in files]


def _waits(receipt: Receipt) -> bool:
    return receipt.state is AnchorState.PENDING


def _show(session: Session, receipts: list[Receipt]) -> None:
    if session.json:
        session.print_json(
            {
                "format": "evidencekit/ledger-anchors",
                "version": 1,
                "receipts": [
                    {
                        "anchor": one.anchor,
                        "size": one.size,
                        "state": one.state.value,
                        "number": one.number,
                        "transaction": one.transaction,
                        "reason": None if one.reason is None else both(one.reason),
                    }
                    for one in receipts
                ],
            }
        )
        return
    if not receipts:
        session.say(_NONE)
        return
    rows = [
        [
            str(one.size),
            inert(one.anchor),
            one.state.value,
            inert(one.number or "-", 80),
            inert(one.transaction or "-", 80),
            inert(session.text(one.reason), 300) if one.reason else "",
        ]
        for one in receipts
    ]
    session.print(table(rows))
