"""Who stands behind the site, as far as the record shows: context, not proof (FM13).

Everything comes from sealed files: registration numbers and footer from the page's text, subjects from the certificates
of its connections, the registry's answer from the environment report.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cryptography import x509

from evidencekit.report.elements import both, field_table, missing, paragraph, section, text
from evidencekit.report.fields import SiteFacts
from evidencekit.report.markup import Html, escape, join
from evidencekit.x509.certificate import MALFORMED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evidencekit.report.elements import Row
    from evidencekit.report.fields import EnvironmentFacts

REGISTRATION = "site.registration"
NOT_PROVED = text(
    "As captured and as the registry answered; who published the content is not proved by any of it.",
    "以下为网页所载及注册局所答，均不证明内容发布者的身份。",
)
_MOST = 10
_LINE_CHARS = 200
_TEXT_CHARS = 4 << 20
_ICP = re.compile(r"[\u4e00-\u9fff]\s?ICP\s?[备備证證]\s?(?:字第?)?\s?\d{6,10}\s?号?(?:-\d{1,3})?")
_TELECOM = re.compile(r"(?:[\u4e00-\u9fff]\s?)?[AB][12][.\-]\s?\d{6,10}(?:号)?")
_POLICE = re.compile(r"[\u4e00-\u9fff]公网安备\s?\d{8,16}\s?号?")
_FOOTER = re.compile(r"©|\bcopyright\b|版权所有|主办单位|经营者|营业执照|备案", re.IGNORECASE)


def read_site(texts: Iterable[str], chains: Iterable[tuple[str, bytes]]) -> SiteFacts:
    """Read page texts and certificate chains.

    Args:
        texts: visible texts of the pages.
        chains: names and bytes of `capture/tls/*.pem`.
    """
    numbers: dict[str, None] = {}
    footer: dict[str, None] = {}
    for whole in texts:
        shown = whole[:_TEXT_CHARS]
        for pattern in (_ICP, _POLICE, _TELECOM):
            numbers |= dict.fromkeys(re.sub(r"\s", "", found) for found in pattern.findall(shown))
        lines = (line.strip() for line in shown.splitlines())
        footer |= dict.fromkeys(line[:_LINE_CHARS] for line in lines if line and _FOOTER.search(line[:2000]))
    subjects: list[tuple[str, str]] = []
    for name, data in chains:
        try:
            leaf = x509.load_pem_x509_certificates(data)[0]
            subjects.append((name, leaf.subject.rfc4514_string() or "-"))
        except MALFORMED:
            continue
    return SiteFacts(numbers=tuple(numbers)[:_MOST], footer=tuple(footer)[-_MOST:], subjects=tuple(subjects[:_MOST]))


def site_operator(facts: SiteFacts | None, environment: EnvironmentFacts | None) -> Html:
    """The section of the report."""
    title = text("Site operator (context, not proof)", "站点主体信息（背景信息，非证明）")
    if facts is None:
        return section(title, missing(text("not performed", "未执行")))
    none = text("none seen", "未见")
    checks = () if environment is None else environment.checks
    asked = next((check for check in checks if check.id == REGISTRATION), None)
    rows: list[Row] = [
        (
            text("ICP and other registration numbers on the page", "网页所载备案号等"),
            _listed(facts.numbers) if facts.numbers else both(none),
        ),
        (text("Footer lines", "页脚文字"), _listed(facts.footer) if facts.footer else both(none)),
        (
            text("Subjects of the TLS certificates", "TLS 证书主体"),
            join([escape(f"{subject} ({name})") for name, subject in facts.subjects], "<br>")
            if facts.subjects
            else both(none),
        ),
        (
            text("Registration of the domain", "域名注册信息"),
            both(asked.reason) if asked is not None else missing(text("not performed", "未执行")),
        ),
    ]
    return section(title, paragraph(NOT_PROVED, "note"), field_table(rows))


def _listed(values: tuple[str, ...]) -> Html:
    return join([escape(value, limit=_LINE_CHARS) for value in values], "<br>")
