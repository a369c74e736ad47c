"""`evidencekit timestamp`: stamp, verify, renew, serve."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from evidencekit_cli.bilingual import BilingualGroup, Member, command, option
from evidencekit_cli.options import json_option, language_option

if TYPE_CHECKING:
    from evidencekit_cli.exit_codes import ExitCode
    from evidencekit_cli.output import Session

_PATH = click.Path(path_type=Path)
_tsa_option = option(
    "--tsa",
    "tsas",
    multiple=True,
    metavar="auto|none|NAME|URL",
    en="Authority to ask; may be repeated.  [default: capture.tsa]",
    zh="要联系的时间戳机构,可重复。[默认:capture.tsa]",
)
_folder_option = option(
    "-o", "--output", type=_PATH, metavar="FOLDER", en="Folder for the new files.", zh="新文件所在文件夹。"
)


@command(
    "stamp",
    en="""Add a time-stamp to bundles, or stamp any file.

    A bundle grows into a new file, EK.r1.zip after EK.zip; what is there stays as it is. Any other
    FILE gets FILE.tsr beside it. --pending fetches what captures are still owed: with a TSA whose
    role is batch, one token for all. Status 3: something is still owed.
    """,
    zh="""为证据包补盖时间戳,或为任意文件盖时间戳。

    \b
    证据包扩充为新文件(EK.zip 之后为 EK.r1.zip),原有内容不变。其他文件得到 FILE.tsr。
    --pending 补取尚欠的时间戳;若有角色为 batch 的机构,则一枚时间戳覆盖全部。退出状态 3:仍有待补。
    """,
)
@click.argument("files", nargs=-1, type=_PATH, metavar="[FILE]...")
@option("--pending", is_flag=True, en="Fetch the time-stamps that are owed.", zh="补取尚欠的时间戳。")
@_tsa_option
@_folder_option
@json_option
@language_option
@click.pass_obj
def stamp(
    session: Session, *, files: tuple[Path, ...], pending: bool, tsas: tuple[str, ...], output: Path | None
) -> ExitCode:
    """Run the command."""
    from evidencekit_cli.timestamping import stamp_files, stamp_pending

    if pending:
        return stamp_pending(session, files, tsas)
    return stamp_files(session, files, tsas, output)


@command(
    "verify",
    en="""Check a time-stamp token or response step by step.

    Nothing is trusted but the anchors that --trust names. Status 1: it proves nothing; 3: intact,
    but its authority leads to none of your anchors.
    """,
    zh="""逐项核验时间戳凭证或应答。

    \b
    只信任 --trust 指定的信任锚。退出状态 1:无证明力;3:完整,但无法追溯至您的信任锚。
    """,
)
@click.argument("token", type=_PATH, metavar="TOKEN")
@option("--data", type=_PATH, metavar="FILE", en="The stamped file.", zh="被盖时间戳的文件。")
@option("--digest", metavar="HEX", en="Its digest, instead of the file.", zh="其摘要,代替文件。")
@option("--query", type=_PATH, metavar="FILE", en="The request, to compare its nonce.", zh="请求文件,用于比对随机数。")
@option(
    "--trust", multiple=True, metavar="PATH", en="Anchors of TSAs; may be repeated.", zh="时间戳机构的信任锚,可重复。"
)
@option(
    "--untrusted", multiple=True, type=_PATH, metavar="FILE", en="Further certificates (PEM).", zh="中间证书(PEM)。"
)
@option("--at", metavar="TIME", en="Judge as of this time (RFC 3339).  [default: now]", zh="核验时点,默认为现在。")
@json_option
@language_option
@click.pass_obj
def verify(  # noqa: PLR0913 - click hands over every option
    session: Session,
    *,
    token: Path,
    data: Path | None,
    digest: str | None,
    query: Path | None,
    trust: tuple[str, ...],
    untrusted: tuple[Path, ...],
    at: str | None,
) -> ExitCode:
    """Run the command."""
    from evidencekit_cli.tokencheck import Question, verify_token

    question = Question(token=token, data=data, digest=digest, query=query, trust=trust, untrusted=untrusted, at=at)
    return verify_token(session, question)


@command(
    "renew",
    en="""Renew the time-stamps of bundles before they age.

    Adds an evidence record (RFC 4998) to each, all by one token; each verifies alone. Without
    BUNDLE: those of this home whose time-stamps end within 180 days. --hash with another function
    than before renews the hash tree as well.
    """,
    zh="""在时间戳老化之前为证据包续期。

    \b
    为每个证据包增加证据记录(RFC 4998),共用一枚时间戳,各自可独立核验。未指定 BUNDLE 时:
    本数据目录中 180 天内到期的证据包。--hash 换用其他杂凑算法时,一并更新杂凑树。
    """,
)
@click.argument("bundles", nargs=-1, type=_PATH, metavar="[BUNDLE]...")
@option("--all", "everything", is_flag=True, en="All bundles of this home.", zh="本数据目录中的全部证据包。")
@option(
    "--hash",
    "function",
    type=click.Choice(["sha256", "sha384", "sha512", "sha3-256", "sha3-384", "sha3-512", "sm3"]),
    default="sha256",
    show_default=True,
    en="Hash function of the record.",
    zh="证据记录的杂凑算法。",
)
@_tsa_option
@_folder_option
@json_option
@language_option
@click.pass_obj
def renew(
    session: Session,
    *,
    bundles: tuple[Path, ...],
    everything: bool,
    function: str,
    tsas: tuple[str, ...],
    output: Path | None,
) -> ExitCode:
    """Run the command."""
    from evidencekit_cli.timestamping import Renewal, renew_bundles

    return renew_bundles(
        session, Renewal(bundles=bundles, everything=everything, function=function, tsas=tsas, folder=output)
    )


@command(
    "serve",
    en="""Run this home's own TSA over HTTP, until Ctrl-C.

    POST application/timestamp-query to the URL it prints. Its tokens are self-issued, not
    independent, and say so.
    """,
    zh="""以 HTTP 运行本数据目录自带的时间戳服务,按 Ctrl-C 结束。

    \b
    向其显示的网址 POST application/timestamp-query。其时间戳为自行签发,不具独立性,并载明于凭证。
    """,
)
@option("--host", default="127.0.0.1", show_default=True, en="Address to listen on.", zh="监听地址。")
@option(
    "--port", type=click.IntRange(0, 65535), default=0, en="Port; 0 for any free one.", zh="端口;0 为任意空闲端口。"
)
@json_option
@language_option
@click.pass_obj
def serve(session: Session, *, host: str, port: int) -> ExitCode:
    """Run the command."""
    from evidencekit_cli.timestamping import serve_authority

    return serve_authority(session, host, port)


timestamp = BilingualGroup(
    "timestamp",
    help="Stamp, check and renew; run the home's own TSA.",
    zh="盖时间戳、核验、续期;运行自带的时间戳服务。",
    members=tuple(
        Member(name, f"evidencekit_cli.commands.timestamp:{name}", en=en, zh=zh)
        for name, en, zh in (
            ("stamp", "Add a time-stamp to bundles, or stamp any file.", "为证据包补盖时间戳,或为任意文件盖时间戳。"),
            ("verify", "Check a time-stamp step by step.", "逐项核验时间戳。"),
            ("renew", "Renew time-stamps before they age.", "在时间戳老化之前续期。"),
            ("serve", "Run this home's own TSA.", "运行自带的时间戳服务。"),
        )
    ),
)
