"""A signer that is a program of the caller's: a national HSM's client, a smart card's tool, a remote signing service.

For each signature the program is started afresh, without a shell. It reads the bytes to sign on standard input (the
signed attributes, below 4 KiB), writes the signature and nothing else to standard output, and ends with status 0
(docs/spec/signers.md). `openssl dgst -sha256 -sign KEY` is such a program. What it writes is checked against the
certificate before anything is sealed with it.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Final

from evidencekit.errors import SigningError
from evidencekit.signing.signer import SignatureAlgorithm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509

TIMEOUT_S: Final = 60.0
MAX_SIGNATURE_BYTES: Final = 1 << 16
ALGORITHM_VARIABLE: Final = "EVIDENCEKIT_SIGN_ALGORITHM"
_SHOWN_CHARS: Final = 300


class CommandSigner:
    """A signer that asks an external program for each signature.

    Args:
        command: program and arguments, at least the program.
        certificate: the certificate of the program's key.
        chain: issuing certificates, nearest first.
        algorithm: what the program makes; it is also told so in `EVIDENCEKIT_SIGN_ALGORITHM`.
        timeout_s: after so many seconds the program is ended and signing fails.

    Raises:
        SigningError: the command is empty.
    """

    __slots__ = ("_command", "_timeout_s", "algorithm", "certificate", "chain")

    def __init__(
        self,
        command: Sequence[str],
        certificate: x509.Certificate,
        chain: Sequence[x509.Certificate] = (),
        *,
        algorithm: SignatureAlgorithm = SignatureAlgorithm.ECDSA_SHA256,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        if not command:
            raise SigningError(
                "The external signer's command is empty; give the program and its arguments.",
                "外部签名命令为空；请给出程序及其参数。",
            )
        self._command = tuple(command)
        self._timeout_s = timeout_s
        self.certificate = certificate
        self.chain = tuple(chain)
        self.algorithm = algorithm

    def sign(self, data: bytes) -> bytes:
        """Have the program sign `data`.

        Raises:
            SigningError: it cannot be started, fails, takes too long, or writes nothing or too much.
        """
        environment = {**os.environ, ALGORITHM_VARIABLE: self.algorithm.value}
        try:
            done = subprocess.run(  # noqa: S603 (the caller's own program, without a shell)
                self._command,
                input=data,
                capture_output=True,
                check=False,
                timeout=self._timeout_s,
                env=environment,
            )
        except subprocess.TimeoutExpired as error:
            raise self._failed(
                f"did not answer within {self._timeout_s:g} s", f"在 {self._timeout_s:g} 秒内无响应"
            ) from error
        except (OSError, ValueError) as error:
            raise self._failed(f"cannot be started ({error})", f"无法启动({error})") from error
        if done.returncode != 0:
            said = "".join(c for c in done.stderr.decode("utf-8", "replace")[:_SHOWN_CHARS] if c.isprintable())
            raise self._failed(f"ended with status {done.returncode} ({said})", f"退出状态 {done.returncode}({said})")
        if not 0 < len(done.stdout) <= MAX_SIGNATURE_BYTES:
            raise self._failed(
                f"wrote {len(done.stdout)} bytes where a signature belongs", f"输出 {len(done.stdout)} 字节，不是签名"
            )
        return done.stdout

    def _failed(self, en: str, zh: str) -> SigningError:
        program = self._command[0]
        return SigningError(
            f"The external signer {program!r} {en}; run it by hand with some bytes on standard input.",
            f"外部签名程序 {program!r} {zh}；请手工运行并从标准输入给它一些字节。",
        )
