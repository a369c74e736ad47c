"""Lets tests import `tests.…`, whatever pytest's import mode; and in continuous integration skips nothing.

Examples have no deadline: how fast a loaded machine is says nothing about the code. Bounds on work are asserted in
processor time where they matter.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Generator

sys.path.insert(0, str(Path(__file__).parents[1]))
settings.register_profile("evidencekit", deadline=None)
settings.load_profile("evidencekit")


def _demanded(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn what was skipped into a failure where everything is installed: a check that did not run is none."""
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped, but continuous integration must run it: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _demanded(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _demanded(report)
    return report
