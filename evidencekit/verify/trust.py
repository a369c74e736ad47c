"""What the verifier's user trusts: anchors come from the caller's arguments and from nowhere else (design §4.14).

Signers and time-stamping authorities are separate lists: one CA in both roles would let a TSA's CA vouch for a signer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from evidencekit.errors import FormatError, UsageError
from evidencekit.ledger.policy import Policy, parse_policy
from evidencekit.signing.note import VerifierKey, format_vkey, parse_vkey
from evidencekit.x509.certificate import MALFORMED, fingerprint, name_of, require_readable

MAX_FILE_BYTES: Final = 1 << 20
MAX_FILES: Final = 200
MAX_ANCHORS: Final = 200
_PEM_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_PEM_CRL = b"-----BEGIN X509 CRL-----"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Anchors by role. `self_bundle` takes those in the bundle's own `trust/` folder as well, and says so."""

    signers: tuple[x509.Certificate, ...] = ()
    tsas: tuple[x509.Certificate, ...] = ()
    logs: tuple[VerifierKey, ...] = ()
    crls: tuple[x509.CertificateRevocationList, ...] = ()
    ocsp: tuple[bytes, ...] = ()
    """OCSP responses, DER."""
    self_bundle: bool = False
    policies: tuple[Policy, ...] = ()
    """Who must have cosigned a checkpoint before it counts as witnessed."""

    @staticmethod
    def stranger() -> Trust:
        """Return the trust of somebody who was handed the bundle and nothing else."""
        return Trust()

    @property
    def crls_der(self) -> tuple[bytes, ...]:
        """The revocation lists, DER."""
        return tuple(crl.public_bytes(Encoding.DER) for crl in self.crls)

    def merged(self, other: Trust) -> Trust:
        """Return the anchors of both, each once, in order."""
        return Trust(
            signers=_unique(self.signers + other.signers),
            tsas=_unique(self.tsas + other.tsas),
            logs=tuple(dict.fromkeys(self.logs + other.logs)),
            crls=_unique_crls(self.crls + other.crls),
            ocsp=tuple(dict.fromkeys(self.ocsp + other.ocsp)),
            self_bundle=self.self_bundle or other.self_bundle,
            policies=tuple(dict.fromkeys(self.policies + other.policies)),
        )

    def describe(self, lang: str) -> str:
        """Name every anchor with its SHA-256, in `zh` or else in English."""
        chinese = lang == "zh"
        parts = [
            *(f"{'签署人' if chinese else 'signer'} {_named(anchor)}" for anchor in self.signers),
            *(f"{'时间戳机构' if chinese else 'TSA'} {_named(anchor)}" for anchor in self.tsas),
            *(f"{'日志' if chinese else 'log'} {format_vkey(log)}" for log in self.logs),
            *(f"{'见证策略' if chinese else 'witness policy'} quorum {policy.quorum}" for policy in self.policies),
        ]
        if self.self_bundle:
            own = ("证据包自带的信任锚(--trust self)", "anchors from the bundle itself (--trust self)")
            parts.append(own[0] if chinese else own[1])
        if not parts:
            return "无信任锚(陌生人)" if chinese else "no anchors (a stranger)"
        return ("；" if chinese else "; ").join(parts)


def load_trust(specs: Sequence[str]) -> Trust:
    """Read the anchors that `--trust` arguments name.

    Args:
        specs: Each `self`, `PATH`, `signer=PATH`, `tsa=PATH`, `log=PATH` or `policy=PATH` (C2SP
            tlog-policy). A folder gives its `signer*.pem`, `tsa*.pem`, `*.vkey` and `*.crl` files; with a role, every
            certificate (or vkey) in it has that role.

    Raises:
        UsageError: a path cannot be read, holds no anchor, or holds a CA certificate of which nobody said whether it
            stands for signers or for TSAs.
    """
    trust = Trust()
    for spec in specs:
        trust = trust.merged(_load_spec(spec))
    if len(trust.signers) + len(trust.tsas) + len(trust.logs) > MAX_ANCHORS:
        raise UsageError(
            f"--trust names more than {MAX_ANCHORS} anchors; give only those that this bundle needs.",
            f"--trust 指定了超过 {MAX_ANCHORS} 个信任锚；请只提供本证据包所需的。",
        )
    return trust


def trust_from_files(files: Iterable[tuple[str, bytes]]) -> Trust:
    """Read the anchors among the files of a `trust/` folder, by their names; other files are passed over.

    Raises:
        UsageError: a file that is named like an anchor is not one.
    """
    trust = Trust()
    for name, data in files:
        loader = _by_name(name)
        if loader is not None:
            trust = trust.merged(loader(data, name))
    return trust


def _load_spec(spec: str) -> Trust:
    if spec == "self":
        return Trust(self_bundle=True)
    role, separator, rest = spec.partition("=")
    loader = _ROLES.get(role) if separator else None
    name = rest if loader else spec
    if not name:
        raise UsageError("--trust names no path; give self or PATH.", "--trust 未指定路径；请提供 self 或路径。")
    path = Path(name)
    found = _load_folder(path, loader) if path.is_dir() else (loader or _load_unqualified)(_read(path), str(path))
    if not (found.signers or found.tsas or found.logs or found.crls or found.policies):
        raise UsageError(
            f"--trust {spec}: no anchor was found there; give a PEM certificate, a vkey, or a folder with "
            "signer*.pem, tsa*.pem or *.vkey.",
            f"--trust {spec}：未找到信任锚；请提供 PEM 证书、vkey，或含 signer*.pem、tsa*.pem、*.vkey 的文件夹。",
        )
    return found


_Loader = Callable[[bytes, str], Trust]


def _load_folder(folder: Path, loader: _Loader | None) -> Trust:
    try:
        paths = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise _unreadable(folder, error) from error
    if len(paths) > MAX_FILES:
        raise UsageError(
            f"{folder} holds more than {MAX_FILES} files; give a folder with anchors only.",
            f"{folder} 中文件超过 {MAX_FILES} 个；请提供只含信任锚的文件夹。",
        )
    trust = Trust()
    for path in paths:
        chosen = _by_name(path.name) if loader is None else _of_role(path.suffix, loader)
        if chosen is not None:
            trust = trust.merged(chosen(_read(path), str(path)))
    return trust


def _of_role(suffix: str, loader: _Loader) -> _Loader | None:
    """Return the role's loader for files that can hold its anchors."""
    by_loader: dict[_Loader, set[str]] = {_load_logs: {".vkey"}, _load_policy: {".policy", ".txt"}}
    return loader if suffix in by_loader.get(loader, {".pem", ".crt", ".cer", ".der"}) else None


def _by_name(name: str) -> _Loader | None:
    base = name.rpartition("/")[2]
    if base.endswith(".vkey"):
        return _load_logs
    if base.endswith((".crl", ".crl.pem")):
        return _load_crls
    if base.endswith(".pem") and base.startswith("signer"):
        return _load_signers
    if base.endswith(".pem") and base.startswith("tsa"):
        return _load_tsas
    return None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if len(data) > MAX_FILE_BYTES:
        raise UsageError(
            f"{path} is larger than {MAX_FILE_BYTES} bytes, so it is no list of anchors; give another file.",
            f"{path} 超过 {MAX_FILE_BYTES} 字节，不是信任锚文件；请换一个文件。",
        )
    return data


def _load_signers(data: bytes, name: str) -> Trust:
    return Trust(signers=_certificates(data, name), crls=_crls(data, name))


def _load_tsas(data: bytes, name: str) -> Trust:
    return Trust(tsas=_certificates(data, name), crls=_crls(data, name))


def _load_crls(data: bytes, name: str) -> Trust:
    crls = _crls(data, name)
    if not crls:
        raise _bad(name, "a certificate revocation list", "证书吊销列表")
    return Trust(crls=crls)


def _load_logs(data: bytes, name: str) -> Trust:
    try:
        lines = [line.strip() for line in data.decode("ascii").splitlines()]
        logs = tuple(parse_vkey(line) for line in lines if line and not line.startswith("#"))
    except (UnicodeDecodeError, FormatError) as error:
        raise _bad(name, "a log's verifier key (vkey)", "日志验证公钥(vkey)") from error
    if not logs:
        raise _bad(name, "a log's verifier key (vkey)", "日志验证公钥(vkey)")
    return Trust(logs=logs)


def _load_policy(data: bytes, name: str) -> Trust:
    try:
        policy = parse_policy(data)
    except FormatError as error:
        raise _bad(name, "a witness policy (C2SP tlog-policy)", "见证策略(C2SP tlog-policy)") from error
    logs = tuple(line.verifier for line in policy.logs if isinstance(line.verifier, VerifierKey))
    return Trust(logs=logs, policies=(policy,))


def _load_unqualified(data: bytes, name: str) -> Trust:
    if _PEM_CERTIFICATE not in data and _PEM_CRL not in data and data[:1] != b"\x30":
        return _load_logs(data, name)
    certificates = _certificates(data, name, needed=_PEM_CRL not in data)
    signers: list[x509.Certificate] = []
    tsas: list[x509.Certificate] = []
    for certificate in certificates:
        if _is_ca(certificate):
            raise UsageError(
                f"{name} holds a CA certificate ({_named(certificate)}); say what it stands for: "
                "--trust signer=PATH or --trust tsa=PATH.",
                f"{name} 中有 CA 证书({_named(certificate)})；请指明其用途：--trust signer=路径 或 --trust tsa=路径。",
            )
        (tsas if _only_stamps_time(certificate) else signers).append(certificate)
    return Trust(signers=tuple(signers), tsas=tuple(tsas), crls=_crls(data, name))


_ROLES: dict[str, _Loader] = {
    "signer": _load_signers,
    "tsa": _load_tsas,
    "log": _load_logs,
    "policy": _load_policy,
}


def _certificates(data: bytes, name: str, *, needed: bool = True) -> tuple[x509.Certificate, ...]:
    if _PEM_CERTIFICATE not in data and data[:1] != b"\x30" and not needed:
        return ()
    try:
        one = data[:1] == b"\x30"
        found = [x509.load_der_x509_certificate(data)] if one else x509.load_pem_x509_certificates(data)
        for certificate in found:
            require_readable(certificate)
    except (*MALFORMED, FormatError) as error:
        raise _bad(name, "a PEM certificate", "PEM 证书") from error
    return tuple(found)


def _crls(data: bytes, name: str) -> tuple[x509.CertificateRevocationList, ...]:
    try:
        if name.endswith(".crl") and data[:1] == b"\x30":
            return (x509.load_der_x509_crl(data),)
        blocks = data.split(_PEM_CRL)[1:]
        return tuple(x509.load_pem_x509_crl(_PEM_CRL + block) for block in blocks)
    except MALFORMED as error:
        raise _bad(name, "a certificate revocation list", "证书吊销列表") from error


def certificates_of(data: bytes) -> tuple[x509.Certificate, ...]:
    """Read the certificates of a PEM file.

    Raises:
        FormatError: it is none.
    """
    try:
        return _certificates(data, "PEM")
    except UsageError as error:
        raise FormatError(error.en, error.zh) from error


def _is_ca(certificate: x509.Certificate) -> bool:
    for extension in certificate.extensions:
        value = extension.value
        if isinstance(value, x509.BasicConstraints) and value.ca:
            return True
        if isinstance(value, x509.KeyUsage) and value.key_cert_sign:
            return True
    return False


def _only_stamps_time(certificate: x509.Certificate) -> bool:
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.ExtendedKeyUsage):
            return list(extension.value) == [ExtendedKeyUsageOID.TIME_STAMPING]
    return False


def _named(certificate: x509.Certificate) -> str:
    return f"{name_of(certificate)} SHA-256 {fingerprint(certificate)}"


def _unique(certificates: tuple[x509.Certificate, ...]) -> tuple[x509.Certificate, ...]:
    return tuple({fingerprint(certificate): certificate for certificate in certificates}.values())


def _unique_crls(crls: tuple[x509.CertificateRevocationList, ...]) -> tuple[x509.CertificateRevocationList, ...]:
    return tuple({crl.public_bytes(Encoding.DER): crl for crl in crls}.values())


def _unreadable(path: Path, error: Exception) -> UsageError:
    return UsageError(
        f"--trust: {path} cannot be read ({error}); check the path and its permissions.",
        f"--trust：无法读取 {path}({error})；请检查路径与权限。",
    )


def _bad(name: str, en: str, zh: str) -> UsageError:
    return UsageError(
        f"--trust: {name} is not {en}; give the file that the issuer publishes.",
        f"--trust:{name} 不是{zh}；请提供签发者公布的文件。",
    )
