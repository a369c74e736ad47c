"""What may be done to a page after the untouched view, as data: script, bound and the words for it (R14).

`details` are opened, controls that only say "more" are pressed, media are started without sound, and, only when
asked, a cookie banner is answered. Everything done is a transformation with the labels of what was touched; a bound
that was reached is a reason for PARTIAL.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from evidencekit.capture import pagescripts, waitingscripts
from evidencekit.capture.rendering import evaluate_isolated
from evidencekit.model import Text, Transformation

if TYPE_CHECKING:
    from evidencekit.capture.rendering import Cdp
    from evidencekit.model import JsonValue

_SCRIPT_S = 10.0
_LABELS = 8
_LABEL_CHARS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One kind of action.

    Attributes:
        kind: its name in `transformations[]`.
        script: an expression with one `%d`, the bound; gives `{done: [labels], left: count}`.
        most: how many elements, or presses of one control, at the most.
        rounds: how often the script is run while it still does something.
        said: what was done, with `{count}`.
        stopped: what is said on page 1 when `rounds` or `most` ended it.
    """

    kind: str
    script: str
    most: int
    rounds: int
    said: Text
    stopped: Text


OPEN_DETAILS: Final = Action(
    kind="expand",
    script=pagescripts.OPEN_DETAILS,
    most=500,
    rounds=2,
    said=Text(en="{count} closed <details> opened", zh="展开 {count} 个折叠区块(<details>)"),
    stopped=Text(en="more than 500 <details>: the rest stays closed", zh="折叠区块超过 500 个，其余未展开"),
)
LOAD_MORE: Final = Action(
    kind="load_more",
    script=pagescripts.LOAD_MORE,
    most=10,
    rounds=20,
    said=Text(en="{count} controls that show more were pressed", zh="点击 {count} 次“更多”类按钮"),
    stopped=Text(
        en="20 presses of “more” controls were made; the page offers more", zh="“更多”类按钮已点击 20 次，仍有后续"
    ),
)
TURN_CAROUSELS: Final = Action(
    kind="carousel",
    script=waitingscripts.TURN_CAROUSELS,
    most=120,
    rounds=2,
    said=Text(
        en="carousels were turned on {count} times until their pictures had been asked for; the page shows the slide "
        "reached",
        zh="轮播区域翻动 {count} 次，直至其图片均已请求；页面停在所到的一张",
    ),
    stopped=Text(
        en="carousels were not turned to their end; they may hold more pictures", zh="轮播区域未翻到底，可能仍有图片"
    ),
)
PLAY_MEDIA: Final = Action(
    kind="autoplay",
    script=pagescripts.PLAY_MEDIA,
    most=20,
    rounds=1,
    said=Text(
        en="{count} media started without sound for up to 3.5 s, then paused; they show the frame reached",
        zh="静音播放 {count} 个音视频(至多 3.5 秒)后暂停，画面停在所到之处",
    ),
    stopped=Text(en="more than 20 media: the rest was not started", zh="音视频超过 20 个，其余未播放"),
)
DISMISS_BANNERS: Final = Action(
    kind="banner",
    script=pagescripts.DISMISS_BANNERS,
    most=3,
    rounds=2,
    said=Text(
        en="at the operator's request {count} cookie banners were answered, refusing where that was offered; "
        "the state before stands in screenshot-initial.png, dom-initial.html and screenshot-before.png",
        zh="应操作人要求处理了 {count} 个 Cookie 提示(可拒绝时选择拒绝)；处理前的状态见 screenshot-initial.png、"
        "dom-initial.html 和 screenshot-before.png",
    ),
    stopped=Text(en="a cookie banner may still be shown", zh="可能仍有 Cookie 提示未关闭"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What one run of a script did: labels of the elements touched, and how many were left."""

    labels: tuple[str, ...]
    left: int


async def act(cdp: Cdp, action: Action) -> Deed:
    """Run the script of an action once.

    Raises:
        BrowserError: the browser does not answer, or the script fails.
    """
    result = await evaluate_isolated(cdp, action.script % action.most, timeout_s=_SCRIPT_S)
    done: JsonValue = result.get("done") if isinstance(result, dict) else None
    left: JsonValue = result.get("left") if isinstance(result, dict) else None
    labels = tuple(str(each)[:_LABEL_CHARS] for each in done) if isinstance(done, list) else ()
    return Deed(labels=labels, left=int(left) if isinstance(left, int | float) else 0)


def transformation_of(action: Action, labels: tuple[str, ...], page: str | None) -> Transformation:
    """Say what was done, naming the first elements by their words."""
    named = [label for label in dict.fromkeys(labels) if label]
    more = "…" if len(named) > _LABELS else ""
    shown = "; ".join(f"“{label}”" for label in named[:_LABELS]) + more
    en, zh = action.said.en.format(count=len(labels)), action.said.zh.format(count=len(labels))
    detail = Text(en=f"{en}: {shown}", zh=f"{zh}：{shown}") if shown else Text(en=en, zh=zh)
    return Transformation(time=datetime.now(UTC), kind=action.kind, detail=detail, page=page)
