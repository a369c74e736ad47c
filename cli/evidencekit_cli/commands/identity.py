"""`evidencekit identity`: the keys of this installation, over the years."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from evidencekit_cli.bilingual import BilingualGroup, Member, command, option
from evidencekit_cli.options import json_option, language_option

if TYPE_CHECKING:
    from collections.abc import Callable

    from evidencekit_cli.exit_codes import ExitCode
    from evidencekit_cli.output import Session

_PLACE = "evidencekit_cli.commands.identity:"
_FILE = click.Path(path_type=Path)


def _passphrase_option(function: Callable[..., object]) -> Callable[..., object]:
    return option(
        "--passphrase-file",
        type=_FILE,
        metavar="FILE",
        en="File of mode 0600 that holds the passphrase.  [default: ask]",
        zh="含口令的文件(权限 0600)。[默认:询问]",
    )(function)


@command(
    "show",
    en="Show the keys: whose, how long they hold, whether they are there.",
    zh="查看各密钥:归属、有效期、是否存在。",
)
@json_option
@language_option
@click.pass_obj
def show(session: Session) -> ExitCode:
    """Run the command."""
    from evidencekit_cli import identifying

    return identifying.show(session)


@command(
    "create",
    en="""Make the keys: a self-signed seal, time-stamps of our own, the ledger.

    The first capture makes them as well; this command puts a name into the seal's certificate.
    """,
    zh="""创建密钥:自签的封存身份、自有时间戳、账本。

    首次取证也会自动创建;本命令可在封存证书中写入名称。
    """,
)
@option("--name", metavar="TEXT", en="The holder's name in the certificate.", zh="证书中的持有人名称。")
@json_option
@language_option
@click.pass_obj
def create(session: Session, *, name: str | None) -> ExitCode:
    """Run the command."""
    from evidencekit_cli import identifying

    return identifying.create(session, name)


@command(
    "import",
    en="""Take a key with its certificate from PKCS#12 (.p12, .pfx) to seal with.

    What sealed before is retired, and the ledger says so.
    """,
    zh="""从 PKCS#12 文件(.p12、.pfx)导入密钥与证书用于封存。

    原封存身份随即停用,并登记于账本。
    """,
)
@click.argument("file", type=_FILE, metavar="FILE")
@_passphrase_option
@json_option
@language_option
@click.pass_obj
def import_(session: Session, *, file: Path, passphrase_file: Path | None) -> ExitCode:
    """Run the command."""
    from evidencekit_cli import identifying

    return identifying.adopt(session, file, passphrase_file)


@command(
    "backup",
    en="""Write every key and the ledger to a new file, encrypted to a passphrase (age format).

    Whoever has the file and the passphrase can sign as you.
    """,
    zh="""将全部密钥与账本写入新文件,以口令加密(age 格式)。

    持有该文件与口令者即可以您的名义签名。
    """,
)
@click.argument("file", type=_FILE, metavar="FILE")
@_passphrase_option
@json_option
@language_option
@click.pass_obj
def backup(session: Session, *, file: Path, passphrase_file: Path | None) -> ExitCode:
    """Run the command."""
    from evidencekit_cli import identifying

    return identifying.backup(session, file, passphrase_file)


@command(
    "restore",
    en="""Put a backup into a new data folder (EVIDENCEKIT_HOME).

    The ledger of the backup may be older than what was entered since, so a new log follows it;
    its first entry holds the last checkpoint of the old one.
    """,
    zh="""将备份恢复到新的数据目录(EVIDENCEKIT_HOME)。

    备份中的账本可能早于其后的登记,因此以新日志接续,其首条载有旧日志的最后检查点。
    """,
)
@click.argument("file", type=_FILE, metavar="FILE")
@_passphrase_option
@option(
    "--continue-ledger",
    is_flag=True,
    en="Nothing was entered since the backup: go on with its log.",
    zh="备份之后没有新的登记:继续使用原日志。",
)
@json_option
@language_option
@click.pass_obj
def restore(session: Session, *, file: Path, passphrase_file: Path | None, continue_ledger: bool) -> ExitCode:
    """Run the command."""
    from evidencekit_cli import identifying

    return identifying.restore(session, file, passphrase_file, continue_ledger=continue_ledger)


@command(
    "rotate",
    en="""Replace a key: seal, tsa or ledger. The old one is kept, and the ledger says why.

    Bundles made before verify as they did, with the old anchors. A new ledger key begins a new log
    whose first entry holds the last checkpoint of the old one.
    """,
    zh="""更换密钥:seal(封存)、tsa(时间戳)或 ledger(账本)。旧密钥保留,账本载明原因。

    此前的证据包仍以旧信任锚核验。新账本密钥开启新日志,其首条载有旧日志的最后检查点。
    """,
)
@click.argument("key", type=click.Choice(["seal", "tsa", "ledger"]), metavar="seal|tsa|ledger")
@option("--lost", is_flag=True, en="The old key is lost.", zh="旧密钥已丢失。")
@option("--compromised", is_flag=True, en="The old key came into other hands.", zh="旧密钥已泄露。")
@option("--name", metavar="TEXT", en="The holder's name in the seal's certificate.", zh="封存证书中的持有人名称。")
@json_option
@language_option
@click.pass_obj
def rotate(session: Session, *, key: str, lost: bool, compromised: bool, name: str | None) -> ExitCode:
    """Run the command."""
    from evidencekit_cli import identifying

    return identifying.rotate(session, key, lost=lost, compromised=compromised, name=name)


identity = BilingualGroup(
    "identity",
    help="Show, make, import, back up and replace the keys of this installation.",
    zh="查看、创建、导入、备份与更换本机密钥。",
    members=(
        Member("show", _PLACE + "show", en="Show the keys.", zh="查看各密钥。"),
        Member("create", _PLACE + "create", en="Make the keys.", zh="创建密钥。"),
        Member("import", _PLACE + "import_", en="Take a key from PKCS#12.", zh="从 PKCS#12 导入密钥。"),
        Member(
            "backup", _PLACE + "backup", en="Write keys and ledger to an encrypted file.", zh="加密备份密钥与账本。"
        ),
        Member("restore", _PLACE + "restore", en="Put a backup into a new data folder.", zh="恢复备份到新数据目录。"),
        Member("rotate", _PLACE + "rotate", en="Replace a key.", zh="更换密钥。"),
    ),
)
