"""Facts for the tests of the documents: a plain session, and one whose foreign text is as nasty as it comes."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

from evidencekit.model import (
    Completeness,
    Digests,
    Finding,
    Operator,
    Outcome,
    PageResult,
    Redirect,
    Text,
    Transformation,
    VerificationReport,
)
from evidencekit.report.fields import (
    ArtifactFacts,
    CertificateData,
    EnvironmentCheck,
    EnvironmentFacts,
    ExchangeLine,
    ExchangesSummary,
    IssueFacts,
    LedgerFacts,
    ReportData,
    SessionFacts,
    SignerFacts,
    TokenFacts,
    WorkLogLine,
)
from evidencekit.report.wording import CHECKS
from evidencekit.verify.outcome import ONLY_DEPOSIT

START = datetime(2026, 11, 23, 3, 4, 5, 678901, tzinfo=UTC)
NUMBER = "9F3C2026000000172K"
NASTY_TITLE = (
    "特价👩‍👩‍👧‍👦🔥 <script>alert(1)</script> & \u202egnp.exe\u202c 𠮷野家"
    " 𰻝𰻝面 \x00\x1b[31m '\"$title ${number} e\u0301\u0301\u0301\u0301\u0301\u0301"
)
LONG_URL = "https://shop.example.com/" + "a" * 700 + "?q=" + "%E4%BD%A0" * 140 + "&t=<b>" + "x" * 500


def sum_of(name: str) -> Digests:
    data = name.encode()
    return Digests(sha256=hashlib.sha256(data).hexdigest(), sm3=hashlib.new("sm3", data).hexdigest())


def later(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


UNANCHORED = {
    "seal.identity": Text(en="no anchor was given for the signer's certificate", zh="未提供签署人证书的信任锚"),
    "seal.validity": Text(en="no anchor was given for the signer's certificate", zh="未提供签署人证书的信任锚"),
    "time.open": Text(en="no anchor was given for the time-stamp authority", zh="未提供时间戳机构的信任锚"),
    "time.capture": Text(en="no anchor was given for the time-stamp authority", zh="未提供时间戳机构的信任锚"),
    "time.seal": Text(en="no anchor was given for the time-stamp authority", zh="未提供时间戳机构的信任锚"),
    "time.independent": Text(en="all tokens are self-issued, not independent", zh="时间戳均为自行签发，并非独立第三方"),
    "ledger.checkpoint": Text(en="no ledger key was given", zh="未提供账本公钥"),
    "ledger.open": Text(en="no ledger key was given", zh="未提供账本公钥"),
    "ledger.independent": Text(
        en="no witness vouches for the tree head; it proves nothing against the ledger's operator",
        zh="没有见证方为树头作证，不能约束账本运营者",
    ),
}
OUTER = {"outer.manifest", "outer.signature", "outer.signer", "outer.timestamp"}
SKIPPED = {
    "seal.revocation": Text(en="no revocation data was given", zh="未提供吊销数据"),
    "status.current": Text(en="needs a newer ledger", zh="需要更新的账本副本"),
}


def finding(finding_id: str, outcome: Outcome, reason: Text | None = None) -> Finding:
    return Finding(id=finding_id, outcome=outcome, subject="", reason=reason or Text(en="as recorded", zh="与记录一致"))


def report_of(findings: tuple[Finding, ...], overall: Outcome, headline: Text) -> VerificationReport:
    return VerificationReport(
        bundle=f"{NUMBER}.zip",
        number=NUMBER,
        at=later(70),
        trust="none",
        overall=overall,
        headline=headline,
        findings=findings,
    )


def uniform_report(outcome: Outcome) -> VerificationReport:
    """Every finding of a whole capture but `trust.self` with one outcome."""
    left_out = ONLY_DEPOSIT | {"trust.self", "redaction.edition"}
    kept = [finding_id for finding_id in CHECKS if finding_id not in left_out]
    findings = tuple(finding(finding_id, outcome) for finding_id in kept)
    return report_of(findings, outcome, Text(en=f"all {outcome}", zh=f"全部 {outcome}"))


def stranger_report() -> VerificationReport:
    """What a stranger without anchors finds in a sound record, before the bundle is sealed."""
    findings: list[Finding] = []
    for finding_id in CHECKS:
        if finding_id in OUTER or finding_id in ONLY_DEPOSIT | {
            "trust.self",
            "redaction.edition",
            "policy.signatures",
            "policy.timestamps",
            "policy.witnesses",
        }:
            continue
        if finding_id in UNANCHORED:
            findings.append(finding(finding_id, Outcome.INDETERMINATE, UNANCHORED[finding_id]))
        elif finding_id in SKIPPED:
            findings.append(finding(finding_id, Outcome.NOT_PERFORMED, SKIPPED[finding_id]))
        else:
            findings.append(finding(finding_id, Outcome.PASSED))
    headline = Text(
        en="INDETERMINATE — integrity holds; who signed, when, and the log could not be tied to anything you trust",
        zh="INDETERMINATE — 完整性成立；签署人、时间、日志无法与您信任的任何依据相联系",
    )
    return report_of(tuple(findings), Outcome.INDETERMINATE, headline)


def page(page_id: str, url: str, title: str) -> PageResult:
    return PageResult(
        id=page_id,
        requested_url=url,
        final_url=url,
        title=title,
        status=200,
        content_type="text/html; charset=utf-8",
        redirects=(Redirect(url="http://shop.example.com/", status=301),),
        remote_address="203.0.113.7:443",
        protocol="h2",
        verdict="ok",
        verdict_reason=Text(en="", zh=""),
        started_at=later(2),
        initial_at=later(5),
        finished_at=later(31),
        width_px=1280,
        height_px=8421,
    )


def session(pages: tuple[PageResult, ...]) -> SessionFacts:
    return SessionFacts(
        number=NUMBER,
        capture_id="0f" * 16,
        kind="capture",
        mode="standard",
        spec_version=1,
        tool="evidencekit 0.1.0",
        matter="2026-知-0042",
        operator=Operator(name="王小明"),
        started_at=START,
        finished_at=later(60),
        time_source="system clock, unverified",
        attempt=2,
        pages=pages,
        completeness=Completeness(
            requests=143,
            recorded=139,
            partial=1,
            failed=2,
            withheld=0,
            not_retrievable=1,
            after_t_capture=12,
            body_bytes=4_812_331,
            reasons={"net::ERR_BLOCKED_BY_CLIENT": 2, "body evicted": 1},
        ),
        transformations=(
            Transformation(
                time=later(8), kind="scroll", page="0001", detail=Text(en="scrolled in 12 steps", zh="分 12 步滚动")
            ),
        ),
        withheld={"cookie": 7, "authorization": 1},
        partial=(),
        not_performed=(Text(en="no session video was made", zh="未录制过程视频"),),
        pending=("https://tsa.example.net/",),
    )


def environment() -> EnvironmentFacts:
    rows = (
        ("hosts", "/etc/hosts", "PASS", "no entry for the target", "未发现目标条目"),
        ("dns", "two resolvers", "PASS", "answers agree", "两处解析一致"),
        ("clock", "NTP", "WARN", "the clock could not be compared", "未能与时间服务器比对"),
        ("root-ca", "trust store", "PASS", "no added root certificate", "未发现新增根证书"),
        ("video", "screen", "NOT_PERFORMED", "no recorder", "未启用录屏"),
    )
    checks = tuple(
        EnvironmentCheck(
            id=row[0],
            name=Text(en=row[0], zh=row[0]),
            method=Text(en=row[1], zh=row[1]),
            result=row[2],
            started="2026-11-23T03:04:05.700000Z",
            finished="2026-11-23T03:04:05.800000Z",
            reason=Text(en=row[3], zh=row[4]),
            raw=f"{row[0]}: <raw> output\nsecond line \x1b[2J",
        )
        for row in rows
    )
    return EnvironmentFacts(
        summary=Text(
            en="No sign of forgery was seen; 1 check raised a warning and 1 did not run.",
            zh="未发现伪造迹象；1 项提示，1 项未执行。",
        ),
        counts={"PASS": 3, "WARN": 1, "FAIL": 0, "NOT_PERFORMED": 1},
        checks=checks,
        browser=(("product", "Chromium 156.0.1"), ("headless", "true")),
        tool=(("evidencekit", "0.1.0"),),
        system=(("os", "Linux"),),
        clock=(("offset", "unknown"),),
    )


def token(role: str, path: str, over: str, seconds: float) -> TokenFacts:
    return TokenFacts(
        role=role,
        path=path,
        over=over,
        tsa="CN=evidencekit embedded TSA",
        serial="5ab1c3d2e4f60718",
        gen_time=later(seconds),
        accuracy_s=1.0,
        policy="1.3.6.1.4.1.13762.3",
        self_issued=True,
    )


def artifacts(count: int) -> tuple[ArtifactFacts, ...]:
    names = ("screenshot-initial.png", "screenshot.png", "dom.html", "page.mhtml", "page.pdf", "text.txt")
    made = [
        ArtifactFacts(
            path=f"capture/pages/{1 + n // len(names):04d}/{names[n % len(names)]}",
            role="screenshot" if names[n % len(names)].endswith("png") else "dom",
            media_type="image/png" if names[n % len(names)].endswith("png") else "text/html",
            page=f"{1 + n // len(names):04d}",
            hashed_at=later(10 + n),
            size=1000 + n * 77_777,
            digests=sum_of(str(n)),
            derived_from=("capture/pages/0001/dom.html",) if n % 5 == 4 else (),
        )
        for n in range(count)
    ]
    hidden = ArtifactFacts(
        path="capture/pages/0001/console.jsonl",
        role="console",
        media_type="application/jsonl",
        page="0001",
        hashed_at=later(40),
        size=None,
        digests=None,
        withheld=("redacted",),
    )
    return (*made, hidden)


def plain_data(report: VerificationReport | None = None) -> CertificateData:
    return certificate_data(
        report or stranger_report(), (page("0001", "https://shop.example.com/item/42", "示例商品 – 店铺"),), 8
    )


def nasty_data(report: VerificationReport | None = None) -> CertificateData:
    pages = tuple(page(f"{n:04d}", LONG_URL, NASTY_TITLE) for n in range(1, 6))
    return certificate_data(report or stranger_report(), pages, 20)


def certificate_data(report: VerificationReport, pages: tuple[PageResult, ...], files: int) -> CertificateData:
    return CertificateData(
        session=session(pages),
        manifest=sum_of("manifest"),
        report=report,
        signer=SignerFacts(
            subject="CN=evidencekit sealing identity",
            issuer="CN=evidencekit sealing identity",
            serial="7d01c9aa31",
            algorithm="ECDSA P-256, SHA-256",
            certificate_sha256=sum_of("certificate").sha256,
            not_before=later(-1000),
            not_after=later(10_000_000),
            self_signed=True,
        ),
        issue=IssueFacts(issued_at=later(75), attempts=3),
        tokens=(
            token("open", "seal/open-1.tsr", "seal/open.json", 1),
            token("capture", "seal/capture-0001-1.tsr", "seal/capture-0001.json", 20),
            token("seal", "seal/seal-1.tsr", "seal/manifest.p7s", 65),
        ),
        ledger=LedgerFacts(
            origin="evidencekit/9f3c0a1b2c3d4e5f",
            key="evidencekit/9f3c0a1b2c3d4e5f+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            index=41,
            size=42,
            root=sum_of("root").sha256,
        ),
        environment=environment(),
        artifacts=artifacts(files),
    )


def report_data(certificate: CertificateData) -> ReportData:
    lines = tuple(
        WorkLogLine(
            n=n,
            beijing=f"2026-11-23T11:04:{n:02d}.000000+08:00",
            step="navigate",
            object=certificate.session.pages[0].requested_url,
            outcome="ok" if n % 4 else "warning",
            detail='{"attempt":1}',
            previous=sum_of(f"line {n}").sha256,
        )
        for n in range(1, 13)
    )
    request = ExchangeLine(
        id="000001",
        page="0001",
        method="GET",
        url=certificate.session.pages[0].requested_url,
        resource_type="Document",
        outcome="recorded",
        reason=None,
        status=200,
        remote_address="203.0.113.7:443",
        protocol="h2",
        body_size=48_211,
        after_t_capture=False,
    )
    failed = ExchangeLine(
        id="000002",
        page="0001",
        method="GET",
        url="https://ads.example.net/pixel",
        resource_type="Image",
        outcome="failed",
        reason="net::ERR_CONNECTION_REFUSED",
        status=None,
        remote_address=None,
        protocol=None,
        body_size=None,
        after_t_capture=True,
    )
    return ReportData(
        certificate=certificate,
        worklog=lines,
        custody=lines[:2],
        exchanges=ExchangesSummary(
            total=143,
            by_outcome={"recorded": 139, "failed": 2, "partial": 1, "not-retrievable": 1},
            by_type={"Document": 3, "Image": 100, "Script": 40},
            lines=(request, failed),
        ),
    )
