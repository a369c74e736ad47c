"""Rights templates: which shots and facts a recorded process about a right should hold (docs/spec/process.md).

They say what is usually asked for in court, as data; what is missing is named by `inspect` and never blocks a seal.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from evidencekit.hashing.process import Marker
from evidencekit.model import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evidencekit.hashing.process import Process


@dataclass(frozen=True, slots=True, kw_only=True)
class RightsTemplate:
    """One right: its name, the shots that a process should hold, and facts to bring from elsewhere."""

    name: Text
    shots: tuple[Marker, ...]
    facts: tuple[Text, ...]


SHOT_NAMES: Final[Mapping[Marker, Text]] = MappingProxyType(
    {
        Marker.LISTING: Text(en="the listing or the page of the use", zh="商品或侵权使用的页面"),
        Marker.PRICE: Text(en="the price", zh="价格"),
        Marker.SALES: Text(en="sales, views or ratings", zh="销量、浏览量或评价数"),
        Marker.SELLER: Text(en="the seller and the licence shown", zh="经营者及所示证照"),
        Marker.ORDER: Text(en="the order", zh="订单"),
        Marker.PAYMENT: Text(en="the payment", zh="付款"),
        Marker.LOGISTICS: Text(en="the dispatch and the waybill", zh="发货与物流单号"),
        Marker.STATEMENT: Text(en="statements of the seller or author", zh="经营者或作者的陈述"),
    }
)

_OWNER: Final = Text(en="proof of the right: registration, manuscript, contract", zh="权属证明：登记证书、底稿、合同")
_LICENCE: Final = Text(en="that no licence was given, or its scope", zh="未予许可或许可范围的说明")
_PURCHASE: Final = (Marker.LISTING, Marker.PRICE, Marker.SALES, Marker.SELLER)
_DELIVERY: Final = (Marker.ORDER, Marker.PAYMENT, Marker.LOGISTICS)

RIGHTS: Final[Mapping[str, RightsTemplate]] = MappingProxyType(
    {
        "copyright": RightsTemplate(
            name=Text(en="copyright", zh="著作权"),
            shots=(Marker.LISTING, Marker.SELLER, Marker.SALES, Marker.STATEMENT),
            facts=(
                _OWNER,
                Text(en="the date of first publication of the work", zh="作品首次发表日期"),
                Text(en="a comparison of work and use", zh="作品与被控内容的比对"),
                _LICENCE,
            ),
        ),
        "trademark": RightsTemplate(
            name=Text(en="trademark", zh="商标"),
            shots=(*_PURCHASE, *_DELIVERY),
            facts=(
                Text(en="the registration with its classes and validity", zh="商标注册证、核定类别与有效期"),
                Text(en="the object bought, sealed, with photographs", zh="所购实物、封存与照片"),
                _LICENCE,
            ),
        ),
        "patent": RightsTemplate(
            name=Text(en="patent", zh="专利"),
            shots=(*_PURCHASE, *_DELIVERY),
            facts=(
                Text(en="the patent, its claims and the last annual fee", zh="专利证书、权利要求与年费缴纳凭证"),
                Text(en="the object bought, sealed, with photographs", zh="所购实物、封存与照片"),
                Text(en="a claim chart", zh="技术特征比对表"),
            ),
        ),
        "trade-secret": RightsTemplate(
            name=Text(en="trade secret", zh="商业秘密"),
            shots=(Marker.LISTING, Marker.SELLER, Marker.STATEMENT),
            facts=(
                Text(en="the secret's carrier and when it was made", zh="秘密信息载体及形成时间"),
                Text(en="the measures that kept it secret", zh="保密措施"),
                Text(en="how the other side had access", zh="对方接触的途径"),
            ),
        ),
        "unfair-competition": RightsTemplate(
            name=Text(en="unfair competition", zh="不正当竞争"),
            shots=(Marker.LISTING, Marker.SELLER, Marker.SALES, Marker.STATEMENT),
            facts=(
                Text(en="that both compete, and what of one's own is known", zh="竞争关系及自身标识、商誉的知名度"),
                Text(en="the statement, and that it is false or confuses", zh="被控宣传及其虚假或混淆之处"),
                Text(en="the loss, or the other side's gain", zh="损失或对方获利"),
            ),
        ),
    }
)


def missing_shots(process: Process) -> tuple[Marker, ...]:
    """Say which shots of its template a process lacks; none without a template that is known."""
    template = RIGHTS.get(process.rights or "")
    if template is None:
        return ()
    taken = {shot.marker for shot in process.shots}
    return tuple(marker for marker in template.shots if marker not in taken)
