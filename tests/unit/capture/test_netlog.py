"""The network log as a stream: read while it grows, hostile lines, requests and connections put together."""

from __future__ import annotations

import base64
import json
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from evidencekit.capture.exchanges import Body, Exchange, ExchangeOutcome, InterimAnswer, ResponseHead
from evidencekit.capture.joining import ONLY_IN_LOG, Matcher, Sources, enrich, is_settled
from evidencekit.capture.netlog import NetLogReader, copy_without
from evidencekit.capture.netlogconnections import addresses_in, fields_of
from evidencekit.capture.netlogindex import NetLogIndex
from evidencekit.capture.networklog import NetworkLog
from evidencekit.capture.networkreport import network_files

if TYPE_CHECKING:
    from pathlib import Path

    from evidencekit.model import JsonValue

URL = "https://shop.test/page"
NAMES = tuple(NetLogIndex().handlers())
TYPES = {name: number for number, name in enumerate((*NAMES, "NOISE"))}


class Writer:
    """Writes a log as Chromium does."""

    def __init__(self, path: Path, types: dict[str, int] | None = None) -> None:
        self.path = path
        self.types = types or TYPES
        self.index = NetLogIndex()
        self.reader = NetLogReader(path, self.index.handlers())
        constants = {
            "logEventTypes": types or TYPES,
            "netError": {"ERR_FAILED": -2},
            "timeTickOffset": 1_700_000_000_000,
        }
        self.write(f'{{"constants":{json.dumps(constants)},\n"events": [\n')

    def write(self, text: str) -> None:
        with self.path.open("a") as out:
            out.write(text)

    def event(self, name: str, source: int, phase: int = 0, time: int = 1, **params: Any) -> None:
        event = {"params": params, "phase": phase, "source": {"id": source, "type": 1}, "time": str(time)}
        self.write(json.dumps({**event, "type": self.types[name]}, separators=(",", ":")) + ",\n")

    def request(
        self, source: int, url: str = URL, *, status: int = 200, job: int = 50, headers: tuple[str, ...] = ()
    ) -> None:
        self.event(
            "URL_REQUEST_START_JOB", source, 1, 10, url=url, method="GET", network_isolation_key="https://shop.test"
        )
        self.event("HTTP_STREAM_REQUEST_BOUND_TO_JOB", source, source_dependency={"id": job})
        self.event("HTTP_TRANSACTION_SEND_REQUEST_HEADERS", source, headers=["Host: shop.test"])
        self.event(
            "HTTP_TRANSACTION_READ_RESPONSE_HEADERS", source, time=20, headers=[f"HTTP/1.1 {status} Fine", *headers]
        )

    def end(self, source: int) -> None:
        self.event("REQUEST_ALIVE", source, 2, 30)


def exchange(number: int = 1, **changes: Any) -> Exchange:
    now = datetime(2026, 11, 26, tzinfo=UTC)
    made = Exchange(
        id=f"{number:06d}", page="0001", url=URL, method="GET", resource_type="Document", initiator="other",
        target="page", outcome=ExchangeOutcome.RECORDED, reason=None, started=now, finished=now, after_t_capture=False,
        from_cache=False, from_service_worker=False, redirected_from=None, redirected_to=None, protocol="http/1.1",
        remote_address="127.0.0.1:443", security={"protocol": "TLS 1.3"}, request_headers=(("host", "shop.test"),),
        request_body=None, response_body=None, encoded_size=None,
        response=ResponseHead(status=200, status_text="", headers=(("a", "1"),), mime_type="text/html"),
    )  # fmt: skip
    return replace(made, **changes)


def test_reads_what_was_appended_and_knows_the_end(tmp_path: Path) -> None:
    log = Writer(tmp_path / "log.json")
    log.request(7)
    log.reader.read_more()
    (hop,) = log.index.hops
    assert (hop.url, hop.status, hop.over, log.reader.complete) == (URL, 200, False, False)
    log.end(7)
    log.write('{"params":{},"phase":0,"source":{"id":1},"time":"9","type":0}],\n"polledData": [{}]}\n')
    log.reader.read_more()
    assert hop.over
    assert log.reader.complete
    assert log.reader.missing == ()
    assert log.reader.offset_ms == 1_700_000_000_000


def test_a_line_that_is_half_written_waits_for_its_end(tmp_path: Path) -> None:
    log = Writer(tmp_path / "log.json")
    log.write('{"params":{"url":"https://a.test/","method":"GET"},"phase":1,"source":{"id":3},')
    log.reader.read_more()
    assert log.index.hops == []
    log.write(f'"time":"5","type":{TYPES["URL_REQUEST_START_JOB"]}}},\n')
    log.reader.read_more()
    assert [hop.url for hop in log.index.hops] == ["https://a.test/"]


def test_a_browser_without_an_event_is_named(tmp_path: Path) -> None:
    known = {name: number for name, number in TYPES.items() if name != "SSL_HANDSHAKE_MESSAGE_SENT"}
    log = Writer(tmp_path / "log.json", known)
    log.reader.read_more()
    assert log.reader.missing == ("SSL_HANDSHAKE_MESSAGE_SENT",)


def test_a_file_that_is_not_there_is_empty(tmp_path: Path) -> None:
    NetLogReader(tmp_path / "none", NetLogIndex().handlers()).read_more()


@settings(deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=20))
def test_hostile_lines_are_counted_and_passed_over(lines: list[bytes]) -> None:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        log = Writer(Path(folder) / "log.json")
        with log.path.open("ab") as out:
            out.writelines(line.replace(b"\n", b" ") + b',"type":1},\n' for line in lines)
        log.request(7)
        log.reader.read_more()
        assert [hop.url for hop in log.index.hops if hop.source == 7] == [URL]


def test_memory_does_not_grow_with_the_bytes_in_the_log(tmp_path: Path) -> None:
    log = Writer(tmp_path / "log.json")
    event = {"params": {"bytes": "A" * 60_000}, "phase": 0, "source": {"id": 1}, "time": "1", "type": TYPES["NOISE"]}
    noise = json.dumps(event)
    log.write((noise + ",\n") * 500)
    tracemalloc.start()
    try:
        log.reader.read_more()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert log.reader.size > 30_000_000
    assert peak < 8_000_000


def test_a_redirect_is_two_hops_of_one_request(tmp_path: Path) -> None:
    log = Writer(tmp_path / "log.json")
    log.request(7, status=302, headers=("location: /b",))
    log.request(7, "https://shop.test/b")
    log.end(7)
    log.reader.read_more()
    assert [(hop.status, hop.over) for hop in log.index.hops] == [(302, True), (200, True)]


def test_header_fields_keep_order_and_duplicates(tmp_path: Path) -> None:
    log = Writer(tmp_path / "log.json")
    log.request(7, headers=("X-B: 1", "X-A: 2", "x-b: 3", "Empty:", "X-J: p\0q"))
    log.reader.read_more()
    wanted = (("X-B", "1"), ("X-A", "2"), ("x-b", "3"), ("Empty", ""), ("X-J", "p"), ("X-J", "q"))
    assert log.index.hops[0].response_headers == wanted
    assert fields_of([":status: 200"]) == ((":status", "200"),)


def test_an_interim_answer_is_not_the_answer(tmp_path: Path) -> None:
    log = Writer(tmp_path / "log.json")
    log.request(7, status=103, headers=("link: </a>",))
    log.event("HTTP_TRANSACTION_READ_RESPONSE_HEADERS", 7, headers=["HTTP/1.1 200 OK", "x: y"])
    log.reader.read_more()
    assert (log.index.hops[0].status, log.index.hops[0].response_headers) == (200, (("x", "y"),))


def test_an_interim_answer_is_kept_though_its_transaction_never_read_it(tmp_path: Path) -> None:
    """Over HTTP/2 and HTTP/3 a hint that comes together with the answer is told by the connection alone."""
    log = Writer(tmp_path / "log.json")
    log.event("HTTP2_SESSION_INITIALIZED", 80, source_dependency={"id": 90})
    log.event("HTTP2_SESSION_SEND_HEADERS", 80, source_dependency={"id": 50}, stream_id=3)
    log.event("HTTP2_SESSION_RECV_HEADERS", 80, stream_id=3, headers=[":status: 103", "link: </a>"])
    log.event("HTTP2_SESSION_RECV_HEADERS", 80, stream_id=3, headers=[":status: 1x3", "link: </b>"])
    log.event("HTTP2_SESSION_RECV_HEADERS", 80, stream_id=3, headers=[":status: 200", "a: 1"])
    log.request(7, job=50)
    log.reader.read_more()
    joined = enrich(exchange(), log.index.hops[0], log.index, None)
    assert joined.response is not None
    assert joined.response.interim == (InterimAnswer(status=103, headers=(("link", "</a>"),)),)

    log.event("HTTP3_HEADERS_DECODED", 70, stream_id=0, headers=[":status: 103", "link: </q>"])
    log.event("HTTP3_HEADERS_DECODED", 70, stream_id=0, headers=[":status: 200", "b: 2"])
    log.reader.read_more()
    assert [each.headers for each in log.index.wires.interim(None, 70, 0)] == [(("link", "</q>"),)]
    assert log.index.wires.stream_headers[70, 0] == ((":status", "200"), ("b", "2"))
    assert log.index.wires.interim(None, 70, None) == log.index.wires.interim(None, None, None) == ()


def test_a_hop_leads_over_its_session_to_the_socket(tmp_path: Path) -> None:
    log = Writer(tmp_path / "log.json")
    log.event("TCP_CONNECT", 90, 2, remote_address="192.0.2.1:443")
    log.event("SSL_CONNECT", 90, 2, version="TLS 1.3", next_proto="h2", cipher_suite=0x1301)
    log.event("HTTP2_SESSION_INITIALIZED", 80, source_dependency={"id": 90})
    log.event("HTTP2_SESSION_POOL_FOUND_EXISTING_SESSION", 50, source_dependency={"id": 80})
    log.event("HTTP2_SESSION_SEND_HEADERS", 80, source_dependency={"id": 50}, stream_id=3)
    log.request(7, job=50)
    log.reader.read_more()
    (hop,) = log.index.hops
    connection = log.index.connection_of(hop)
    assert connection is not None
    assert (connection.address, connection.alpn) == ("192.0.2.1:443", "h2")
    assert log.index.stream_of(hop) == (90, 3)
    joined = enrich(exchange(), hop, log.index, None)
    assert joined.headers_from == "netlog"
    assert joined.security is not None
    assert joined.security["cipher_suite"] == "TLS_AES_128_GCM_SHA256"


def test_a_cached_answer_confirmed_by_304_is_the_304(tmp_path: Path) -> None:
    log = Writer(tmp_path / "log.json")
    log.request(7, status=304, headers=("etag: v",))
    log.reader.read_more()
    body = Body(file=tmp_path / "b", size=3, sha256="00")
    joined = enrich(exchange(response_body=body), log.index.hops[0], log.index, None)
    assert joined.response is not None
    assert (joined.response.status, joined.response_body, joined.from_cache) == (304, None, True)


def test_a_contradiction_leaves_devtools_account_alone(tmp_path: Path) -> None:
    log = Writer(tmp_path / "log.json")
    log.request(7, status=404)
    log.reader.read_more()
    told = exchange()
    assert enrich(told, log.index.hops[0], log.index, None) == told


def test_an_answer_hidden_from_the_page_is_revealed(tmp_path: Path) -> None:
    log = Writer(tmp_path / "log.json")
    log.request(7, status=200, headers=("content-type: Text/HTML; charset=x",))
    log.reader.read_more()
    hidden = exchange(response=None, outcome=ExchangeOutcome.FAILED, reason="net::ERR_FAILED")
    joined = enrich(hidden, log.index.hops[0], log.index, None)
    assert joined.response is not None
    assert joined.response.mime_type == "text/html"
    assert (joined.outcome, joined.reason) == (ExchangeOutcome.NOT_RETRIEVABLE, "net::ERR_FAILED")


def test_twins_are_matched_in_the_order_started(tmp_path: Path) -> None:
    log = Writer(tmp_path / "log.json")
    log.request(7)
    log.request(8)
    log.reader.read_more()
    matcher = Matcher(log.index)
    matcher.match([exchange(2), exchange(1)])
    assert [matcher.found[f"{n:06d}"].source for n in (1, 2)] == [7, 8]
    assert matcher.left() == ()


def test_the_cache_takes_no_hop_from_the_network(tmp_path: Path) -> None:
    log = Writer(tmp_path / "log.json")
    log.request(7)
    log.reader.read_more()
    matcher = Matcher(log.index)
    matcher.match([exchange(1, from_cache=True), exchange(2)])
    assert [*matcher.found] == ["000002"]
    assert is_settled(exchange(1, from_cache=True), None)
    assert not is_settled(exchange(2), None)


def test_the_source_of_a_cached_answer_is_named() -> None:
    sources = Sources()
    body = Body(file=None, size=1, sha256="00")  # type: ignore[arg-type]
    sources.name(exchange(1, response_body=body))
    sources.name(exchange(2, url=f"{URL}?other", response_body=body))
    assert sources.name(exchange(3, url=f"{URL}#part", from_cache=True)).source_exchange == "000001"
    assert sources.name(exchange(4, url="https://other.test/", from_cache=True)).source_exchange is None


def test_addresses_are_found_in_any_shape() -> None:
    found = ["[2001:db8::1]:443", "2001:db8::2"]
    results: JsonValue = {"endpoints": [{"ip": "192.0.2.1:0"}, found], "host": "not.an.address"}
    assert addresses_in(results) == {"192.0.2.1", "2001:db8::1", "2001:db8::2"}


def test_the_holders_copy_lacks_bulky_events_only(tmp_path: Path) -> None:
    log = Writer(tmp_path / "log.json")
    log.request(7)
    log.event("URL_REQUEST_JOB_BYTES_READ", 7, byte_count=3, bytes="QUFB")
    log.end(7)
    out = tmp_path / "kept.json"
    copy_without(log.path, out, frozenset({"URL_REQUEST_JOB_BYTES_READ"}))
    whole, kept = log.path.read_bytes().splitlines(), out.read_bytes().splitlines()
    assert [line for line in whole if b"QUFB" not in line] == kept
    assert len(whole) == len(kept) + 1


def test_the_log_of_a_browser_that_keeps_none_is_named(tmp_path: Path) -> None:
    log = NetworkLog(tmp_path / "none", "IncludeSensitive", tmp_path, 1 << 20)
    log.read(())
    (gap,) = log.gaps()
    assert "no network log" in gap.en
    assert log.join(exchange()) == exchange()


def test_what_only_the_log_knows_is_named_and_the_browsers_own_is_not(tmp_path: Path) -> None:
    log = NetworkLog(tmp_path / "log.json", "IncludeSensitive", tmp_path, 1 << 20)
    writer = Writer(tmp_path / "log.json")
    writer.request(7)
    writer.request(8, "https://shop.test/beacon", status=204)
    writer.event("URL_REQUEST_START_JOB", 9, 1, 10, url="https://update.test/x?secret=1", method="POST")
    writer.event("HTTP_TRANSACTION_SEND_REQUEST_HEADERS", 9, headers=["Host: update.test"])
    told = exchange(1)
    log.read([told])
    (found,) = log.unreported(5)
    assert (found.id, found.url, found.page, found.target) == ("000005", "https://shop.test/beacon", None, "unknown")
    assert found.reason == ONLY_IN_LOG
    assert (found.outcome, found.response is not None) == (ExchangeOutcome.RECORDED, True)
    report = json.loads(network_files(log, [told, found], "0" * 32).report)
    assert report["only_here"] == ["000005"]
    assert report["browser"] == [{"error": None, "host": "update.test", "requests": 1}]
    assert "secret" not in json.dumps(report)
    assert [each["exchange"] for each in report["requests"]] == ["000001", "000005"]


def test_an_exchange_that_the_log_does_not_know_is_named(tmp_path: Path) -> None:
    log = NetworkLog(tmp_path / "log.json", "IncludeSensitive", tmp_path, 1 << 20)
    Writer(tmp_path / "log.json")
    told = [exchange(1), exchange(2, from_cache=True), exchange(3, remote_address=None)]
    log.read(told)
    report = json.loads(network_files(log, told, "0" * 32).report)
    assert report["unmatched"] == ["000001"]
    assert report["complete"] is False


def plain_redirect(folder: Path, *, encrypted: bool) -> Exchange:
    """A redirect that forensic mode reads from the bytes of its socket."""
    log = NetworkLog(folder / "log.json", "Everything", folder, 1 << 20)
    types = {name: number for number, name in enumerate((*log.index.handlers(), "NOISE"))}
    writer = Writer(folder / "log.json", types)
    writer.event("TCP_CONNECT", 90, 2, remote_address="192.0.2.1:80")
    if encrypted:
        writer.event("SSL_CONNECT", 90, 1)
    writer.event("SOCKET_POOL_BOUND_TO_SOCKET", 50, source_dependency={"id": 90})
    writer.request(7, status=302, job=50)
    answer = base64.b64encode(b"HTTP/1.1 302 Found\r\nContent-Length: 5\r\n\r\nmoved").decode()
    writer.event("SOCKET_BYTES_RECEIVED", 90, bytes=answer, byte_count=44)
    writer.request(7, "https://shop.test/b", job=51)
    writer.end(7)
    told = exchange(
        response=ResponseHead(status=302, status_text="", headers=(), mime_type=""),
        outcome=ExchangeOutcome.NOT_RETRIEVABLE,
        reason="the browser does not give bodies of redirects",
    )
    assert log.read([told])
    return log.join(told)


def test_the_body_of_a_redirect_without_tls_is_read_from_the_socket(tmp_path: Path) -> None:
    found = plain_redirect(tmp_path, encrypted=False)
    assert found.response_body is not None
    assert found.response_body.file.read_bytes() == b"moved"
    assert (found.outcome, found.reason) == (ExchangeOutcome.RECORDED, None)


def test_ciphertext_is_not_taken_for_an_answer(tmp_path: Path) -> None:
    found = plain_redirect(tmp_path, encrypted=True)
    assert found.response_body is None
    assert found.outcome is ExchangeOutcome.NOT_RETRIEVABLE
