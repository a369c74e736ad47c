"""Builds certificates, right and wrong, for the tests of this folder."""

from collections.abc import Callable

import pytest

from tests.support.pki import AT, Entity, Extension, Pki

__all__ = ["AT", "Entity", "Extension", "MakeChain", "Pki", "chain", "pki"]


@pytest.fixture(scope="session")
def pki() -> Pki:
    return Pki()


MakeChain = Callable[..., tuple[Entity, Entity, Entity]]


@pytest.fixture(scope="session")
def chain(pki: Pki) -> tuple[Entity, Entity, Entity]:
    """A leaf for time-stamping, its issuing CA and the root."""
    root = pki.make("Root", pki.authority())
    middle = pki.make("Middle", pki.authority(0), issuer=root)
    return pki.make("Leaf", pki.stamping, issuer=middle), middle, root
