"""The site's operator as the record shows it."""

from __future__ import annotations

from evidencekit.model import Text
from evidencekit.report.fields import EnvironmentCheck, EnvironmentFacts
from evidencekit.report.site import read_site, site_operator
from tests.support.handshakes import server

_PAGE = """明前龙井 西湖
© 2026 杭州某茶业有限公司 版权所有
浙ICP备12345678号-1 浙公网安备 33010602000001号
增值电信业务经营许可证：浙B2-20080224
"""


def _pem() -> bytes:
    import base64

    body = base64.encodebytes(server(host="shop.test").certificate).decode()
    return f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n".encode()


def test_numbers_footer_and_certificate_are_found() -> None:
    facts = read_site([_PAGE, _PAGE], [("capture/tls/shop.test.pem", _pem()), ("capture/tls/x.pem", b"nothing")])
    assert facts.numbers == ("浙ICP备12345678号-1", "浙公网安备33010602000001号", "浙B2-20080224")
    assert facts.footer[0] == "© 2026 杭州某茶业有限公司 版权所有"
    assert facts.subjects == (("capture/tls/shop.test.pem", "CN=shop.test"),)
    check = EnvironmentCheck(
        id="site.registration",
        name=Text(en="x", zh="x"),
        method=Text(en="x", zh="x"),
        result="PASS",
        started="",
        finished="",
        reason=Text(en="registrar IANA", zh="注册商 IANA"),
        raw="",
    )
    environment = EnvironmentFacts(summary=Text(en="x", zh="x"), counts={}, checks=(check,))
    shown = str(site_operator(facts, environment))
    assert "注册商 IANA" in shown
    assert "均不证明内容发布者的身份" in shown
    assert "浙ICP备12345678号-1" in shown


def test_a_page_that_says_nothing_is_said_to_say_nothing() -> None:
    shown = str(site_operator(read_site(["<b>hello</b> ICP 12345678"], []), None))
    assert shown.count("未见") == 3
    assert "未执行" in shown
