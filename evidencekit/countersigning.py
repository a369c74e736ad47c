"""Sign a sealed bundle once more, in a role of one's own: operator, assistant, notary, witness (design §5).

The bundle grows into a new file: an ASiC manifest over everything in it, a CAdES signature that claims the role, and a
time-stamp over both, so that the signature still counts when its certificate has ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from evidencekit.bundle.growth import Growth, grown_path
from evidencekit.bundle.reader import open_bundle
from evidencekit.errors import SigningError, TsaResponseError
from evidencekit.model import Outcome
from evidencekit.revocations import check_signer_now
from evidencekit.signing.cades import content_of, sign_detached
from evidencekit.signing.identity import check_validity
from evidencekit.timestamp.token import parse_response
from evidencekit.upkeep import first_reply
from evidencekit.verify.verifier import verify_bundle

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from evidencekit.signing.signer import Signer
    from evidencekit.timestamp.client import StampReply, TimeStamper


class SignerRole(StrEnum):
    """In what role somebody signs beside the issuer; the signer's own claim."""

    OPERATOR = "operator"
    ASSISTANT = "assistant"
    NOTARY = "notary"
    WITNESS = "witness"


@dataclass(frozen=True, slots=True, kw_only=True)
class Countersigned:
    """The new file, its number, and who stamped the signature."""

    number: str
    bundle: Path
    role: SignerRole
    tsa: str
    self_issued: bool


def countersign(  # noqa: PLR0913 (each names one thing that the caller owns)
    bundle: Path,
    signer: Signer,
    role: SignerRole,
    tsas: Sequence[TimeStamper],
    *,
    at: datetime,
    folder: Path | None = None,
    third_party: bool = True,
) -> Countersigned:
    """Add a role signature and a time-stamp over it; `bundle` stays as it is.

    Args:
        bundle: a bundle that does not fail verification.
        signer: who signs.
        role: the role to claim.
        tsas: whom to ask for the time-stamp, at least one; the first reply in their order counts.
        at: the time, aware; the certificate must be valid then.
        folder: where the new file goes; beside the bundle by default.
        third_party: whether to ask those whom the signer's certificate names if it was revoked.

    Raises:
        SigningError: a certificate of the signer is not valid or was revoked; the bundle fails verification, so nobody
            should sign it; or the signer fails.
        TimestampError: nobody stamps. FormatError, StorageError, UsageError: see `Growth`.
    """
    for certificate in (signer.certificate, *signer.chain):
        check_validity(certificate, at)
    check_signer_now(signer, at=at, ask=third_party)
    report = verify_bundle(bundle, at=at)
    if report.overall is Outcome.FAILED:
        failed = next(finding for finding in report.findings if finding.outcome is Outcome.FAILED)
        raise SigningError(
            f"{bundle} does not verify ({failed.id}: {failed.reason.en}), so it is not signed; see evidencekit verify",
            f"{bundle} 未通过核验({failed.id}：{failed.reason.zh})，故不予签名；请执行 evidencekit verify",
        )
    replies: list[StampReply] = []

    def take(digest: bytes) -> bytes:
        replies.append(first_reply(digest, tsas))
        token = parse_response(replies[0].response).token
        if token is None:
            raise TsaResponseError("the TSA granted no token; try again", "时间戳机构未给出时间戳;请重试")
        return token

    with open_bundle(bundle) as opened:
        growth = Growth(opened)
        growth.add_seal(lambda data: sign_detached(content_of(data), signer, at=at, role=role.value))
        growth.add_timestamp(take)
        out = grown_path(bundle, folder=folder)
        growth.write(out)
    reply = replies[0]
    return Countersigned(
        number=report.number, bundle=out, role=role, tsa=reply.tsa, self_issued=reply.check.self_issued
    )
