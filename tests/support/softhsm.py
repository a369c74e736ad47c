"""A SoftHSM2 token of a test's own, in a folder of its own."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.tools import program

PIN = "1234"
TOKEN = "evidencekit-test"  # noqa: S105 (a label)
_PLACES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
)


@dataclass(frozen=True)
class SoftHsm:
    """The token; `environment` must be set wherever its library is loaded."""

    module: Path
    configuration: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"SOFTHSM2_CONF": str(self.configuration)}

    def add_key(self, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, label: str, number: str) -> None:
        """Put a key into the token, from where it cannot be read again."""
        pem = self.configuration.with_name(f"{label}.pem")
        pem.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self.run("--import", str(pem), "--token", TOKEN, "--label", label, "--id", number, "--pin", PIN)
        pem.unlink()

    def run(self, *arguments: str) -> None:
        subprocess.run(
            ["softhsm2-util", *arguments],
            check=True,
            capture_output=True,
            timeout=60,
            env=os.environ | self.environment,
        )


def make_token(folder: Path) -> SoftHsm:
    """Make an empty token in `folder`."""
    program("softhsm2-util")
    module = next(Path(place) for place in _PLACES if Path(place).exists())
    tokens = folder / "tokens"
    tokens.mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
    made = SoftHsm(module=module, configuration=configuration)
    made.run("--init-token", "--free", "--label", TOKEN, "--pin", PIN, "--so-pin", "5678")
    return made
