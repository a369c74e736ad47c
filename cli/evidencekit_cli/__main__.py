"""`python -m evidencekit_cli`: the same program where no script was installed."""

from __future__ import annotations

from evidencekit_cli.main import run

run()
