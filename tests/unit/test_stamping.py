"""Who stamps a session: third parties when they answer, else the embedded authority, and then it is said."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from evidencekit.errors import TsaUnreachableError
from evidencekit.stamping import Stamper
from evidencekit.timestamp.authority import Authority
from evidencekit.timestamp.client import EmbeddedTsa, StampReply
from tests.support.assembly import Keys, make_keys

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = hashlib.sha256(b"a document").digest()


@dataclass
class OtherTsa:
    """A third party's authority, at the other end of no wire; it answers as often as `answers` says."""

    tsa: EmbeddedTsa
    answers: int = 1000
    timeouts: list[float] = field(default_factory=list)
    name: str = "other"
    url: str = "http://user:secret@tsa.test/tsr"
    pause_s: float = 0.0

    def stamp(self, digest: bytes, *, timeout_s: float = 0) -> StampReply:
        self.timeouts.append(timeout_s)
        if len(self.timeouts) > self.answers:
            raise TsaUnreachableError("it is down; try later", "它停机了" * 100)
        return self.tsa.stamp(digest)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def own(keys: Keys) -> EmbeddedTsa:
    return EmbeddedTsa(authority=Authority(keys.tsa_key, keys.tsa_certificate))


def test_nobody_else_is_asked_for(own: EmbeddedTsa) -> None:
    with Stamper(others=(), own=own) as stamper:
        stamped = stamper.stamp(DIGEST)
    assert (len(stamped.replies), stamped.owing, stamped.reasons) == (1, (), ())
    assert stamped.replies[0].check.self_issued


def test_a_third_party_answers(own: EmbeddedTsa) -> None:
    other = OtherTsa(own)
    with Stamper(others=(other,), own=None) as stamper:
        assert stamper.stamp(DIGEST).owing == ()
        assert len(stamper.stamp_soon(DIGEST).result(10).replies) == 1
    assert len(other.timeouts) == 2


def test_nobody_answers(own: EmbeddedTsa) -> None:
    other = OtherTsa(own, answers=0)
    with Stamper(others=(other, OtherTsa(own, answers=0)), own=own) as stamper:
        first, second = stamper.stamp(DIGEST), stamper.stamp(DIGEST)
    for stamped in (first, second):
        assert stamped.owing == ("http://tsa.test/tsr",) * 2
        assert [each.en for each in stamped.reasons] == ["it is down; try later"] * 2
        assert all(len(each.zh) == 200 for each in stamped.reasons)
        assert stamped.replies[0].check.self_issued
    assert len(other.timeouts) == 1, "who was silent a moment ago is asked again at once"


def test_one_of_two_answers(own: EmbeddedTsa) -> None:
    with Stamper(others=(OtherTsa(own, answers=0), OtherTsa(own)), own=None) as stamper:
        stamped = stamper.stamp(DIGEST)
    assert (len(stamped.replies), stamped.owing) == (1, ())


def test_nobody_at_all(own: EmbeddedTsa) -> None:
    with Stamper(others=(), own=None) as stamper, pytest.raises(TsaUnreachableError, match="no embedded one"):
        stamper.stamp(DIGEST)
    with (
        Stamper(others=(OtherTsa(own, answers=0),), own=None) as stamper,
        pytest.raises(TsaUnreachableError, match="no embedded one"),
    ):
        stamper.stamp(DIGEST)


def test_a_home_gives_the_embedded_one(tmp_path: Path) -> None:
    from evidencekit.home import Home
    from evidencekit.office import open_office

    office = open_office(
        home=Home.open(tmp_path), signer=None, tsas=(), ledger=None, number=None, clock=None, output=None
    )
    with office:
        assert office.stamper.stamp(DIGEST).replies[0].check.self_issued


def test_an_operators_pause_between_requests_is_kept(own: EmbeddedTsa) -> None:
    patient, ready = OtherTsa(own, url="http://a.test/", pause_s=60.0), OtherTsa(own, url="http://b.test/")
    with Stamper(others=(patient, ready), own=None) as stamper:
        assert [len(stamper.stamp(DIGEST).replies) for _ in range(3)] == [2, 1, 1]
    assert (len(patient.timeouts), len(ready.timeouts)) == (1, 3)


def test_who_asks_for_a_pause_and_is_alone_is_waited_for(own: EmbeddedTsa) -> None:
    alone = OtherTsa(own, pause_s=0.5)
    with Stamper(others=(alone,), own=None) as stamper:
        begun = time.monotonic()
        assert [len(stamper.stamp(DIGEST).replies) for _ in range(2)] == [1, 1]
    assert time.monotonic() - begun >= 0.5
