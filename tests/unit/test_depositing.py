"""Deposits: what goes in, what a stranger can check, what is withheld, what links prove, what became of them since."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from evidencekit.amending import amend
from evidencekit.bundle import paths
from evidencekit.depositing import DepositRequest, deposit
from evidencekit.errors import CaptureError, FormatError, LedgerError, UsageError
from evidencekit.hashing.deposit import OUTSIDE, WARRANTY, DepositKind, check_statement
from evidencekit.hashing.digest import digest_file
from evidencekit.home import Home
from evidencekit.ledger.entry import CaptureEntry, OpenEntry, Status, parse_entry
from evidencekit.ledger.policy import parse_policy
from evidencekit.ledger.publishers.directory import publish_directory
from evidencekit.ledger.source import directory_source
from evidencekit.ledger.witness import Witness
from evidencekit.ledger.witness_server import WitnessServer
from evidencekit.ledger.witnessing import Witnessing
from evidencekit.model import Outcome
from evidencekit.signing.note import VerifierKey, format_vkey
from evidencekit.signing.notesigner import CosignatureSigner
from evidencekit.standing import standing_of
from evidencekit.verify.trust import Trust, load_trust
from evidencekit.verify.verifier import verify_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from evidencekit.model import Finding, JsonValue, VerificationReport
    from evidencekit.notary import Evidence

pytestmark = pytest.mark.browser
SECRET_NAME = "离婚协议-张三-110101199003070000"  # noqa: S105 (what must not be found)
SECRET_CONTENT = b"only the holder knows this sentence 7c41"
WORK = {"creator": "张三", "completed": "2026-11-01", "right_type": "copyright", "warranty": WARRANTY, "title": "西湖"}
LARGE = os.environ.get("EVIDENCEKIT_TEST_LARGE_DEPOSITS") == "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    home: Home
    folder: Path

    def deposit(self, files: list[Path], name: str, **request: object) -> Evidence:
        wanted = replace(DepositRequest(), **request)  # type: ignore[arg-type]
        return deposit(files, request=wanted, home=self.home, tsas=(), output=self.folder / name)

    def trust(self, bundle: Path) -> Trust:
        anchors = self.folder / f"{bundle.stem}.trust"
        if not anchors.exists():
            with zipfile.ZipFile(bundle) as archive:
                archive.extractall(anchors, [member for member in archive.namelist() if member.startswith("trust/")])
        return load_trust([str(anchors / "trust")])


def make_office(folder: Path) -> Office:
    folder.mkdir(exist_ok=True)
    return Office(home=Home.open(folder / "home"), folder=folder)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    return make_office(tmp_path_factory.mktemp("office"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("files")
    contents = {"原稿 第一版.DOCX": os.urandom(300_000), "empty": b"", "笔记.tar.weird-extension": SECRET_CONTENT}
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in contents]


@pytest.fixture(scope="module")
def plain(office: Office, files: list[Path]) -> Evidence:
    return office.deposit(files, "plain.zip")


@pytest.fixture(scope="module")
def work(office: Office, files: list[Path]) -> Evidence:
    return office.deposit(files[:1], "work.zip", kind=DepositKind.ORIGINAL_WORK, statement=WORK)


@pytest.fixture(scope="module")
def licence(office: Office, files: list[Path], work: Evidence) -> Evidence:
    parties = {"grantor": "张三", "grantee": "李四", "scope": "排他许可"}
    return office.deposit(files[:1], "licence.zip", kind=DepositKind.LICENCE, statement=parties, works=(work.bundle,))


def finding(report: VerificationReport, identifier: str) -> Finding:
    return next(found for found in report.findings if found.id == identifier)


def unpacked(bundle: Path, folder: Path) -> Path:
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(folder)
    return folder


# --- what a deposit is -------------------------------------------------------------------------


def test_a_deposit_passes_with_its_offices_anchors(office: Office, plain: Evidence, files: list[Path]) -> None:
    report = verify_bundle(plain.bundle, trust=office.trust(plain.bundle))
    assert report.overall is Outcome.PASSED, [f for f in report.findings if f.outcome is not Outcome.PASSED]
    assert "outside evidencekit" in report.headline.en
    assert "evidencekit 之外" in report.headline.zh
    assert not {f.id for f in report.findings} & {"manifest.minimum", "archive.wacz", "time.capture", "tls.handshake"}
    with zipfile.ZipFile(plain.bundle) as archive:
        items = [json.loads(line) for line in archive.read(paths.ITEMS).splitlines()[1:]]
        manifest = json.loads(archive.read(paths.MANIFEST))
        for item, file in zip(items, files, strict=True):
            size, digests = digest_file(file)
            assert (item["name"], item["size"], item["sha256"], item["sm3"]) == (
                file.name,
                size,
                digests.sha256,
                digests.sm3,
            )
            assert archive.read(item["path"]) == file.read_bytes()
    assert [item["path"] for item in items] == ["deposit/000001.docx", "deposit/000002", "deposit/000003"]
    assert manifest["kind"] == "deposit"
    assert {"en": OUTSIDE.en, "zh": OUTSIDE.zh} in manifest["not_performed"]


def test_a_stranger_gets_integrity_alone(plain: Evidence) -> None:
    assert plain.report.overall is Outcome.INDETERMINATE
    assert "integrity holds" in plain.report.headline.en


def test_the_entry_says_deposit_and_was_announced(office: Office, plain: Evidence) -> None:
    with zipfile.ZipFile(plain.bundle) as archive:
        entry = parse_entry(archive.read(paths.ENTRY))
    assert isinstance(entry, CaptureEntry)
    assert (entry.kind, entry.number) == ("deposit", plain.number)
    with office.home.ledger(office.home.keys().ledger) as ledger:
        assert isinstance(parse_entry(ledger.entry(entry.open)), OpenEntry)


def test_the_documents_call_it_a_deposit(plain: Evidence, work: Evidence) -> None:
    with zipfile.ZipFile(plain.bundle) as archive:
        certificate, report = (archive.read(name).decode() for name in (paths.CERTIFICATE_HTML, paths.REPORT_HTML))
        assert archive.read(paths.CERTIFICATE_PDF).startswith(b"%PDF")
    for page in (certificate, report):
        assert OUTSIDE.zh in page
        assert OUTSIDE.en in page
        assert "取证网址" not in page
        assert "原稿 第一版.DOCX" in page
    assert "存证报告" in report
    with zipfile.ZipFile(work.bundle) as archive:
        certificate = archive.read(paths.CERTIFICATE_HTML).decode()
    assert "原创作品数据保管" in certificate
    assert "以下由存证人自行陈述" in certificate
    assert WARRANTY in certificate


def test_the_home_lists_it_and_keeps_no_workspace(office: Office, plain: Evidence) -> None:
    assert plain.number in {sealed.number for sealed in office.home.captures()}
    assert not office.home.has_pending()


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "statement", "missing"),
    [
        (DepositKind.ORIGINAL_WORK, {k: v for k, v in WORK.items() if k != "warranty"}, "warranty"),
        (DepositKind.ORIGINAL_WORK, WORK | {"completed": "1.11.2026"}, "completed"),
        (DepositKind.ORIGINAL_WORK, WORK | {"right_type": "moral"}, "right_type"),
        (DepositKind.LICENCE, {"grantor": "张三"}, "grantee"),
        (DepositKind.FORENSIC, {"medium": "photo", "device": "HUAWEI P60"}, "cleanliness"),
        (DepositKind.FORENSIC, {"medium": "film", "device": "x", "cleanliness": "y"}, "medium"),
        (DepositKind.OBJECT, {"order_number": "1"}, "custodian"),
        (DepositKind.FILE, {"creator": "张三"}, "creator"),
        (DepositKind.FILE, {"title": " "}, "title"),
    ],
)
def test_a_statement_lacks_nothing_and_says_nothing_else(
    kind: DepositKind, statement: Mapping[str, str], missing: str
) -> None:
    with pytest.raises(UsageError, match=missing):
        check_statement(kind, statement)


def test_what_is_no_file_is_refused_before_anything_is_announced(office: Office, tmp_path: Path) -> None:
    with office.home.ledger(office.home.keys().ledger) as ledger:
        before = ledger.size
    os.mkfifo(tmp_path / "pipe")
    for bad in (tmp_path, tmp_path / "pipe", tmp_path / "absent"):
        with pytest.raises(UsageError):
            office.deposit([bad], "no.zip")
    with pytest.raises(UsageError, match="rests on a work"):
        office.deposit([Path(__file__)], "no.zip", kind=DepositKind.PLEDGE, statement={"grantor": "a", "grantee": "b"})
    with office.home.ledger(office.home.keys().ledger) as ledger:
        assert ledger.size == before


def test_a_file_that_changes_meanwhile_is_not_sealed(office: Office, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"as it was")
    second.write_bytes(b"two")

    def change(step: str, detail: Mapping[str, JsonValue]) -> None:
        if step == "hashed" and detail["n"] == 2:
            first.write_bytes(b"as it is!")

    with pytest.raises(CaptureError, match="file 1 changed"):
        deposit([first, second], home=office.home, tsas=(), output=tmp_path / "x.zip", on_event=change)
    assert not (tmp_path / "x.zip").exists()
    with office.home.ledger(office.home.keys().ledger) as ledger:
        assert b"abandoned" in ledger.entry(ledger.size - 1)


# --- hash-only ---------------------------------------------------------------------------------


def test_hash_only_keeps_no_name_and_no_content(office: Office, tmp_path: Path) -> None:
    source = tmp_path / f"{SECRET_NAME}.pdf"
    source.write_bytes(SECRET_CONTENT)
    events: list[str] = []
    evidence = deposit(
        [source],
        request=DepositRequest(hash_only=True),
        home=office.home,
        tsas=(),
        output=office.folder / "hashes.zip",
        on_event=lambda step, detail: events.append(f"{step} {dict(detail)}"),
    )
    assert events
    report = verify_bundle(evidence.bundle, trust=office.trust(evidence.bundle))
    assert report.overall is Outcome.PASSED
    assert "compare them with your own copy" in finding(report, "deposit.items").reason.en
    size, digests = digest_file(source)
    with zipfile.ZipFile(evidence.bundle) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    item = json.loads(members[paths.ITEMS].splitlines()[1])
    assert item == {
        "n": 1,
        "name": None,
        "path": None,
        "sha256": digests.sha256,
        "size": size,
        "sm3": digests.sm3,
    }
    outputs = [*members.values(), *(event.encode() for event in events), str(report).encode()]
    outputs += [file.read_bytes() for file in office.home.path.rglob("*") if file.is_file()]
    for part in (SECRET_NAME, "离婚协议", "110101199003070000"):
        for data in outputs:
            assert part.encode() not in data
            assert json.dumps(part)[1:-1].encode() not in data
    assert all(SECRET_CONTENT not in data for data in members.values())
    assert not [name for name in members if name.startswith("deposit/0")]


# --- links -------------------------------------------------------------------------------------


def test_a_licence_and_a_transfer_rest_on_the_work(office: Office, files: list[Path], licence: Evidence) -> None:
    parties = {"grantor": "李四", "grantee": "王五"}
    transfer = office.deposit(
        files[1:2], "transfer.zip", kind=DepositKind.TRANSFER, statement=parties, works=(licence.bundle,)
    )
    for evidence in (licence, transfer):
        report = verify_bundle(evidence.bundle, trust=office.trust(evidence.bundle))
        assert report.overall is Outcome.PASSED
        assert "1 earlier records" in finding(report, "deposit.links").reason.en


def test_a_licence_of_something_else_is_refused(office: Office, files: list[Path], plain: Evidence) -> None:
    with pytest.raises(UsageError, match="is no work"):
        office.deposit(
            files[:1],
            "no.zip",
            kind=DepositKind.LICENCE,
            statement={"grantor": "a", "grantee": "b"},
            works=(plain.bundle,),
        )


def test_a_record_rests_on_true_ones_alone(office: Office, files: list[Path], work: Evidence, tmp_path: Path) -> None:
    forged = unpacked(work.bundle, tmp_path / "forged")
    (forged / "deposit" / "000001.docx").write_bytes(b"another")
    with pytest.raises(FormatError, match="does not verify"):
        office.deposit(files[:1], "no.zip", works=(forged,))


def test_a_link_into_another_log_needs_that_logs_key(
    work: Evidence, office: Office, files: list[Path], tmp_path: Path
) -> None:
    other = make_office(tmp_path / "other")
    evidence = other.deposit(files[1:2], "other.zip", works=(work.bundle,))
    own = other.trust(evidence.bundle)
    alone = verify_bundle(evidence.bundle, trust=own)
    assert finding(alone, "deposit.links").outcome is Outcome.INDETERMINATE
    assert alone.overall is Outcome.INDETERMINATE
    both = verify_bundle(evidence.bundle, trust=own.merged(Trust(logs=office.trust(work.bundle).logs)))
    assert both.overall is Outcome.PASSED


# --- tampering ---------------------------------------------------------------------------------


def _edit(name: str, old: bytes, new: bytes) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        data = (folder / name).read_bytes()
        assert old in data
        (folder / name).write_bytes(data.replace(old, new, 1))

    return edit


@pytest.mark.parametrize(
    ("identifier", "change"),
    [
        ("deposit.items", _edit(paths.ITEMS, b'"n":2', b'"n":3')),
        ("deposit.items", _edit(paths.ITEMS, b'"size":0', b'"size":1')),
        ("deposit.items", _edit(paths.ITEMS, b"deposit/000002", b"deposit/000009")),
        ("deposit.items", _edit(paths.ITEMS, b'"path":"deposit/000002"', b'"path":null')),
        ("manifest.artifacts", _edit("deposit/000003", b"sentence", b"sentencE")),
        ("deposit.statement", _edit(paths.MANIFEST, OUTSIDE.en.encode(), b"captured by evidencekit")),
        ("seal.signature", _edit(paths.MANIFEST, b'"files":3', b'"files":4')),
        ("deposit.items", _edit(paths.MANIFEST, b'"hash_only":false', b'"hash_only":true')),
    ],
)
def test_a_changed_deposit_fails(
    plain: Evidence, tmp_path: Path, identifier: str, change: Callable[[Path], None]
) -> None:
    folder = unpacked(plain.bundle, tmp_path / "forged")
    change(folder)
    report = verify_bundle(folder)
    assert finding(report, identifier).outcome is Outcome.FAILED
    assert report.overall is Outcome.FAILED


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / paths.link_proof(1)).unlink(),
        _edit(paths.link_entry(1), b'"kind":"deposit"', b'"kind":"capture"'),
        _edit(paths.link_proof(1), b"index ", b"index 1"),
        lambda folder: shutil.copy(folder / paths.ENTRY, folder / paths.link_entry(1)),
    ],
)
def test_a_changed_link_fails(licence: Evidence, tmp_path: Path, change: Callable[[Path], None]) -> None:
    folder = unpacked(licence.bundle, tmp_path / "forged")
    change(folder)
    assert finding(verify_bundle(folder), "deposit.links").outcome is Outcome.FAILED


# --- witnessed ---------------------------------------------------------------------------------


@pytest.fixture
def witness(office: Office, tmp_path: Path) -> Iterator[tuple[WitnessServer, str]]:
    (tmp_path / "witness").mkdir()
    signer = CosignatureSigner("beijing.example/witness", bytes(range(32)))
    with office.home.ledger(office.home.keys().ledger) as ledger:
        served = Witness(tmp_path / "witness", [ledger.verifier], [signer])
    with WitnessServer(served) as server:
        yield server, format_vkey(signer.verifier)
    served.close()


def test_a_witnessed_deposit_is_independent_for_who_believes_the_witness(
    office: Office, files: list[Path], tmp_path: Path, witness: tuple[WitnessServer, str]
) -> None:
    server, vkey = witness
    policy = parse_policy(f"witness beijing {vkey} {server.url}\nquorum beijing\n".encode())
    evidence = deposit(
        files[1:2], home=office.home, tsas=(), output=tmp_path / "w.zip", witnessing=Witnessing(policy=policy)
    )
    assert not evidence.pending
    assert finding(evidence.report, "ledger.independent").outcome is Outcome.INDETERMINATE
    with office.home.ledger(office.home.keys().ledger) as ledger:
        assert isinstance(ledger.verifier, VerifierKey)
        log = format_vkey(ledger.verifier)
    (tmp_path / "policy").write_text(f"log {log}\nwitness b {vkey}\nquorum b\n")
    another = format_vkey(CosignatureSigner("beijing.example/witness", bytes(32)).verifier)
    (tmp_path / "other").write_text(f"log {log}\nwitness b {another}\nquorum b\n")
    for name, outcome in (("policy", Outcome.PASSED), ("other", Outcome.INDETERMINATE)):
        report = verify_bundle(evidence.bundle, trust=load_trust([f"policy={tmp_path / name}"]))
        assert finding(report, "ledger.independent").outcome is outcome


def test_a_silent_witness_leaves_the_deposit_pending(office: Office, files: list[Path], tmp_path: Path) -> None:
    vkey = format_vkey(CosignatureSigner("silent.example", bytes(32)).verifier)
    policy = parse_policy(f"witness silent {vkey} http://127.0.0.1:9\nquorum silent\n".encode())
    evidence = deposit(
        files[1:2], home=office.home, tsas=(), output=tmp_path / "w.zip", witnessing=Witnessing(policy=policy)
    )
    assert "not witnessed" in evidence.pending[0].en
    assert evidence.report.overall is Outcome.INDETERMINATE


# --- what became of it -------------------------------------------------------------------------


def test_a_newer_log_shows_what_became_of_a_record(files: list[Path], tmp_path: Path) -> None:
    own = make_office(tmp_path / "own")
    first, second = (own.deposit(files[1:2], f"{name}.zip") for name in ("first", "second"))
    trust = own.trust(first.bundle)
    log = tmp_path / "log"

    def look(bundle: Path) -> VerificationReport:
        with own.home.ledger(own.home.keys().ledger) as ledger:
            publish_directory(ledger, log)
        return verify_bundle(bundle, trust=trust, standing=standing_of(bundle, directory_source(log), trust.logs))

    assert finding(verify_bundle(first.bundle, trust=trust), "status.current").outcome is Outcome.NOT_PERFORMED
    fresh = look(first.bundle)
    assert fresh.overall is Outcome.PASSED
    assert "no correction or revocation is entered" in finding(fresh, "status.current").reason.en
    amend(first.bundle, Status.EXPLAINED, "补正：操作人姓名", home=own.home, output=tmp_path)
    explained = look(first.bundle)
    assert explained.overall is Outcome.PASSED
    assert "explained" in finding(explained, "status.current").reason.en
    done = amend(
        first.bundle, Status.SUPERSEDED, "new version", successor=second.bundle, home=own.home, output=tmp_path
    )
    assert "SUPERSEDED" in look(first.bundle).headline.en
    amend(first.bundle, Status.REVOKED, "撤销：申请人身份不实 110101199003070000", home=own.home, output=tmp_path)
    revoked = look(first.bundle)
    assert revoked.overall is Outcome.INDETERMINATE
    assert revoked.headline.en.startswith("INDETERMINATE — REVOKED by entry")
    assert "已撤销" in revoked.headline.zh
    assert look(second.bundle).overall is Outcome.PASSED
    with own.home.ledger(own.home.keys().ledger) as ledger:
        everything = b"".join(ledger.entries())
    assert b"110101199003070000" not in everything
    assert json.loads(done.document.read_bytes())["reason"] == "new version"
    # Without the caller's own key of the log nothing is decided.
    stranger = verify_bundle(second.bundle, standing=standing_of(second.bundle, directory_source(log), ()))
    assert finding(stranger, "status.current").outcome is Outcome.INDETERMINATE


def test_a_log_with_another_history_fails(office: Office, plain: Evidence, tmp_path: Path) -> None:
    from evidencekit.ledger.log import Ledger

    key = office.home.keys().ledger.signer
    with Ledger.open(tmp_path / "forged.sqlite", key, create=True) as ledger:
        ledger.append_many([b"%d" % index for index in range(50)])
        publish_directory(ledger, tmp_path / "log")
    trust = office.trust(plain.bundle)
    standing = standing_of(plain.bundle, directory_source(tmp_path / "log"), trust.logs)
    report = verify_bundle(plain.bundle, trust=trust, standing=standing)
    assert finding(report, "status.current").outcome is Outcome.FAILED
    assert report.overall is Outcome.FAILED


def test_only_the_office_that_entered_it_amends(plain: Evidence, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="not in this ledger"):
        amend(plain.bundle, Status.REVOKED, "x", home=Home.open(tmp_path / "other"), output=tmp_path)


# --- sizes -------------------------------------------------------------------------------------


def test_many_files_are_one_deposit(tmp_path: Path) -> None:
    """Every edge of ZIP64's member count is crossed with 65,536 files; CI takes fewer."""
    own = make_office(tmp_path / "own")
    count = 65_536 if LARGE else 300
    folder = tmp_path / "files"
    folder.mkdir()
    for n in range(count):
        (folder / f"{n:05d}.txt").write_bytes(b"%d" % n)
    evidence = own.deposit(sorted(folder.iterdir()), "many.zip")
    report = verify_bundle(evidence.bundle, trust=own.trust(evidence.bundle))
    assert report.overall is Outcome.PASSED
    assert finding(report, "deposit.items").details["files"] == count
    with zipfile.ZipFile(evidence.bundle) as archive:
        assert archive.read(f"deposit/{count:06d}.txt") == b"%d" % (count - 1)


def test_a_large_file_is_streamed(tmp_path: Path) -> None:
    """Every edge of ZIP64's sizes and offsets is crossed with a sparse file of 8 GiB; CI takes 64 MiB."""
    import resource

    own = make_office(tmp_path / "own")
    size = (8 << 30) + 1 if LARGE else 64 << 20
    large, small = tmp_path / "large.mp4", tmp_path / "zz.txt"
    with large.open("wb") as file:
        file.truncate(size - 1)
        file.seek(size - 1)
        file.write(b"!")
    small.write_bytes(b"after it, so its offset is beyond the edge")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    evidence = own.deposit([large, small], "large.zip")
    report = verify_bundle(evidence.bundle, trust=own.trust(evidence.bundle))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert report.overall is Outcome.PASSED
    assert grown < 48 << 10, f"{grown} KiB more than before"
    with zipfile.ZipFile(evidence.bundle) as archive:
        assert archive.getinfo("deposit/000001.mp4").file_size == size
        assert archive.read("deposit/000002.txt") == small.read_bytes()


def test_inspect_shows_what_the_depositor_states(work: Evidence, capsys: pytest.CaptureFixture[str]) -> None:
    import jsonschema

    from evidencekit_cli.main import main

    assert main(["--lang", "zh", "inspect", str(work.bundle)]) == 0
    shown = capsys.readouterr().out
    assert "存证人自述" in shown
    assert "张三" in shown
    assert main(["inspect", str(work.bundle), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    schema = json.loads((Path(__file__).parents[2] / "docs" / "spec" / "command-output.schema.json").read_bytes())
    jsonschema.validate(value, {**schema, "oneOf": [{"$ref": "#/$defs/description"}]})
    assert value["deposit"]["statement"]["creator"] == "张三"


def test_no_draft_says_that_a_deposit_was_captured(work: Evidence, tmp_path: Path) -> None:
    from datetime import UTC, datetime

    from evidencekit.exports.certification import CertificationOptions, export_902
    from evidencekit.exports.exhibit import read_exhibits

    exhibits = read_exhibits([work.bundle], trust=None, at=datetime.now(UTC))
    export_902(exhibits, tmp_path / "drafts", CertificationOptions(office=False))
    names = {file.name.split("-")[1] for file in (tmp_path / "drafts").glob("902-*")}
    assert names == {"14"}
