"""Times that others stated in the recorded connections, listed singly: none of them binds the content."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from cryptography import x509

from evidencekit.errors import FormatError
from evidencekit.hashing.canonical import parse_canonical
from evidencekit.hashing.fields import Fields
from evidencekit.report.elements import both, grid, moment, paragraph, text
from evidencekit.report.fields import Hint
from evidencekit.report.gathering import EXCHANGE_LINE_LIMIT, EXCHANGES_LIMIT
from evidencekit.report.markup import Html, escape, join
from evidencekit.x509.certificate import MALFORMED
from evidencekit.x509.handshakefile import FILE_LIMIT, SUFFIX, parse_handshake
from evidencekit.x509.staples import embedded_times, stapled_times

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


MAX_HINTS = 60
_DOCUMENT = "Document"
_KINDS = {
    "ocsp.produced": text("OCSP response, produced", "OCSP 响应签发时间"),
    "ocsp.this_update": text("OCSP response, status as of", "OCSP 响应所述状态时间"),
    "sct": text("certificate logged (SCT)", "证书透明日志收录（SCT）"),
    "date": text("Date header of the answer", "响应标头 Date"),
}
NOT_BINDING = text(
    "Stated by third parties in the recorded connections; their signatures are not checked here. Each one does not "
    "bind the content: it dates a certificate or a server's clock, not the page.",
    "以下时间由第三方在所记录的连接中给出，此处未核验其签名；各项均不约束网页内容：仅涉及证书或服务器时钟，"
    "不证明网页的时间。",
)


def tls_hints(files: Iterable[tuple[str, bytes]]) -> Iterator[Hint]:
    """Read stapled times and those inside certificates from the files of `capture/tls/`; what is no such is left out.

    Args:
        files: member names and bytes, `.handshake.json` and `.pem`.
    """
    for name, data in files:
        try:
            if name.endswith(SUFFIX) and len(data) <= FILE_LIMIT:
                found = stapled_times(parse_handshake(data, name).messages)
            elif name.endswith(".pem"):
                found = embedded_times(x509.load_pem_x509_certificates(data)[0])
            else:
                continue
        except (FormatError, *MALFORMED):
            continue
        yield from (Hint(kind=_KINDS[each.kind], by=each.by, where=name, time=each.time) for each in found)


def date_hints(exchanges: bytes) -> Iterator[Hint]:
    """Read the `Date` headers (RFC 9110 §6.6.1) of the documents in `exchanges.jsonl`."""
    if len(exchanges) > EXCHANGES_LIMIT:
        return
    for number, line in enumerate(exchanges.removesuffix(b"\n").split(b"\n")):
        if number == 0 or b'"Document"' not in line:
            continue
        try:
            item = Fields(parse_canonical(line, limit=EXCHANGE_LINE_LIMIT, what="exchanges.jsonl"), "exchanges.jsonl")
            answer = item.optional("response", item.object)
            if answer is None or item.text("resource_type") != _DOCUMENT:
                continue
            hint = _date_of(answer.value("headers"), item.text("url"), item.text("id"))
        except FormatError:
            continue
        if hint is not None:
            yield hint


def _date_of(headers: object, url: str, exchange: str) -> Hint | None:
    for pair in headers if isinstance(headers, list) else ():
        if isinstance(pair, list) and len(pair) == 2 and str(pair[0]).lower() == "date":  # noqa: PLR2004
            try:
                time = parsedate_to_datetime(str(pair[1]))
            except ValueError:
                return None
            if time.tzinfo is None:
                return None
            return Hint(kind=_KINDS["date"], by=url.partition("?")[0][:200], where=exchange, time=time)
    return None


def hint_grid(hints: tuple[Hint, ...]) -> Html:
    """The hints as a table under the sentence that none of them binds the content."""
    heads = (
        text("Hint", "线索"),
        text("Time", "时间"),
        text("By", "出具者"),
        text("In", "所在"),
        text("Meaning", "含义"),
    )
    note = text("does not bind the content", "不约束网页内容")
    rows = [
        (both(hint.kind), moment(hint.time), escape(hint.by, limit=200), escape(hint.where, limit=200), both(note))
        for hint in hints[:MAX_HINTS]
    ]
    return join([paragraph(NOT_BINDING, "note"), grid(heads, rows, css="hints")])
