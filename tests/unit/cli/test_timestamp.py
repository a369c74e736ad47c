"""`timestamp`: what a user sees of stamping, checking, renewing and serving; statuses, JSON, both languages."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from evidencekit.bundle.growth import grown_path
from evidencekit.home import Home
from evidencekit.model import Text
from evidencekit.owed import Owed, owe
from evidencekit.signing.identity import create_tsa_identity
from evidencekit.signing.signer import load_private_key
from evidencekit.timestamp.authority import SELF_ISSUED_POLICY, Authority
from evidencekit.timestamp.authority_server import AuthorityServer
from evidencekit.timestamp.query import build_query
from evidencekit.timestamp.roles import Role
from evidencekit_cli.main import main
from evidencekit_cli.settings import TSA_ROLES
from tests.support.assembly import FOREIGN_POLICY, Plan, make_keys, make_members, pack

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads((ROOT / "docs" / "spec" / "command-output.schema.json").read_text(encoding="utf-8"))
NUMBER = "EK-1"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("EVIDENCEKIT_HOME", str(folder))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    return folder


@pytest.fixture(scope="module")
def tsa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A third party's TSA over HTTP: its URL and its certificate's file."""
    folder = tmp_path_factory.mktemp("tsa")
    identity = create_tsa_identity(folder, common_name="Third party", now=datetime.now(UTC) - timedelta(days=9))
    key = load_private_key(identity.key_file.read_bytes(), identity.key_file)
    with AuthorityServer(Authority(key, identity.signer.certificate, policy=FOREIGN_POLICY)) as server:
        yield server.url, identity.key_file.with_name("tsa.cert.pem")


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("bundle")
    return pack(make_members(Plan(keys=make_keys(folder / "keys"), policy=SELF_ISSUED_POLICY), folder))


@pytest.fixture
def bundle(sealed: bytes, tmp_path: Path) -> Path:
    path = tmp_path / f"{NUMBER}.zip"
    path.write_bytes(sealed)
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str]:
    capsys.readouterr()
    status = main([str(argument) for argument in arguments])
    return status, capsys.readouterr().out


def run_json(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, dict[str, object]]:
    status, out = run(capsys, *arguments, "--json")
    value = json.loads(out)
    jsonschema.validate(value, {"$defs": SCHEMA["$defs"], "$ref": f"#/$defs/{value['format'].partition('/')[2]}"})
    return status, value


def tool(*arguments: str | Path) -> None:
    subprocess.run([str(argument) for argument in arguments], check=True, capture_output=True, timeout=30)


def test_the_roles_are_those_of_the_library() -> None:
    assert set(TSA_ROLES) == {role.value for role in Role}


def test_a_file_is_stamped_and_checked(
    capsys: pytest.CaptureFixture[str], tsa: tuple[str, Path], tmp_path: Path
) -> None:
    file = tmp_path / "letter.txt"
    file.write_bytes(b"what was seen")
    assert run(capsys, "timestamp", "stamp", file, "--tsa", tsa[0])[0] == 0
    reply = tmp_path / "letter.txt.tsr"
    shown = subprocess.run(
        ["openssl", "ts", "-verify", "-data", file, "-in", reply, "-CAfile", tsa[1]], capture_output=True, check=False
    )
    assert shown.returncode == 0, shown.stderr
    status, value = run_json(capsys, "timestamp", "verify", reply, "--data", file, "--trust", tsa[1])
    assert (status, value["trusted"], value["self_issued"]) == (0, "PASSED", False)
    assert run(capsys, "timestamp", "verify", reply, "--data", file)[0] == 3
    status, out = run(capsys, "timestamp", "verify", reply, "--digest", "00" * 32, "--trust", tsa[1])
    assert status == 1
    assert "other data" in out
    assert run(capsys, "timestamp", "verify", reply)[0] == 2
    assert run(capsys, "timestamp", "verify", tmp_path / "nothing", "--data", file)[0] == 15
    assert run(capsys, "timestamp", "stamp", file, "--tsa", tsa[0])[0] == 15, "an answer is never overwritten"
    assert run(capsys, "timestamp", "stamp")[0] == 2


def test_a_pending_bundle_shows_and_is_settled(
    capsys: pytest.CaptureFixture[str], tsa: tuple[str, Path], bundle: Path, home: Path
) -> None:
    opened = Home.open(home)
    opened.remember(NUMBER, bundle)
    reason = Text(en="T_open: nobody answered", zh="T_open:无应答")
    owe(home, Owed(number=NUMBER, bundle=bundle, since=datetime.now(UTC), reasons=(reason,)))
    assert "PENDING" in run(capsys, "list")[1]
    assert "待补" in run(capsys, "list", "--lang", "zh")[1]
    status, value = run_json(capsys, "list")
    assert value["captures"][0]["pending"] == [{"en": reason.en, "zh": reason.zh}]  # type: ignore[index]
    _, doctor = run(capsys, "doctor", "--no-third-party")
    assert "stamp --pending" in doctor
    dead = "http://127.0.0.1:9/"
    assert run(capsys, "timestamp", "stamp", "--pending", "--tsa", dead)[0] == 3
    status, value = run_json(capsys, "timestamp", "stamp", "--pending", "--tsa", tsa[0])
    assert status == 0
    assert value["bundles"][0]["made"] == str(grown_path(bundle))  # type: ignore[index]
    assert run(capsys, "timestamp", "stamp", "--pending", "--tsa", tsa[0]) == (0, "no time-stamp is owed\n")
    _, out = run(capsys, "list")
    assert "PENDING" not in out
    assert str(grown_path(bundle)) in out
    assert run(capsys, "timestamp", "stamp", "--pending", bundle)[0] == 2


def test_bundles_are_renewed_by_a_tsa_of_ones_own(
    capsys: pytest.CaptureFixture[str], tsa: tuple[str, Path], bundle: Path, home: Path
) -> None:
    home.mkdir()
    text = f'[tsa.notary]\nurl = "{tsa[0]}"\nroles = ["batch"]\ntokens = 1\nterms = "contract 7"\n'
    (home / "config.toml").write_text(text, encoding="utf-8")
    status, value = run_json(capsys, "config", "show")
    assert value["settings"]["tsa.notary.roles"]["value"] == ["batch"]  # type: ignore[index]
    assert run(capsys, "timestamp", "renew") == (0, "no bundle of this home needs renewal within 180 days\n")
    status, value = run_json(capsys, "timestamp", "renew", bundle, "--hash", "sha512")
    assert status == 0
    assert value["files"][0]["tsa"] == "notary"  # type: ignore[index]
    assert grown_path(bundle).is_file()
    Home.open(home).remember(NUMBER, grown_path(bundle))
    assert run(capsys, "timestamp", "renew", "--all")[0] == 0
    assert grown_path(grown_path(bundle)).is_file()


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ("[tsa.a]\nurl = 'ftp://x'", "tsa.a"),
        ("[tsa.a]\nroles = ['open']", "tsa.a"),
        ("[tsa.a]\nurl = 'http://x'\nroles = ['all']", "open, capture, seal, batch"),
        ("[tsa.a]\nurl = 'http://x'\nroles = []", "tsa.a.roles"),
        ("[tsa.a]\nurl = 'http://x'\ntokens = -1", "tsa.a"),
        ("[tsa.a]\nurl = 'http://x'\ntokens = '9'", "tsa.a.tokens"),
        ("[tsa.a]\nurl = 'http://x'\nuser = 'u'", "tsa.a.user"),
        ("[tsa.auto]\nurl = 'http://x'", "tsa.auto"),
        ("[tsa]\na = 1", "tsa.a"),
        ("tsa = 1", "tsa"),
    ],
)
def test_a_wrong_table_is_named(capsys: pytest.CaptureFixture[str], home: Path, table: str, named: str) -> None:
    home.mkdir()
    (home / "config.toml").write_text(table, encoding="utf-8")
    status = main(["config", "show"])
    assert status == 2
    assert named in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_and_openssl_use_the_service(tmp_path: Path, home: Path) -> None:
    program = [sys.executable, "-m", "evidencekit_cli", "timestamp", "serve", "--json"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env={**os.environ}) as service:
        try:
            assert service.stdout is not None
            said = ""
            while not said.rstrip().endswith("}"):
                said += service.stdout.readline()
            url = json.loads(said)["url"]
            (tmp_path / "data").write_bytes(b"what was seen")
            query, reply = tmp_path / "q.tsq", tmp_path / "r.tsr"
            tool("openssl", "ts", "-query", "-data", tmp_path / "data", "-sha512", "-cert", "-out", query)
            header = ("-H", "Content-Type: application/timestamp-query")
            tool("curl", "-sf", "--noproxy", "*", *header, "--data-binary", f"@{query}", "-o", reply, url)
            anchor = home / "keys" / "tsa.cert.pem"
            tool("openssl", "ts", "-verify", "-queryfile", query, "-in", reply, "-CAfile", anchor)
        finally:
            service.send_signal(signal.SIGTERM)
    assert service.returncode == 130


def test_an_odd_certificate_brings_no_warnings_of_libraries_to_the_terminal(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        key = ec.generate_private_key(ec.SECP256R1())
        longer_than_rfc_5280 = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "T" * 81, _validate=False)])
        odd = (
            x509.CertificateBuilder()
            .subject_name(longer_than_rfc_5280)
            .issuer_name(longer_than_rfc_5280)
            .public_key(key.public_key())
            .serial_number(7)
            .not_valid_before(datetime.now(UTC) - timedelta(days=1))
            .not_valid_after(datetime.now(UTC) + timedelta(days=1))
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
            .sign(key, hashes.SHA256())
        )
        reply = tmp_path / "odd.tsr"
        reply.write_bytes(Authority(key, odd, policy=FOREIGN_POLICY).reply(build_query(bytes(32))))
    program = Path(sys.executable).with_name("evidencekit")
    command = [str(program), "timestamp", "verify", str(reply), "--digest", "00" * 32]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (3, "")
    assert "T" * 81 in done.stdout
