"""`evidencekit sign`: sign a sealed bundle in a role of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from evidencekit_cli.bilingual import command, option
from evidencekit_cli.options import SIGNER_ROLES, bundle_argument, json_option, language_option

if TYPE_CHECKING:
    from evidencekit_cli.exit_codes import ExitCode
    from evidencekit_cli.output import Session

_PATH = click.Path(path_type=Path)


@command(
    "sign",
    en="""Sign a sealed bundle in a role of your own.

    The bundle grows into a new file, EK.r1.zip after EK.zip: your signature over everything in it,
    and a time-stamp over that. Who signs is what [signing] in config.toml chooses, or --pkcs12.
    A bundle that fails verification is not signed. Status 3: stamped by our own TSA alone.
    """,
    zh="""以自己的角色对已封存的证据包签名。

    \b
    证据包扩充为新文件(EK.zip 之后为 EK.r1.zip):您对全部内容的签名及其时间戳。
    签署人由 config.toml 的 [signing] 指定,或用 --pkcs12。未通过核验的证据包不予签名。
    退出状态 3:仅有自有时间戳。
    """,
)
@bundle_argument
@option("--role", type=click.Choice(SIGNER_ROLES), required=True, en="Role to claim.", zh="声明的角色。")
@option(
    "--pkcs12", type=_PATH, metavar="FILE", en="Sign with the key in this .p12 file.", zh="以 .p12 文件中的密钥签名。"
)
@option(
    "--passphrase-file",
    type=_PATH,
    metavar="FILE",
    en="File of mode 0600 with its passphrase.  [default: ask]",
    zh="含其口令的文件(权限 0600)。[默认:询问]",
)
@option(
    "--tsa",
    "tsas",
    multiple=True,
    metavar="auto|none|NAME|URL",
    en="Authority to ask; may be repeated.  [default: capture.tsa]",
    zh="要联系的时间戳机构,可重复。[默认:capture.tsa]",
)
@option("-o", "--output", type=_PATH, metavar="FOLDER", en="Folder for the new file.", zh="新文件所在文件夹。")
@json_option
@language_option
@click.pass_obj
def sign(  # noqa: PLR0913 (one parameter an option)
    session: Session,
    *,
    bundle: Path,
    role: str,
    pkcs12: Path | None,
    passphrase_file: Path | None,
    tsas: tuple[str, ...],
    output: Path | None,
) -> ExitCode:
    """Run the command."""
    from evidencekit_cli.identifying import countersign, signer_from

    return countersign(session, bundle, role, lambda: signer_from(pkcs12, passphrase_file), tsas, output)
