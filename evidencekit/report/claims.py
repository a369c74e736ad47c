"""The claim gate (R33): a document may say only what a verification found.

Every positive sentence of the certificate, the report and the terminal is a `Claim` here and is printed through
`granted`. A claim names the findings that must all be PASSED. Words for which no finding exists at all
(a blockchain, a notarial certificate, a qualified trust service) are refused by `overclaims`, except in the
fixed sentences that deny them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from evidencekit.model import Outcome, Text, VerificationReport

SELF_TRUST = "trust.self"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One sentence, the findings it needs, and what it does not say.

    `anchored`: the claim rests on anchors and falls when they came from the bundle itself (`--trust self`).
    """

    id: str
    layer: Text
    requires: tuple[str, ...]
    says: Text
    limits: Text
    anchored: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A claim, whether it may be printed, and the findings that stand in its way (id and outcome)."""

    claim: Claim
    granted: bool
    missing: tuple[tuple[str, Outcome], ...]


CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="integrity",
        layer=Text(en="CMS signature: integrity", zh="CMS 签名：完整性"),
        requires=("manifest.form", "manifest.artifacts", "manifest.records", "seal.signature"),
        says=Text(
            en="Every item listed in the manifest is unchanged since the manifest was signed.",
            zh="清单所列各项自清单签署之后未被改动。",
        ),
        limits=Text(
            en="Not who signed, nor when, nor that the content was true.",
            zh="不证明由谁签署、何时签署，也不证明内容真实。",
        ),
    ),
    Claim(
        id="identity",
        layer=Text(en="X.509: signer's identity", zh="X.509：签署人身份"),
        requires=("seal.signature", "seal.identity", "seal.validity"),
        says=Text(
            en="The signer's certificate leads to an anchor that the verifier supplied and was valid when it signed.",
            zh="签署人证书可链接至核验人自备的信任锚，且签署时在有效期内。",
        ),
        limits=Text(
            en="With a self-signed certificate: integrity only. Never that the signer saw or understood the page.",
            zh="自签名证书仅能证明完整性；不证明签署人看过或理解网页内容。",
        ),
        anchored=True,
    ),
    Claim(
        id="environment",
        layer=Text(en="Environment probes, fresh profile", zh="环境探查与全新配置"),
        requires=("environment.report",),
        says=Text(
            en="The probes saw no sign of forged hosts, DNS answers, proxies, root certificates or cached pages.",
            zh="各项探查未发现 hosts、DNS、代理、根证书、缓存伪造的迹象。",
        ),
        limits=Text(
            en="Not that the operator did not replace the whole machine.", zh="不排除操作人替换整台设备或其网络。"
        ),
    ),
    Claim(
        id="exclusive",
        layer=Text(en="Control of the browser", zh="浏览器控制"),
        requires=("devtools.exclusive",),
        says=Text(
            en="No sign was seen of another program at the browser's debugging interface during the capture.",
            zh="取证期间未发现其他程序接入浏览器调试接口的迹象。",
        ),
        limits=Text(en="Not that the browser or its system was unmodified.", zh="不证明浏览器及其系统未经修改。"),
    ),
    Claim(
        id="handshake",
        layer=Text(en="TLS handshakes of the same connections", zh="同一连接的 TLS 握手"),
        requires=("tls.handshake",),
        says=Text(
            en="The holder of each certificate's key took part in a handshake with the browser.",
            zh="各证书私钥的持有者参与了与浏览器的握手。",
        ),
        limits=Text(
            en="Not when (a handshake can be replayed), nor the page's bytes; behind a CDN the key holder is the CDN.",
            zh="不证明握手的时间（握手可被重放），也不证明网页的字节；经 CDN 访问时，密钥持有人为 CDN。",
        ),
    ),
    Claim(
        id="record",
        layer=Text(en="WARC, NetLog, DOM and pixels", zh="网络归档、网络日志、DOM 与截图"),
        requires=(
            "manifest.artifacts",
            "manifest.records",
            "manifest.minimum",
            "archive.records",
            "archive.wacz",
            "exchanges.complete",
            "worklog.chain",
        ),
        says=Text(
            en="Screenshot, source, network and work log are those committed to; every request is accounted for.",
            zh="截图、源码、网络记录、工作记录均与清单承诺相符，每一请求的去向均有记录。",
        ),
        limits=Text(
            en="Not the truth of the content. Behind a CDN the TLS key holder is the CDN; TLS does not date a page.",
            zh="不证明内容真实；经 CDN 访问时，TLS 密钥持有人为 CDN；TLS 记录不证明网页的时间。",
        ),
    ),
    Claim(
        id="agreement",
        layer=Text(en="Texts, pictures, log of the same page", zh="同一网页的文字、图像与日志"),
        requires=(
            "archive.records",
            "exchanges.corroborated",
            "corroboration.text",
            "corroboration.images",
            "corroboration.location",
            "corroboration.network",
        ),
        says=Text(
            en="What the page shows, what its servers sent and what was logged corroborate each other.",
            zh="网页所显示的内容、服务器发来的内容与请求日志相互印证。",
        ),
        limits=Text(
            en="Not the truth of the content, nor a change that scripts could have made themselves; on a party's own "
            "machine a forgery as a whole is not excluded.",
            zh="不证明内容真实，不排除脚本自身可作出的改动；制作方控制环境的，不能排除整体伪造。",
        ),
    ),
    Claim(
        id="opened",
        layer=Text(en="T_open, in the manifest", zh="启动时间戳（清单内）"),
        requires=("time.open", "seal.signature"),
        says=Text(
            en="The record was assembled after the opening time-stamp.", zh="本记录在启动时间戳所载时间之后形成。"
        ),
        limits=Text(en="Not that the page's bytes arrived after it.", zh="不证明网页数据在该时间之后到达。"),
        anchored=True,
    ),
    Claim(
        id="captured",
        layer=Text(en="T_capture", zh="取证时间戳"),
        requires=("time.capture", "manifest.records"),
        says=Text(
            en="Network records, initial screenshot and initial source existed no later than the capture time-stamp.",
            zh="网络记录及初始截图、源码在取证时间戳所载时间之前即已存在。",
        ),
        limits=Text(
            en="Not those exchanges that are marked as made after it.", zh="不包括标记为取证时间戳之后产生的网络交换。"
        ),
        anchored=True,
    ),
    Claim(
        id="sealed",
        layer=Text(en="T_seal", zh="封存时间戳"),
        requires=("time.seal", "time.order", "seal.signature"),
        says=Text(
            en="The signed manifest existed no later than the seal time-stamp.",
            zh="已签署的清单在封存时间戳所载时间之前即已存在。",
        ),
        limits=Text(
            en="A self-issued token binds only those who trust its issuer.",
            zh="自行签发的时间戳仅对信任其签发者的人有意义。",
        ),
        anchored=True,
    ),
    Claim(
        id="independent",
        layer=Text(en="Independent time", zh="独立时间来源"),
        requires=("time.seal", "time.independent"),
        says=Text(
            en="At least one time-stamp comes from an authority that is not the issuer's own.",
            zh="至少一枚时间戳由签发者以外的时间戳机构签发。",
        ),
        limits=Text(en="Not the authority's legal standing.", zh="不证明该机构的法定资质。"),
        anchored=True,
    ),
    Claim(
        id="ledger",
        layer=Text(en="Ledger: inclusion", zh="账本：包含"),
        requires=("ledger.entry", "ledger.inclusion", "ledger.checkpoint"),
        says=Text(
            en="The record was entered in the ledger at this index, under a tree head signed by a trusted ledger key.",
            zh="本记录以所载序号入账，树头由受信账本密钥签名。",
        ),
        limits=Text(
            en="Without a witness or a third party's stamp: nothing against the ledger's own operator.",
            zh="无见证或第三方时间戳时，不能约束账本运营者本身。",
        ),
        anchored=True,
    ),
    Claim(
        id="announced",
        layer=Text(en="Open entry before navigation", zh="访问前的启动登记"),
        requires=("ledger.open", "ledger.checkpoint"),
        says=Text(
            en="This attempt was announced in the ledger before the page was visited.",
            zh="本次取证在访问网页之前已在账本登记。",
        ),
        limits=Text(
            en="Not that no other ledger or tool was used for further attempts.", zh="不排除以其他账本或工具另行取证。"
        ),
        anchored=True,
    ),
    Claim(
        id="witnessed",
        layer=Text(en="Ledger: independent witness", zh="账本：独立见证"),
        requires=("ledger.checkpoint", "ledger.inclusion", "ledger.independent"),
        says=Text(
            en="A party other than the ledger's operator vouches for the tree head.",
            zh="账本运营者以外的一方见证了该树头。",
        ),
        limits=Text(en="Not the content of the entries.", zh="不证明条目所对应内容真实。"),
        anchored=True,
    ),
)

_DEPOSITED = Claim(
    id="deposited",
    layer=Text(en="Deposited files and statement", zh="存证文件与陈述"),
    requires=("manifest.artifacts", "deposit.items", "deposit.statement", "deposit.links", "worklog.chain"),
    says=Text(
        en="The files, or their digests, and the depositor's statement are those committed to.",
        zh="文件或其摘要、存证人陈述均与清单承诺相符。",
    ),
    limits=Text(
        en="Not that the statement is true, nor how, when or by whom the files were made, nor that they are original.",
        zh="不证明陈述属实，不证明文件如何、何时、由何人形成，也不证明其为原创。",
    ),
)
_DEPOSIT_ANNOUNCED = Claim(
    id="announced",
    layer=Text(en="Open entry before the files were taken", zh="接收文件前的启动登记"),
    requires=("ledger.open", "ledger.checkpoint"),
    says=Text(
        en="This deposit was announced in the ledger before the files were taken.",
        zh="本次存证在接收文件之前已在账本登记。",
    ),
    limits=Text(en="Not that the files were new then.", zh="不证明文件当时为新形成。"),
    anchored=True,
)
_DEPOSIT_OPENED = Claim(
    id="opened",
    layer=Text(en="T_open, in the manifest", zh="启动时间戳（清单内）"),
    requires=("time.open", "seal.signature"),
    says=Text(en="The record was assembled after the opening time-stamp.", zh="本记录在启动时间戳所载时间之后形成。"),
    limits=Text(en="Not that the files were made after it.", zh="不证明文件在该时间之后形成。"),
    anchored=True,
)
_EDITION = Claim(
    id="edition",
    layer=Text(en="Redacted edition", zh="遮盖版"),
    requires=("redaction.edition", "manifest.form", "manifest.artifacts", "manifest.records", "seal.signature"),
    says=Text(
        en="What this edition still holds of the record is unchanged since the manifest was signed; what it withholds "
        "is named, and stays committed to in that manifest.",
        zh="本遮盖版仍保留的各项自清单签署之后未被改动；不公开的各项均已列明，并仍受同一清单承诺。",
    ),
    limits=Text(
        en="Not what the withheld parts say, nor that they do not matter.",
        zh="不证明不公开部分的内容，也不证明其无关紧要。",
    ),
)
_OF_WHOLE_RECORDS = frozenset({"record", "agreement"})
"""Claims about all of a record, which no document about an edition makes."""
_OF_CAPTURES = frozenset({"agreement", "environment", "exclusive", "handshake", "record", "captured"})
"""Claims about web pages, which no document about a deposit makes."""
_OF_DEPOSITS = {claim.id: claim for claim in (_DEPOSIT_OPENED, _DEPOSIT_ANNOUNCED)}


def claims_of(report: VerificationReport) -> tuple[Claim, ...]:
    """The claims that a document about this report judges: a deposit has its own, and so has a redacted edition."""
    found = {finding.id for finding in report.findings}
    claims = CLAIMS
    if "deposit.items" in found:
        kept = tuple(_OF_DEPOSITS.get(claim.id, claim) for claim in CLAIMS if claim.id not in _OF_CAPTURES)
        claims = (*kept[:2], _DEPOSITED, *kept[2:])
    if "redaction.edition" in found:
        kept = tuple(claim for claim in claims if claim.id not in _OF_WHOLE_RECORDS)
        claims = tuple(_EDITION if claim.id == "integrity" else claim for claim in kept)
    return claims


NOT_NOTARIAL = Text(
    en="This document is not a notarial certificate.",
    zh="本文件不是公证书。",
)
NOT_BLOCKCHAIN = Text(
    en="The ledger is a signed append-only log; it is not a blockchain.",
    zh="本账本为签名的只追加日志，不是区块链。",
)
NOT_QUALIFIED = Text(
    en="No qualified trust service is claimed.",
    zh="本证书不主张使用任何合格信任服务。",
)
NOTARIAL_REFERENCE = Text(en="Linked notarial certificate no.", zh="关联公证书号")
NOT_BLOCKCHAIN_SHORT = Text(en="it is no blockchain", zh="本账本不是区块链")
DENIALS: tuple[Text, ...] = (NOT_NOTARIAL, NOT_BLOCKCHAIN, NOT_QUALIFIED, NOTARIAL_REFERENCE, NOT_BLOCKCHAIN_SHORT)
"""The fixed sentences and labels in which the refused words may stand."""

_REFUSED = re.compile(
    r"区块链|上链|blockchain|公证书|notarial\s+certificate|notari[sz]ed|公证证明|合格(?:电子)?(?:签名|信任|时间戳)|qualified",
    re.IGNORECASE,
)


def judge(claim: Claim, report: VerificationReport) -> Judged:
    """Decides whether a claim may be printed: each finding it needs is there, and all of that id are PASSED."""
    missing: list[tuple[str, Outcome]] = []
    for finding_id in claim.requires:
        outcomes = [finding.outcome for finding in report.findings if finding.id == finding_id]
        worst = [outcome for outcome in outcomes if outcome is not Outcome.PASSED]
        if worst or not outcomes:
            missing.append((finding_id, worst[0] if worst else Outcome.NOT_PERFORMED))
    if claim.anchored and any(finding.id == SELF_TRUST for finding in report.findings):
        missing.append((SELF_TRUST, Outcome.INDETERMINATE))
    return Judged(claim=claim, granted=not missing, missing=tuple(missing))


def judge_all(report: VerificationReport) -> tuple[Judged, ...]:
    """Judges every claim, in the order in which documents print them."""
    return tuple(judge(claim, report) for claim in claims_of(report))


def granted(report: VerificationReport) -> tuple[Claim, ...]:
    """The claims that a document about this report may print."""
    return tuple(judged.claim for judged in judge_all(report) if judged.granted)


def overclaims(text: str) -> tuple[str, ...]:
    """Words in `text` that claim what no finding can support; the fixed denials do not count."""
    for denial in DENIALS:
        text = text.replace(denial.en, " ").replace(denial.zh, " ")
    return tuple(match.group(0) for match in _REFUSED.finditer(text))
