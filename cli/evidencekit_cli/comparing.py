"""`evidencekit compare`: the same address in several bundles, as a sealed table that links them."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from evidencekit import depositing
from evidencekit.recovery import recover
from evidencekit.vantages import AddressSet, compare, format_vantages, render_vantages
from evidencekit_cli.capture_options import WhoOptions
from evidencekit_cli.exit_codes import ExitCode
from evidencekit_cli.homes import open_home
from evidencekit_cli.output import Sentence, Session, inert
from evidencekit_cli.preservation import announce_keys, authorities_of, tell
from evidencekit_cli.signers import signer_chosen
from evidencekit_cli.who import ask_once, operator_of

if TYPE_CHECKING:
    from collections.abc import Sequence


class CompareOptions(WhoOptions):
    """One entry an option; None where it was not given."""

    bundles: tuple[Path, ...]
    output: Path | None
    tsas: tuple[str, ...]
    matter: str | None
    no_third_party: bool


def compare_bundles(session: Session, options: CompareOptions) -> ExitCode:
    """Compare, seal the table, and tell the user; 3 when something is pending."""
    sets = compare(options["bundles"])
    with ExitStack() as stack:
        home, settings = open_home()
        for lost in recover(home):
            session.note(lost)
        settings = ask_once(session, home.path, settings, options)
        announce_keys(session, home, stack)
        alone = options["no_third_party"] or not settings.flag("capture.third_party")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="evidencekit-")))
        files = (folder / "vantages.html", folder / "vantages.json")
        files[0].write_bytes(render_vantages(sets))
        files[1].write_bytes(format_vantages(sets))
        evidence = depositing.deposit(
            files,
            request=depositing.DepositRequest(works=options["bundles"]),
            home=home,
            signer=signer_chosen(settings),
            tsas=authorities_of(options["tsas"], settings, alone=alone),
            operator=operator_of(settings, options),
            matter=options["matter"],
            output=options["output"],
        )
    _show(session, sets)
    tell(session, evidence)
    return ExitCode.UNDECIDED if evidence.pending else ExitCode.OK


def _show(session: Session, sets: Sequence[AddressSet]) -> None:
    for each in sets:
        url, names = inert(each.url, 100), ", ".join(each.differing)
        count = len(each.vantages)
        if names:
            session.say(Sentence(f"{url}: {count} captures, differ in {names}", f"{url}:{count} 次取证,不一致:{names}"))
        else:
            session.say(Sentence(f"{url}: {count} captures agree", f"{url}:{count} 次取证一致"))
