"""Keep secrets at home: collect what is secret, then mask the public view of every exchange and text.

Design §4.7: cookies, credentials, passwords and tokens never reach the bundle. The originals stay committed
to by their salted leaves and go to the private archive; the bundle holds the masked view beside them
(docs/spec/records.md). Masking is by place (a sensitive header, a password field) whatever the length, and by
value wherever a secret of at least `SHORTEST` characters turns up again.

Values in the URLs that the operator gave are not secrets: they are on the first page of the evidence.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import unquote, unquote_plus

from evidencekit.capture.bodymasking import mask_body, secret_fields
from evidencekit.capture.masking import Masker, placeholder
from evidencekit.capture.renditionmasking import is_mhtml, mask_mhtml, mask_pdf, pdf_reasons
from evidencekit.capture.sensitive import AUTHORIZATION, COOKIE, PASSWORD, STORAGE, reason_for_header, reason_for_name
from evidencekit.model import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from evidencekit.capture.exchanges import Exchange, Headers, ResponseHead

SHORTEST = 8
"""Characters; a shorter value is masked in its place only, for elsewhere it would hit ordinary words."""

MOST_SECRETS = 4096
"""More are not looked for by value; `Secrets.overflowed` then says so."""

_QUERY = re.compile(r"([?&;#]|^)([^=&;#?\s]{1,128})=([^&;#\s\"'<>]+)")
_USERINFO = re.compile(r"(?<=://)([^/?#@\s:]*):([^/?#@\s]*)@")
_EPOCH = re.compile(r"1[4-9]\d{8}(?:\.?\d{3})?")
_DATE = re.compile(r"\d{4}[-/.]\d\d?[-/.]\d\d?(?:[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?Z?)?")
_ZONE = re.compile(r"[A-Z][A-Za-z]+/[A-Z][A-Za-z_]+")
_HOST = re.compile(r"(?:[a-z0-9-]+\.)+[a-z]{2,}")
_SENTENCE = re.compile(r"\s|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_WORDS = frozenset(
    {"undefined", "anonymous", "disabled", "essential", "necessary", "accepted", "declined", "dismissed"}
)
_FEW_CHARACTERS = 2


class Secrets:
    """Collects secret values while exchanges come in; `masker` compiles what is known so far."""

    def __init__(self, *, include: bool = False, given_urls: Sequence[str] = ()) -> None:
        """Start empty.

        Args:
            include: `--include-secrets`: collect nothing, mask nothing, and say so.
            given_urls: the URLs that the operator asked for; what stands in them is public already.
        """
        self.include = include
        self.overflowed = False
        self._given = tuple(text for url in given_urls for text in (url, unquote(url)))
        self._values: dict[str, str] = {}
        self._masker: Masker | None = None

    @property
    def count(self) -> int:
        """How many are known; none is ever forgotten."""
        return len(self._values)

    @property
    def masker(self) -> Masker:
        """The compiled set; compiled again after `add`."""
        if self._masker is None:
            self._masker = Masker(self._values.items())
        return self._masker

    def is_public(self, value: str) -> bool:
        """Say whether a value stands in a URL that the operator gave."""
        return any(value in text for text in self._given)

    def add(self, value: str, reason: str) -> None:
        """Remember one secret; short and public values are left out."""
        if self.include or len(value) < SHORTEST or value in self._values or value.startswith("[withheld:"):
            return
        if self.is_public(value):
            return
        if len(self._values) >= MOST_SECRETS:
            self.overflowed = True
            return
        self._values[value] = reason
        self._masker = None

    def add_cookie(self, value: str) -> None:
        """Remember a cookie's value, as it stands and decoded; dates, hosts, flags and sentences are not secret."""
        value = value.strip().strip('"')
        forms = (value, unquote(value))
        if not any(_is_ordinary(form) for form in forms):
            for form in forms:
                self.add(form, COOKIE)

    def add_document_cookie(self, text: str) -> None:
        """Remember the values of a `Cookie` field or of `document.cookie`."""
        for pair in re.split(r"[;\n]", text):
            name, equals, value = pair.partition("=")
            self.add_cookie(value if equals else name)

    def add_storage(self, items: Iterable[tuple[str, str]]) -> None:
        """Remember values of local and session storage whose key, or whose JSON key, means a secret."""
        for key, value in items:
            if reason_for_name(key):
                self.add(value.strip('"'), STORAGE)
            for found, _ in secret_fields(value.encode("utf-8", "replace"), "application/json"):
                self.add(found, STORAGE)

    def observe(self, exchange: Exchange) -> None:
        """Collect from headers, URL and bodies of one exchange."""
        if self.include:
            return
        response_headers = () if exchange.response is None else _all_headers(exchange.response)
        for name, value in (*exchange.request_headers, *response_headers):
            self._observe_header(name.lower(), value)
        for found, reason in _url_secrets(exchange.url):
            self.add(found, reason)
        if exchange.request_body is not None:
            self._observe_body(exchange.request_body.file, _content_type(exchange.request_headers))
        if exchange.response_body is not None and exchange.response is not None:
            self._observe_body(exchange.response_body.file, exchange.response.mime_type)

    def _observe_body(self, file: Path, content_type: str) -> None:
        for found, reason in secret_fields(file, content_type):
            self.add(found, reason)

    def _observe_header(self, name: str, value: str) -> None:
        reason = reason_for_header(name)
        if name in {"set-cookie", "set-cookie2"}:
            for line in value.split("\n"):
                self.add_cookie(line.partition(";")[0].partition("=")[2])
        elif reason == COOKIE:
            self.add_document_cookie(value)
        elif name in {"authorization", "proxy-authorization"}:
            self._observe_credentials(value)
        elif reason is not None:
            self.add(value.strip(), reason)
        else:
            for found, why in _url_secrets(value):
                self.add(found, why)

    def _observe_credentials(self, value: str) -> None:
        scheme, _, credentials = value.strip().partition(" ")
        self.add(credentials.strip() or scheme, AUTHORIZATION)
        if scheme.lower() == "basic":
            try:
                pair = base64.b64decode(credentials, validate=True).decode("utf-8", "replace")
            except (binascii.Error, ValueError):
                return
            self.add(pair.partition(":")[2], PASSWORD)


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedExchange:
    """The public view of an exchange; empty reasons mean that the block is the original one."""

    exchange: Exchange
    request_reasons: tuple[str, ...] = ()
    response_reasons: tuple[str, ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why anything was withheld, sorted."""
        return tuple(sorted({*self.request_reasons, *self.response_reasons}))


def mask_text(data: bytes, secrets: Secrets) -> tuple[bytes, tuple[str, ...]]:
    """Mask every known secret in a text (DOM, console, visible text, MHTML); give it back with the reasons."""
    if secrets.include:
        return data, ()
    return mask_mhtml(data, secrets.masker) if is_mhtml(data) else secrets.masker.mask(data)


def mask_string(text: str, secrets: Secrets) -> tuple[str, tuple[str, ...]]:
    """Mask every known secret in a string, and sensitive query parameters if it is a URL."""
    if secrets.include:
        return text, ()
    reasons: set[str] = set()
    placed = _mask_places(text, secrets, reasons)
    data, found = secrets.masker.mask(placed.encode("utf-8", "surrogatepass"))
    return (data.decode("utf-8", "surrogatepass") if found else placed), tuple(sorted(reasons.union(found)))


def mask_exchange(exchange: Exchange, secrets: Secrets, workdir: Path) -> MaskedExchange:
    """Give the public view of an exchange; masked bodies are written below `workdir`.

    Call it when all exchanges were observed: a secret may appear before it is known to be one.

    Raises:
        StorageError: a body cannot be read or written.
    """
    if secrets.include:
        return MaskedExchange(exchange=exchange)
    url, request_reasons = mask_string(exchange.url, secrets)
    request: set[str] = set(request_reasons)
    response: set[str] = set()
    masked = replace(
        exchange,
        url=url,
        initiator=mask_string(exchange.initiator, secrets)[0],
        reason=None if exchange.reason is None else mask_string(exchange.reason, secrets)[0],
        request_headers=_mask_headers(exchange.request_headers, secrets, request),
        request_body=mask_body(
            exchange.request_body,
            _content_type(exchange.request_headers),
            secrets.masker,
            workdir / f"{exchange.id}.request.public",
            request,
        ),
    )
    if exchange.response is not None:
        body = mask_body(
            exchange.response_body,
            exchange.response.mime_type,
            secrets.masker,
            workdir / f"{exchange.id}.response.public",
            response,
        )
        masked = replace(
            masked,
            response=_mask_head(exchange.response, secrets, response),
            response_body=body,
            # Coded bytes cannot be masked: where something is, the decoded body stands for them.
            wire_body=exchange.wire_body if body is exchange.response_body else None,
        )
    return MaskedExchange(
        exchange=masked, request_reasons=tuple(sorted(request)), response_reasons=tuple(sorted(response))
    )


def mask_printed(data: bytes, secrets: Secrets) -> tuple[bytes, tuple[str, ...]]:
    """Mask links, titles and other plain strings of a PDF; what its glyphs show, `shown_sentence` says."""
    return (data, ()) if secrets.include else mask_pdf(data, secrets.masker)


def shown_sentence(text: str, pdf: bytes, secrets: Secrets) -> Text | None:
    """Say that pictures or the PDF of a page still show a secret, which cannot be masked there; for page 1.

    Args:
        text: the page's visible text before masking.
        pdf: the page's PDF, or nothing.
        secrets: all that are known.
    """
    if secrets.include:
        return None
    shown = secrets.masker.mask(text.encode("utf-8", "replace"))[1]
    reasons = sorted({*shown, *pdf_reasons(pdf, secrets.masker)})
    if not reasons:
        return None
    what_en, what_zh = ("screenshots and PDF", "截图和 PDF") if shown else ("the PDF", "PDF")
    names = ", ".join(reasons)
    return Text(
        en=f"{what_en} of the page hold withheld values that cannot be masked there ({names}); look before passing on",
        zh=f"网页的{what_zh}中含有无法在其中遮盖的保密内容({names})；对外提供前请检查",
    )


def _all_headers(head: ResponseHead) -> Headers:
    return (*head.headers, *head.trailers, *(pair for each in head.interim for pair in each.headers))


def _mask_head(head: ResponseHead, secrets: Secrets, reasons: set[str]) -> ResponseHead:
    headers = _mask_headers(head.headers, secrets, reasons)
    status_text, found = mask_string(head.status_text, secrets)
    reasons.update(found)
    return replace(
        head,
        headers=headers,
        status_text=status_text,
        trailers=_mask_headers(head.trailers, secrets, reasons),
        interim=tuple(replace(each, headers=_mask_headers(each.headers, secrets, reasons)) for each in head.interim),
        raw=None if reasons else head.raw,
    )


def _mask_headers(headers: Headers, secrets: Secrets, reasons: set[str]) -> Headers:
    masked: list[tuple[str, str]] = []
    for name, value in headers:
        reason = reason_for_header(name)
        if reason is not None and value:
            reasons.add(reason)
            masked.append((name, placeholder(reason)))
            continue
        text, found = mask_string(value, secrets)
        reasons.update(found)
        masked.append((name, text))
    # Most have nothing to mask: one tuple then serves both views.
    return headers if tuple(masked) == headers else tuple(masked)


def _mask_places(text: str, secrets: Secrets, reasons: set[str]) -> str:
    """Mask sensitive query parameters and the password of a URL, whatever their length."""

    def parameter(match: re.Match[str]) -> str:
        reason = reason_for_name(unquote_plus(match[2]))
        if reason is None or match[3].startswith("[withheld:") or secrets.is_public(f"{match[2]}={match[3]}"):
            return match[0]
        reasons.add(reason)
        return f"{match[1]}{match[2]}={placeholder(reason)}"

    def password(match: re.Match[str]) -> str:
        if secrets.is_public(match[0]):
            return match[0]
        reasons.add(PASSWORD)
        return f"{match[1]}:{placeholder(PASSWORD)}@"

    if "=" in text:
        text = _QUERY.sub(parameter, text)
    return _USERINFO.sub(password, text) if "@" in text else text


def _url_secrets(text: str) -> Iterable[tuple[str, str]]:
    if "=" in text:
        for match in _QUERY.finditer(text):
            reason = reason_for_name(unquote_plus(match[2]))
            if reason is not None:
                yield unquote_plus(match[3]), reason
                yield match[3], reason
    if "@" in text:
        for match in _USERINFO.finditer(text):
            yield unquote(match[2]), PASSWORD


def _content_type(headers: Headers) -> str:
    return next((value for name, value in headers if name.lower() == "content-type"), "")


def _is_ordinary(value: str) -> bool:
    """Dates, hosts, flags and sentences: cookies hold them, and masking them would blank the page.

    A site must not be able to have its own words masked by setting them as a cookie; identifiers have neither spaces
    nor ideographs.
    """
    return (
        value.lower() in _WORDS
        or _SENTENCE.search(value) is not None
        or len(set(value)) <= _FEW_CHARACTERS
        or any(pattern.fullmatch(value) for pattern in (_EPOCH, _DATE, _ZONE, _HOST))
    )
