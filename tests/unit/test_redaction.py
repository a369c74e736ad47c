"""A redacted edition: what is withheld says so, what remains proves, and no edition says more than it is."""

from __future__ import annotations

import html
import json
import re
import zipfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from evidencekit.bundle import paths
from evidencekit.bundle.redactionfile import format_redaction, parse_redaction
from evidencekit.capture.launcher import BrowserBinary, BrowserOptions
from evidencekit.errors import FormatError, StorageError, UsageError
from evidencekit.hashing.records import parse_records
from evidencekit.home import Home
from evidencekit.model import Finding, Outcome, VerificationReport
from evidencekit.office import open_office
from evidencekit.redaction import Redacted, masked_line, redact
from evidencekit.report.claims import CLAIMS, claims_of, granted, overclaims
from evidencekit.verify.verifier import verify_bundle
from tests.support.assembly import Keys, Members, Plan, make_keys, make_members, pack, reseal
from tests.support.tools import browser

if TYPE_CHECKING:
    from evidencekit.model import JsonValue
    from evidencekit.verify.trust import Trust


@dataclass(frozen=True)
class Setup:
    keys: Keys
    home: Home
    bundle: Path

    @property
    def trust(self) -> Trust:
        """Of the assembly's makers, and of the home whose own authority stamps the edition."""
        own = self.home.keys(datetime.now(UTC)).tsa.signer.certificate
        return replace(self.keys.trust, tsas=(*self.keys.trust.tsas, own))

    def make(self, folder: Path, *rules: str, keys: Keys | None = None) -> Redacted:
        office = open_office(
            home=self.home,
            signer=(keys or self.keys).signer,
            tsas=(),
            ledger=None,
            number=None,
            clock=None,
            output=folder,
        )
        with office:
            return redact(self.bundle, rules, folder / "edition.zip", office)


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    folder = tmp_path_factory.mktemp("redaction")
    keys = make_keys(folder / "keys")
    bundle = folder / "bundle.zip"
    bundle.write_bytes(pack(make_members(Plan(keys=keys), folder)))
    return Setup(keys=keys, home=Home.open(folder / "home"), bundle=bundle)


def members_of(bundle: Path) -> Members:
    with zipfile.ZipFile(bundle) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def found(report: VerificationReport, identifier: str) -> Finding:
    return next(finding for finding in report.findings if finding.id == identifier)


def withheld_items(finding: Finding) -> list[tuple[str, str]]:
    items = finding.details["withheld_items"]
    assert isinstance(items, list)
    return [(item["subject"], item["outcome"]) for item in items]


def an_open_record(setup: Setup) -> str:
    records = parse_records(members_of(setup.bundle)[paths.RECORDS]).records
    return next(line.id for line in records if not line.withheld and line.id.endswith(".response"))


def test_a_withheld_record_is_withheld_and_the_rest_proves(setup: Setup, tmp_path: Path) -> None:
    record = an_open_record(setup)
    made = setup.make(tmp_path, f"record:{record}")
    report = verify_bundle(made.bundle, trust=setup.trust)
    assert [finding.id for finding in report.findings if finding.outcome is Outcome.FAILED] == []
    for identifier in ("manifest.records", "manifest.artifacts", "seal.signature", "ledger.inclusion", "time.seal"):
        assert found(report, identifier).outcome is Outcome.PASSED, identifier
    assert (record, "WITHHELD(redacted)") in withheld_items(found(report, "manifest.records"))
    assert "WITHHELD(redacted)" in found(report, "archive.records").reason.en
    # The list of exchanges is the redactor's own: what was committed is not there, so it is never PASSED.
    assert found(report, "exchanges.complete").outcome is Outcome.INDETERMINATE
    assert report.overall is Outcome.INDETERMINATE
    edition = found(report, "redaction.edition")
    assert edition.outcome is Outcome.PASSED
    assert made.redaction.original_sha256 in edition.reason.en


def test_no_byte_of_a_withheld_exchange_is_left(setup: Setup, tmp_path: Path) -> None:
    original = members_of(setup.bundle)
    record = an_open_record(setup)
    exchange = record.partition(".")[0]
    made = setup.make(tmp_path, f"exchange:{exchange}")
    after = members_of(made.bundle)
    line = next(
        json.loads(each) for each in original[paths.EXCHANGES].splitlines()[1:] if json.loads(each)["id"] == exchange
    )
    seen = b"".join(data for name, data in after.items() if name in {paths.EXCHANGES_EDITION, paths.RECORDS})
    opened = next(each for each in parse_records(original[paths.RECORDS]).records if each.id == record)
    assert opened.salt is not None
    assert opened.digests is not None
    assert opened.salt.hex().encode() not in seen
    assert opened.digests.sha256.encode() not in seen
    rewritten = next(
        json.loads(each)
        for each in after[paths.EXCHANGES_EDITION].splitlines()[1:]
        if json.loads(each)["id"] == exchange
    )
    assert rewritten["url"] == "[withheld:redacted]"
    assert rewritten["outcome"] == line["outcome"]
    assert paths.ARCHIVE not in after
    assert paths.EXCHANGES not in after


def test_a_withheld_answer_keeps_no_digest_no_trailer_and_no_hint() -> None:
    line: dict[str, JsonValue] = {
        "id": "000001",
        "request": {"headers": [], "body_size": None, "body_retained": False},
        "response": {
            "status": 200,
            "headers": [["a", "secret"]],
            "body_size": 6,
            "encoded_size": 6,
            "sha256": "5" * 64,
            "wire": {"size": 6, "sha256": "6" * 64},
            "trailers": [["b", "secret"]],
            "interim": [{"status": 103, "headers": [["c", "secret"]]}],
        },
        "withheld": [],
    }
    shown = json.dumps(masked_line(line, {"000001.response"}, set()))
    assert not any(each in shown for each in ("secret", "5" * 64, "6" * 64, "trailers", "interim"))


def test_a_withheld_file_leaves_every_required_finding_standing(setup: Setup, tmp_path: Path) -> None:
    made = setup.make(tmp_path, "file:capture/pages/0001/screenshot-initial.png")
    report = verify_bundle(made.bundle, trust=setup.trust)
    assert report.overall is Outcome.PASSED
    assert ("capture/pages/0001/screenshot-initial.png", "WITHHELD(redacted)") in withheld_items(
        found(report, "manifest.artifacts")
    )


def test_a_check_that_needs_withheld_bytes_says_so(setup: Setup, tmp_path: Path) -> None:
    made = setup.make(tmp_path, "file:capture/worklog.jsonl")
    chain = found(verify_bundle(made.bundle, trust=setup.trust), "worklog.chain")
    assert (chain.outcome, chain.reason.en) == (
        Outcome.NOT_PERFORMED,
        "WITHHELD(redacted): capture/worklog.jsonl",
    )


def test_an_edition_by_somebody_else_is_never_the_signers(setup: Setup, tmp_path: Path) -> None:
    other = make_keys(tmp_path / "other")
    made = setup.make(tmp_path, "file:capture/pages/0001/screenshot-initial.png", keys=other)
    report = verify_bundle(made.bundle, trust=setup.trust)
    assert found(report, "outer.signer").outcome is Outcome.INDETERMINATE
    assert found(report, "seal.signature").outcome is Outcome.PASSED
    assert report.overall is Outcome.INDETERMINATE


@pytest.mark.parametrize("forgery", ["silent", "claims more", "other record", "stray edition"])
def test_an_edition_that_lies_about_itself_fails(setup: Setup, tmp_path: Path, forgery: str) -> None:
    made = setup.make(tmp_path, "file:capture/pages/0001/screenshot-initial.png")
    members = members_of(made.bundle)
    stated = parse_redaction(members[paths.REDACTION])
    if forgery == "silent":
        stated = replace(stated, artifacts=())
    elif forgery == "claims more":
        stated = replace(stated, records=("000001.response",))
    elif forgery == "other record":
        stated = replace(stated, capture_id="f" * 32)
    else:
        members[paths.EXCHANGES_EDITION] = members[paths.EXCHANGES]
    members[paths.REDACTION] = format_redaction(stated)
    path = tmp_path / "forged.zip"
    path.write_bytes(pack(reseal(members, setup.keys)))
    report = verify_bundle(path, trust=setup.trust)
    assert found(report, "redaction.edition").outcome is Outcome.FAILED
    assert report.overall is Outcome.FAILED


def test_editions_without_their_statement_do_not_belong_there(setup: Setup, tmp_path: Path) -> None:
    made = setup.make(tmp_path, f"record:{an_open_record(setup)}")
    members = members_of(made.bundle)
    del members[paths.REDACTION]
    path = tmp_path / "silent.zip"
    path.write_bytes(pack(reseal(members, setup.keys)))
    report = verify_bundle(path, trust=setup.trust)
    assert found(report, "container.members").outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("all", "is no rule"),
        ("record:1", "is no rule"),
        ("record:999999.response", "names nothing"),
        ("exchange:abc", "names nothing"),
        ("url:https://nowhere.test/*", "names nothing"),
        ("file:capture/page.wacz", "whole archive"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused(setup: Setup, tmp_path: Path, rule: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        setup.make(tmp_path, rule)
    assert not (tmp_path / "edition.zip").exists()


def test_an_edition_is_not_redacted_again_and_nothing_is_overwritten(setup: Setup, tmp_path: Path) -> None:
    made = setup.make(tmp_path, "file:capture/pages/0001/screenshot-initial.png")
    with pytest.raises(StorageError):
        setup.make(tmp_path, "file:capture/pages/0001/screenshot-initial.png")
    (tmp_path / "again").mkdir()
    with pytest.raises(UsageError, match="already"):
        replace(setup, bundle=made.bundle).make(tmp_path / "again", "file:capture/pages/0001/screenshot-initial.png")


def test_nothing_is_built_upon_a_damaged_bundle(setup: Setup, tmp_path: Path) -> None:
    members = members_of(setup.bundle)
    members[paths.ENVIRONMENT] += b" "
    path = tmp_path / "damaged.zip"
    path.write_bytes(pack(members))
    with pytest.raises(FormatError, match="does not verify"):
        replace(setup, bundle=path).make(tmp_path, "file:capture/pages/0001/screenshot-initial.png")


def test_the_pattern_of_a_url_is_not_repeated(setup: Setup, tmp_path: Path) -> None:
    made = setup.make(tmp_path, "url:https://shop.test/*")
    assert b"shop.test" not in members_of(made.bundle)[paths.REDACTION]
    assert made.redaction.rules == ("url:[withheld:redacted]",)


def words_of(made: Redacted) -> str:
    data = members_of(made.bundle)[paths.CERTIFICATE_HTML].decode()
    return html.unescape(re.sub(r"<style>.*?</style>|<[^>]+>", "", data, flags=re.DOTALL))


@pytest.mark.browser
def test_an_edition_has_a_certificate_of_its_own(setup: Setup, tmp_path: Path) -> None:
    browser()
    record = an_open_record(setup)
    made = setup.make(tmp_path, f"exchange:{record.partition('.')[0]}", "url:https://shop.test/*")
    assert made.unprinted is None
    members, said = members_of(made.bundle), words_of(made)
    assert members[paths.CERTIFICATE_PDF].startswith(b"%PDF-")
    for fact in (made.redaction.number, made.redaction.original_sha256, "遮盖版", "Redacted Edition", record):
        assert fact in said, fact
    leaf = next(each.leaf for each in parse_records(members[paths.RECORDS]).records if each.id == record)
    assert leaf.hex() in said
    assert "shop.test/*" not in said
    # The gate: what needs the whole record is never said of an edition, what was found of it is.
    report = verify_bundle(made.bundle)
    printed = {claim.id for claim in (*CLAIMS, *claims_of(report)) if claim.says.en in said}
    assert "edition" in printed
    assert not printed & {"integrity", "record", "agreement"}
    assert overclaims(said) == ()
    assert not [each for each in report.findings if each.outcome is Outcome.FAILED]


def test_a_false_statement_takes_the_sentence_of_the_edition_away(setup: Setup, tmp_path: Path) -> None:
    made = setup.make(tmp_path, "file:capture/pages/0001/screenshot-initial.png")
    report = verify_bundle(made.bundle)
    assert "edition" in {claim.id for claim in granted(report)}
    lying = tuple(
        replace(each, outcome=Outcome.FAILED) if each.id == "redaction.edition" else each for each in report.findings
    )
    assert not {"edition", "integrity"} & {claim.id for claim in granted(replace(report, findings=lying))}


def test_without_a_browser_the_certificate_is_html_and_says_so(setup: Setup, tmp_path: Path) -> None:
    office = open_office(
        home=setup.home, signer=setup.keys.signer, tsas=(), ledger=None, number=None, clock=None, output=tmp_path
    )
    nothing = BrowserOptions(binary=BrowserBinary(path=Path("/bin/false"), name="none", version="0", sha256="0" * 64))
    with office:
        rule = "file:capture/pages/0001/screenshot-initial.png"
        made = redact(setup.bundle, [rule], tmp_path / "edition.zip", office, nothing)
    assert made.unprinted is not None
    assert "HTML only" in made.unprinted.en
    members = members_of(made.bundle)
    assert paths.CERTIFICATE_PDF not in members
    assert paths.CERTIFICATE_HTML in members
