"""Anchors as a user names them: the URL of a TSA, or a file that describes a deposit API.

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
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from evidencekit.errors import ConfigError, FormatError
from evidencekit.ledger.anchors.anchor import AnchorState, check_name
from evidencekit.ledger.anchors.depositapi import ApiFields, DepositApi
from evidencekit.ledger.anchors.rfc3161 import Rfc3161Anchor
from evidencekit.timestamp.client import TsaConfig
from evidencekit_cli.output import inert

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evidencekit.ledger.anchors.anchor import Anchor

_LIMIT = 1 << 16
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_HTTP = ("http://", "https://")


def anchors_of(places: Sequence[str]) -> tuple[Anchor, ...]:
    """Give the anchors that these URLs and files name; TSAs are told apart by their place among them.

    Raises:
        ConfigError: a file describes no deposit API.
    """
    urls = [place for place in places if place.startswith(_HTTP)]
    apis = [read_api(Path(place).expanduser()) for place in places if not place.startswith(_HTTP)]
    stamps = (Rfc3161Anchor(tsa=TsaConfig(url=url, name=url), label=f"rfc3161-{n}") for n, url in enumerate(urls, 1))
    return (*apis, *stamps)


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
