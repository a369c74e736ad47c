"""Who signs, as `[signing]` in config.toml chooses (docs/spec/signers.md)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from evidencekit.errors import ConfigError
from evidencekit.signing.command import CommandSigner
from evidencekit.signing.hsm import Pkcs11Signer, TokenKey
from evidencekit.signing.keyfile import read_public_file, read_secret_file
from evidencekit.signing.signer import KeySigner, SignatureAlgorithm, load_certificates, load_signer

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography import x509

    from evidencekit.home import Home
    from evidencekit.signing.signer import Signer
    from evidencekit_cli.settings import Settings


def signer_chosen(settings: Settings) -> Signer | None:
    """Return the signer that the settings choose, None for the home's own identity.

    Raises:
        ConfigError: a setting that the kind of signer needs is missing, or the algorithm is none.
        SigningError: key, certificate or token cannot be used.
    """
    match settings.text("signing.kind"):
        case "file":
            return _file_signer(settings)
        case "pkcs11":
            return _token_signer(settings)
        case "command":
            certificates = _certificates(settings)
            return CommandSigner(
                settings.texts("signing.command") or (_missing("command"),),
                certificates[0],
                certificates[1:],
                algorithm=_algorithm(settings) or SignatureAlgorithm.ECDSA_SHA256,
            )
        case _:
            return None


def second_signer(home: Home, settings: Settings, *, asked: bool) -> Signer | None:
    """Return who makes the post-quantum signature, None when neither option nor settings ask for one.

    Raises:
        SigningError: the home's key cannot be used.
        StorageError: the disk refuses.
    """
    return home.post_quantum() if asked or settings.flag("signing.post_quantum") else None


def secret_from(file: Path) -> bytes:
    """Read a passphrase or PIN from a file of mode 0600; one line end after it is not part of it.

    Raises:
        SigningError: it cannot be read, or others can read it.
    """
    return read_secret_file(file).removesuffix(b"\n").removesuffix(b"\r")


def _file_signer(settings: Settings) -> KeySigner:
    key, certificate = _path(settings, "key"), _path(settings, "certificate")
    secret = settings.text("signing.passphrase_file")
    passphrase: Callable[[], bytes] | None = (lambda: secret_from(Path(secret))) if secret else None
    return load_signer(key, certificate, passphrase, algorithm=_algorithm(settings))


def _token_signer(settings: Settings) -> Pkcs11Signer:
    key = TokenKey(module=_path(settings, "module"), token=_text(settings, "token"), label=_text(settings, "label"))
    pin_file = _path(settings, "pin_file")
    certificates = _certificates(settings) if settings.text("signing.certificate") else ()
    return Pkcs11Signer(
        key,
        lambda: secret_from(pin_file).decode("utf-8", "replace"),
        certificates[0] if certificates else None,
        certificates[1:],
        algorithm=_algorithm(settings),
    )


def _certificates(settings: Settings) -> tuple[x509.Certificate, ...]:
    file = _path(settings, "certificate")
    return load_certificates(read_public_file(file), file)


def _algorithm(settings: Settings) -> SignatureAlgorithm | None:
    name = settings.text("signing.algorithm")
    return SignatureAlgorithm(name) if name else None


def _path(settings: Settings, name: str) -> Path:
    return Path(_text(settings, name)).expanduser()


def _text(settings: Settings, name: str) -> str:
    return settings.text(f"signing.{name}") or _missing(name)


def _missing(name: str) -> NoReturn:
    raise ConfigError(
        f"config.toml chooses a signer that needs signing.{name}; add it (docs/spec/signers.md)",
        f"config.toml 选用的签署方式需要 signing.{name};请补上该项(见 docs/spec/signers.md)",
    )
