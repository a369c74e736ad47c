"""From the options of `export` to a folder, and what its user is told about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from evidencekit.exports.certification import CertificationOptions, export_902
from evidencekit.exports.court import CourtOptions, export_court
from evidencekit.exports.exhibit import FailedBundleError, read_exhibits
from evidencekit.exports.expert import export_expert
from evidencekit.verify.trust import load_trust
from evidencekit_cli.exit_codes import ExitCode
from evidencekit_cli.output import Sentence, inert

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evidencekit.exports.exhibit import Exhibit
    from evidencekit.model import JsonValue
    from evidencekit_cli.output import Session

_TO_DO = {
    "court": Sentence(
        "Left for you: the purpose of proof, translations, names and signatures.",
        "留待您填写:证明目的、译文、姓名与签名。",
    ),
    "expert": Sentence("To hash everything again: sh rehash.sh", "重新计算全部摘要:sh rehash.sh"),
    "902": Sentence(
        "These are drafts: every blank is for the declarant, and counsel should review them.",
        "均为草稿:空白处由声明人填写,并须经律师审阅。",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportChoice:
    """The options of one export; `max_bytes` is the size over which printed files are divided."""

    purpose: str
    output: Path
    matter: str | None
    max_bytes: int
    office: bool
    trust: tuple[str, ...]


def run_export(session: Session, bundles: Sequence[Path], choice: ExportChoice) -> ExitCode:
    """Export, and say what was made and what is left to do; 1 when a bundle does not verify.

    Raises:
        EvidenceError: as the export.
    """
    at = datetime.now(UTC)
    try:
        exhibits = read_exhibits(bundles, trust=load_trust(choice.trust), at=at)
    except FailedBundleError as error:
        session.note(Sentence(inert(error.en), inert(error.zh)))
        if session.json:
            session.print_json(_result(choice, (), error.report.bundle))
        return ExitCode.FAILED
    _write(exhibits, choice, at)
    if session.json:
        session.print_json(_result(choice, exhibits, None))
    for exhibit in exhibits:
        said = exhibit.report.headline
        session.say(Sentence(f"{exhibit.number}  {inert(said.en)}", f"{exhibit.number}  {inert(said.zh)}"))
    session.say(Sentence(f"\nExported to {choice.output}", f"\n已导出至 {choice.output}"))
    session.say(_TO_DO[choice.purpose])
    return ExitCode.OK


def _write(exhibits: tuple[Exhibit, ...], choice: ExportChoice, at: datetime) -> None:
    match choice.purpose:
        case "court":
            options = CourtOptions(at=at, matter=choice.matter, office=choice.office, max_bytes=choice.max_bytes)
            export_court(exhibits, choice.output, options)
        case "expert":
            export_expert(exhibits, choice.output)
        case _:
            export_902(exhibits, choice.output, CertificationOptions(office=choice.office))


def _result(choice: ExportChoice, exhibits: tuple[Exhibit, ...], failed: str | None) -> dict[str, JsonValue]:
    return {
        "format": "evidencekit/export-result",
        "version": 1,
        "for": choice.purpose,
        "folder": None if failed else str(choice.output),
        "numbers": [exhibit.number for exhibit in exhibits],
        "failed": failed,
    }
