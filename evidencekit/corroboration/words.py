"""Words that a browser's own `Intl` writes (Unicode CLDR), so that no recorded response need hold them."""

from __future__ import annotations

from typing import Final

_MONTHS: Final = (
    "january february march april may june july august september october november december "
    "jan feb mar apr jun jul aug sep sept oct nov dec "
    "januar februar märz mai juni juli oktober dezember mär okt dez "
    "janvier février mars avril juin juillet août septembre octobre novembre décembre janv févr juil déc "
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre ene abr ago dic"
)
_DAYS: Final = (
    "monday tuesday wednesday thursday friday saturday sunday mon tue wed thu fri sat sun "
    "montag dienstag mittwoch donnerstag freitag samstag sonntag "
    "lundi mardi mercredi jeudi vendredi samedi dimanche lunes martes miércoles jueves viernes sábado domingo"
)
_CLOCK: Final = (
    "am pm a p m at utc gmt cst z t h s ms d w y ad bc noon midnight today yesterday tomorrow now "
    "second seconds sec secs minute minutes min mins hour hours hr hrs day days week weeks month months year years ago "
    "in last next this st nd rd th k b bn mn usd eur cny rmb jpy gbp us kb mb gb tb px fps mio mrd tsd lakh crore cr t"
)
_WIDE: Final = (
    "年月日时時分秒点點周週星期一二三四五六七八九十零〇上下午凌晨早中晚前后後天小刚才剛今昨明个個刻钟鐘"
    "万萬亿億千百约約第元円년월일시분초오전후"
)

CALENDAR: Final = frozenset(f"{_MONTHS} {_DAYS} {_CLOCK}".split()) | frozenset(_WIDE)
"""Names of days and months, units of time and number; in lower case, Chinese, Japanese and Korean ones singly."""

PICTOGRAPHS: Final = frozenset("ªº№℃℉™")
"""Letters of Unicode that are signs to a reader."""
