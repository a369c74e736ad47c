"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

from evidencekit_cli.bilingual import option
from evidencekit_cli.language import Language
from evidencekit_cli.output import Session

RIGHTS_TEMPLATES = ("copyright", "trademark", "patent", "trade-secret", "unfair-competition")
MODES = ("standard", "fast", "forensic")
RELATIONSHIPS = ("party", "counsel", "notary", "third_party")
ENVIRONMENT_CONTROLS = ("party_host", "notary_host", "notary_cloud", "third_party_cloud")
SIGNER_ROLES = ("operator", "assistant", "notary", "witness")
SIGNER_KINDS = ("home", "file", "pkcs11", "command")
SIGNATURE_ALGORITHMS = (
    "",
    "ecdsa-sha256",
    "ecdsa-sha384",
    "ecdsa-sha512",
    "rsa-sha256",
    "rsa-sha384",
    "rsa-sha512",
    "sm2-sm3",
)
"""Values of `evidencekit.capture.request.Mode` and of the enumerations in `evidencekit.model`; a test compares.

Importing those modules costs more than `--help` may.
"""

DEPOSIT_KINDS = ("file", "original-work", "licence", "transfer", "pledge", "forensic", "object")
MEDIA = ("phone_screen", "call_audio", "site_audio", "photo", "phone_video", "pc_screen")
RIGHT_TYPES = ("copyright", "patent", "trademark", "trade_secret", "other")
STATUSES = ("corrected", "revoked", "explained", "superseded")

Function = TypeVar("Function", bound=Callable[..., object])


def _set_language(context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    session = context.find_root().obj
    if value is not None and isinstance(session, Session):
        session.language = Language(value)


def _set_json(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    session = context.find_root().obj
    if value and isinstance(session, Session):
        session.json = True


def language_option(function: Function) -> Function:
    """Add `--lang`; it is stored in the session, not passed on."""
    return option(
        "--lang",
        type=click.Choice([language.value for language in Language]),
        is_eager=True,
        expose_value=False,
        callback=_set_language,
        en="Language of messages.  [default: from the locale]",
        zh="消息的语言。[默认:随系统语言环境]",
    )(function)


def json_option(function: Function) -> Function:
    """Add `--json`; it is stored in the session, not passed on."""
    return option(
        "--json",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_set_json,
        en="Print one JSON object (docs/spec/command-output.schema.json).",
        zh="输出一个 JSON 对象(docs/spec/command-output.schema.json)。",
    )(function)


def bundle_argument(function: Function) -> Function:
    """Add the argument BUNDLE: a bundle file or an unpacked folder.

    Whether it exists is for the library to say, in both languages.
    """
    from pathlib import Path

    return click.argument("bundle", type=click.Path(path_type=Path), metavar="BUNDLE")(function)


def output_option(function: Function) -> Function:
    """Add `-o`: where the bundle goes."""
    from pathlib import Path

    return option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        metavar="PATH",
        en="Write the bundle to PATH.",
        zh="证据包写到此处。",
    )(function)


def profile_option(function: Function) -> Function:
    """Add `--browser-profile`: work on a copy of a profile that was used before."""
    from pathlib import Path

    return option(
        "--browser-profile",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        metavar="DIR",
        en="Work on a copy of this profile; needs --account-owner.",
        zh="使用该浏览器配置的副本,须给出 --account-owner。",
    )(function)


def tsa_option(function: Function) -> Function:
    """Add `--tsa`: who stamps."""
    return option(
        "--tsa",
        "tsas",
        multiple=True,
        metavar="auto|none|URL",
        en="Time-stamping authority; may be repeated.",
        zh="时间戳机构,可重复给出。",
    )(function)


def post_quantum_option(function: Function) -> Function:
    """Add `--post-quantum`: a second signature."""
    return option(
        "--post-quantum",
        is_flag=True,
        en="Sign a second time, with ML-DSA-65.",
        zh="另以 ML-DSA-65 作第二签名(抗量子)。",
    )(function)


def circumstance_options(function: Function) -> Function:
    """Add what says on whose behalf, where and what for the operator works, and who controls the machine."""
    relationship = option(
        "--relationship",
        type=click.Choice(RELATIONSHIPS),
        metavar="WHO",
        en=f"Operator's relation to the matter: {', '.join(RELATIONSHIPS)}.",
        zh=f"操作人与案件的关系:{'、'.join(RELATIONSHIPS)}。",
    )
    control = option(
        "--environment-control",
        type=click.Choice(ENVIRONMENT_CONTROLS),
        metavar="WHO",
        en=f"Who controls this machine: {', '.join(ENVIRONMENT_CONTROLS)}.",
        zh=f"本机由谁控制:{'、'.join(ENVIRONMENT_CONTROLS)}。",
    )
    behalf = option("--on-behalf-of", metavar="WHO", en="On whose behalf.", zh="代表何人。")
    role = option("--role", metavar="TEXT", en="In what capacity the operator acts.", zh="操作人以何种身份操作。")
    place = option("--place", metavar="TEXT", en="Where this is done.", zh="操作地点。")
    purpose = option("--purpose", metavar="TEXT", en="What it is for.", zh="取证目的。")
    basis = option(
        "--lawful-basis",
        metavar="TEXT",
        en="On what basis personal data in it are handled.",
        zh="处理其中个人信息的合法性基础。",
    )
    return behalf(role(relationship(control(place(purpose(basis(function)))))))
