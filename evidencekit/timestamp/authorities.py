"""Public TSAs that are known to answer RFC 3161 requests without an account, as data.

Being listed is no recommendation and makes nobody trusted: anchors come from the verifier's user.
Operators change addresses, roots and terms; what stands here was collected in November 2026 from the
operators' pages and from the TSA lists of bellingcat/auto-archiver, and no address was probed.
Whether commercial or judicial use is allowed is for the operator's terms to say.

`root_sha256` is the SHA-256 of the root certificate, computed from Mozilla's list as packaged in
certifi 2026.10.18 and Debian's ca-certificates; where the root is in neither it is empty.
That list vouches for web servers and e-mail, not for time-stamping: compare with the operator's own page.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from evidencekit.model import Text
from evidencekit.timestamp.client import TsaConfig

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTsa:
    """A public TSA. `country` is ISO 3166 of the operator; `pause_s` is the least pause between requests it asks for.

    A time-stamp is signed, so plain HTTP changes nothing about its worth; it only shows the salted digest.
    """

    name: str
    operator: str
    url: str
    country: str
    terms: Text
    root_subject: str
    root_sha256: str = ""
    pause_s: int = 0

    @property
    def over_http(self) -> bool:
        """Whether it is asked over plain HTTP, which also works where TLS is intercepted."""
        return self.url.startswith("http://")

    def config(self) -> TsaConfig:
        """Return how to ask it."""
        return TsaConfig(url=self.url, name=self.name, pause_s=self.pause_s)


_FREE: Final = Text(en="free of charge; see the operator's terms", zh="免费；以运营方条款为准")

_LIST: Final = (
    KnownTsa(
        name="digicert",
        operator="DigiCert, Inc.",
        url="http://timestamp.digicert.com",
        country="US",
        terms=_FREE,
        root_subject="CN=DigiCert Trusted Root G4,OU=www.digicert.com,O=DigiCert Inc,C=US",
        root_sha256="552f7bdcf1a7af9e6ce672017f4f12abf77240c78e761ac203d1d9d20ac89988",
    ),
    KnownTsa(
        name="identrust",
        operator="IdenTrust",
        url="http://timestamp.identrust.com",
        country="US",
        terms=_FREE,
        root_subject="CN=IdenTrust Commercial Root CA 1,O=IdenTrust,C=US",
        root_sha256="5d56499be4d2e08bcfcad08a3e38723d50503bde706948e42f55603019e528ae",
    ),
    KnownTsa(
        name="globalsign",
        operator="GlobalSign nv-sa",
        url="http://timestamp.globalsign.com/tsa/r6advanced1",
        country="BE",
        terms=_FREE,
        root_subject="CN=GlobalSign,O=GlobalSign,OU=GlobalSign Root CA - R6",
        root_sha256="2cabeafe37d06ca22aba7391c0033d25982952c453647349763a3ab5ad6ccf69",
    ),
    KnownTsa(
        name="sectigo-qualified",
        operator="Sectigo Limited",
        url="http://timestamp.sectigo.com/qualified",
        country="ES",
        terms=Text(
            en="free of charge, offered as eIDAS-compliant; the operator asks for 15 s between requests",
            zh="免费，运营方称符合 eIDAS；要求两次请求间隔至少 15 秒",
        ),
        root_subject="",
        pause_s=15,
    ),
    KnownTsa(
        name="sectigo",
        operator="Sectigo Limited",
        url="http://timestamp.sectigo.com",
        country="GB",
        terms=Text(
            en="free of charge; the operator asks for 15 s between requests",
            zh="免费；运营方要求两次请求间隔至少 15 秒",
        ),
        root_subject="",
        pause_s=15,
    ),
    KnownTsa(
        name="certum",
        operator="Asseco Data Systems S.A.",
        url="http://time.certum.pl",
        country="PL",
        terms=_FREE,
        root_subject="",
    ),
    KnownTsa(
        name="freetsa",
        operator="freetsa.org",
        url="https://freetsa.org/tsr",
        country="DE",
        terms=Text(
            en="run by volunteers, own root; no legal status is claimed",
            zh="志愿者运营，自有根证书；未主张任何法律地位",
        ),
        root_subject="",
    ),
)

KNOWN: Final[Mapping[str, KnownTsa]] = MappingProxyType({tsa.name: tsa for tsa in _LIST})
"""All known TSAs by name."""

AUTO_ORDER: Final = ("digicert", "identrust", "globalsign", "sectigo-qualified", "certum", "freetsa")
"""What `auto` asks, best first: different operators, roots that many verifiers already hold before others."""


def auto_tsas(count: int = 3) -> tuple[TsaConfig, ...]:
    """Return the first `count` TSAs of `AUTO_ORDER`."""
    return tuple(KNOWN[name].config() for name in AUTO_ORDER[:count])
