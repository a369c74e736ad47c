"""Who does the work of one session: signer, ledger, authorities, numbers, places; from the home or from the caller.

Also the announcement of a session in the ledger, before anything is done (design §3, step 0), and its end when it
came to nothing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from evidencekit.errors import EvidenceError, FormatError, SigningError
from evidencekit.home import Home
from evidencekit.ledger.entry import (
    AbandonedEntry,
    OpenEntry,
    format_abandoned_entry,
    format_open_entry,
    matter_tag,
    open_commitment,
    parse_entry,
)
from evidencekit.model import Text
from evidencekit.numbering import format_number, prefix_from_key
from evidencekit.owed import Owed, count_token, owe
from evidencekit.revocations import Vetting
from evidencekit.signing.identity import key_id
from evidencekit.signing.note import VerifierKey, format_vkey
from evidencekit.signing.signer import load_private_key
from evidencekit.stamping import Stamper
from evidencekit.timestamp.authorities import auto_tsas
from evidencekit.timestamp.authority import Authority
from evidencekit.timestamp.client import EmbeddedTsa
from evidencekit.timestamp.token import parse_response, parse_token
from evidencekit.x509.certificate import MALFORMED

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from types import TracebackType

    from evidencekit.ledger.anchors.anchor import Anchor
    from evidencekit.ledger.log import Ledger
    from evidencekit.ledger.witnessing import Witnessing
    from evidencekit.revocations import SignerStatus
    from evidencekit.signing.identity import Identity
    from evidencekit.signing.signer import Signer
    from evidencekit.timestamp.client import TimeStamper

NumberStrategy = Callable[[str, int, int], str]
"""Makes a certificate number of the ledger key's prefix, the year and the sequence; gaps are legal."""


def system_clock() -> datetime:
    """Read the system clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A session as it was announced in the ledger: `index` of the open entry and what opens its commitment."""

    capture_id: str
    number: str
    index: int
    entry: bytes
    salt: bytes
    attempt: int
    note: Text


@dataclass(slots=True, kw_only=True)
class Office:
    """Everything a session works with; a context that closes what it opened."""

    signer: Signer
    ledger: Ledger
    stamper: Stamper
    number: NumberStrategy
    clock: Callable[[], datetime]
    home: Home | None
    work_folder: Path
    captures_folder: Path
    own_tsa: x509.Certificate | None
    created: bool = False
    seal_pdf: bool = False
    post_quantum: Signer | None = None
    """Who makes the second signature; None for none."""
    signer_status: SignerStatus | None = None
    """Whether the signer's certificate was revoked, as `preflight` asked."""
    witnessing: Witnessing | None = None
    anchors: tuple[Anchor, ...] = ()
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        self._stack.enter_context(self.stamper)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def vkey(self) -> str:
        """The log's verifier key."""
        verifier = self.ledger.verifier
        if not isinstance(verifier, VerifierKey):
            raise SigningError(
                "the ledger's key has no written form; use an Ed25519 key", "账本密钥没有书面形式;请使用 Ed25519 密钥"
            )
        return format_vkey(verifier)

    @contextmanager
    def workspace(self, capture_id: str) -> Generator[Path]:
        """Give a folder for the session, in the home where there is one."""
        if self.home is not None:
            with self.home.workspace(capture_id) as folder:
                yield folder
            return
        with tempfile.TemporaryDirectory(prefix="evidencekit-", ignore_cleanup_errors=True) as name:
            yield Path(name)

    def recipient(self) -> str | None:
        """Give the age recipient of private archives, None without a home."""
        return self.home.holder() if self.home is not None else None

    def owe(self, number: str, bundle: Path, reasons: Sequence[Text]) -> None:
        """Note that a bundle waits for a third-party time-stamp, where there is a home to remember it."""
        if self.home is not None:
            owe(self.home.path, Owed(number=number, bundle=bundle, since=self.clock(), reasons=tuple(reasons)))

    def remember(self, number: str, bundle: Path) -> None:
        """Add a bundle to the home's list."""
        if self.home is not None:
            self.home.remember(number, bundle)

    def tsa_certificates(self, seals: Path) -> bytes:
        """Give, as PEM, what a reader needs to check the tokens in `seals`: top of each chain, and our own TSA's."""
        found: dict[str, bytes] = {}
        if self.own_tsa is not None:
            found[key_id(self.own_tsa)] = self.own_tsa.public_bytes(Encoding.PEM)
        for reply in sorted(seals.glob("*.tsr")):
            for certificate in _embedded(reply.read_bytes()):
                found[key_id(certificate)] = certificate.public_bytes(Encoding.PEM)
        return b"".join(found[name] for name in sorted(found))


def open_office(  # noqa: PLR0913 (hands on the front door's arguments)
    *,
    home: Home | None,
    signer: Signer | None,
    tsas: Sequence[TimeStamper] | None,
    ledger: Ledger | None,
    number: NumberStrategy | None,
    clock: Callable[[], datetime] | None,
    output: Path | None,
    witnessing: Witnessing | None = None,
) -> Office:
    """Put together who does the work; a home is opened only for what the caller did not give.

    Raises:
        SigningError, LedgerError, StorageError: see `Home`.
    """
    clock = clock or system_clock
    others = tuple(tsas) if tsas is not None else auto_tsas()
    if home is None and signer is not None and ledger is not None and tsas is not None and output is not None:
        folder = Path(tempfile.gettempdir())
        return Office(
            signer=signer,
            ledger=ledger,
            stamper=Stamper(others=others, own=None, vet=Vetting()),
            number=number or format_number,
            clock=clock,
            home=None,
            work_folder=folder,
            captures_folder=output if output.is_dir() else output.absolute().parent,
            own_tsa=None,
            witnessing=witnessing,
        )
    home = home or Home.open()
    keys = home.keys(clock())
    stack = ExitStack()
    if ledger is None:
        ledger = stack.enter_context(home.ledger(keys.ledger))
    return Office(
        signer=signer or keys.seal.signer,
        ledger=ledger,
        stamper=Stamper(
            others=others,
            own=embedded_tsa(keys.tsa),
            on_reply=lambda reply, role: count_token(home.path, reply.tsa, role),
            vet=Vetting(),
        ),
        number=number or format_number,
        clock=clock,
        home=home,
        work_folder=home.path,
        captures_folder=home.captures_folder,
        own_tsa=keys.tsa.signer.certificate,
        created=keys.created,
        witnessing=witnessing or home.standing.witnessing,
        anchors=home.standing.anchors,
        _stack=stack,
    )


def announce(office: Office, capture_id: str, matter: str | None, *, salt: bytes) -> Announcement:
    """Enter the intent to capture, under 32 bytes of salt and without the URL; durable when this returns.

    Raises:
        LedgerError, StorageError: see `Ledger.append`.
    """
    now = office.clock()
    tag = matter_tag(office.home.matter_key() if office.home else b"", matter) if matter is not None else None
    entry = format_open_entry(
        OpenEntry(
            commitment=open_commitment(salt, capture_id),
            key_id=key_id(office.signer.certificate),
            matter=tag,
            time=now,
        )
    )
    appended = office.ledger.append(entry)
    attempt = _attempts(office.ledger, tag, appended.index) if tag is not None else 1
    prefix = prefix_from_key(office.ledger.verifier.public_key)
    return Announcement(
        capture_id=capture_id,
        number=office.number(prefix, now.year, appended.index + 1),
        index=appended.index,
        entry=entry,
        salt=salt,
        attempt=attempt,
        note=_note(counted=tag is not None),
    )


def abandon(office: Office, announced: Announcement, reason: str) -> bool:
    """Close an announced session that came to nothing; False when the ledger refuses, on a full disk for instance."""
    entry = AbandonedEntry(
        key_id=key_id(office.signer.certificate), open=announced.index, reason=reason, time=office.clock()
    )
    with suppress(EvidenceError):
        office.ledger.append(format_abandoned_entry(entry))
        return True
    return False


def _attempts(ledger: Ledger, tag: str, last: int) -> int:
    count = 0
    for data in ledger.entries(0, last + 1):
        with suppress(FormatError):
            entry = parse_entry(data)
            count += isinstance(entry, OpenEntry) and entry.matter == tag
    return count


def _note(*, counted: bool) -> Text:
    if counted:
        return Text(
            en="attempts announced for this matter in this ledger up to this one",
            zh="本账本中就本案登记的取证次数(截至本次)",
        )
    return Text(en="no matter was given, so attempts were not counted", zh="未指定案件,故未统计取证次数")


def embedded_tsa(identity: Identity) -> EmbeddedTsa:
    """Return the home's own TSA."""
    key = load_private_key(identity.key_file.read_bytes(), identity.key_file)
    return EmbeddedTsa(authority=Authority(key, identity.signer.certificate))


def _embedded(reply: bytes) -> list[x509.Certificate]:
    """The certificates at the top of what a reply embeds: those that no other embedded one issued."""
    token = parse_response(reply).token
    if token is None:
        return []
    certificates: list[x509.Certificate] = []
    for data in parse_token(token).certificates:
        with suppress(*MALFORMED):
            certificates.append(x509.load_der_x509_certificate(data))
    subjects = {each.subject for each in certificates}
    tops = [each for each in certificates if each.issuer == each.subject or each.issuer not in subjects]
    return tops or certificates
