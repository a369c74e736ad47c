"""What a sealed bundle needs later: an owed time-stamp, a token over a batch, renewal; each a new file."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from evidencekit.bundle import paths
from evidencekit.bundle.growth import grown_path
from evidencekit.errors import FormatError, StorageError, TimestampError, TsaUnreachableError, UsageError
from evidencekit.home import Home
from evidencekit.model import Outcome, Text
from evidencekit.owed import Owed, count_token, owe, owed_in, settle, tokens_used
from evidencekit.signing.identity import create_tsa_identity
from evidencekit.signing.signer import load_private_key
from evidencekit.timestamp.authority import SELF_ISSUED_POLICY, Authority
from evidencekit.timestamp.client import EmbeddedTsa, StampReply, TsaConfig
from evidencekit.timestamp.record import parse_record
from evidencekit.timestamp.roles import Role, roles_of, serving
from evidencekit.upkeep import renew_bundles, settle_owed, stamp_bundle, standing
from evidencekit.verify.verifier import verify_bundle
from tests.support.assembly import FOREIGN_POLICY, Keys, Plan, make_keys, make_members, pack

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography import x509

    from evidencekit.verify.trust import Trust


@dataclass(frozen=True)
class Tsa:
    """A third party's TSA whose certificate begins at `since`; it stamps at `now`, which a test may move."""

    certificate: x509.Certificate
    authority: Authority
    clock: list[datetime]
    name: str = "third"
    url: str = "http://tsa.test/"
    roles: frozenset[Role] = frozenset({Role.OPEN, Role.CAPTURE, Role.SEAL})

    def stamp(self, digest: bytes, *, timeout_s: float = 1.0) -> StampReply:
        del timeout_s
        return EmbeddedTsa(authority=self.authority, name=self.name, url=self.url).stamp(digest)


class Silent:
    name = "silent"
    url = "http://silent.test/"

    def stamp(self, digest: bytes, *, timeout_s: float = 1.0) -> StampReply:  # noqa: ARG002 - it never answers
        raise TsaUnreachableError("it is down", "它停机了")


def make_tsa(folder: Path, since: datetime, *, policy: str = FOREIGN_POLICY) -> Tsa:
    identity = create_tsa_identity(folder, common_name=f"TSA of {since:%Y}", now=since)
    key = load_private_key(identity.key_file.read_bytes(), identity.key_file)
    clock = [since + timedelta(days=1)]
    authority = Authority(key, identity.signer.certificate, policy=policy, clock=lambda: clock[0])
    return Tsa(certificate=identity.signer.certificate, authority=authority, clock=clock)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def plain(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """Two bundles that nobody but their maker stamped."""
    plan = Plan(keys=keys, policy=SELF_ISSUED_POLICY, witnessed=False)
    folder = tmp_path_factory.mktemp("bundles")
    return pack(make_members(plan, folder)), pack(make_members(replace(plan, seed="two"), folder))


@pytest.fixture
def tsa(tmp_path: Path) -> Tsa:
    return make_tsa(tmp_path / "tsa", datetime.now(UTC) - timedelta(days=10))


@pytest.fixture
def bundle(plain: tuple[bytes, bytes], tmp_path: Path) -> Path:
    path = tmp_path / "EK-1.zip"
    path.write_bytes(plain[0])
    return path


def trusting(keys: Keys, *tsas: Tsa) -> Trust:
    trust = keys.trust
    return replace(trust, tsas=(*trust.tsas, *(tsa.certificate for tsa in tsas)))


def outcomes(path: Path, trust: Trust, at: datetime) -> dict[str, Outcome]:
    report = verify_bundle(path, trust=trust, at=at)
    return {"overall": report.overall, **{finding.id: finding.outcome for finding in report.findings}}


def test_a_later_time_stamp_is_independent(bundle: Path, keys: Keys, tsa: Tsa) -> None:
    now = datetime.now(UTC)
    before = outcomes(bundle, trusting(keys, tsa), now)
    assert before["time.independent"] is Outcome.INDETERMINATE
    assert not standing(bundle).independent
    grown = stamp_bundle(bundle, [Silent(), tsa])
    assert (grown.grown, grown.tsa, grown.self_issued) == (grown_path(bundle), "third", False)
    after = outcomes(grown.grown, trusting(keys, tsa), now)
    assert after["time.independent"] is Outcome.PASSED
    assert after["ledger.independent"] is Outcome.PASSED
    assert after["overall"] is Outcome.PASSED
    assert standing(grown.grown).independent
    assert outcomes(grown.grown, keys.trust, now)["time.independent"] is Outcome.INDETERMINATE


def test_when_nobody_answers_there_is_no_file(bundle: Path) -> None:
    with pytest.raises(TimestampError, match="it is down"):
        stamp_bundle(bundle, [Silent()])
    with pytest.raises(UsageError, match="no time-stamping authority"):
        stamp_bundle(bundle, [])
    assert not grown_path(bundle).exists()


def test_one_token_over_a_batch(plain: tuple[bytes, bytes], keys: Keys, tsa: Tsa, tmp_path: Path) -> None:
    files = [tmp_path / f"EK-{n}.zip" for n in (1, 2)]
    for file, data in zip(files, plain, strict=True):
        file.write_bytes(data)
    made = renew_bundles(files, [tsa])
    tokens = set()
    for each in made:
        with zipfile.ZipFile(each.grown) as archive:
            record = parse_record(archive.read(paths.evidence_record(1)))
        tokens.add(record.chains[0][0].token)
        assert outcomes(each.grown, trusting(keys, tsa), datetime.now(UTC))["overall"] is Outcome.PASSED
    assert len(tokens) == 1
    for wrong in ([], [files[0], files[0]]):
        with pytest.raises(UsageError):
            renew_bundles(wrong, [tsa])


@pytest.mark.parametrize("second", ["sha256", "sha512"])
def test_renewed_twice_it_verifies_when_every_first_certificate_has_expired(
    bundle: Path, keys: Keys, tmp_path: Path, second: str
) -> None:
    """Certificates live ten years: renewed after 8, and again after 16, it is judged 24 years later."""
    start = datetime.now(UTC)
    years = timedelta(days=365)
    first_tsa, second_tsa = (make_tsa(tmp_path / f"t{n}", start + n * years) for n in (7, 15))
    trust = trusting(keys, first_tsa, second_tsa)
    assert outcomes(bundle, trust, start + 12 * years)["time.lasting"] is Outcome.INDETERMINATE
    first_tsa.clock[0] = start + 8 * years
    embedded = EmbeddedTsa(authority=first_tsa.authority)
    (once,) = renew_bundles([bundle], [embedded])
    renewed = outcomes(once.grown, trust, start + 12 * years)
    assert renewed["overall"] is Outcome.PASSED
    assert renewed["seal.validity"] is Outcome.PASSED
    assert outcomes(once.grown, trust, start + 24 * years)["time.lasting"] is Outcome.INDETERMINATE
    second_tsa.clock[0] = start + 16 * years
    (twice,) = renew_bundles([once.grown], [EmbeddedTsa(authority=second_tsa.authority)], algorithm=second)
    assert twice.grown.name == "EK-1.r2.zip"
    assert outcomes(twice.grown, trust, start + 24 * years)["overall"] is Outcome.PASSED
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(twice.grown) as new:
        for name in old.namelist():
            assert new.read(name) == old.read(name)
        assert len(new.namelist()) == len(old.namelist()) + 4


def test_another_hash_function_asks_those_who_can(bundle: Path, tsa: Tsa) -> None:
    with pytest.raises(UsageError):
        renew_bundles([bundle], [tsa], algorithm="sha512")


def test_what_is_no_bundle_is_refused(tmp_path: Path, tsa: Tsa) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(b"PK")
    with pytest.raises(FormatError):
        stamp_bundle(path, [tsa])
    with pytest.raises(FormatError):
        standing(path)


# --- what is owed ------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.open(tmp_path / "home")


def waiting(home: Home, path: Path, number: str = "EK-1") -> None:
    home.remember(number, path)
    owe(home.path, Owed(number=number, bundle=path, since=datetime.now(UTC), reasons=(Text(en="T_open", zh="T_open"),)))


def test_an_owed_time_stamp_is_fetched_later(home: Home, bundle: Path, tsa: Tsa) -> None:
    waiting(home, bundle)
    (still,) = settle_owed(home, [Silent()])
    assert still.problem is not None
    assert "down" in still.problem.en
    assert [each.number for each in owed_in(home.path)] == ["EK-1"]
    (done,) = settle_owed(home, [tsa])
    assert done.problem is None
    assert done.grown is not None
    assert owed_in(home.path) == ()
    assert home.captures()[-1].bundle == grown_path(bundle)
    assert tokens_used(home.path) == {"third": {"seal": 1}}
    assert settle_owed(home, [tsa]) == ()


def test_after_a_kill_between_file_and_list_nothing_is_stamped_twice(home: Home, bundle: Path, tsa: Tsa) -> None:
    waiting(home, bundle)
    stamp_bundle(bundle, [tsa])  # and killed here
    (done,) = settle_owed(home, [tsa])
    assert (done.grown, done.problem) == (None, None)
    assert home.captures()[-1].bundle == grown_path(bundle)
    assert owed_in(home.path) == ()
    assert not grown_path(grown_path(bundle)).exists()


def test_one_token_settles_a_batch(
    home: Home, plain: tuple[bytes, bytes], keys: Keys, tsa: Tsa, tmp_path: Path
) -> None:
    for number, data in zip(("A", "B"), plain, strict=True):
        (tmp_path / f"{number}.zip").write_bytes(data)
        waiting(home, tmp_path / f"{number}.zip", number)
    waiting(home, tmp_path / "gone.zip", "C")
    paid = replace(tsa, roles=frozenset({Role.BATCH}))
    found = {each.number: each for each in settle_owed(home, [paid])}
    assert tokens_used(home.path) == {"third": {"batch": 1}}
    assert [each.number for each in owed_in(home.path)] == ["C"]
    gone = found.pop("C").problem
    assert gone is not None
    assert "not there" in gone.en
    for each in found.values():
        assert each.grown is not None
        judged = outcomes(each.grown.grown, trusting(keys, tsa), datetime.now(UTC))
        assert judged["overall"] is Outcome.PASSED
        assert judged["time.independent"] is Outcome.PASSED


def test_a_self_issued_time_stamp_settles_nothing(home: Home, bundle: Path, tmp_path: Path) -> None:
    own = make_tsa(tmp_path / "own", datetime.now(UTC) - timedelta(days=10), policy=SELF_ISSUED_POLICY)
    waiting(home, bundle)
    (done,) = settle_owed(home, [own])
    assert done.grown is not None
    assert done.grown.self_issued
    assert len(owed_in(home.path)) == 1


def test_notes_that_cannot_be_read_are_passed_over(home: Home) -> None:
    assert owed_in(home.path) == ()
    folder = home.path / "owed"
    folder.mkdir()
    for number, data in enumerate((b"", b"[]", b"{}", b'{"format":"evidencekit/owed","version":1}', b"\xff")):
        (folder / f"{number}.json").write_bytes(data)
    assert owed_in(home.path) == ()
    (home.path / "tokens.json").write_bytes(b"{")
    assert tokens_used(home.path) == {}
    count_token(home.path, "a", Role.OPEN)
    count_token(home.path, "a", Role.OPEN)
    assert tokens_used(home.path) == {"a": {"open": 2}}
    settle(home.path, "nothing")


def test_a_disk_that_refuses_is_named(tmp_path: Path) -> None:
    (tmp_path / "owed").touch()
    owed = Owed(number="1", bundle=tmp_path, since=datetime.now(UTC), reasons=())
    with pytest.raises(StorageError):
        owe(tmp_path, owed)


def test_roles() -> None:
    paid = TsaConfig(url="http://a.test", name="a", roles=frozenset({Role.BATCH}))
    free = TsaConfig(url="http://b.test", name="b")
    assert serving([paid, free, Silent()], Role.SEAL)[0] is free
    assert len(serving([paid, free, Silent()], Role.SEAL)) == 2
    assert serving([paid, free], Role.BATCH) == (paid,)
    assert Role.BATCH not in roles_of(Silent())
