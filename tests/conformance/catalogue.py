"""All conformance cases: importing the modules below registers theirs."""

from tests.conformance import (  # noqa: F401 - they register cases
    archive_forgeries,
    beside_forgeries,
    deposit_forgeries,
    edition_forgeries,
    film_forgeries,
    grown_forgeries,
    signature_forgeries,
    signer_forgeries,
    spelling_forgeries,
    token_forgeries,
)
from tests.conformance.forgeries import CASES, Exhibit, Workshop

__all__ = ["CASES", "Exhibit", "Workshop"]
