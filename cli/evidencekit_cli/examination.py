"""All checks of `evidencekit doctor`, and those that look at the data folder and at the network."""

from __future__ import annotations

import os
import stat
from functools import partial
from typing import TYPE_CHECKING

from evidencekit.errors import LedgerCorruptError, StorageError
from evidencekit.home import Home
from evidencekit.ledger.mirror import refuse_missing_ledger
from evidencekit.signing.identity import load_ledger_key
from evidencekit.timestamp.client import stamp
from evidencekit_cli import diagnosis, reminders
from evidencekit_cli.authorities import authorities_named
from evidencekit_cli.diagnosis import Check, Condition, Diagnosis, informed, passed, warned
from evidencekit_cli.homes import standing_of
from evidencekit_cli.keychecks import check_keys
from evidencekit_cli.output import Sentence, inert
from evidencekit_cli.settings import CONFIG_FILE, read_settings

if TYPE_CHECKING:
    from pathlib import Path

    from evidencekit.ledger.keeping import Standing

_TSA_TIMEOUT_S = 8.0
_QUICK_LOOK_BYTES = 256 << 20
_QUICK_LOOK_ENTRIES = 100_000
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_DIGEST_BYTES = 32


def all_checks(*, third_party: bool) -> list[Check]:
    """Return every check in the order in which it is shown."""
    from evidencekit.home import default_home

    home = default_home()
    return [
        Check(id="python", look=diagnosis.check_python),
        Check(id="browser", look=diagnosis.check_browser),
        Check(id="interfaces", look=diagnosis.check_interfaces),
        Check(id="fonts", look=diagnosis.check_fonts),
        Check(id="recording", look=diagnosis.check_recording),
        Check(id="sm3", look=diagnosis.check_sm3),
        Check(id="environment", look=diagnosis.check_environment),
        Check(id="disk", look=partial(diagnosis.check_disk, home)),
        Check(id="clock", look=diagnosis.check_clock),
        Check(id="home", look=partial(check_home, home)),
        Check(id="settings", look=partial(check_settings, home)),
        Check(id="keys", look=partial(check_keys, home)),
        Check(id="ledger", look=partial(check_ledger, home)),
        Check(id="ledger.mirror", look=partial(check_rollback, home)),
        Check(id="tsa", look=partial(check_tsas, home, third_party=third_party)),
        Check(id="tokens", look=partial(reminders.check_tokens, home)),
        Check(id="pending", look=partial(reminders.check_pending, home)),
        Check(id="renewal", look=partial(reminders.check_renewal, home)),
    ]


def check_home(home: Path) -> Diagnosis:
    """Look at the data folder itself.

    Raises:
        StorageError: it is no folder, or may not be written to.
    """
    if not os.path.lexists(home):
        return informed("home", f"{home} is made by the first capture", f"{home} 将在首次取证时创建")
    if not home.is_dir() or not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        raise StorageError(
            f"the data folder {home} is no folder that you may write to; correct it, or set EVIDENCEKIT_HOME",
            f"数据目录 {home} 不是可写的文件夹;请更正,或设置 EVIDENCEKIT_HOME",
        )
    if os.name == "posix" and home.stat().st_mode & _OTHERS:
        return warned(
            "home",
            f"{home} can be entered by other users; keep it to yourself: chmod 700 {home}",
            f"其他用户可进入 {home};请仅限本人:chmod 700 {home}",
        )
    return passed("home", f"{home}", f"{home}")


def check_settings(home: Path) -> Diagnosis:
    """Read `config.toml`.

    Raises:
        ConfigError: it cannot be used.
    """
    given = ", ".join(sorted(read_settings(home / CONFIG_FILE).given)) or "-"
    return passed("settings", f"{CONFIG_FILE} sets: {given}", f"{CONFIG_FILE} 设置了:{given}")


def check_ledger(home: Path) -> Diagnosis:
    """Rebuild the ledger from its entries and compare with what was signed.

    Raises:
        LedgerCorruptError: they disagree.
        LedgerError: the file is no ledger, or its database cannot be reached.
    """
    file, database = home / "ledger.sqlite", _standing(home).database
    if not (home / "ledger.postgres" if database else file).is_file():
        return informed("ledger", "the first capture starts the ledger", "首次取证时建立账本")
    if database is None and file.stat().st_size > _QUICK_LOOK_BYTES:
        return _too_large()
    key = load_ledger_key(home / "keys")
    opened = Home(home, _standing(home))
    if database is not None:
        with opened.ledger(key, create=False) as ledger:
            if ledger.size > _QUICK_LOOK_ENTRIES:
                return _too_large()
    report = opened.check_ledger(key)
    where = database.conninfo if database else str(file)
    if report.problems:
        first = report.problems[0]
        raise LedgerCorruptError(
            f"the ledger {where} is damaged in {len(report.problems)} ways, first: {first.en} Restore a copy.",
            f"账本 {where} 有 {len(report.problems)} 处损坏,首先:{first.zh} 请从副本恢复。",
        )
    return passed("ledger", f"{report.size} entries, whole and signed", f"{report.size} 条,完整且已签名")


def _too_large() -> Diagnosis:
    return Diagnosis(
        id="ledger",
        condition=Condition.NOT_PERFORMED,
        sentence=Sentence(
            "too large for a quick look; check it with: evidencekit ledger fsck",
            "账本过大,未作快速检查;请执行:evidencekit ledger fsck",
        ),
    )


def check_rollback(home: Path) -> Diagnosis:
    """Hold the ledger against its head mirror and what is published, or say what no check here can find.

    Raises:
        LedgerRollbackError: one of them knows of a newer ledger.
        EvidenceError: one of them cannot be read.
    """
    standing = _standing(home)
    held = [str(standing.head_mirror)] if standing.head_mirror else []
    held += [inert(place) for place in read_settings(home / CONFIG_FILE).texts("ledger.published")]
    if not standing.shows_rollback:
        return informed(
            "ledger.mirror",
            "rollback undetectable: no head mirror (ledger.head_mirror), publication (ledger.published) or witness "
            "(ledger.witness_policy) is configured, so nothing here would show that the ledger was set back to an "
            "older copy; keep bundles elsewhere, each holds a signed checkpoint",
            "无法察觉回退:未配置账本头镜像(ledger.head_mirror)、公布位置(ledger.published)或见证者"
            "(ledger.witness_policy),账本被退回旧副本时本机无从发现;请另存证据包,每个都含有已签名的检查点",
        )
    if not (home / "keys" / "ledger.key").exists():
        names = ", ".join(held) or "-"
        return informed("ledger.mirror", f"{names}: the first capture begins it", f"{names}:首次取证时建立")
    key, opened = load_ledger_key(home / "keys"), Home(home, standing)
    if standing.head_mirror is not None and standing.database is None:
        refuse_missing_ledger(opened.ledger_file, standing.head_mirror, key.signer.verifier)
    if opened.has_ledger():
        opened.ledger(key, create=False).close()
    if not held:
        return passed(
            "ledger.mirror",
            "the witnesses of the policy notice a rollback when they are next asked",
            "回退将在下次请求见证时由见证者发现",
        )
    return passed("ledger.mirror", f"the ledger extends {', '.join(held)}", f"账本与 {'、'.join(held)} 衔接")


def _standing(home: Path) -> Standing:
    return standing_of(read_settings(home / CONFIG_FILE))


def check_tsas(home: Path, *, third_party: bool) -> Diagnosis:
    """Ask every authority that a capture would ask for a stamp over random bytes."""
    settings = read_settings(home / CONFIG_FILE)
    chosen = authorities_named(settings.texts("capture.tsa"), settings.tsas)
    if not third_party or not settings.flag("capture.third_party"):
        return Diagnosis(
            id="tsa",
            condition=Condition.NOT_PERFORMED,
            sentence=Sentence("no third party was asked, as you wish", "按您的要求,未联系任何第三方"),
        )
    if not chosen:
        return informed("tsa", "none is asked (capture.tsa)", "不联系任何机构(capture.tsa)")
    paid = {tsa.name for tsa in settings.tsas if tsa.tokens}
    chosen = tuple(tsa for tsa in chosen if tsa.name not in paid)
    if not chosen:
        return informed("tsa", "not asked, because each token counts", "未联系,因每枚时间戳计费")
    answer = stamp(os.urandom(_DIGEST_BYTES), chosen, quorum=len(chosen), timeout_s=_TSA_TIMEOUT_S)
    answered = ", ".join(inert(reply.tsa) for reply in answer.replies)
    silent = ", ".join(inert(failure.tsa) for failure in answer.failures)
    if not answer.replies:
        return warned(
            "tsa",
            f"none answered ({silent}), so a capture now would be PENDING; check the network",
            f"均无应答({silent}),此刻取证将为 PENDING;请检查网络,或用 --tsa 指定其他机构",
        )
    rest = f"; silent: {silent}" if silent else ""
    return passed("tsa", f"answered: {answered}{rest}", f"有应答:{answered}{rest}")
