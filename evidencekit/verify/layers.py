"""What each layer of a report proves here and what it does not (design §2; R33, R66).

Nothing is said to be proved unless the findings that carry it passed: a check that did not run or could not be decided
only ever adds to what is *not* proved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from evidencekit.model import Outcome, Text, VerificationReport
from evidencekit.verify.outcome import KINDS, Layer, weakest
from evidencekit.verify.wording import bounds, outcomes_by_id

if TYPE_CHECKING:
    from collections.abc import Mapping


class LayerSummary(NamedTuple):
    """One layer of a report: its weakest required outcome, what it proves here and what it does not."""

    layer: Layer
    outcome: Outcome
    proves: Text
    does_not_prove: Text


_PASSED, _FAILED = Outcome.PASSED, Outcome.FAILED
_NAMES = {
    Layer.CONTAINER: Text(en="the container", zh="容器"),
    Layer.OUTER_SEAL: Text(en="the outer seal", zh="外层封缄"),
    Layer.RECORD: Text(en="the record", zh="取证记录"),
    Layer.ENVIRONMENT: Text(en="the environment report", zh="环境检查报告"),
    Layer.SIGNATURE: Text(en="the signature", zh="数字签名"),
    Layer.TIME: Text(en="the time-stamps", zh="时间戳"),
    Layer.LEDGER: Text(en="the ledger", zh="透明日志"),
    Layer.STATUS: Text(en="the status", zh="状态"),
}


def layers(report: VerificationReport) -> list[LayerSummary]:
    """Return, layer by layer, what this report proves and what it does not (design §2)."""
    outcomes = outcomes_by_id(report.findings)
    return [
        LayerSummary(layer, _layer_outcome(layer, outcomes), _proves(layer, outcomes), _does_not(layer, outcomes))
        for layer in Layer
    ]


def _layer_outcome(layer: Layer, outcomes: Mapping[str, Outcome]) -> Outcome:
    found = {name: outcome for name, outcome in outcomes.items() if name in KINDS and KINDS[name].layer is layer}
    if _FAILED in found.values():
        return _FAILED
    required = [outcome for name, outcome in found.items() if bounds(name) or name == "trust.self"]
    return weakest(required or found.values())


_NOTHING = Text(en="nothing", zh="无")


def _all_passed(outcomes: Mapping[str, Outcome], *names: str) -> bool:
    return all(outcomes.get(name) is _PASSED for name in names)


def _join(parts: list[Text]) -> Text:
    if not parts:
        return _NOTHING
    return Text(en="; ".join(part.en for part in parts), zh="；".join(part.zh for part in parts))


_PROOFS: tuple[tuple[Layer, tuple[str, ...], Text], ...] = (
    (
        Layer.CONTAINER,
        ("container.members", "sums.sha256", "sums.sm3"),
        Text(
            en="the members are those that belong there and agree with the lists of digests",
            zh="成员文件齐全且无多余，并与摘要清单一致",
        ),
    ),
    (
        Layer.OUTER_SEAL,
        ("outer.manifest", "outer.signature", "outer.signer"),
        Text(
            en="the holder of the sealing key signed the whole bundle, certificate and report included",
            zh="封缄密钥持有者对整个证据包(含证书与报告)签名",
        ),
    ),
    (
        Layer.RECORD,
        ("manifest.form", "manifest.artifacts", "manifest.records", "archive.records", "worklog.chain"),
        Text(
            en="every file and every recorded request and response is the one that the signed manifest commits to",
            zh="每个文件、每条请求与响应记录都与已签名清单所承诺的一致",
        ),
    ),
    (
        Layer.ENVIRONMENT,
        ("environment.report",),
        Text(en="these probes saw no sign of forgery", zh="这些检查未发现伪造迹象"),
    ),
    (
        Layer.SIGNATURE,
        ("seal.signature",),
        Text(en="exactly this record was sealed by the holder of one key", zh="该密钥的持有者封缄了这份记录"),
    ),
    (
        Layer.SIGNATURE,
        ("seal.signature", "seal.identity", "seal.validity"),
        Text(
            en="the key belongs to the signer that the anchor you gave vouches for",
            zh="该密钥属于您所提供信任锚担保的签署人",
        ),
    ),
    (
        Layer.SIGNATURE,
        ("seal.signature", "seal.post_quantum"),
        Text(
            en="the record was signed with ML-DSA-65 as well, which no known method of quantum computers forges",
            zh="该记录另有 ML-DSA-65 签名，目前没有已知的量子计算方法可予伪造",
        ),
    ),
    (
        Layer.TIME,
        ("time.open",),
        Text(en="the record was assembled after T_open", zh="该记录形成于 T_open 之后"),
    ),
    (
        Layer.TIME,
        ("time.capture",),
        Text(
            en="the recorded bytes existed no later than T_capture, before rendering and packaging",
            zh="所记录的字节在 T_capture 之前(渲染与打包之前)已存在",
        ),
    ),
    (
        Layer.TIME,
        ("time.seal",),
        Text(en="the signature existed no later than T_seal", zh="签名在 T_seal 之前已存在"),
    ),
    (
        Layer.LEDGER,
        ("ledger.entry", "ledger.inclusion", "ledger.checkpoint"),
        Text(
            en="the holder of the log key entered this record at this place in its log",
            zh="日志密钥持有者已将本记录登记于其日志的该位置",
        ),
    ),
    (
        Layer.LEDGER,
        ("ledger.inclusion", "ledger.checkpoint", "ledger.open"),
        Text(en="the attempt was announced before it was made", zh="本次取证在进行之前已登记"),
    ),
    (
        Layer.LEDGER,
        ("ledger.checkpoint", "ledger.independent"),
        Text(
            en="someone other than the operator vouches for the same history",
            zh="运营者以外的一方为同一历史作证",
        ),
    ),
)

_LIMITS: tuple[tuple[Layer, tuple[str, ...], Text], ...] = (
    (
        Layer.CONTAINER,
        (),
        Text(en="who made the bundle; anybody can make consistent digests", zh="制作者身份；任何人都能制作自洽的摘要"),
    ),
    (
        Layer.OUTER_SEAL,
        (),
        Text(en="that what the members say is true", zh="成员文件内容属实"),
    ),
    (
        Layer.RECORD,
        (),
        Text(
            en="truth of content; where a party controls the machine, wholesale forgery is not excluded",
            zh="内容属实；制作方控制环境时，不能排除整体伪造",
        ),
    ),
    (
        Layer.ENVIRONMENT,
        (),
        Text(
            en="that the operator did not replace the whole machine",
            zh="操作者没有更换整台机器",
        ),
    ),
    (
        Layer.SIGNATURE,
        ("seal.identity",),
        Text(en="who the signer is: integrity only", zh="签署人身份：仅证明完整性"),
    ),
    (
        Layer.SIGNATURE,
        ("seal.revocation",),
        Text(en="that the certificate was not revoked", zh="证书未被吊销"),
    ),
    (
        Layer.SIGNATURE,
        (),
        Text(en="that what was signed is true", zh="所签内容属实"),
    ),
    (
        Layer.TIME,
        ("time.independent",),
        Text(
            en="time independent of the issuer: no trusted token comes from a TSA other than the issuer's own",
            zh="独立于制作方的时间：没有来自制作方以外且受信任的时间戳机构的凭证",
        ),
    ),
    (
        Layer.TIME,
        (),
        Text(en="that the bytes arrived after T_open", zh="这些字节在 T_open 之后才到达"),
    ),
    (
        Layer.LEDGER,
        ("ledger.checkpoint",),
        Text(en="that the log is one you know", zh="该日志是您所知的日志"),
    ),
    (
        Layer.LEDGER,
        ("ledger.independent",),
        Text(
            en="anything against the log's own operator: no witness or third-party stamp vouches for the checkpoint",
            zh="对日志运营者自身不构成任何证明：没有见证人或第三方时间戳为检查点作证",
        ),
    ),
    (
        Layer.STATUS,
        (),
        Text(
            en="that the certificate was not corrected or revoked later: this needs a newer ledger",
            zh="证书其后未被更正或撤销：这需要更新的日志",
        ),
    ),
)


def _proves(layer: Layer, outcomes: Mapping[str, Outcome]) -> Text:
    return _join([text for at, needs, text in _PROOFS if at is layer and _all_passed(outcomes, *needs)])


def _does_not(layer: Layer, outcomes: Mapping[str, Outcome]) -> Text:
    # A limit with ids is lifted only when all of them passed; a limit without ids always stands.
    limits = [text for at, lifted, text in _LIMITS if at is layer and not (lifted and _all_passed(outcomes, *lifted))]
    if _layer_outcome(layer, outcomes) is _FAILED:
        name = _NAMES[layer]
        limits.insert(0, Text(en=f"{name.en} failed: see its findings", zh=f"{name.zh}未通过：见相关检查结果"))
    return _join(limits) if limits else _NOTHING
