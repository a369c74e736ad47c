"""`evidencekit record`: a process at a headed browser, recorded while a person acts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import click

from evidencekit_cli.bilingual import command, option
from evidencekit_cli.options import (
    MODES,
    RIGHTS_TEMPLATES,
    circumstance_options,
    json_option,
    language_option,
    output_option,
    profile_option,
    tsa_option,
)

if TYPE_CHECKING:
    from evidencekit_cli.exit_codes import ExitCode
    from evidencekit_cli.output import Session
    from evidencekit_cli.recording import RecordOptions


@command(
    "record",
    en="""Record a process: you act in a browser, every step becomes evidence.

    Opens URL in a browser with a window; sign in, solve challenges, search and order yourself. The whole screen
    is filmed with its sound, every navigation, tab, popup, dialog and download goes into the hash-chained work
    log as it happens, and keys at the terminal take numbered shots, each time-stamped by itself.

    \b
    s shot         1 listing  2 price    3 sales      4 seller
    q end, seal    5 order    6 payment  7 logistics  8 statement
    l I signed in  c I solved a challenge             n note, up to Enter

    Uses the display that DISPLAY names, else one of its own that nobody sees. Status 3: sealed, but something is
    pending or partial.
    """,
    zh="""过程取证:您在浏览器中操作,每一步都成为证据。

    在有窗口的浏览器中打开网址;登录、验证、搜索、下单均由您本人完成。全程录制屏幕与声音,
    每次跳转、标签页、弹窗、对话框与下载即时写入哈希链工作日志;终端按键保存编号截图,逐张加盖时间戳。

    \b
    s 截图        1 商品  2 价格  3 销量  4 经营者证照
    q 结束并封存  5 订单  6 付款  7 物流  8 陈述
    l 本人已登录  c 本人已完成验证        n 备注(回车结束)

    使用 DISPLAY 所指的显示器,否则使用不可见的自建显示器。退出状态 3:已封存,但有待补或不完整的项目。
    """,
)
@click.argument("url", metavar="URL")
@option("--account-owner", metavar="NAME", en="Whose account is used.", zh="所用账号的所有人。")
@option(
    "--rights",
    type=click.Choice(RIGHTS_TEMPLATES),
    metavar="KIND",
    en=f"Template of shots to hold: {', '.join(RIGHTS_TEMPLATES)}.",
    zh=f"应有截图的模板:{'、'.join(RIGHTS_TEMPLATES)}。",
)
@option("--duration", type=click.FloatRange(1, 86400), metavar="SECONDS", en="End by itself.", zh="到时自动结束(秒)。")
@option("--video/--no-video", default=True, en="Film the screen with sound (default).", zh="录制屏幕与声音(默认)。")
@option(
    "--segment",
    type=click.FloatRange(1, 3600),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    en="Stamp the film so often.",
    zh="每隔若干秒为录像加盖时间戳。",
)
@profile_option
@output_option
@option(
    "--mode",
    type=click.Choice(MODES),
    metavar="MODE",
    en=f"How much is recorded: {', '.join(MODES)}.",
    zh=f"记录的详尽程度:{'、'.join(MODES)}。",
)
@tsa_option
@option("--matter", metavar="ID", en="Matter the process belongs to.", zh="所属案件编号。")
@option("--operator", metavar="NAME", en="Who acts.", zh="操作人姓名。")
@circumstance_options
@option("--allow-private", is_flag=True, en="Allow loopback and private addresses.", zh="允许本机与内网地址。")
@option("--allow-tls-errors", is_flag=True, en="Record in spite of TLS errors.", zh="证书有误时仍然录制并注明。")
@option("--allow-http-errors", is_flag=True, en="Begin at an HTTP error page.", zh="允许起始页为 HTTP 错误页面。")
@option(
    "--no-third-party", is_flag=True, en="Ask nobody but the sites themselves.", zh="除目标网站外不联系任何第三方。"
)
@option("--include-secrets", is_flag=True, en="Leave cookies in the bundle.", zh="证据包保留 Cookie 等敏感内容。")
@option("--strict", is_flag=True, en="Stop before opening a page if a probe FAILS.", zh="环境检查未通过时停止取证。")
@json_option
@language_option
@click.pass_obj
def record(session: Session, **options: Unpack[RecordOptions]) -> ExitCode:
    """Run the command."""
    from evidencekit_cli.recording import record as run

    return run(session, options)
