"""From the options of `deposit` to a sealed bundle, and what its user is told about it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from evidencekit import depositing
from evidencekit.errors import EvidenceError
from evidencekit.hashing.deposit import OPTIONAL, REQUIRED, WARRANTY, DepositKind, check_statement
from evidencekit.recovery import recover
from evidencekit_cli.capture_options import WhoOptions
from evidencekit_cli.exit_codes import ExitCode
from evidencekit_cli.homes import open_home
from evidencekit_cli.interruption import stop_requested
from evidencekit_cli.preservation import (
    STOPPING,
    announce_keys,
    authorities_of,
    tell,
)
from evidencekit_cli.progress import Progress
from evidencekit_cli.signers import second_signer, signer_chosen
from evidencekit_cli.who import ask_once, operator_of

if TYPE_CHECKING:
    from pathlib import Path

    from evidencekit_cli.output import Session


class DepositOptions(WhoOptions):
    """One entry an option; None where it was not given."""

    files: tuple[Path, ...]
    kind: str
    hash_only: bool
    works: tuple[Path, ...]
    title: str | None
    creator: str | None
    completed: str | None
    first_published: str | None
    right_type: str | None
    warrant: bool
    grantor: str | None
    grantee: str | None
    scope: str | None
    medium: str | None
    device: str | None
    cleanliness: str | None
    recorded: str | None
    order_number: str | None
    waybill: str | None
    seal_number: str | None
    custodian: str | None
    output: Path | None
    tsas: tuple[str, ...]
    matter: str | None
    no_third_party: bool
    post_quantum: bool


_NAMES = {name for fields in (REQUIRED, OPTIONAL) for names in fields.values() for name in names}
_FIELDS = sorted(_NAMES - {"warranty"})


def deposit_files(session: Session, options: DepositOptions) -> ExitCode:
    """Deposit what the options name, and tell the user; 3 when something is pending or partial."""
    # First what needs no home: a mistyped command makes no keys.
    request = _request(options)
    with ExitStack() as stack:
        home, settings = open_home()
        for lost in recover(home):
            session.note(lost)
        settings = ask_once(session, home.path, settings, options)
        announce_keys(session, home, stack)
        cancel = stack.enter_context(stop_requested(lambda: session.note(STOPPING)))
        progress = stack.enter_context(Progress(session))
        alone = options["no_third_party"] or not settings.flag("capture.third_party")
        try:
            evidence = depositing.deposit(
                options["files"],
                request=replace(request, third_party=not alone),
                home=home,
                signer=signer_chosen(settings),
                tsas=authorities_of(options["tsas"], settings, alone=alone),
                operator=operator_of(settings, options),
                matter=options["matter"],
                on_event=progress.on_event,
                cancel=cancel,
                output=options["output"],
                seal_pdf=settings.flag("pades.seal"),
                post_quantum=second_signer(home, settings, asked=options["post_quantum"]),
            )
        except EvidenceError as error:
            if cancel.is_set():
                raise KeyboardInterrupt from error
            raise
    tell(session, evidence)
    return ExitCode.UNDECIDED if evidence.pending or evidence.partial else ExitCode.OK


def _request(options: DepositOptions) -> depositing.DepositRequest:
    kind = DepositKind(options["kind"])
    statement = {name: str(options[name]) for name in _FIELDS if options[name] is not None}  # type: ignore[literal-required]
    if options["warrant"]:
        statement["warranty"] = WARRANTY
    check_statement(kind, statement)
    return depositing.DepositRequest(
        kind=kind,
        hash_only=options["hash_only"],
        statement=statement,
        works=options["works"],
        third_party=not options["no_third_party"],
    )
