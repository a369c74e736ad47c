"""An SM2 authority and a signer below it, whose key only an external command has: `openssl dgst`."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from cryptography import x509

from evidencekit.signing.command import CommandSigner
from evidencekit.signing.signer import SignatureAlgorithm
from tests.support.tools import program

if TYPE_CHECKING:
    from pathlib import Path

DISTID = ("-sigopt", "distid:1234567812345678")


def _openssl(*arguments: str | Path) -> None:
    subprocess.run([program("openssl"), *map(str, arguments)], capture_output=True, check=True, timeout=30)


def sm2_signer(folder: Path) -> tuple[CommandSigner, Path]:
    """Make both; gives the signer, its chain holding the root, and the file of its certificate."""
    root_key, root, key, leaf = (folder / name for name in ("root.key", "root.pem", "sm2.key", "sm2.pem"))
    for file in (root_key, key):
        _openssl("ecparam", "-genkey", "-name", "SM2", "-noout", "-out", file)
    _openssl(
        *("req", "-x509", "-new", "-key", root_key, "-sm3", *DISTID, "-days", "3000", "-subj", "/CN=SM2 CA"),
        *("-addext", "keyUsage=critical,keyCertSign", "-out", root),
    )
    _openssl("req", "-new", "-key", key, "-sm3", *DISTID, "-subj", "/CN=SM2 office", "-out", folder / "csr")
    _openssl(
        *("x509", "-req", "-in", folder / "csr", "-CA", root, "-CAkey", root_key, "-sm3", *DISTID, "-days", "2000"),
        *("-vfyopt", "distid:1234567812345678", "-set_serial", "7", "-out", leaf),
    )
    certificates = [x509.load_pem_x509_certificate(file.read_bytes()) for file in (leaf, root)]
    command = [program("openssl"), "dgst", "-sm3", "-sign", str(key), *DISTID]
    signer = CommandSigner(command, certificates[0], certificates[1:], algorithm=SignatureAlgorithm.SM2_SM3)
    return signer, leaf
