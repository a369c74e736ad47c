"""From the options of `capture` to a sealed bundle, and what its user is told about it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

from evidencekit import notary
from evidencekit.capture.request import CaptureRequest, Mode
from evidencekit.errors import EvidenceError, UsageError
from evidencekit.home import Home
from evidencekit.model import EnvironmentControl, Operator, Relationship
from evidencekit.report.machine import report_json
from evidencekit.report.terminal import render_text
from evidencekit_cli.exit_codes import ExitCode
from evidencekit_cli.interruption import stop_requested
from evidencekit_cli.output import Sentence, Session, both, inert
from evidencekit_cli.progress import Progress
from evidencekit_cli.settings import Settings, read_settings
from evidencekit_cli.urls import gather_urls

if TYPE_CHECKING:
    from evidencekit.model import JsonValue
    from evidencekit.notary import Evidence
    from evidencekit_cli.commands.capture import CaptureOptions
