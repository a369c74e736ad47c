"""Captures of one address from two machines: each verified, the table linked to both, what differs named."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.support.program import Program
from tests.support.site import HTML, Answer, serve
from tests.support.tools import browser

if TYPE_CHECKING:
    from pathlib import Path

ALONE = ("--tsa", "none", "--no-third-party")
CAPTURE = ("--allow-private", "--mode", "fast", *ALONE)

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_two_machines_and_what_they_saw(tmp_path: Path) -> None:
    browser()
    price = ["128"]

    def answer(_path: str) -> Answer:
        body = f"<!doctype html><html lang=zh><meta charset=utf-8><title>茶</title><h1>龙井</h1><p>¥{price[0]}</p>"
        return 200, HTML, body.encode()

    here, there = Program(home=tmp_path / "here"), Program(home=tmp_path / "there")
    bundles = [tmp_path / f"{name}.zip" for name in ("here", "there", "set")]
    with serve(answer) as url:
        first = here.run("capture", url, "-o", str(bundles[0]), "--place", "杭州", *CAPTURE)
        price[0] = "99"
        second = there.run("capture", url, "-o", str(bundles[1]), "--place", "北京", *CAPTURE)
    assert (first.status, second.status) == (0, 0), first.err + second.err
    names = [str(path) for path in bundles]
    done = here.run("compare", names[0], names[1], "-o", names[2], *ALONE)
    assert done.status == 0, done.err
    assert "2 captures, differ in text_sha256" in done.out
    with zipfile.ZipFile(bundles[2]) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        page, table = archive.read("deposit/000001.html").decode(), json.loads(archive.read("deposit/000002.json"))
    numbers = [json.loads(zipfile.ZipFile(path).read("manifest.json"))["number"] for path in bundles[:2]]
    assert [link["number"] for link in manifest["deposit"]["links"]] == numbers
    (address,) = table["addresses"]
    assert (address["url"], address["differing"], address["lacking"]) == (url, ["text_sha256"], [])
    assert [each["place"] for each in address["vantages"]] == ["杭州", "北京"]
    assert len({each["signer"] for each in address["vantages"]}) == 2
    assert "-¥128" in page
    assert "+¥99" in page
    verified = json.loads(here.run("verify", names[2], "--json").out)
    assert [each["id"] for each in verified["findings"] if each["outcome"] == "FAILED"] == []

    alone = here.run("compare", names[0], *ALONE)
    assert (alone.status, "2 to" in alone.sentence) == (2, True)
    bundles[1].write_bytes(bundles[1].read_bytes()[:-400])
    broken = here.run("compare", names[0], names[1], *ALONE)
    assert broken.status == 10, broken.err
