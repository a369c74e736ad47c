"""The course of a session in times, what is late, and the hints of others, which bind nothing."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

from evidencekit.hashing.canonical import canonical_bytes
from evidencekit.report.chronology import late_steps, stage_grid, stages_of
from evidencekit.report.fields import Hint, TokenFacts, WorkLogLine
from evidencekit.report.hints import NOT_BINDING, date_hints, hint_grid, tls_hints
from evidencekit.x509.handshake import HandshakeMessage, Sender
from evidencekit.x509.handshakefile import HandshakeFile, format_handshake
from evidencekit.x509.staples import stapled_times
from tests.support.handshakes import compressed, server, vector

if TYPE_CHECKING:
    from evidencekit.model import JsonValue

BEGUN = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
BEIJING = timezone(timedelta(hours=8))


def _line(step: str, after_s: float, subject: str = "") -> WorkLogLine:
    beijing = (BEGUN + timedelta(seconds=after_s)).astimezone(BEIJING).isoformat()
    return WorkLogLine(n=1, beijing=beijing, step=step, object=subject, outcome="ok", detail="", previous="")


def _token(role: str, path: str, after_s: float) -> TokenFacts:
    return TokenFacts(
        role=role,
        path=path,
        over="x",
        tsa="CN=TSA",
        serial="1",
        gen_time=BEGUN + timedelta(seconds=after_s),
        accuracy_s=None,
        policy="1.2",
        self_issued=False,
    )


LINES = [
    _line("open", 0),
    _line("session.start", 0.1),
    _line("page.navigate", 2, "0001"),
    _line("page.loaded", 4, "0001"),
    _line("page.root", 5, "0001"),
    _line("page.rendered", 9, "0001"),
    _line("session.end", 10),
    _line("manifest", 11),
    _line("sealed", 11.5),
    _line("stamped", 12),
    _line("entered", 12.25),
]


def test_stages_come_in_order_with_the_time_between() -> None:
    stages = stages_of(LINES, [_token("open", "seal/open-1.tsr", 1), _token("capture", "seal/capture-0001-1.tsr", 6)])
    assert [stage.step for stage in stages] == [
        "open",
        "token.open",
        "page.navigate",
        "page.loaded",
        "page.root",
        "token.capture",
        "page.rendered",
        "session.end",
        "manifest",
        "sealed",
        "stamped",
        "entered",
    ]
    shown = str(stage_grid(stages, limit=40))
    assert "2.000 s" in shown, "from the announcement to navigation, the stamp between being of another clock"
    assert "0.250 s" in shown
    assert "时钟不同" in shown
    assert late_steps(stages) == ()


@pytest.mark.parametrize(
    ("lines", "tokens", "said"),
    [
        ([*LINES[:-1], _line("entered", 100)], [], "“entered in the ledger”"),
        (LINES, [_token("capture", "seal/capture-0001-1.tsr", 80)], "75 s lie between “digests fixed” and “T_capture"),
        ([*LINES[:7], *(_line(line.step, 9000) for line in LINES[7:])], [], "“manifest written”"),
    ],
)
def test_what_is_secured_late_is_named(lines: list[WorkLogLine], tokens: list[TokenFacts], said: str) -> None:
    warnings = late_steps(stages_of(lines, tokens))
    assert len(warnings) == 1
    assert said in warnings[0].en
    assert "相隔" in warnings[0].zh


def test_a_late_stamp_of_another_page_or_a_second_authority_is_no_warning() -> None:
    first = _token("capture", "seal/capture-0001-1.tsr", 6)
    second = _token("capture", "seal/capture-0001-2.tsr", 200)
    other = _token("capture", "seal/capture-0002-1.tsr", 300)
    assert late_steps(stages_of(LINES, [first, second, other])) == ()


# --- hints ---------------------------------------------------------------------------------------


def _stapled(*extensions: tuple[int, bytes]) -> HandshakeMessage:
    """A server's Certificate message with extensions on its leaf (RFC 8446 §4.4.2)."""
    listed = b"".join(struct.pack(">H", kind) + vector(body, 2) for kind, body in extensions)
    entry = vector(server().certificate, 3) + vector(listed, 2)
    body = b"\0" + vector(entry, 3)
    return HandshakeMessage(sender=Sender.SERVER, data=b"\x0b" + vector(body, 3))


def _ocsp() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(5)
        .not_valid_before(BEGUN - timedelta(days=9))
        .not_valid_after(BEGUN + timedelta(days=9))
        .sign(key, hashes.SHA256())
    )
    response = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            certificate,
            certificate,
            hashes.SHA256(),
            ocsp.OCSPCertStatus.GOOD,
            BEGUN - timedelta(hours=2),
            BEGUN + timedelta(days=4),
            None,
            None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.NAME, certificate)
        .sign(key, hashes.SHA256())
    )
    return response.public_bytes(Encoding.DER)


def _stamp(milliseconds: int) -> bytes:
    return b"\0" + b"\xaa" * 32 + milliseconds.to_bytes(8, "big") + b"\0\0" + b"\x04\x03" + vector(b"sig", 2)


def test_stapled_times_are_read_plain_and_compressed() -> None:
    logged = BEGUN - timedelta(days=30)
    stamps = vector(vector(_stamp(round(logged.timestamp() * 1000)), 2) + vector(b"\x01short", 2), 2)
    message = _stapled((5, b"\x01" + vector(_ocsp(), 3)), (18, stamps), (99, b"?"))
    for each in (message, compressed(message)):
        found = stapled_times([each])
        assert [one.kind for one in found] == ["ocsp.produced", "ocsp.this_update", "sct"]
        assert found[1].time == BEGUN - timedelta(hours=2)
        assert found[1].by == "CN=Test CA"
        assert (found[2].time, found[2].by) == (logged, "aa" * 32)
    for cut in range(1, len(message.data), 7):
        stapled_times([HandshakeMessage(sender=Sender.SERVER, data=message.data[:cut])])  # raises nothing


def test_hints_are_listed_singly_and_bind_nothing() -> None:
    file = HandshakeFile(
        capture_id="00" * 16,
        host="shop.test",
        port=443,
        address=None,
        time=BEGUN,
        messages=(_stapled((5, b"\x01" + vector(_ocsp(), 3))),),
        certificates=(),
    )
    files = [("capture/tls/shop.test.handshake.json", format_handshake(file)), ("capture/tls/x.pem", b"no certificate")]
    line: dict[str, JsonValue] = {
        "resource_type": "Document",
        "url": "https://shop.test/?q=secret",
        "id": "000001",
        "response": {"headers": [["Date", "Mon, 23 Nov 2026 03:00:01 GMT"]]},
    }
    exchanges = b"{}\n" + canonical_bytes(line) + b"\n" + b'{"resource_type":"Document"}\n'
    found: tuple[Hint, ...] = (*tls_hints(files), *date_hints(exchanges))
    assert [hint.kind.en for hint in found] == [
        "OCSP response, produced",
        "OCSP response, status as of",
        "Date header of the answer",
    ]
    assert found[-1].time == BEGUN + timedelta(seconds=1)
    shown = str(hint_grid(found))
    assert shown.count("does not bind the content") == len(found) + 1
    assert "不约束网页内容" in NOT_BINDING.zh
    assert "secret" not in shown
