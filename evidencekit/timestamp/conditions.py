"""The conditions that a TSTInfo must meet by itself and against what the caller knows, one step each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidencekit.x509 import checks, der, oids
from evidencekit.x509.certificate import encoded_parts
from evidencekit.x509.names import same_name

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime, timedelta

    from evidencekit.timestamp.token import Token
    from evidencekit.x509.checks import Check
    from evidencekit.x509.signerinfo import SignerCheck


def check_info(token: Token) -> tuple[Check, Check]:
    """Check version and extensions (RFC 3161 §2.4.2).

    Returns:
        Steps `version` and `extensions`.
    """
    if token.version == 1:
        version = checks.passed("version", "TSTInfo version 1", "TSTInfo 版本 1")
    else:
        version = checks.failed("version", f"TSTInfo version {token.version}", f"TSTInfo 版本 {token.version}")
    if not token.critical_extensions:
        return version, checks.passed("extensions", "no unknown critical extension", "无未知关键扩展")
    names = ", ".join(token.critical_extensions)
    return version, checks.failed("extensions", f"unknown critical extensions: {names}", f"含未知关键扩展：{names}")


def check_imprint(token: Token, digest: bytes, algorithm: str) -> tuple[Check, Check]:
    """Compare the imprint with the caller's digest.

    Returns:
        Steps `imprint-algorithm` and `imprint`.
    """
    name = token.imprint.algorithm
    if name in oids.DIGEST_SIZES:
        function = checks.passed("imprint-algorithm", f"imprint by {name}", f"摘要算法 {name}")
    else:
        function = checks.failed(
            "imprint-algorithm", f"hash function {name} proves nothing", f"摘要算法 {name} 不具证明力"
        )
    if name != algorithm:
        return function, checks.failed(
            "imprint", f"the stamp is over a {name} digest, not {algorithm}", f"所盖摘要为 {name}，并非 {algorithm}"
        )
    if token.imprint.digest != digest:
        return function, checks.failed("imprint", "the stamp is over other data", "时间戳针对的是其他数据")
    return function, checks.passed("imprint", "the stamp is over this data", "时间戳针对此数据")


def check_nonce(token: Token, nonce: int | None) -> Check:
    """Compare the nonce with the request's, if that is known."""
    if nonce is None:
        return checks.not_performed("nonce", "the request's nonce is not known", "未提供请求随机数")
    if token.nonce != nonce:
        return checks.failed("nonce", "the nonce is not the request's: a replay", "随机数与请求不符，可能为重放")
    return checks.passed("nonce", "the nonce is the request's", "随机数与请求一致")


def check_policy(token: Token, policies: Collection[str] | None) -> Check:
    """Compare the policy with those that are acceptable; `None` accepts all."""
    if policies is None:
        return checks.not_performed(
            "policy", f"policy {token.policy}, any is accepted", f"策略 {token.policy}，未作限制"
        )
    if token.policy not in policies:
        return checks.failed("policy", f"policy {token.policy} is not acceptable", f"策略 {token.policy} 不被接受")
    return checks.passed("policy", f"policy {token.policy}", f"策略 {token.policy}")


def check_name(token: Token, signer: SignerCheck) -> Check:
    """Compare the TSA's name with the certificate's subject (RFC 3161 §2.4.2, `tsa`); other forms of name are rare."""
    step = "tsa-name"
    name = None if token.tsa is None else der.parse(token.tsa)
    if name is None or name.tag != der.context(4) or signer.certificate is None:
        return checks.not_performed(step, "the token states no name to compare", "未声明可比对的机构名称")
    if not same_name(name.content, encoded_parts(signer.certificate).subject):
        return checks.failed(step, "the name stated is not the certificate's", "所述机构名称与证书不符")
    return checks.passed(step, "the name stated is the certificate's", "所述机构名称与证书一致")


def check_time(token: Token, at: datetime, max_skew: timedelta) -> Check:
    """Make sure that genTime is not later than `at` and `max_skew`."""
    stated = f"{token.gen_time:%Y-%m-%d %H:%M:%S}Z"
    if token.gen_time - at > max_skew:
        return checks.failed("gen-time", f"{stated} lies in the future", f"{stated} 晚于核验时间")
    return checks.passed("gen-time", f"{stated} is not in the future", f"{stated} 不晚于核验时间")


def report_accuracy(token: Token) -> Check:
    """Report the deviation that the TSA claims."""
    if token.accuracy is None:
        return checks.not_performed("accuracy", "the token claims no accuracy", "未声明精度")
    seconds = token.accuracy.total_seconds()
    return checks.passed("accuracy", f"± {seconds:g} s claimed", f"声明精度 ± {seconds:g} 秒")
