"""`evidencekit ledger`: look at, prove, check, publish and watch the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from evidencekit_cli.bilingual import BilingualGroup, Member, command, option
from evidencekit_cli.options import json_option, language_option

if TYPE_CHECKING:
    from evidencekit_cli.exit_codes import ExitCode
    from evidencekit_cli.output import Session

_PLACE = "evidencekit_cli.commands.ledger:"


@command(
    "status",
    en="""Show the ledger of this home: origin, key, size, root, store, mirror, publication, witnesses.

    Says "rollback undetectable" when no head mirror, publication or witness is configured.
    """,
    zh="""查看本机账本:来源、公钥、条数、根、存储、镜像、公布位置与见证者。

    未配置头镜像、公布位置或见证者时,会注明"无法察觉回退"。
    """,
)
@json_option
@language_option
@click.pass_obj
def status(session: Session) -> ExitCode:
    """Run the command."""
    from evidencekit_cli import ledgering

    return ledgering.show_status(session)


@command(
    "checkpoint",
    en="""Print the newest checkpoint, a signed note; with --witness, cosigned.

    Status 3: the witness policy was not met.
    """,
    zh="""输出最新检查点(签名文本);加 --witness 则先请见证者联署。

    退出状态 3:未达到见证策略的要求。
    """,
)
@option(
    "--witness", is_flag=True, en="Ask the witnesses of ledger.witness_policy.", zh="向见证策略中的见证者请求联署。"
)
@option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", en="Write it to a new FILE.", zh="写入新文件。"
)
@json_option
@language_option
@click.pass_obj
def checkpoint(session: Session, *, witness: bool, output: Path | None) -> ExitCode:
    """Run the command."""
    from evidencekit_cli import ledgering

    return ledgering.give_checkpoint(session, witness=witness, output=output)


@command(
    "prove",
    en="Print a tlog-proof that entry INDEX is in the newest signed tree.",
    zh="输出第 INDEX 条在最新签名树中的证明(tlog-proof)。",
)
@click.argument("index", type=click.IntRange(min=0), metavar="INDEX")
@option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", en="Write it to a new FILE.", zh="写入新文件。"
)
@json_option
@language_option
@click.pass_obj
def prove(session: Session, *, index: int, output: Path | None) -> ExitCode:
    """Run the command."""
    from evidencekit_cli import ledgering

    return ledgering.give_proof(session, index, output)


@command(
    "fsck",
    en="""Rebuild the ledger from its raw entries and compare everything with it.

    With --against, what is published at URL (http, s3) or DIR is rebuilt as well, and the ledger must extend it;
    or the ledger must extend what a BUNDLE proves. Status 1: something disagrees.
    """,
    zh="""由原始条目重建账本,并逐一比对。

    指定 --against 时,一并重建已公布的日志,且账本须由其延续;或账本须由证据包(BUNDLE)所证明的树延续。
    退出状态 1:存在不符。
    """,
)
@option(
    "--against",
    metavar="URL|DIR|BUNDLE",
    en="Published log, or any bundle, to compare with.",
    zh="用于比对的已公布日志或任一证据包。",
)
@json_option
@language_option
@click.pass_obj
def fsck(session: Session, *, against: str | None) -> ExitCode:
    """Run the command."""
    from evidencekit_cli import ledgering

    return ledgering.check(session, against)


@command(
    "publish",
    en="""Publish the ledger into DIR or s3://bucket/prefix, which any static web server can serve.

    With ledger.witness_policy, only a checkpoint that its quorum cosigned is published, unless
    ledger.fail_open says otherwise. Credentials of a bucket come from the environment or ~/.aws.
    """,
    zh="""把账本公布到 DIR 或 s3://存储桶/前缀,任何静态网站服务器均可提供。

    设有 ledger.witness_policy 时,仅公布达到法定联署的检查点,除非 ledger.fail_open 另有设置。
    存储桶的凭证取自环境变量或 ~/.aws。
    """,
)
@click.argument("place", metavar="DIR|s3://…")
@option(
    "--collect", is_flag=True, en="Delete partial tiles that a full one replaces.", zh="删除已被完整块取代的部分块。"
)
@option(
    "--endpoint",
    metavar="URL",
    en="S3 store that is not Amazon's.  [default: ledger.s3_endpoint]",
    zh="非亚马逊 S3 存储的网址,默认取 ledger.s3_endpoint。",
)
@option(
    "--retain-days",
    type=click.IntRange(min=1),
    metavar="DAYS",
    en="Lock what never changes for so long (Object Lock).",
    zh="以对象锁定保留不变内容的天数。",
)
@json_option
@language_option
@click.pass_obj
def publish(session: Session, *, place: str, collect: bool, endpoint: str | None, retain_days: int | None) -> ExitCode:
    """Run the command."""
    from evidencekit_cli import ledgering

    wanted = ledgering.Publishing(place=place, collect=collect, endpoint=endpoint, retain_days=retain_days)
    return ledgering.publish(session, wanted)


@command(
    "anchor",
    en="""Have others vouch for the newest checkpoint, and ask what became of pending receipts.

    Only digests are sent. Receipts are kept in the data folder. A pending anchor is no anchor: status 3
    unless every receipt is confirmed.
    """,
    zh="""请他方为最新检查点作证,并查询待定回执的结果。

    只发送摘要,回执保存在数据目录。待定的锚定不是锚定:并非全部确认时退出状态 3。
    """,
)
@option(
    "--tsa", "tsas", multiple=True, metavar="URL", en="RFC 3161 authority; may be repeated.", zh="时间戳机构,可重复。"
)
@option(
    "--api",
    "apis",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    en="Description of a deposit API (docs/spec/anchor.md); may be repeated.",
    zh="存证接口描述文件(docs/spec/anchor.md),可重复。",
)
@json_option
@language_option
@click.pass_obj
def anchor(session: Session, *, tsas: tuple[str, ...], apis: tuple[Path, ...]) -> ExitCode:
    """Run the command."""
    from evidencekit_cli import anchoring

    return anchoring.anchor(session, tsas, apis)


@command(
    "monitor",
    en="""Watch a published log, anybody's: does it only grow?

    Keeps the newest checkpoint in --state and proves each later one consistent with it. On a fork both
    signed notes are printed, and the status is 1. Status 3: the log shows less than it signed before.
    """,
    zh="""监看任何已公布的日志:它是否只增不改?

    最新检查点保存在 --state 中,其后的每个检查点须与之一致。发现分叉时输出双方签名文本,
    退出状态 1;日志少于其曾签署的内容时,退出状态 3。
    """,
)
@click.argument("log", metavar="URL|DIR")
@option("--key", "key", required=True, metavar="VKEY|FILE", en="The log's verifier key.", zh="日志的验证公钥。")
@option(
    "--state",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    en="Where the newest checkpoint is kept.",
    zh="保存最新检查点的文件。",
)
@option("--audit", is_flag=True, en="Also rebuild the tree from all entries.", zh="另由全部条目重建整棵树。")
@option(
    "--every",
    type=click.FloatRange(min=0.1),
    metavar="SECONDS",
    en="Look again and again.",
    zh="按此间隔(秒)持续监看。",
)
@json_option
@language_option
@click.pass_obj
def monitor(session: Session, *, log: str, key: str, state: Path, audit: bool, every: float | None) -> ExitCode:
    """Run the command."""
    from evidencekit_cli import watching

    return watching.monitor(session, log, watching.Watch(key=key, state=state, audit=audit, every_s=every))


@command(
    "serve",
    en="""Witness other logs: cosign a checkpoint only if its log grew from the last one cosigned.

    Serves C2SP tlog-witness over HTTP until it is interrupted. Two offices witness each other by naming
    each other's log with --log and each other's witness in their policies.
    """,
    zh="""为其他日志作见证:仅当日志由上次联署的检查点延续时才联署。

    以 HTTP 提供 C2SP tlog-witness 服务,直至中断。两家机构互相见证时,各自以 --log 指定对方的日志,
    并在各自的见证策略中列入对方的见证者。
    """,
)
@option(
    "--log",
    "logs",
    multiple=True,
    required=True,
    metavar="VKEY|FILE",
    en="A log to witness; may be repeated.",
    zh="所见证的日志公钥,可重复。",
)
@option(
    "--listen",
    default="127.0.0.1:8799",
    show_default=True,
    metavar="HOST:PORT",
    en="Address to listen on.",
    zh="监听地址。",
)
@option("--name", metavar="NAME", en="Name of the witness key at first use.", zh="首次使用时见证密钥的名称。")
@json_option
@language_option
@click.pass_obj
def serve(session: Session, *, logs: tuple[str, ...], listen: str, name: str | None) -> ExitCode:
    """Run the command."""
    from evidencekit_cli import watching

    return watching.serve_witness(session, logs, listen, name)


@command(
    "key",
    en="Print the witness's verifier key, made at first use, for the policies of others.",
    zh="输出本机见证者的验证公钥(首次使用时生成),供他人写入策略。",
)
@option("--name", metavar="NAME", en="Name of the witness key at first use.", zh="首次使用时见证密钥的名称。")
@json_option
@language_option
@click.pass_obj
def witness_key(session: Session, *, name: str | None) -> ExitCode:
    """Run the command."""
    from evidencekit_cli import watching

    return watching.show_witness_key(session, name)


witness = BilingualGroup(
    "witness",
    help="Witness other logs (C2SP tlog-witness).",
    zh="为其他日志作见证(C2SP tlog-witness)。",
    members=(
        Member("serve", f"{_PLACE}serve", en="Serve a witness over HTTP.", zh="以 HTTP 提供见证服务。"),
        Member("key", f"{_PLACE}witness_key", en="Print the witness's verifier key.", zh="输出见证者的验证公钥。"),
    ),
)

ledger = BilingualGroup(
    "ledger",
    help="Look at, prove, check, publish and watch the ledger.",
    zh="查看、证明、检查、公布与监看账本。",
    members=(
        Member("status", f"{_PLACE}status", en="Show the ledger of this home.", zh="查看本机账本。"),
        Member("checkpoint", f"{_PLACE}checkpoint", en="Print the newest checkpoint.", zh="输出最新检查点。"),
        Member("prove", f"{_PLACE}prove", en="Print the proof of an entry.", zh="输出条目的包含证明。"),
        Member("fsck", f"{_PLACE}fsck", en="Rebuild the ledger and compare.", zh="重建账本并比对。"),
        Member("publish", f"{_PLACE}publish", en="Publish into a folder or bucket.", zh="公布到文件夹或存储桶。"),
        Member("anchor", f"{_PLACE}anchor", en="Have others vouch for a checkpoint.", zh="请他方为检查点作证。"),
        Member("monitor", f"{_PLACE}monitor", en="Watch a published log.", zh="监看已公布的日志。"),
        Member("witness", f"{_PLACE}witness", en="Witness other logs.", zh="为其他日志作见证。"),
    ),
)
