"""Redacted editions: made by the library, and changed by whoever sealed them."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from evidencekit.bundle import paths
from evidencekit.hashing.canonical import canonical_bytes
from evidencekit.home import Home
from evidencekit.office import open_office
from evidencekit.redaction import redact
from evidencekit.timestamp.authority import Authority
from evidencekit.timestamp.client import EmbeddedTsa
from tests.conformance.forgeries import CASES, Exhibit, Forgery, Workshop
from tests.support.assembly import FOREIGN_POLICY, NOW, Keys, Members, pack, reseal

if TYPE_CHECKING:
    from collections.abc import Callable

    from evidencekit.model import JsonValue

MADE = NOW + timedelta(hours=1)


def edition(shop: Workshop, *rules: str, keys: Keys | None = None) -> Members:
    """Make an edition that withholds what `rules` name, sealed and stamped by `keys`, or by the record's own signer."""
    who = keys or shop.keys
    bundle = shop.folder / "original.zip"
    bundle.write_bytes(pack(shop.members()))
    tsa = EmbeddedTsa(authority=Authority(who.tsa_key, who.tsa_certificate, policy=FOREIGN_POLICY, clock=lambda: MADE))
    office = open_office(
        home=Home.open(shop.folder / "home"),
        signer=who.signer,
        tsas=(tsa,),
        ledger=None,
        number=None,
        clock=lambda: MADE,
        output=shop.folder,
    )
    with office:
        made = redact(bundle, rules, shop.folder / "edition.zip", office)
    with zipfile.ZipFile(io.BytesIO(made.bundle.read_bytes())) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _withholding(*rules: str) -> Forgery:
    return lambda shop: shop.exhibit(edition(shop, *rules))


def _changed(change: Callable[[Members], None], *rules: str) -> Forgery:
    """Change an edition and seal it anew, as its maker can."""

    def forge(shop: Workshop) -> Exhibit:
        members = edition(shop, *rules)
        change(members)
        return shop.exhibit(reseal(members, shop.keys))

    return forge


def _stated(change: Callable[[dict[str, JsonValue]], None]) -> Callable[[Members], None]:
    def edit(members: Members) -> None:
        value = json.loads(members[paths.REDACTION])
        change(value)
        members[paths.REDACTION] = canonical_bytes(value)

    return edit


def _by_other(shop: Workshop) -> Exhibit:
    """Somebody else than the record's signer made the edition."""
    trust = replace(shop.keys.trust, tsas=(*shop.keys.trust.tsas, shop.others.tsa_certificate))
    return shop.exhibit(edition(shop, "record:000001.response", keys=shop.others), trust=trust)


CASES["redaction_of_a_record"] = _withholding("record:000001.response")
CASES["redaction_of_an_exchange"] = _withholding("exchange:000001")
CASES["redaction_of_a_file"] = _withholding("file:capture/pages/0001/screenshot.png")
CASES["redaction_by_other"] = _by_other
CASES["redaction_lists_less_fail"] = _changed(_stated(lambda value: value.update(records=[])), "record:000001.response")
CASES["redaction_lists_other_files_fail"] = _changed(
    _stated(lambda value: value.update(artifacts=[])), "file:capture/pages/0001/screenshot.png"
)
CASES["redaction_of_other_record_fail"] = _changed(
    _stated(lambda value: value.update(number="9F3C2026000000999K")), "record:000001.response"
)
CASES["redaction_garbage_fail"] = _changed(
    lambda members: members.update({paths.REDACTION: b"{}"}), "record:000001.response"
)
CASES["redaction_archive_beside_fail"] = _changed(
    lambda members: members.update({paths.EXCHANGES_EDITION: b""}), "file:capture/pages/0001/screenshot.png"
)
CASES["redaction_newer_version"] = _changed(_stated(lambda value: value.update(version=2)), "record:000001.response")
