"""The certificate: all fields, page 1 in real Chromium, hostile text, the QR code read back."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from evidencekit.model import EnvironmentControl, Operator, Outcome, Text
from evidencekit.report.certificate import footer_template, header_template, render_certificate
from evidencekit.report.forensic import link, render_report
from evidencekit.report.issues import PARTY_HOST
from evidencekit.report.particulars import mask_name
from evidencekit.report.qr import qr_payload
from tests.unit.report.report_samples import (
    LONG_URL,
    NUMBER,
    artifacts,
    nasty_data,
    page,
    plain_data,
    report_data,
    uniform_report,
)

if TYPE_CHECKING:
    from pathlib import Path

    from evidencekit.report.fields import CertificateData


class Outline(HTMLParser):
    """Collects tags, attributes and text; fails on tags that are closed in the wrong order."""

    VOID = frozenset({"meta", "br", "wbr", "img", "link", "path", "hr"})

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def outline(document: str) -> Outline:
    parser = Outline()
    parser.feed(document)
    parser.close()
    assert parser.open == []
    return parser


def words(document: str) -> str:
    body = re.sub(r"<style>.*?</style>", " ", document, flags=re.DOTALL)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", body)))


@pytest.mark.parametrize("data", [plain_data(), nasty_data()], ids=["plain", "nasty"])
def test_certificate_is_inert_and_self_contained(data: CertificateData) -> None:
    found = outline(render_certificate(data))
    assert not set(found.tags) & {"script", "iframe", "object", "embed", "form", "link", "a", "img", "video", "base"}
    assert not [name for name, _ in found.attributes if name.startswith("on") or name in {"src", "href", "style"}]
    assert ("http-equiv", "Content-Security-Policy") in found.attributes
    assert "default-src 'none'" in dict(found.attributes)["content"] or any(
        "default-src 'none'" in value for _, value in found.attributes
    )


def test_report_is_inert_and_links_inside_the_bundle_only() -> None:
    found = outline(render_report(report_data(nasty_data())))
    assert not set(found.tags) & {"script", "iframe", "object", "embed", "form", "link", "base"}
    targets = [value for name, value in found.attributes if name in {"src", "href"}]
    assert "capture/pages/0001/screenshot.png" in targets
    assert all(re.fullmatch(r"[A-Za-z0-9._/-]+", target) and not target.startswith("/") for target in targets)


@pytest.mark.parametrize("path", ["javascript:alert(1)", "//evil.example/x", "/etc/passwd", "a/../../b", "a\\b"])
def test_only_plain_relative_paths_become_links(path: str) -> None:
    assert "<a" not in link(path)


LABELS = [
    "证书编号",
    "证书状态",
    "出具机构",
    "出具时间",
    "规范版本",
    "保管种类",
    "取证方式",
    "案件编号",
    "权利类型",
    "申请人",
    "身份核验方式",
    "操作人",
    "见证人/公证员",
    "与当事人关系",
    "数据名称",
    "文件数量",
    "总大小",
    "取证网址",
    "最终网址",
    "网页标题",
    "取证开始",
    "取证结束",
    "上述时间来源",
    "取证IP/地点",
    "服务器IP与协议",
    "环境类型",
    "清单摘要",
    "数字签名",
    "签署人",
    "证书序列号",
    "证书签发者",
    "时间戳区间",
    "账本编号",
    "序号",
    "树大小",
    "根哈希",
    "包含证明",
    "外部锚定",
    "清洁性检查结论",
    "检查计数",
    "完整性说明",
    "核验网址",
    "保管期限",
    "存储位置",
    "证明范围与限制",
    "关联公证书号",
    "签章",
]


def test_every_field_of_the_outline_is_there() -> None:
    shown = words(render_certificate(plain_data()))
    assert [label for label in LABELS if label not in shown] == []
    assert "电子数据存证证书" in shown
    assert "本文件不是公证书" in shown


def test_absent_facts_are_named_never_blank() -> None:
    data = replace(plain_data(), tokens=(), ledger=None, environment=None)
    document = render_certificate(data)
    assert not re.search(r"<td>\s*</td>|<dd>\s*</dd>|<bdi></bdi>", document)
    assert words(document).count("未提供") > 8
    assert "未生成环境报告" in words(document)


def test_open_items_counts_and_limits_are_stated() -> None:
    shown = words(render_certificate(plain_data()))
    for sentence in (
        PARTY_HOST.zh,
        PARTY_HOST.en,
        "本案件第 2 次取证，共登记 3 次",
        "12 次（共 143 次）",
        "authorization × 1, cookie × 7",
        "尚未收到时间戳机构答复：https://tsa.example.net/",
        "未能与时间服务器比对",
        "未录制过程视频",
        "未提供账本公钥",
        "self-issued, not independent",
        "仅证明完整性，不证明身份",
    ):
        assert sentence in shown


def test_all_open_items_precede_the_fields() -> None:
    shown = words(render_certificate(plain_data(uniform_report(Outcome.FAILED))))
    front = shown[: shown.index("证明范围与限制")]
    for one in uniform_report(Outcome.FAILED).findings:
        assert one.id in front


def test_partial_capture_and_page_warnings_stand_in_front() -> None:
    data = plain_data()
    warned = replace(
        page("0001", "https://a.example/", "x"), verdict="http_error", verdict_reason=Text(en="403", zh="返回 403")
    )
    session = replace(data.session, partial=(Text(en="time ran out", zh="超时"),), pages=(warned,))
    shown = words(render_certificate(replace(data, session=session)))
    front = shown[: shown.index("证明范围与限制")]
    assert "取证：超时" in front
    assert "第 0001 页：HTTP 错误页：返回 403" in front


def test_a_notary_machine_is_not_called_the_partys() -> None:
    data = plain_data()
    operator = Operator(environment_control=EnvironmentControl.NOTARY_HOST)
    shown = words(render_certificate(replace(data, session=replace(data.session, operator=operator))))
    assert PARTY_HOST.zh not in shown
    assert "公证机构设备" in shown


def test_names_are_masked_unless_the_issuer_says_otherwise() -> None:
    data = plain_data()
    assert "王小明" not in render_certificate(data)
    assert "王**" in words(render_certificate(data))
    assert "王小明" in render_certificate(replace(data, issue=replace(data.issue, mask_names=False)))
    assert mask_name("王") == "王*"
    assert mask_name("  ") == ""


def test_hostile_title_is_shown_not_obeyed() -> None:
    document = render_certificate(nasty_data())
    assert "<script" not in document
    assert "\u202e" not in document
    assert '<span class="cp">U+202E</span>gnp.exe' in document
    assert "$title ${number}" in html.unescape(document)
    assert LONG_URL in words(document)


def test_long_lists_are_cut_and_the_rest_is_counted() -> None:
    data = replace(plain_data(), artifacts=artifacts(450))
    assert "另有 51 个文件，见 report.html" in words(render_certificate(data))


def test_the_certificate_is_deterministic() -> None:
    assert render_certificate(plain_data()) == render_certificate(plain_data())


def test_the_certificate_does_not_speak_of_the_outer_seal() -> None:
    shown = words(render_certificate(plain_data()))
    for word in ("outer", "外层", "META-INF", "ASiC", "signature001"):
        assert word not in shown


def print_pdf(document: str, target: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        context = browser.new_context(offline=True)
        asked: list[str] = []
        sheet = context.new_page()
        sheet.on("request", lambda request: asked.append(request.url))
        sheet.set_content(document)
        sheet.pdf(
            path=str(target),
            prefer_css_page_size=True,
            display_header_footer=True,
            header_template=header_template(),
            footer_template=footer_template(NUMBER),
        )
        browser.close()
    assert asked == []


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("data", [plain_data(), nasty_data()], ids=["plain", "nasty"])
@pytest.mark.skipif(
    not all(shutil.which(tool) for tool in ("chromium", "pdftotext", "pdftoppm", "zbarimg")),
    reason="needs Chromium, poppler and zbar",
)
def test_printed_page_one_holds_every_open_item_and_a_readable_code(data: CertificateData, tmp_path: Path) -> None:
    print_pdf(render_certificate(data), tmp_path / "certificate.pdf")
    front = subprocess.run(
        ["pdftotext", "-l", "1", str(tmp_path / "certificate.pdf"), "-"], capture_output=True, text=True, check=True
    ).stdout
    squeezed = re.sub(r"\s+", "", front)
    for finding in data.report.findings:
        if finding.outcome is not Outcome.PASSED:
            assert finding.id in squeezed
    assert "制作方控制环境" in squeezed
    assert re.search(r"第1页/共[0-9]+页", squeezed)
    subprocess.run(
        ["pdftoppm", "-l", "1", "-r", "110", "-png", str(tmp_path / "certificate.pdf"), str(tmp_path / "p")], check=True
    )
    picture = next(tmp_path.glob("p*.png"))
    read = subprocess.run(["zbarimg", "-q", "--raw", str(picture)], capture_output=True, text=True, check=True).stdout
    assert read.strip() == qr_payload(NUMBER, data.manifest.sha256)


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("chromium"), reason="needs Chromium")
def test_no_document_scrolls_sideways(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    (tmp_path / "report.html").write_text(render_report(report_data(nasty_data())))
    (tmp_path / "certificate.html").write_text(render_certificate(nasty_data()))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for width in (420, 1000):
            sheet = browser.new_page(viewport={"width": width, "height": 900})
            for name in ("report.html", "certificate.html"):
                sheet.goto((tmp_path / name).as_uri())
                assert sheet.evaluate("document.documentElement.scrollWidth <= innerWidth")
        browser.close()


def test_secrets_that_were_asked_for_are_named_in_front() -> None:
    data = plain_data()
    included = replace(data, session=replace(data.session, secrets_included=True, withheld={}))
    shown = words(render_certificate(included))
    assert "NOT withheld" in shown[: shown.index("证明范围与限制")]
    assert "NOT withheld" not in words(render_certificate(data))
