"""What the cleanliness probes cost a capture: sessions with all probes and with none, in pairs.

    python bench/environment.py [--runs 7] [--third-party] [--json]

One small page on loopback; the time is that of the whole session, browser start and end included. Each round runs both
contenders once, in random order; the figure is the median of the rounds' differences. The rest of a session does not
depend on the probes, so the difference is what they add beside the browser's start. Without `--third-party` nobody
outside is asked: what waits for the network is bounded by the probes' own limit (1.5 s).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from evidencekit.capture import session
from evidencekit.capture.environment.run import PROBES, run_probes
from evidencekit.capture.launcher import BrowserOptions, find_browser
from evidencekit.capture.request import CaptureRequest
from evidencekit.hashing.chainlog import WORKLOG, ChainWriter

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.support.site import page, serve

CAPTURE_ID = "0123456789abcdef0123456789abcdef"


def timed(request: CaptureRequest, browser: BrowserOptions, probes: bool) -> tuple[float, dict[str, float]]:
    """Run one session; give its seconds and those of each probe."""
    took: dict[str, float] = {}
    real = session.probe_surroundings

    def none(*_: object) -> object:
        return run_probes(request, probes=())

    def all_of_them(*arguments: object) -> object:
        report = real(*arguments)  # type: ignore[arg-type]
        took.update({c.id: (c.finished - c.started).total_seconds() for c in report.checks})
        return report

    session.probe_surroundings = all_of_them if probes else none  # type: ignore[assignment]
    begun = time.monotonic()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="ek-bench-") as folder,
            ChainWriter(Path(folder) / "worklog.jsonl", format_name=WORKLOG, capture_id=CAPTURE_ID) as worklog,
        ):
            asyncio.run(
                session.capture_session(
                    request,
                    capture_id=CAPTURE_ID,
                    staging=Path(folder) / "staging",
                    worklog=worklog,
                    on_root=lambda _root, _document: None,
                    options=browser,
                )
            )
            return time.monotonic() - begun, took
    finally:
        session.probe_surroundings = real


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--third-party", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    browser = BrowserOptions(binary=find_browser())
    with serve(page) as url:
        request = CaptureRequest(urls=(url,), allow_private=True, third_party=options.third_party)
        once = partial(timed, request, browser)
        once(probes=True)  # to warm caches, the browser's files among them
        differences, bare, slowest = [], [], {}
        for _ in range(options.runs):
            pair: dict[bool, float] = {}
            for probes in random.sample((True, False), 2):
                pair[probes], took = once(probes=probes)
                slowest |= took
            differences.append(pair[True] - pair[False])
            bare.append(pair[False])
    result = {
        "probes": len(PROBES),
        "without_s": round(statistics.median(bare), 3),
        "added_s": round(statistics.median(differences), 3),
        "added_s_range": [round(min(differences), 3), round(max(differences), 3)],
        "longest_s": dict(sorted(((n, round(s, 3)) for n, s in slowest.items()), key=lambda item: -item[1])[:5]),
    }
    print(json.dumps(result, indent=None if options.json else 2))


if __name__ == "__main__":
    main()
