"""`identity` at the command line: JSON by its schema, passphrases from files, one sentence when something is wrong."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema

from evidencekit_cli.main import main

if TYPE_CHECKING:
    import pytest

SCHEMA = json.loads(
    (Path(__file__).resolve().parents[3] / "docs" / "spec" / "command-output.schema.json").read_text(encoding="utf-8")
)


def printed(capsys: pytest.CaptureFixture[str], name: str, *arguments: str) -> dict[str, object]:
    assert main([*arguments, "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    jsonschema.validate(
        value, {"$defs": {name: SCHEMA["$defs"][name], "hex64": SCHEMA["$defs"]["hex64"]}, **SCHEMA["$defs"][name]}
    )
    assert isinstance(value, dict)
    return value


def states(value: dict[str, object]) -> list[str]:
    keys = value["keys"]
    assert isinstance(keys, list)
    return [each["state"] for each in keys]


def test_the_keys_of_a_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EVIDENCEKIT_HOME", str(tmp_path / "home"))
    assert states(printed(capsys, "identities", "identity", "show")) == ["absent"] * 3
    made = printed(capsys, "identities", "identity", "create", "--name", "Li & Partners")
    assert states(made) == ["present"] * 3
    turned = printed(capsys, "key-rotation", "identity", "rotate", "tsa", "--compromised")
    assert (turned["role"], turned["status"], turned["index"]) == ("tsa", "compromised", 0)

    secret = tmp_path / "passphrase"
    secret.write_text("a long enough passphrase\n", encoding="ascii")
    secret.chmod(0o600)
    file = str(tmp_path / "keys.age")
    saved = printed(capsys, "key-backup", "identity", "backup", file, "--passphrase-file", str(secret))
    assert "keys/ledger.key" in json.dumps(saved["members"])
    monkeypatch.setenv("EVIDENCEKIT_HOME", str(tmp_path / "restored"))
    restored = printed(capsys, "identities", "identity", "restore", file, "--passphrase-file", str(secret))
    assert states(restored) == ["present"] * 3

    (tmp_path / "restored" / "keys" / "sealing.key.pem").unlink()
    assert main(["identity", "show", "--lang", "zh"]) == 0
    assert "已丢失" in capsys.readouterr().out
    assert main(["identity", "rotate", "seal", "--lost", "--compromised"]) == 2
    assert main(["identity", "rotate", "seal", "--lost"]) == 0
    assert "Publish the new anchor" in capsys.readouterr().out


def test_a_passphrase_is_not_asked_where_nobody_sits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EVIDENCEKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(["identity", "backup", str(tmp_path / "out")]) == 2
    assert "--passphrase-file" in capsys.readouterr().err
    secret = tmp_path / "readable"
    secret.write_text("a long enough passphrase", encoding="ascii")
    secret.chmod(0o644)
    assert main(["identity", "backup", str(tmp_path / "out"), "--passphrase-file", str(secret)]) == 12
    assert "chmod 600" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
