"""`evidencekit capture`: one command from a URL to a sealed bundle."""

from __future__ import annotations

from pathlib import Path
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
    post_quantum_option,
    profile_option,
    tsa_option,
)

if TYPE_CHECKING:
    from evidencekit_cli.capture_options import CaptureOptions
    from evidencekit_cli.exit_codes import ExitCode
    from evidencekit_cli.output import Session


@command(
    "capture",
    en="""Capture pages as one evidence bundle.

    Opens the URLs in a fresh browser, records every request, hashes, signs, time-stamps and logs the
    result, and writes one ZIP that anybody can check offline. Ends with the verdict that a stranger
    gets from it. Status 3: sealed, but something is pending or partial. Status 1: with --strict, a
    probe of the environment saw a sign of forgery; no page was opened.

    Of several URLs a page that fails is named in the bundle and spoils no other. With --each every URL gets a
    bundle of its own, several at a time; --resume takes up a list that was interrupted or had failures.

    --script carries out declared steps (goto, click, type, wait, scroll, shot, marker) after the first page, with
    numbered shots; secrets stand in it by reference alone. For what only a person can do there is `record`.
    """,
    zh="""把网页固定为一个证据包。

    \b
    用全新的浏览器打开网址,记录全部请求,计算摘要、签名、加盖时间戳并写入账本,
    生成一个任何人都能离线核验的 ZIP 文件,最后给出陌生人核验时得到的结论。
    退出状态 3:已封存,但有待补或不完整的项目。
    退出状态 1:加 --strict 时,环境检查发现伪造迹象,未打开任何网页。

    \b
    多个网址中,失败的网页会在证据包中注明,不影响其他网页。--each 为每个网址各生成一个证据包,
    可并行;--resume 继续曾经中断或部分失败的列表。

    \b
    --script 在首个网页之后执行文件声明的步骤(打开、点击、输入、等待、滚动、截图、标记),
    保存编号截图;密码等仅以引用方式写入脚本。须由本人完成的操作请用 record。
    """,
)
@click.argument("urls", nargs=-1, metavar="[URL]...")
@option("--from", "list_file", metavar="FILE", en="Read URLs from FILE, one a line.", zh="从文件读取网址,每行一个。")
@option(
    "--each/--one-bundle",
    "each",
    en="One bundle for each URL, or one for all (default).",
    zh="每个网址一个证据包,或全部合为一个(默认)。",
)
@option(
    "--jobs", type=click.IntRange(1, 16), metavar="N", en="Captures at a time with --each.", zh="--each 时的并行数。"
)
@option("--resume", is_flag=True, en="Go on with this list where it ended.", zh="继续上次未完成的列表。")
@option(
    "--script",
    type=click.Path(path_type=Path),
    metavar="FILE",
    en="Go on with the steps in FILE.",
    zh="打开网页后执行文件中的步骤。",
)
@option("--account-owner", metavar="NAME", en="Whose account a script uses.", zh="脚本所用账号的所有人。")
@option(
    "--rights",
    type=click.Choice(RIGHTS_TEMPLATES),
    metavar="KIND",
    en=f"Template of shots of a script: {', '.join(RIGHTS_TEMPLATES)}.",
    zh=f"脚本应有截图的模板:{'、'.join(RIGHTS_TEMPLATES)}。",
)
@option("--video", is_flag=True, en="Film the screen of a script.", zh="录制脚本执行时的屏幕。")
@option("--demo", is_flag=True, en="Capture the bundled demonstration shop.", zh="固定自带的演示商店,无需联网。")
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
@option("--matter", metavar="ID", en="Matter the capture belongs to.", zh="所属案件编号。")
@option("--operator", metavar="NAME", en="Who captures.", zh="操作人姓名。")
@circumstance_options
@option("--allow-private", is_flag=True, en="Allow loopback and private addresses.", zh="允许本机与内网地址。")
@option("--allow-tls-errors", is_flag=True, en="Capture in spite of TLS errors.", zh="证书有误时仍然取证并注明。")
@option("--allow-http-errors", is_flag=True, en="Capture HTTP error pages.", zh="固定 HTTP 错误页面并注明。")
@option("--no-third-party", is_flag=True, en="Ask nobody but the site itself.", zh="除目标网站外不联系任何第三方。")
@option("--headed", is_flag=True, en="Show a window (Xvfb without a display).", zh="有界面模式(无显示器时用 Xvfb)。")
@option(
    "--dismiss-banners",
    is_flag=True,
    en="Answer cookie banners; keep both states.",
    zh="处理 Cookie 提示,保留前后两种状态。",
)
@option("--include-secrets", is_flag=True, en="Leave cookies in the bundle.", zh="证据包保留 Cookie 等敏感内容。")
@option("--strict", is_flag=True, en="Stop before opening a page if a probe FAILS.", zh="环境检查未通过时停止取证。")
@option(
    "--isolate",
    is_flag=True,
    en="Let the browser reach no private address at all (Linux, root).",
    zh="隔离浏览器网络,使其无法到达任何内网地址(Linux,root)。",
)
@option(
    "--pcap", is_flag=True, en="Keep packets and TLS keys for yourself.", zh="另存数据包与 TLS 密钥(仅存私有存档)。"
)
@post_quantum_option
@json_option
@language_option
@click.pass_obj
def capture(session: Session, **options: Unpack[CaptureOptions]) -> ExitCode:
    """Run the command."""
    from evidencekit.capture.launcher import look_ahead

    look_ahead()  # the browser is read whole while the rest of the program is loaded
    from evidencekit_cli.preservation import preserve

    return preserve(session, options)
