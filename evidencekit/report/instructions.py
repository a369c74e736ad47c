"""VERIFY.md and VERIFY.zh-CN.md: how to check a bundle by hand, with commands that run as they stand.

Both languages hold the same commands (templates/verify-steps.sh). The blocks, taken out in order and run by bash in
the folder that holds the ZIP, succeed on a sound bundle and stop at the first step that fails.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from string import Template
from typing import ClassVar

from evidencekit.errors import UsageError
from evidencekit.model import Text
from evidencekit.report.terminal import Language, pick

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")
_PATH = re.compile(r"(?!.*(?:^|/)\.\.?(?:/|$))[A-Za-z0-9_][A-Za-z0-9._/-]{0,239}")
_SUFFIX = ".zip"

_BLOCK = "```bash\n{}\n```\n"
_OUTER_LIST = Text(
    en="The second list, which the time-stamp over the whole covers:",
    zh="第二份清单，由整体时间戳覆盖：",
)
_NO_TOKENS = Text(
    en="This bundle holds no time-stamp: nothing here dates it.",
    zh="本证据包没有时间戳：此处没有任何内容能证明其时间。",
)
_TOKENS = Text(
    en="Shows that the file named by `-data` existed no later than the time in the token, if you trust the authority. "
    "A token that the issuer made itself is not independent. Does not show when the page was published. "
    "Compare the authority's fingerprint with one obtained elsewhere:",
    zh="说明：若您信任该时间戳机构，`-data` 所列文件不晚于时间戳所载时间即已存在。由出具方自行签发的时间戳并非独立。"
    "不说明网页何时发布。请将机构证书指纹与另行取得的指纹比对：",
)
_NO_LEDGER = Text(
    en="This bundle holds no ledger proof.",
    zh="本证据包没有账本证明。",
)
_LEDGER = Text(
    en="Shows that the entries for the opening and for this record are in the tree whose head the ledger's key signed. "
    "Compare `trust/ledger.vkey` with one obtained elsewhere. Without a witness it proves nothing against the "
    "ledger's own operator.",
    zh="说明：启动登记与本记录的条目均在树中，树头由账本密钥签署。请将 `trust/ledger.vkey` 与另行取得的公钥比对。"
    "无见证时，不能约束账本运营者本身。",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyFacts:
    """The values in which the page differs from bundle to bundle.

    `tokens` lists (reply, stamped file), e.g. `("seal/open-1.tsr", "seal/open.json")`; `outer_token` tells whether
    META-INF holds a time-stamp over everything, `ledger` whether proof/ holds inclusion proofs.
    """

    number: str
    file: str
    tokens: tuple[tuple[str, str], ...]
    outer_token: bool = True
    ledger: bool = True
    sm2: bool = False
    """Whether the seals are made with SM2, which `openssl cms` cannot check."""


class _Page(Template):
    """`@@{name}` marks a place: the shell keeps its own dollar signs."""

    delimiter: ClassVar[str] = "@@"


def _check(facts: VerifyFacts) -> None:
    """The values stand in shell commands, so nothing but plain names may pass."""
    if not _NAME.fullmatch(facts.number) or not _NAME.fullmatch(facts.file) or not facts.file.endswith(_SUFFIX):
        raise UsageError(
            f"number {facts.number!r} or file name {facts.file!r} cannot stand in a command; "
            "use letters, digits, '.', '_' and '-', and a name that ends in .zip",
            f"编号 {facts.number!r} 或文件名 {facts.file!r} 不能用于命令；请只用字母、数字、“.”“_”“-”，并以 .zip 结尾",
        )
    for path in (path for pair in facts.tokens for path in pair):
        if not _PATH.fullmatch(path):
            raise UsageError(
                f"member name {path!r} cannot stand in a command; use names that bundle.md allows",
                f"成员名 {path!r} 不能用于命令；请使用 bundle.md 允许的名称",
            )


def _read(name: str) -> str:
    return files("evidencekit.report").joinpath("templates", name).read_text(encoding="utf-8")


def _steps(values: dict[str, str]) -> dict[str, str]:
    """Cuts the packaged commands at their `#: name` lines and fills in the values that hold for all of them."""
    parts = re.split(r"^#: (\w+)\n", _read("verify-steps.sh"), flags=re.MULTILINE)
    return {
        name: _Page(body.rstrip("\n")).safe_substitute(values)
        for name, body in zip(parts[1::2], parts[2::2], strict=True)
    }


def _token_block(facts: VerifyFacts, steps: dict[str, str]) -> str:
    lines = [_Page(steps["token"]).substitute(token=token, over=over) for token, over in facts.tokens]
    if facts.outer_token:
        lines.append(steps["outer_token"])
    return _BLOCK.format("\n".join(lines))


def _tokens(facts: VerifyFacts, steps: dict[str, str], lang: Language) -> str:
    if not facts.tokens and not facts.outer_token:
        return pick(_NO_TOKENS, lang)
    anchors = _BLOCK.format(steps["anchors"])
    return f"{_token_block(facts, steps)}\n{pick(_TOKENS, lang)}\n\n{anchors}".rstrip("\n")


def _moment(facts: VerifyFacts) -> str:
    """The shell word for the time at which certificates are judged."""
    if facts.outer_token:
        return '"$(gentime -token_in -in META-INF/timestamp001.tst)"'
    if facts.tokens:
        return f'"$(gentime -in {facts.tokens[-1][0]})"'
    return '"$(date +%s)"'


def render_verify_md(lang: Language, facts: VerifyFacts) -> str:
    """Renders VERIFY.md (`en`) or VERIFY.zh-CN.md (`zh`).

    Args:
        lang: The language of the sentences; the commands are the same.
        facts: Number, file name of the ZIP and token list.

    Returns:
        Markdown whose ```bash blocks can be run as they stand.

    Raises:
        UsageError: A name holds characters that have no place in a command.
    """
    _check(facts)
    folder = f"{facts.file.removesuffix(_SUFFIX)}.unpacked"
    steps = _steps({"file": facts.file, "folder": folder, "at": _moment(facts)})
    if facts.sm2:
        steps["signature"] = steps["signature_sm2"]
    asic2 = f"{pick(_OUTER_LIST, lang)}\n\n{_BLOCK.format(steps['asic2'])}\n" if facts.outer_token else ""
    ledger = f"{_BLOCK.format(steps['ledger'])}\n{pick(_LEDGER, lang)}" if facts.ledger else pick(_NO_LEDGER, lang)
    page = _Page(_read("VERIFY.md" if lang == "en" else "VERIFY.zh-CN.md"))
    return page.substitute(
        steps,
        number=facts.number,
        file=facts.file,
        asic2_text=asic2,
        tokens_text=_tokens(facts, steps, lang),
        ledger_text=ledger,
    )
