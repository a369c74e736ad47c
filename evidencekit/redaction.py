"""Making a redacted edition of a bundle: named parts are withheld, everything else still proves (design §4.6).

What is withheld loses digests and salt in `records.jsonl` and its bytes wherever they stand as themselves; its leaf
stays, and with it the manifest, the seal, the time-stamps and the ledger's proof of the original. Web archive and
list of exchanges are each one file, so they are withheld and an edition without the withheld parts stands beside
(docs/spec/redaction.md).
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from evidencekit.bundle import paths
from evidencekit.bundle.edition import reduce_wacz
from evidencekit.bundle.reader import open_bundle
from evidencekit.bundle.redactionfile import Redaction, format_redaction
from evidencekit.capture.launcher import BrowserOptions
from evidencekit.container import seal_container
from evidencekit.editiondocuments import write_edition_documents
from evidencekit.errors import FormatError, UsageError
from evidencekit.hashing.canonical import canonical_bytes, parse_canonical
from evidencekit.hashing.chainlog import CUSTODY, ChainHead
from evidencekit.hashing.chainresume import Step, continue_log, whole_lines
from evidencekit.hashing.digest import digest_file
from evidencekit.hashing.manifest import parse_manifest
from evidencekit.hashing.records import ArtifactOpening, RecordOpening, Records, format_openings, parse_records
from evidencekit.model import JsonValue, Outcome
from evidencekit.verify.exchanges import MAX_BYTES, MAX_LINE_BYTES
from evidencekit.verify.verifier import verify_bundle

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evidencekit.model import Text
    from evidencekit.office import Office

REASON = "redacted"
MARK = "[withheld:redacted]"
RULES = ("record", "exchange", "url", "file")
_RECORD = re.compile(r"[0-9]{6,}\.(?:request|response)")
_EXCHANGE = re.compile(r"[0-9]{6,}")
_BLOCKS = ("request", "request.public", "response", "response.public")
_NEVER = frozenset({paths.ARCHIVE, paths.EXCHANGES})
_OWN = (paths.CERTIFICATE_HTML, paths.CERTIFICATE_PDF, paths.REPORT_HTML, paths.SHA256SUMS, paths.SM3SUMS)
"""Documents that speak of the original, or quote it; an edition gets a certificate of its own."""

_Line: TypeAlias = dict[str, JsonValue]
_Opening = TypeVar("_Opening", ArtifactOpening, RecordOpening)


@dataclass(frozen=True, slots=True, kw_only=True)
class Redacted:
    """A finished edition: its file, what it withholds beyond the original, and why its certificate is no PDF if so."""

    bundle: Path
    redaction: Redaction
    unprinted: Text | None = None


def redact(
    bundle: Path, rules: Sequence[str], out: Path, office: Office, browser: BrowserOptions | None = None
) -> Redacted:
    """Write an edition of `bundle` to `out` that withholds what `rules` name.

    Args:
        bundle: a bundle file; it is not changed.
        rules: `record:000012.response`, `exchange:000012`, `url:GLOB` or `file:GLOB` (a path in the bundle).
        out: the new file; it must not exist.
        office: whose key seals the edition, and who stamps it.
        browser: prints the edition's certificate; without one that starts it stays HTML.

    Raises:
        UsageError: a rule that is none, or that names nothing; a folder; a bundle that is an edition already.
        FormatError: the bundle does not verify.
        SigningError, TimestampError, StorageError: as their stages; nothing half-made is left.
    """
    if not rules:
        raise UsageError("name what to withhold with --withhold", "请用 --withhold 指明不公开的内容")
    if bundle.is_dir():
        raise UsageError("give the bundle as a ZIP file; its digest links the edition to it", "请给出 ZIP 证据包文件")
    _check(bundle)
    with tempfile.TemporaryDirectory(prefix="evidencekit-redact-", ignore_cleanup_errors=True) as name:
        work = _Work(bundle, Path(name) / "bundle")
        redaction = work.apply(rules, office)
        unprinted = write_edition_documents(
            work.folder, redaction, browser or BrowserOptions(), workdir=Path(name), at=office.clock()
        )
        seal_container(work.folder, out, office.signer, office.stamper, at=office.clock())
    return Redacted(bundle=out, redaction=redaction, unprinted=unprinted)


def _check(bundle: Path) -> None:
    """Refuse to build upon what is damaged.

    Raises:
        FormatError: something does not verify.
    """
    failed = [each for each in verify_bundle(bundle).findings if each.outcome is Outcome.FAILED]
    if failed:
        raise FormatError(
            f"{bundle.name} does not verify ({failed[0].id}: {failed[0].reason.en}); nothing is built upon it",
            f"{bundle.name} 未通过核验({failed[0].id}：{failed[0].reason.zh})；不在其上制作",
        )


@dataclass(slots=True, kw_only=True)
class _Choice:
    """Ids of open records, ids of exchanges that are withheld whole, and paths of files."""

    records: set[str] = field(default_factory=set)
    exchanges: set[str] = field(default_factory=set)
    artifacts: set[str] = field(default_factory=set)


class _Work:
    """The edition in the making, unpacked."""

    def __init__(self, bundle: Path, folder: Path) -> None:
        self.folder = folder
        self._bundle = bundle
        with open_bundle(bundle) as source:
            if paths.REDACTION in source:
                raise UsageError(
                    f"{bundle.name} is a redacted edition already; redact the original, with all rules at once",
                    f"{bundle.name} 已是遮盖版；请对原证据包一次性给出全部规则",
                )
            for name in source.names():
                if name == paths.MIMETYPE or name in _OWN or name.startswith(paths.META_INF):
                    continue
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("xb") as file:
                    file.writelines(source.stream(name))
        self._manifest = parse_manifest((folder / paths.MANIFEST).read_bytes())
        self._openings = parse_records((folder / paths.RECORDS).read_bytes())

    def apply(self, rules: Sequence[str], office: Office) -> Redaction:
        """Withhold what the rules name, and write down what was done."""
        choice = self._chosen(rules)
        records, artifacts = choice.records, choice.artifacts
        if records:
            artifacts |= _NEVER
            reduce_wacz(self.folder / paths.ARCHIVE, self.folder / paths.ARCHIVE_EDITION, records)
            self._rewrite_exchanges(records, choice.exchanges)
        self._withhold(artifacts, records)
        for path in artifacts:
            (self.folder / path).unlink(missing_ok=True)
        size, digests = digest_file(self._bundle)
        redaction = Redaction(
            capture_id=self._manifest.capture_id,
            number=self._manifest.number,
            original_sha256=digests.sha256,
            original_size=size,
            time=office.clock(),
            # The pattern of a URL would tell what the edition keeps to itself.
            rules=tuple(f"url:{MARK}" if rule.startswith("url:") else rule for rule in rules),
            artifacts=tuple(sorted(artifacts)),
            records=tuple(sorted(records)),
        )
        (self.folder / paths.REDACTION).write_bytes(format_redaction(redaction))
        self._tell(redaction)
        return redaction

    def _chosen(self, rules: Sequence[str]) -> _Choice:
        """What the rules name, all together.

        Raises:
            UsageError: a rule that is none, or that names nothing.
        """
        choice = _Choice()
        for rule in rules:
            found = self._named_by(rule)
            if not (found.records or found.artifacts):
                raise UsageError(
                    f"the rule {rule[:100]!r} names nothing that the bundle shows; see exchanges.jsonl and "
                    "records.jsonl",
                    f"规则 {rule[:100]!r} 没有对应任何公开内容；请查看 exchanges.jsonl 与 records.jsonl",
                )
            choice.records |= found.records
            choice.exchanges |= found.exchanges
            choice.artifacts |= found.artifacts
        return choice

    def _named_by(self, rule: str) -> _Choice:
        kind, _, what = rule.partition(":")
        if kind == "file":
            return _Choice(artifacts=self._files(rule, what))
        if kind == "record" and _RECORD.fullmatch(what):
            return _Choice(records=self._records({what, f"{what}.public"}))
        if kind in {"exchange", "url"}:
            whole = self._exchanges(kind, what)
            named = {f"{name}.{block}" for name in whole for block in _BLOCKS}
            return _Choice(records=self._records(named), exchanges=whole)
        raise UsageError(
            f"{rule[:100]!r} is no rule; write record:000012.response, exchange:000012, url:PATTERN or file:PATTERN",
            f"{rule[:100]!r} 不是规则；请写 record:000012.response、exchange:000012、url:模式 或 file:模式",
        )

    def _files(self, rule: str, pattern: str) -> set[str]:
        shown = [line.path for line in self._openings.artifacts if not line.withheld]
        named = {path for path in shown if fnmatchcase(path, pattern)}
        if named & _NEVER:
            raise UsageError(
                f"{rule[:100]!r} would withhold the whole archive or list of exchanges; name records or exchanges",
                f"{rule[:100]!r} 会使整个归档或请求列表不公开；请指明记录或请求",
            )
        return named

    def _records(self, wanted: set[str]) -> set[str]:
        return {line.id for line in self._openings.records if not line.withheld and line.id in wanted}

    def _exchanges(self, kind: str, what: str) -> set[str]:
        if kind == "exchange":
            return {what} if _EXCHANGE.fullmatch(what) else set()
        return {str(line["id"]) for line in self._lines() if "url" in line and fnmatchcase(str(line["url"]), what)}

    def _lines(self) -> Iterator[_Line]:
        listed = self.folder / paths.EXCHANGES
        data = listed.read_bytes() if listed.exists() else b""  # a deposit has none
        if len(data) > MAX_BYTES:
            raise FormatError("the list of exchanges is over its limit", "请求列表超过上限")
        for line in data.splitlines():
            value = parse_canonical(line, limit=MAX_LINE_BYTES, what=paths.EXCHANGES)
            if isinstance(value, dict):
                yield value

    def _rewrite_exchanges(self, records: set[str], whole: set[str]) -> None:
        """Write the list without what the withheld records held: header lines, digests, and URLs of whole exchanges."""
        with (self.folder / paths.EXCHANGES_EDITION).open("xb") as out:
            for line in self._lines():
                out.write(canonical_bytes(masked_line(line, records, whole)) + b"\n")

    def _withhold(self, artifacts: set[str], records: set[str]) -> None:
        openings = Records(
            capture_id=self._openings.capture_id,
            artifacts=tuple(_shut(line) if line.path in artifacts else line for line in self._openings.artifacts),
            records=tuple(_shut(line) if line.id in records else line for line in self._openings.records),
        )
        (self.folder / paths.RECORDS).write_bytes(format_openings(openings))

    def _tell(self, redaction: Redaction) -> None:
        """Continue the custody log: the edition is an event in the bundle's life."""
        log, worklog = self.folder / paths.CUSTODY, self._manifest.worklog
        before = ChainHead(lines=worklog.lines, head=worklog.head, n=worklog.lines - 1)
        whole, end = whole_lines(log, format_name=CUSTODY, capture_id=self._manifest.capture_id, before=before)
        step = Step(
            step="bundle.redact",
            object=redaction.number,
            detail={
                "artifacts": len(redaction.artifacts),
                "original_sha256": redaction.original_sha256,
                "records": len(redaction.records),
            },
        )
        continue_log(log, whole, end, [step], format_name=CUSTODY)


def _shut(line: _Opening) -> _Opening:
    return replace(line, size=None, digests=None, salt=None, withheld=(REASON,))


def masked_line(line: _Line, records: set[str], whole: set[str]) -> _Line:
    """One line of the list as the edition shows it; counts, order and links stay."""
    name = str(line.get("id", ""))
    hidden = {kind for kind in ("request", "response") for end in ("", ".public") if f"{name}.{kind}{end}" in records}
    if not hidden and name not in whole:
        return line
    masked = dict(line)
    if name in whole:
        masked |= {"security": None, "url": MARK}
    request, response = line.get("request"), line.get("response")
    if "request" in hidden and isinstance(request, dict):
        masked["request"] = {**request, "body_size": None, "headers": []}
    if "response" in hidden and isinstance(response, dict):
        kept_parts = {name: value for name, value in response.items() if name not in {"trailers", "interim"}}
        gone: _Line = {"body_size": None, "encoded_size": None, "headers": [], "sha256": None, "wire": None}
        masked["response"] = kept_parts | gone
    reasons = line.get("withheld")
    kept = [str(reason) for reason in reasons] if isinstance(reasons, list) else []
    masked["withheld"] = list[JsonValue](sorted({*kept, REASON}))
    return masked
