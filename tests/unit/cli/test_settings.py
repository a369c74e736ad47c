"""config.toml: known keys with lawful values, or one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from evidencekit.errors import ConfigError
from evidencekit_cli.settings import read_settings

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, text: str) -> Path:
    file = folder / "config.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    settings = read_settings(tmp_path / "config.toml")
    assert settings.given == frozenset()
    assert settings.text("capture.mode") == "standard"
    assert settings.texts("capture.tsa") == ("auto",)
    assert settings.flag("capture.third_party")


def test_a_file_overrides_what_it_names(tmp_path: Path) -> None:
    settings = read_settings(
        write(
            tmp_path,
            '[capture]\ntsa = ["none"]\nthird_party = false\n[operator]\nname = "张三"\nrelationship = "counsel"\n',
        )
    )
    assert settings.given == {"capture.tsa", "capture.third_party", "operator.name", "operator.relationship"}
    assert settings.texts("capture.tsa") == ("none",)
    assert not settings.flag("capture.third_party")
    assert (settings.text("operator.name"), settings.text("operator.relationship")) == ("张三", "counsel")
    assert settings.text("capture.mode") == "standard"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[capture]\nmood = 1", "capture.mood"),
        ("capture = 1", "capture"),
        ("[capture]\nmode = 'slow'", "standard, fast, forensic"),
        ("[capture]\nmode = 1", "capture.mode"),
        ("[capture]\ntsa = 'auto'", "capture.tsa"),
        ("[capture]\ntsa = [1]", "capture.tsa"),
        ("[capture]\nthird_party = 'no'", "capture.third_party"),
        ("[operator]\nrelationship = 'friend'", "third_party"),
        ("[capture", "end of a table"),
        ("a=" + "[" * 100_000, "config.toml"),
    ],
)
def test_what_is_wrong_is_named_in_both_languages(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_settings(write(tmp_path, text))
    assert named in caught.value.en
    assert named in caught.value.zh


@pytest.mark.parametrize("data", [b"\xff\xfe", b"#" * ((1 << 20) + 1)])
def test_what_is_no_settings_file_is_refused(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(data)
    with pytest.raises(ConfigError, match="cannot be used"):
        read_settings(file)


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(ConfigError, match="cannot be used"):
        read_settings(tmp_path / "config.toml")


def test_settings_choose_the_signer(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    from evidencekit.errors import SigningError
    from evidencekit.signing.command import CommandSigner
    from evidencekit.signing.identity import create_sealing_identity
    from evidencekit.signing.signer import KeySigner
    from evidencekit_cli.signers import signer_chosen

    made = create_sealing_identity(tmp_path / "k", now=datetime.now(UTC), passphrase=b"secret")
    (tmp_path / "passphrase").write_bytes(b"secret\n")
    (tmp_path / "passphrase").chmod(0o600)
    common = f'certificate = "{made.certificate_file}"\nalgorithm = "ecdsa-sha384"\n'
    key = f'[signing]\nkind = "file"\nkey = "{made.key_file}"\n{common}'
    file = signer_chosen(read_settings(write(tmp_path, key + f'passphrase_file = "{tmp_path / "passphrase"}"\n')))
    assert isinstance(file, KeySigner)
    assert (file.certificate, file.algorithm.value) == (made.signer.certificate, "ecdsa-sha384")
    with pytest.raises(SigningError, match="cannot be opened"):
        signer_chosen(read_settings(write(tmp_path, key)))
    command = signer_chosen(
        read_settings(write(tmp_path, f'[signing]\nkind = "command"\ncommand = ["sign", "it"]\n{common}'))
    )
    assert isinstance(command, CommandSigner)
    for text, missing in (
        ('kind = "command"\ncommand = ["sign"]', "signing.certificate"),
        (f'kind = "command"\n{common}', "signing.command"),
        ('kind = "pkcs11"', "signing.module"),
        (f'kind = "file"\n{common}', "signing.key"),
    ):
        with pytest.raises(ConfigError, match=missing):
            signer_chosen(read_settings(write(tmp_path, f"[signing]\n{text}\n")))
    assert signer_chosen(read_settings(tmp_path / "absent.toml")) is None
    with pytest.raises(ConfigError, match=r"signing\.kind must be one of"):
        read_settings(write(tmp_path, '[signing]\nkind = "cloud"\n'))
