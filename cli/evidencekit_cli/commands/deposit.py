"""`evidencekit deposit`: files that were made elsewhere, or their digests, as evidence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from evidencekit_cli.bilingual import command, option
from evidencekit_cli.options import (
    DEPOSIT_KINDS,
    MEDIA,
    RIGHT_TYPES,
    circumstance_options,
    json_option,
    language_option,
    output_option,
    post_quantum_option,
    tsa_option,
)

if TYPE_CHECKING:
    from evidencekit_cli.depositing import DepositOptions
    from evidencekit_cli.exit_codes import ExitCode
    from evidencekit_cli.output import Session


@command(
    "deposit",
    en="""Deposit files that were made elsewhere, as one evidence bundle.

    Hashes, signs, time-stamps and logs FILES like a capture. How they were made was not observed, and the
    certificate says so. With --hash-only neither the files nor their names are kept. FILE may be the folder
    that a killed recording left: what it had recorded is sealed, as PARTIAL. Status 3: sealed, but something is
    pending or partial.

    \b
    original-work             --creator --completed --right-type --warrant
    licence, transfer, pledge --grantor --grantee --work BUNDLE
    forensic                  --medium --device --cleanliness
    object                    --order-number --custodian
    """,
    zh="""把在外部形成的文件存证为一个证据包。

    \b
    与网页取证相同:计算摘要、签名、加盖时间戳并写入账本。文件如何形成未经观察,证书会注明。
    --hash-only 时文件与文件名均不保存。文件也可为中断的录制所留下的目录:已录内容予以封存并注明不完整。
    退出状态 3:已封存,但有待补或不完整的项目。

    \b
    original-work             --creator --completed --right-type --warrant
    licence、transfer、pledge --grantor --grantee --work 证据包
    forensic                  --medium --device --cleanliness
    object                    --order-number --custodian
    """,
)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@option(
    "--kind",
    type=click.Choice(DEPOSIT_KINDS),
    default="file",
    show_default=True,
    metavar="KIND",
    en=f"What is deposited: {', '.join(DEPOSIT_KINDS)}.",
    zh=f"存证种类:{'、'.join(DEPOSIT_KINDS)}。",
)
@option("--hash-only", is_flag=True, en="Keep digests alone, no file and no name.", zh="只存摘要,不保存文件与文件名。")
@option(
    "--work",
    "works",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="BUNDLE",
    en="Earlier record that this one rests on; may be repeated.",
    zh="所关联的在先记录,可重复。",
)
@option("--title", metavar="TEXT", en="Name of what is deposited.", zh="名称。")
@option("--creator", metavar="NAME", en="Creator of the work.", zh="作者。")
@option("--completed", metavar="DATE", en="Day of completion, as claimed.", zh="自述的完成日期。")
@option("--first-published", metavar="DATE", en="Day of first publication, as claimed.", zh="自述的首次发表日期。")
@option(
    "--right-type",
    type=click.Choice(RIGHT_TYPES),
    metavar="RIGHT",
    en=f"Right claimed: {', '.join(RIGHT_TYPES)}.",
    zh=f"权利类型:{'、'.join(RIGHT_TYPES)}。",
)
@option("--warrant", is_flag=True, en="Warrant that this is true and original.", zh="保证所述真实、作品为原创。")
@option("--grantor", metavar="NAME", en="Who licenses, transfers or pledges.", zh="许可人、转让人或出质人。")
@option("--grantee", metavar="NAME", en="To whom.", zh="被许可人、受让人或质权人。")
@option("--scope", metavar="TEXT", en="What is granted.", zh="范围。")
@option(
    "--medium",
    type=click.Choice(MEDIA),
    metavar="MEDIUM",
    en=f"How it was recorded: {', '.join(MEDIA)}.",
    zh=f"取证方式:{'、'.join(MEDIA)}。",
)
@option("--device", metavar="TEXT", en="Device that recorded it.", zh="取证设备。")
@option("--cleanliness", metavar="TEXT", en="Statement on the device's cleanliness.", zh="设备清洁性说明。")
@option("--recorded", metavar="DATE", en="Day of recording, as claimed.", zh="自述的录制日期。")
@option("--order-number", metavar="TEXT", en="Order of the purchase.", zh="订单号。")
@option("--waybill", metavar="TEXT", en="Waybill of the parcel.", zh="运单号。")
@option("--seal-number", metavar="TEXT", en="Number of the package's seal.", zh="封签编号。")
@option("--custodian", metavar="NAME", en="Who keeps the object.", zh="实物保管人。")
@output_option
@tsa_option
@option("--matter", metavar="ID", en="Matter the deposit belongs to.", zh="所属案件编号。")
@option("--operator", metavar="NAME", en="Who deposits.", zh="操作人姓名。")
@circumstance_options
@option("--no-third-party", is_flag=True, en="Ask no third party.", zh="不联系任何第三方。")
@post_quantum_option
@json_option
@language_option
@click.pass_obj
def deposit(session: Session, **options: Unpack[DepositOptions]) -> ExitCode:
    """Run the command."""
    from evidencekit_cli.depositing import deposit_files

    return deposit_files(session, options)
