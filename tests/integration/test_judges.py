"""What programs that are not ours say of a real bundle: openssl, wacz, warcio, ReplayWeb.page, Go, qpdf, zbar."""

from __future__ import annotations

import io
import json
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from evidencekit.bundle import paths
from evidencekit.bundle.writer import write_zip
from evidencekit.model import Outcome
from tests.support.preserved import LAZY, WORDS, Preserved
from tests.support.replay import replaying
from tests.support.tools import program as tool

pytestmark = [pytest.mark.browser, pytest.mark.slow]

GO_JUDGE = Path(__file__).parents[1] / "judges" / "go"
PATIENCE_MS = 20_000
ATTEMPTS = 3


def judged(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a judge that must agree; give what it prints."""
    process = subprocess.run(command, cwd=cwd, capture_output=True, encoding="utf-8", timeout=120, check=False)
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


# --- VERIFY.md ---------------------------------------------------------------------------------


def sections(page: str) -> dict[str, str]:
    """Give the bash blocks of each numbered section, joined."""
    found = {}
    for number, text in re.findall(r"^## (\d)\. (.*?)(?=^## |\Z)", page, flags=re.DOTALL | re.MULTILINE):
        found[number] = "".join(re.findall(r"^```bash\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE))
    return found


def obey(script: str, members: dict[str, bytes], number: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run commands beside the bundle alone, as VERIFY.md asks."""
    for name in ("bash", "unzip", "sha256sum", "openssl", "diff"):
        tool(name)
    out = io.BytesIO()
    write_zip(members, out)
    (folder / f"{number}.zip").write_bytes(out.getvalue())
    return subprocess.run(
        ["bash"], input=script, cwd=folder, capture_output=True, encoding="utf-8", timeout=120, check=False
    )


@pytest.mark.parametrize("page", [paths.VERIFY_EN, paths.VERIFY_ZH])
def test_the_written_commands_accept_the_bundle(preserved: Preserved, tmp_path: Path, page: str) -> None:
    script = "".join(sections(preserved.members[page].decode()).values())
    process = obey(script, preserved.members, preserved.evidence.number, tmp_path)
    assert process.returncode == 0, process.stdout + process.stderr
    assert process.stdout.splitlines()[-1] == "All commands succeeded"
    assert process.stdout.count("Verification: OK") == 4
    assert process.stdout.count("Signature Verified Successfully") == 2


def flip(members: dict[str, bytes], name: str) -> dict[str, bytes]:
    """Change one bit: of a digest in a list of digests, of the signature in what is signed, else in the middle."""
    data = bytearray(members[name])
    if name.endswith(".xml"):
        place = data.index(b"DigestValue>") + len(b"DigestValue>")
    else:
        place = len(data) - 10 if name.endswith((".p7s", ".tsr", ".tst", ".tlog-proof")) else len(data) // 2
    data[place] ^= 1
    return members | {name: bytes(data)}


# Which section must refuse, by itself, a bundle in which this member was changed.
REFUSALS = [
    ("2", "capture/pages/0001/screenshot.png"),
    ("2", paths.SHA256SUMS),
    ("2", paths.SM3SUMS),
    ("3", "capture/pages/0001/dom.html"),
    ("3", paths.asic_manifest(1)),
    ("3", paths.asic_manifest(2)),
    ("3", paths.asic_signature(1)),
    ("4", paths.asic_manifest(1)),
    ("4", paths.asic_signature(1)),
    ("4", paths.MANIFEST),
    ("4", paths.SEAL),
    ("5", paths.OPEN_DOCUMENT),
    ("5", paths.open_token(1)),
    ("5", "seal/capture-0001.json"),
    ("5", "seal/capture-0001-1.tsr"),
    ("5", paths.SEAL),
    ("5", paths.seal_token(1)),
    ("5", paths.asic_manifest(2)),
    ("5", paths.asic_timestamp(1)),
    ("6", paths.ENTRY),
    ("6", paths.ENTRY_PROOF),
    ("6", paths.OPEN_ENTRY),
    ("6", paths.OPEN_PROOF),
    ("6", paths.TRUST_LEDGER),
    ("6", paths.MANIFEST),
    ("6", paths.SEAL),
]


@pytest.mark.parametrize(("section", "member"), REFUSALS, ids=[f"{number}-{name}" for number, name in REFUSALS])
@pytest.mark.parametrize("page", [paths.VERIFY_EN, paths.VERIFY_ZH])
def test_each_written_step_refuses_by_itself(
    preserved: Preserved, tmp_path: Path, page: str, section: str, member: str
) -> None:
    if member == paths.SM3SUMS and "sm3" not in judged(tool("cksum"), "--help"):
        pytest.skip("this cksum does not know SM3")
    steps = sections(preserved.members[page].decode())
    helper = re.search(r"^gentime\(\) \{\n.*?^\}\n", steps["4"], flags=re.DOTALL | re.MULTILINE)
    assert helper is not None
    script = steps["1"] + helper[0] + steps[section] + steps["7"]
    (tmp_path / "sound").mkdir()
    sound = obey(script, preserved.members, preserved.evidence.number, tmp_path / "sound")
    assert "All commands succeeded" in sound.stdout, sound.stderr
    (tmp_path / "changed").mkdir()
    changed = obey(script, flip(preserved.members, member), preserved.evidence.number, tmp_path / "changed")
    assert changed.returncode != 0
    assert "All commands succeeded" not in changed.stdout


@pytest.mark.parametrize("page", [paths.VERIFY_EN, paths.VERIFY_ZH])
def test_the_written_lists_refuse_an_added_and_a_missing_file(preserved: Preserved, tmp_path: Path, page: str) -> None:
    steps = sections(preserved.members[page].decode())
    members = preserved.members
    less = {name: data for name, data in members.items() if name != "capture/pages/0001/text.txt"}
    for section in ("2", "3"):
        for case, changed in (("added", members | {"capture/extra.txt": b"extra"}), ("missing", less)):
            folder = tmp_path / f"{section}{case}"
            folder.mkdir()
            script = steps["1"] + steps[section] + steps["7"]
            assert obey(script, changed, preserved.evidence.number, folder).returncode != 0, folder.name


# --- archive -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["preserved", "forensic"])
def test_wacz_and_warcio_accept_the_archive(mode: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    preserved: Preserved = request.getfixturevalue(mode)
    wacz = preserved.unpack(tmp_path / "out") / paths.ARCHIVE
    judged(tool("wacz"), "validate", "-f", wacz)
    with zipfile.ZipFile(wacz) as archive:
        archive.extract("archive/data.warc.gz", tmp_path)
    said = judged(tool("warcio"), "check", "-v", tmp_path / "archive/data.warc.gz")
    assert said.count("digest pass") >= LAZY
    assert "fail" not in said.lower()


@pytest.mark.parametrize("mode", ["preserved", "forensic"])
def test_the_handshakes_and_both_accounts_of_the_traffic_verify(mode: str, request: pytest.FixtureRequest) -> None:
    preserved: Preserved = request.getfixturevalue(mode)
    found = {finding.id: finding for finding in preserved.evidence.report.findings}
    assert found["tls.handshake"].outcome is Outcome.PASSED, found["tls.handshake"].reason
    assert found["exchanges.corroborated"].outcome is Outcome.PASSED, found["exchanges.corroborated"].reason
    hosts = [name for name in preserved.members if name.endswith(".handshake.json")]
    assert sorted(hosts) == ["capture/tls/cdn.test.handshake.json", "capture/tls/shop.test.handshake.json"]
    assert not [name for name in preserved.members if "netlog" in name]


def test_both_origins_and_the_lazy_images_are_in_the_archive(preserved: Preserved) -> None:
    lines = [json.loads(line) for line in preserved.members[paths.EXCHANGES].splitlines()[1:]]
    recorded = {line["url"] for line in lines if line["outcome"] == "recorded"}
    assert sum(url.endswith(".png") for url in recorded) == LAZY
    assert len({url.split("/")[2] for url in recorded}) == 2


@pytest.mark.parametrize("mode", ["preserved", "forensic"])
def test_replaywebpage_shows_the_page_offline(
    mode: str, request: pytest.FixtureRequest, replayer: Path, tmp_path: Path
) -> None:
    preserved: Preserved = request.getfixturevalue(mode)
    address = json.loads(preserved.members[paths.MANIFEST])["pages"][0]["final_url"]
    with replaying(preserved.members[paths.ARCHIVE], address, replayer, tmp_path) as find:
        assert find(WORDS)
        assert find("¥128")


# --- ledger ------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def go_judge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    binary = tmp_path_factory.mktemp("judge") / "judge"
    command = [tool("go"), "build", "-o", str(binary), "."]
    build = subprocess.run(command, cwd=GO_JUDGE, capture_output=True, encoding="utf-8", check=False)
    if build.returncode and ("dial tcp" in build.stderr or "proxyconnect" in build.stderr):
        pytest.skip("the modules of the Go judge cannot be downloaded")
    assert build.returncode == 0, build.stderr
    return binary


@pytest.mark.parametrize(("entry", "proof"), [(paths.ENTRY, paths.ENTRY_PROOF), (paths.OPEN_ENTRY, paths.OPEN_PROOF)])
def test_go_opens_the_checkpoint_and_finds_the_entry(
    preserved: Preserved, go_judge: Path, tmp_path: Path, entry: str, proof: str
) -> None:
    folder = preserved.unpack(tmp_path)
    vkey = (folder / paths.TRUST_LEDGER).read_text(encoding="ascii").strip()
    assert judged(go_judge, "proof", vkey, folder / entry, folder / proof).strip() == "ok"
    (folder / entry).write_bytes((folder / entry).read_bytes() + b" ")
    refused = subprocess.run(
        [go_judge, "proof", vkey, folder / entry, folder / proof], capture_output=True, check=False
    )
    assert refused.returncode != 0


# --- certificate -------------------------------------------------------------------------------


def test_qpdf_finds_no_fault_in_the_printed_documents(preserved: Preserved, tmp_path: Path) -> None:
    folder = preserved.unpack(tmp_path)
    for name in (paths.CERTIFICATE_PDF, "capture/pages/0001/page.pdf"):
        assert "No syntax or stream encoding errors found" in judged(tool("qpdf"), "--check", folder / name)


def test_the_printed_code_reads_as_number_and_digest(preserved: Preserved, tmp_path: Path) -> None:
    (tmp_path / "certificate.pdf").write_bytes(preserved.members[paths.CERTIFICATE_PDF])
    judged(tool("pdftoppm"), "-r", "200", "-png", "-l", "1", tmp_path / "certificate.pdf", tmp_path / "page")
    scan = [tool("zbarimg"), "--quiet", "--raw", str(next(tmp_path.glob("page*.png")))]
    evidence = preserved.evidence
    assert judged(*scan).strip() == f"{evidence.number} SHA-256:{evidence.manifest_sha256}"
