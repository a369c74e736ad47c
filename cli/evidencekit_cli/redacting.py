"""From the options of `redact` to an edition, and what its user is told about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.office import open_office
from evidencekit.redaction import redact
from evidencekit_cli.authorities import authorities_named
from evidencekit_cli.exit_codes import ExitCode
from evidencekit_cli.homes import open_home
from evidencekit_cli.output import Sentence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evidencekit_cli.output import Session


def run_redact(
    session: Session, bundle: Path, rules: Sequence[str], output: Path | None, tsas: Sequence[str]
) -> ExitCode:
    """Make the edition, and say where it is and what it withholds.

    Raises:
        EvidenceError: as `evidencekit.redaction.redact`.
    """
    out = output or bundle.with_name(f"{bundle.name.removesuffix('.zip')}.redacted.zip")
    home, settings = open_home()
    with home:
        stamping = authorities_named(tuple(tsas) or settings.texts("capture.tsa"))
        with open_office(
            home=home, signer=None, tsas=stamping, ledger=None, number=None, clock=None, output=out
        ) as office:
            made = redact(bundle, rules, out, office)
    redaction = made.redaction
    if session.json:
        session.print_json(
            {
                "format": "evidencekit/redact-result",
                "version": 1,
                "bundle": str(made.bundle),
                "number": redaction.number,
                "original_sha256": redaction.original_sha256,
                "records": list(redaction.records),
                "artifacts": list(redaction.artifacts),
            }
        )
    records, files = len(redaction.records), len(redaction.artifacts)
    session.say(Sentence(f"{redaction.number}  {made.bundle}", f"{redaction.number}  {made.bundle}"))
    session.say(
        Sentence(
            f"{records} records and {files} files are WITHHELD(redacted); everything else proves as before",
            f"{records} 条记录、{files} 个文件不公开(WITHHELD:redacted);其余照常可证明",
        )
    )
    if made.unprinted is not None:
        session.note(Sentence(made.unprinted.en, made.unprinted.zh))
    session.note(
        Sentence(
            "look through its pictures and texts before handing it over: they may show what a withheld record held",
            "交付前请检查其中的截图与文本:它们可能仍显示被遮盖记录的内容",
        )
    )
    return ExitCode.OK
