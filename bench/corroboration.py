"""How long the comparison of a record with itself takes: texts, pictures, address, network on a heavy page.

    python bench/corroboration.py [BUNDLE]

Without a bundle a record is made up as heavy as the Chinese shop of the capture benchmarks: 80 requests, a document of
400 KB, 1.5 MB of JSON and 2.5 MB of scripts, 4,000 texts, 3 % of them put together or computed by scripts. The target
is one second for texts, pictures and headers together; the pictures' squares are measured apart.
"""

from __future__ import annotations

import json
import random
import sys
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from evidencekit.bundle.reader import open_bundle
from evidencekit.corroboration.images import judge_images
from evidencekit.corroboration.location import judge_location
from evidencekit.corroboration.network import judge_network
from evidencekit.corroboration.pictures import judge_pictures
from evidencekit.corroboration.record import Line, Record
from evidencekit.corroboration.texts import judge_texts
from evidencekit.model import PageResult, Text
from evidencekit.verify.case import Case
from evidencekit.verify.corroboration import CorroborationChecks
from evidencekit.verify.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS = 5
SHOP = "https://shop.test/"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
WORDS = "明前龙井茶礼盒青花瓷碗景德镇手工宫灯苏州丝绸团扇端砚湖笔宣纸徽墨檀香木雕紫砂壶"


def heavy_record() -> Record:
    """Make up a heavy page."""
    chance = random.Random(1)  # noqa: S311 (the same page every time)
    names = ["".join(chance.choices(WORDS, k=8)) for _ in range(4_000)]
    goods = [
        {"id": n, "name": name, "cents": chance.randrange(1_000, 900_000), "note": "x" * 250}
        for n, name in enumerate(names)
    ]
    half = len(names) // 2
    static = "".join(f"<li class=good><b>{name}</b></li>" for name in names[:half]) + "<p>" + "静" * 60_000
    made = "".join(
        f"<li class=good><b>{good['name']}</b><i class=n>¥{good['cents'] / 100:,.2f}</i></li>" for good in goods[half:]
    )
    made += "".join(f"<span class=left>剩余 {chance.randrange(10**7)} 件</span>" for _ in range(120))
    script = (
        "".join(
            f"function f{n}(a,b){{return a.left+{n}*b+'k{n}'}};"
            for n in (chance.randrange(9_000) for _ in range(60_000))
        )
        + "l(`剩余 ${n} 件`)"
    )
    bodies = {
        "000001": ("text/html; charset=utf-8", f"<html><title>Shop</title><body>{static}".encode()),
        "000002": ("application/json", json.dumps(goods).encode()),
        "000003": ("text/javascript", script.encode()),
    }
    dom = f"<html><head><title>Shop</title></head><body>{static}{made}</body></html>".encode()
    files = {
        "capture/pages/0001/dom-initial.html": dom,
        "capture/pages/0001/dom.html": dom,
    }
    lines = [_line(name, "text" if name in bodies else "") for name in bodies]
    lines += [
        replace(_line(f"{n:06d}", ""), url=f"{SHOP}{n}.png", media_type="image/png", kind="Image") for n in range(4, 81)
    ]
    blocks = [
        (f"{name}.response", f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode() + body)
        for name, (kind, body) in bodies.items()
    ]

    def give(wanted: Callable[[str, int], bool]) -> Iterator[tuple[str, bytes]]:
        return (pair for pair in blocks if wanted(pair[0], len(pair[1])))

    page = PageResult(
        id="0001", requested_url=SHOP, final_url=SHOP, title="Shop", status=200, content_type="text/html", redirects=(),
        remote_address=None, protocol="h2", verdict="ok", verdict_reason=Text(en="", zh=""), started_at=NOW,
        initial_at=NOW, finished_at=NOW, width_px=1280, height_px=800,
    )  # fmt: skip
    return Record(
        capture_id="0" * 32, pages=(page,), lines=tuple(lines), names=frozenset(files), read=files.get, blocks=give
    )


def _line(name: str, _kind: str) -> Line:
    return Line(
        id=name, page="0001", url=SHOP if name == "000001" else f"{SHOP}{name}", method="GET",
        kind="Document" if name == "000001" else "Script", outcome="recorded", reason="", redirected_to="", peer="",
        status=200, media_type="text/html", size=1, after_t_capture=False, cached=False,
    )  # fmt: skip


def measure(record: Record) -> None:
    """Print the median of several rounds of each comparison, in seconds."""
    total = 0.0
    for judge in (judge_texts, judge_images, judge_location, judge_network, judge_pictures):
        times = []
        for _ in range(ROUNDS):
            start = time.process_time()
            judged = judge(record)
            times.append(time.process_time() - start)
        median = sorted(times)[ROUNDS // 2]
        total += median if judge is not judge_pictures else 0
        print(f"{judged.id:28} {median:7.3f} s CPU   {judged.notes[0][1].en[:90] if judged.notes else 'agrees'}")
        if judge is judge_texts:
            print("   ", {k: v for k, v in judged.details["pages"][0].items() if isinstance(v, int)})
    print(f"texts, images and headers    {total:7.3f} s CPU (target 1.0)")


def main() -> None:
    """Measure a bundle, or the made-up page."""
    if len(sys.argv) == 1:
        measure(heavy_record())
        return
    path = Path(sys.argv[1])
    with (
        open_bundle(path) as bundle,
        closing(Case(bundle, path.name, trust=Trust.stranger(), at=datetime.now(UTC))) as case,
    ):
        measure(CorroborationChecks(case).record())


if __name__ == "__main__":
    main()
