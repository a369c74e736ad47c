"""Evidence records: made, renewed, checked, damaged; and the shared one made elsewhere."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from evidencekit.errors import FormatError, UsageError
from evidencekit.model import Outcome
from evidencekit.timestamp.authority import Authority
from evidencekit.timestamp.query import build_query
from evidencekit.timestamp.record import format_record, format_stamp, parse_record, reduce_trees, root_of
from evidencekit.timestamp.renewal import (
    RecordCheck,
    RecordTrust,
    begin_records,
    check_record,
    renew_hash_tree,
    renew_stamp,
)
from evidencekit.timestamp.token import parse_response
from evidencekit.x509 import der
from evidencekit.x509.digests import digest

OBJECTS = [f"object {number}".encode() for number in range(5)]
Identities = Callable[[str], Any]
VECTORS = Path(__file__).parents[4] / "shared" / "vectors" / "timestamp"


def digest_of(*contents: bytes) -> Callable[[str], tuple[bytes, ...]]:
    return lambda algorithm: tuple(digest(algorithm, content) for content in contents)


class Stamper:
    """The embedded TSA at a time of the test's choosing."""

    def __init__(self, identity: Any) -> None:
        self.now = datetime.now(UTC) - timedelta(days=100)
        self._authority = Authority(identity.key, identity.certificate, clock=lambda: self.now)

    def __call__(self, algorithm: str, stamped: bytes) -> bytes:
        reply = self._authority.reply(build_query(stamped, algorithm=algorithm))
        return parse_response(reply).token or b""


def judge(record: bytes, content: bytes, identity: Any, at: datetime | None = None) -> RecordCheck:
    trust = RecordTrust(anchors=[identity.anchor])
    return check_record(record, digest_of(content), trust=trust, at=at or datetime.now(UTC))


def renewed(identity: Any) -> tuple[list[bytes], datetime]:
    """Records of all objects after a time-stamp renewal and a hash-tree renewal; and the first time."""
    stamper = Stamper(identity)
    first = stamper.now
    records = list(begin_records([[digest("sha256", content)] for content in OBJECTS], "sha256", stamper))
    stamper.now += timedelta(days=30)
    records = [renew_stamp(record, stamper) for record in records]
    stamper.now += timedelta(days=30)
    records = [
        renew_hash_tree(record, digest_of(content), "sha512", stamper)
        for record, content in zip(records, OBJECTS, strict=True)
    ]
    return records, first


def test_a_record_survives_both_renewals(tsa_identities: Identities) -> None:
    identity = tsa_identities("p256")
    records, first = renewed(identity)
    for record, content in zip(records, OBJECTS, strict=True):
        found = judge(record, content, identity)
        assert (found.integrity, found.trusted) == (Outcome.PASSED, Outcome.PASSED), found.checks
        assert found.first_time == first
        assert found.unaccounted == ()
        assert len(found.stamps) == 3
        assert judge(record, content + b"!", identity).integrity is Outcome.FAILED
    assert judge(records[0], OBJECTS[1], identity).integrity is Outcome.FAILED


def test_the_embedded_tsa_may_stamp_one_object(tsa_identities: Identities) -> None:
    identity = tsa_identities("p256-self")
    (record,) = begin_records([[digest("sm3", OBJECTS[0])]], "sm3", Stamper(identity))
    assert judge(record, OBJECTS[0], identity).trusted is Outcome.PASSED


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 13])
def test_every_reduced_tree_leads_to_the_root(count: int) -> None:
    digests = [digest("sha256", bytes((number,))) for number in range(count)]
    root, trees = reduce_trees([[value] for value in digests], "sha256")
    for value, tree in zip(digests, trees, strict=True):
        assert tree[0] == (value,)
        assert root_of(tree, "sha256") == root
    if count > 1:
        assert root_of(((digest("sha256", b"other"),), *trees[0][1:]), "sha256") != root


@pytest.mark.parametrize("groups", [[], [[]], [[b"short"]], [[bytes(32)], [bytes(31)]], [[bytes(32)] * 40000]])
def test_trees_over_nonsense_are_refused(groups: list[list[bytes]]) -> None:
    with pytest.raises(UsageError):
        reduce_trees(groups, "sha256")


def test_one_token_over_groups_of_objects(tsa_identities: Identities) -> None:
    """Each group verifies alone, whole and with nothing added, through both renewals."""
    identity = tsa_identities("p256")
    stamper = Stamper(identity)
    groups = (OBJECTS[:3], OBJECTS[3:], OBJECTS[:1])
    digests = [[digest("sha256", content) for content in group] for group in groups]
    records = list(begin_records(digests, "sha256", stamper))
    tokens = {parse_record(record).chains[0][0].token for record in records}
    assert len(tokens) == 1
    stamper.now += timedelta(days=30)
    records = [renew_stamp(record, stamper) for record in records]
    stamper.now += timedelta(days=30)
    trust = RecordTrust(anchors=[identity.anchor])
    for record, group in zip(records, groups, strict=True):
        renewed_record = renew_hash_tree(record, digest_of(*group), "sha512", stamper)
        for each in (record, renewed_record):
            found = check_record(each, digest_of(*reversed(group)), trust=trust, at=datetime.now(UTC))
            assert found.trusted is Outcome.PASSED, found.reason
            assert found.unaccounted == ()
            other = check_record(each, digest_of(*group, b"one more"), trust=trust, at=datetime.now(UTC))
            assert other.integrity is Outcome.FAILED
    fewer = check_record(records[0], digest_of(*OBJECTS[:2]), trust=trust, at=datetime.now(UTC))
    assert fewer.integrity is Outcome.FAILED


def test_without_anchors_it_is_intact_and_open(tsa_identities: Identities) -> None:
    records, _ = renewed(tsa_identities("p256"))
    found = check_record(records[0], digest_of(OBJECTS[0]), trust=RecordTrust(), at=datetime.now(UTC))
    assert (found.integrity, found.trusted) == (Outcome.PASSED, Outcome.INDETERMINATE)


def test_a_record_that_was_not_renewed_in_time(tsa_identities: Identities) -> None:
    """Today's certificate ends some years from now: by then the last stamp is open, an earlier one lapsed."""
    identity = tsa_identities("p256")
    (record,) = begin_records([[digest("sha256", OBJECTS[0])]], "sha256", Stamper(identity))
    late = identity.certificate.not_valid_after_utc + timedelta(days=10)
    found = judge(record, OBJECTS[0], identity, late)
    assert (found.integrity, found.trusted) == (Outcome.PASSED, Outcome.INDETERMINATE)
    stamper = Stamper(identity)
    stamper.now = late
    found = judge(renew_stamp(record, stamper), OBJECTS[0], identity, late)
    assert found.trusted is Outcome.FAILED
    assert "lapsed" in {check.id: check.reason.en for check in found.checks}["lasting.1.1"]


def test_stamps_out_of_order_are_refused(tsa_identities: Identities) -> None:
    identity = tsa_identities("p256")
    stamper = Stamper(identity)
    (record,) = begin_records([[digest("sha256", OBJECTS[0])]], "sha256", stamper)
    stamper.now -= timedelta(days=1)
    found = judge(renew_stamp(record, stamper), OBJECTS[0], identity)
    assert found.integrity is Outcome.FAILED
    assert "order" in found.reason.en


def test_a_renewal_over_something_else_is_refused(tsa_identities: Identities) -> None:
    identity = tsa_identities("p256")
    stamper = Stamper(identity)
    (record,) = begin_records([[digest("sha256", OBJECTS[0])]], "sha256", stamper)
    first = der.children(der.parse(parse_record(record).encoded_chains[0]))[0].raw
    other = digest("sha256", b"other")
    stray = format_stamp("sha256", ((other,),), stamper("sha256", other))
    assert judge(format_record([[first, stray]], ["sha256"]), OBJECTS[0], identity).integrity is Outcome.FAILED
    assert judge(format_record([[first], [stray]], ["sha256"]), OBJECTS[0], identity).integrity is Outcome.FAILED
    stronger = digest("sha512", parse_record(record).chains[0][0].token)
    changed = format_stamp("sha512", ((stronger,),), stamper("sha512", stronger))
    found = judge(format_record([[first, changed]], ["sha256", "sha512"]), OBJECTS[0], identity)
    assert "hash function changes" in found.reason.en


@pytest.mark.slow
def test_changed_bytes_are_noticed(tsa_identities: Identities) -> None:
    identity = tsa_identities("p256-self")
    stamper = Stamper(identity)
    first = begin_records([[digest("sha256", content)] for content in OBJECTS[:2]], "sha256", stamper)[0]
    record = renew_hash_tree(first, digest_of(OBJECTS[0]), "sha384", stamper)
    for position in range(len(record)):
        changed = record[:position] + bytes((record[position] ^ 1,)) + record[position + 1 :]
        found = judge(changed, OBJECTS[0], identity)
        assert found.trusted is not Outcome.PASSED or found.unaccounted, position


def test_additions_to_a_record_are_reported(tsa_identities: Identities) -> None:
    identity = tsa_identities("p256")
    (record,) = begin_records([[digest("sha256", OBJECTS[0])]], "sha256", Stamper(identity))
    version, algorithms, chains = (node.raw for node in der.children(der.parse(record)))
    crypto = der.encode(der.context(0), der.sequence(der.oid("1.2.3"), der.set_of(der.null())))
    more = der.sequence(der.parse(algorithms).content, der.sequence(der.oid("2.16.840.1.101.3.4.2.3")))
    for changed in (der.sequence(version, algorithms, crypto, chains), der.sequence(version, more, chains)):
        found = judge(changed, OBJECTS[0], identity)
        assert found.trusted is Outcome.PASSED
        assert len(found.unaccounted) == 1


@given(st.binary(max_size=200))
@settings(max_examples=150)
def test_any_bytes_are_a_record_or_a_format_error(data: bytes) -> None:
    with pytest.raises(FormatError):
        parse_record(b"\x30" + data)
    found = check_record(data, digest_of(b""), trust=RecordTrust(), at=datetime.now(UTC))
    assert found.integrity is Outcome.FAILED


@pytest.mark.skipif(not VECTORS.is_dir(), reason="the shared vectors are not beside this checkout")
def test_a_record_made_elsewhere() -> None:
    anchor = x509.load_pem_x509_certificate((VECTORS / "pki" / "root.pem").read_bytes())
    record, content = (VECTORS / "ers" / "own.ers").read_bytes(), (VECTORS / "ers" / "own.bin").read_bytes()
    at = datetime(2026, 11, 23, 12, tzinfo=UTC)
    found = check_record(record, digest_of(content), trust=RecordTrust(anchors=[anchor]), at=at)
    assert (found.integrity, found.trusted) == (Outcome.PASSED, Outcome.PASSED)
    assert [stamp.token.imprint.algorithm for stamp in found.stamps if stamp.token] == ["sha256", "sha256", "sha512"]
    other = check_record(record, digest_of(content + b"x"), trust=RecordTrust(anchors=[anchor]), at=at)
    assert other.integrity is Outcome.FAILED
    parsed = parse_record(record)
    chains = [[node.raw for node in der.children(der.parse(chain))] for chain in parsed.encoded_chains]
    assert format_record(chains, parsed.algorithms) == record
