"""A notary office around the library: HSM signer, own time-stamps, own numbers, a ledger in PostgreSQL, no home.

    python office.py URL OUTPUT_FOLDER

Settings come from the environment, as an office's own system would hand them over:

    OFFICE_PKCS11   the vendor's PKCS#11 library      OFFICE_PIN       file with the PIN, mode 0600
    OFFICE_TOKEN    the token's label                 OFFICE_KEY       the key's label in it
    OFFICE_CERT     PEM: the key's certificate, then the issuing ones
    OFFICE_KEYS     folder for the keys of the time-stamping authority and of the log, made when it is empty
    OFFICE_LEDGER   how to reach PostgreSQL, e.g. "host=db1,db2 dbname=office"

Prints the number, the bundle and the verdict that somebody gets who trusts the office's anchors.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from evidencekit import Authority, CaptureRequest, EmbeddedTsa, preserve, verify_bundle
from evidencekit.ledger.opening import open_postgres
from evidencekit.model import EnvironmentControl, Operator, Relationship
from evidencekit.signing.hsm import Pkcs11Signer, TokenKey
from evidencekit.signing.identity import (
    LedgerKey,
    create_ledger_key,
    create_tsa_identity,
    load_ledger_key,
    load_tsa_identity,
)
from evidencekit.signing.keyfile import read_secret_file
from evidencekit.signing.signer import load_certificates, load_private_key
from evidencekit.verify.trust import Trust


def office_signer() -> Pkcs11Signer:
    """Seal with the key in the HSM; it never leaves it."""
    certificate = Path(os.environ["OFFICE_CERT"])
    chain = load_certificates(certificate.read_bytes(), certificate)
    key = TokenKey(
        module=Path(os.environ["OFFICE_PKCS11"]), token=os.environ["OFFICE_TOKEN"], label=os.environ["OFFICE_KEY"]
    )
    pin = Path(os.environ["OFFICE_PIN"])
    return Pkcs11Signer(key, lambda: read_secret_file(pin).decode().strip(), chain[0], chain[1:])


def office_keys(folder: Path) -> tuple[EmbeddedTsa, LedgerKey]:
    """Load the office's own time-stamping authority and the log's key; make them on the first day."""
    now = datetime.now(UTC)
    if not (folder / "ledger.key").exists():
        create_tsa_identity(folder, common_name="Office TSA", now=now)
        create_ledger_key(folder)
    tsa = load_tsa_identity(folder, now=now)
    key = load_private_key(read_secret_file(tsa.key_file), tsa.key_file)
    return EmbeddedTsa(authority=Authority(key, tsa.signer.certificate), name="Office TSA"), load_ledger_key(folder)


def office_number(prefix: str, year: int, sequence: int) -> str:
    """Number as the office's register does."""
    return f"JA-{year}-{prefix}-{sequence:06d}"


def main() -> None:
    """Preserve one page."""
    url, output = sys.argv[1], Path(sys.argv[2])
    signer = office_signer()
    tsa, log = office_keys(Path(os.environ["OFFICE_KEYS"]))
    with open_postgres(os.environ["OFFICE_LEDGER"], log.signer, create=True) as ledger:
        evidence = preserve(
            url,
            request=CaptureRequest(urls=(url,), allow_private=url.startswith("http://127.0.0.1:")),
            signer=signer,
            tsas=(tsa,),
            ledger=ledger,
            number=office_number,
            operator=Operator(
                name="Office operator",
                relationship=Relationship.NOTARY,
                environment_control=EnvironmentControl.NOTARY_HOST,
            ),
            matter="2026-117",
            output=output,
        )
        anchors = Trust(
            signers=(signer.chain[-1] if signer.chain else signer.certificate,),
            tsas=(tsa.authority.certificate,),
            logs=(log.signer.verifier,),
        )
    report = verify_bundle(evidence.bundle, trust=anchors)
    print(evidence.number, evidence.bundle, report.overall.value, sep="\n")


if __name__ == "__main__":
    main()
