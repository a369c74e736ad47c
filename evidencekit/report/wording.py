"""What each finding is called, in which layer it stands and whether it bounds the verdict (docs/spec/findings.md)."""

from __future__ import annotations

from dataclasses import dataclass

from evidencekit.model import Finding, Outcome, Text, VerificationReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A group of findings: what it proves when it passed, and what it never proves."""

    id: str
    name: Text
    proves: Text
    limits: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One row of the registry of finding ids."""

    id: str
    layer: str
    required: bool
    name: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerResult:
    """The outcome of one layer and the findings it comes from."""

    layer: Layer
    outcome: Outcome
    findings: tuple[Finding, ...]


def _layer(layer_id: str, name: tuple[str, str], proves: tuple[str, str], limits: tuple[str, str]) -> Layer:
    texts = [Text(en=pair[0], zh=pair[1]) for pair in (name, proves, limits)]
    return Layer(id=layer_id, name=texts[0], proves=texts[1], limits=texts[2])


LAYERS: tuple[Layer, ...] = (
    _layer(
        "container",
        ("Container", "容器"),
        ("the members are exactly those listed, none changed", "包内成员与清单逐一相符，未被改动"),
        ("who packed it, or when", "由谁、何时打包"),
    ),
    _layer(
        "outer seal",
        ("Outer seal", "外层封印"),
        ("the whole package is as its signer left it", "整个证据包与签署时一致"),
        ("that what was packed is true", "包内内容本身真实"),
    ),
    _layer(
        "record",
        ("Record", "取证记录"),
        (
            "screenshot, source, network and work log are those committed to; every request is accounted for",
            "截图、源码、网络记录、工作记录均与清单承诺相符，每一请求的去向均有记录",
        ),
        ("that the page's content is true", "网页内容本身真实"),
    ),
    _layer(
        "environment",
        ("Environment", "取证环境"),
        ("the probes saw no sign of forgery", "各项探查未发现伪造迹象"),
        ("that the operator did not replace the whole machine", "操作人未替换整台设备"),
    ),
    _layer(
        "signature",
        ("Signature", "数字签名"),
        ("which certificate sealed the record", "由哪一证书封存"),
        ("a person's identity, when the certificate is self-signed", "自签名证书不能证明签署人身份"),
    ),
    _layer(
        "time",
        ("Time", "时间戳"),
        ("the record existed no later than the stamped time", "记录不晚于时间戳所载时间即已存在"),
        ("when the page was first published", "网页最初发布的时间"),
    ),
    _layer(
        "ledger",
        ("Ledger", "账本"),
        ("entered in this order under a signed tree head", "按此顺序入账，并有签名树头"),
        (
            "anything against its own operator, unless witnessed; it is no blockchain",
            "无见证时不能约束账本运营者；本账本不是区块链",
        ),
    ),
    _layer(
        "status",
        ("Status", "现行状态"),
        ("no later correction or revocation in the ledger given", "所提供账本中没有事后更正或撤销"),
        ("what was entered after that ledger was copied", "该账本副本之后的记录"),
    ),
)

_ROWS: tuple[tuple[str, str, bool, str, str], ...] = (
    ("container.form", "container", True, "ZIP form", "ZIP 形式"),
    ("container.members", "container", True, "Members", "成员名单"),
    ("format.version", "container", True, "Format versions", "格式版本"),
    ("sums.sha256", "container", True, "SHA-256 list", "SHA-256 清单"),
    ("sums.sm3", "container", True, "SM3 list", "SM3 清单"),
    ("outer.manifest", "outer seal", True, "Outer manifests", "外层清单"),
    ("outer.signature", "outer seal", True, "Outer signature", "外层签名"),
    ("outer.signer", "outer seal", True, "Outer signer", "外层签署人"),
    ("outer.timestamp", "outer seal", True, "Outer time-stamp", "外层时间戳"),
    ("manifest.form", "record", True, "Manifest", "清单形式"),
    ("manifest.artifacts", "record", True, "Artifacts", "证据文件"),
    ("manifest.records", "record", True, "Record commitments", "网络记录承诺"),
    ("manifest.minimum", "record", True, "Evidential minimum", "最低取证要素"),
    ("archive.records", "record", True, "Archive records", "归档记录"),
    ("archive.wacz", "record", True, "Archive package", "归档包"),
    ("exchanges.complete", "record", True, "Requests accounted for", "请求去向完整"),
    ("exchanges.corroborated", "record", False, "Two accounts of the traffic", "两份网络记录互证"),
    ("corroboration.text", "record", False, "Visible texts against the responses", "可见文字与响应互证"),
    ("corroboration.images", "record", False, "Pictures against the requests", "图像与请求互证"),
    ("corroboration.location", "record", False, "Address and title against the log", "网址、标题与请求记录互证"),
    ("corroboration.pictures", "record", False, "First against last picture", "初始与最终截图互证"),
    ("corroboration.network", "record", False, "Peers, certificates, DNS", "对端、证书、域名解析互证"),
    ("corroboration.rerender", "record", False, "Offline re-render", "离线重现比对"),
    ("worklog.chain", "record", True, "Work log chain", "工作记录链"),
    ("custody.chain", "record", True, "Custody log chain", "保管记录链"),
    ("deposit.items", "record", True, "Deposited items", "存证条目"),
    ("deposit.statement", "record", True, "Depositor's statement", "存证人陈述"),
    ("deposit.links", "record", True, "Earlier records", "在先记录"),
    ("deposit.file", "record", False, "Your own copy of a file", "您手中的文件"),
    ("environment.report", "environment", False, "Environment probes", "环境探查"),
    ("devtools.exclusive", "environment", False, "Exclusive browser control", "浏览器独占控制"),
    ("tls.handshake", "environment", False, "Servers' handshake signatures", "服务器握手签名"),
    ("seal.signature", "signature", True, "Seal signature", "封存签名"),
    ("seal.identity", "signature", True, "Signer's identity", "签署人身份"),
    ("seal.validity", "signature", True, "Certificate validity", "证书有效期"),
    ("seal.revocation", "signature", False, "Revocation", "证书吊销"),
    ("seal.post_quantum", "signature", False, "Second signature (post-quantum)", "第二签名（抗量子）"),
    ("time.open", "time", True, "Opening time-stamp", "启动时间戳"),
    ("time.capture", "time", True, "Capture time-stamp", "取证时间戳"),
    ("time.film", "time", False, "Film time-stamps", "录像时间戳"),
    ("time.seal", "time", True, "Seal time-stamp", "封存时间戳"),
    ("time.order", "time", True, "Order of times", "时间先后"),
    ("time.independent", "time", False, "Independent time-stamp authority", "独立时间戳机构"),
    ("time.lasting", "time", True, "Time-stamps still stand", "时间戳持续有效"),
    ("ledger.entry", "ledger", True, "Ledger entry", "账本条目"),
    ("ledger.inclusion", "ledger", True, "Inclusion proof", "包含证明"),
    ("ledger.checkpoint", "ledger", True, "Signed tree head", "签名树头"),
    ("ledger.open", "ledger", True, "Announced attempt", "事先登记"),
    ("ledger.independent", "ledger", False, "Independent witness", "独立见证"),
    ("ledger.anchored", "ledger", False, "Anchor receipts", "锚定回执"),
    ("outer.roles", "signature", False, "Later signatures", "其后签名"),
    ("policy.signatures", "signature", False, "Role signatures", "角色签名"),
    ("policy.timestamps", "time", False, "Number of time-stamp authorities", "时间戳机构数量"),
    ("policy.witnesses", "ledger", False, "Number of witnesses", "见证人数量"),
    ("redaction.edition", "container", False, "Redacted edition", "遮盖版"),
    ("trust.self", "container", False, "Anchors from the bundle itself", "信任锚取自包内"),
    ("status.current", "status", False, "Later correction or revocation", "事后更正或撤销"),
)

CHECKS: dict[str, Check] = {
    row[0]: Check(id=row[0], layer=row[1], required=row[2], name=Text(en=row[3], zh=row[4])) for row in _ROWS
}

OUTCOMES: dict[Outcome, Text] = {
    Outcome.PASSED: Text(en="PASSED", zh="通过"),
    Outcome.INDETERMINATE: Text(en="INDETERMINATE", zh="未定"),
    Outcome.FAILED: Text(en="FAILED", zh="未通过"),
    Outcome.NOT_PERFORMED: Text(en="NOT PERFORMED", zh="未执行"),
}

_UNKNOWN_LAYER = "record"


def check_of(finding_id: str) -> Check:
    """The registry row of a finding; an id that is not registered stands under its own name, required."""
    known = CHECKS.get(finding_id)
    return known or Check(id=finding_id, layer=_UNKNOWN_LAYER, required=True, name=Text(en=finding_id, zh=finding_id))


def _outcome_of(findings: tuple[Finding, ...]) -> Outcome:
    """The rule of the overall verdict, applied to one layer (docs/spec/findings.md)."""
    outcomes = {finding.outcome for finding in findings}
    if Outcome.FAILED in outcomes:
        return Outcome.FAILED
    deciding = [finding for finding in findings if check_of(finding.id).required] or list(findings)
    if not deciding or all(finding.outcome is Outcome.NOT_PERFORMED for finding in deciding):
        return Outcome.NOT_PERFORMED
    if all(finding.outcome is Outcome.PASSED for finding in deciding):
        return Outcome.PASSED
    return Outcome.INDETERMINATE


_DEPOSIT_RECORD = _layer(
    "record",
    ("Deposit", "存证记录"),
    ("files or digests, statement and work log are those committed to", "文件或其摘要、陈述、工作记录与承诺相符"),
    (
        "that the statement is true, or how, when and by whom the files were made",
        "陈述属实，或文件如何、何时、由何人形成",
    ),
)


_DEPOSIT_TIME = _layer(
    "time",
    ("Time", "时间戳"),
    ("the record existed no later than the stamped time", "记录不晚于时间戳所载时间即已存在"),
    ("when the files were made", "文件形成的时间"),
)


def layers_of(*, deposit: bool) -> tuple[Layer, ...]:
    """The layers of a capture's report, or of a deposit's, which has no environment of its own and another record."""
    if not deposit:
        return LAYERS
    own = {layer.id: layer for layer in (_DEPOSIT_RECORD, _DEPOSIT_TIME)}
    return tuple(own.get(layer.id, layer) for layer in LAYERS if layer.id != "environment")


def layer_results(report: VerificationReport) -> tuple[LayerResult, ...]:
    """Groups the findings of a report by layer, in the order of `LAYERS`; a layer without findings did not run."""
    results: list[LayerResult] = []
    for layer in layers_of(deposit=any(finding.id == "deposit.items" for finding in report.findings)):
        findings = tuple(finding for finding in report.findings if check_of(finding.id).layer == layer.id)
        results.append(LayerResult(layer=layer, outcome=_outcome_of(findings), findings=findings))
    return tuple(results)
