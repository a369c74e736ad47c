"""Policies: grammar, and when a checkpoint satisfies them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidencekit.errors import FormatError
from evidencekit.ledger.checkpoint import Checkpoint, format_checkpoint
from evidencekit.ledger.cosignature import MlDsaSigner, format_mldsa_vkey
from evidencekit.ledger.policy import Group, check_policy, format_policy, parse_policy
from evidencekit.signing.note import NoteSigner, format_vkey, sign_note, signature_line
from evidencekit.signing.notesigner import CosignatureSigner, Ed25519NoteSigner

LOG = Ed25519NoteSigner("example.com/log", bytes(32))
W = [CosignatureSigner(f"w{i}.example", bytes([i]) * 32, clock=lambda: 1.7e9) for i in range(1, 5)]
PQ = MlDsaSigner("pq.example", bytes(32), clock=lambda: 1.7e9)
LOG_LINE = f"log {format_vkey(LOG.verifier)} https://log.example/\n"
LINES = LOG_LINE + "".join(f"witness W{i} {format_vkey(w.verifier)}\n" for i, w in enumerate(W, start=1))
NESTED = (
    LINES
    + f"witness PQ {format_mldsa_vkey(PQ.verifier)} https://pq.example/\n"
    + "group G1 all W1 W2\ngroup G2 2 W3 W4 PQ\ngroup Top any G1 G2\nquorum Top\n"
)
TEXT = format_checkpoint(Checkpoint(origin=LOG.name, size=3, root=bytes(32)))


def check(policy: str, *signers: NoteSigner) -> tuple[bool, tuple[str, ...]]:
    result = check_policy(parse_policy(policy.encode()), sign_note(TEXT, *signers))
    return result.is_satisfied, result.witnesses


def test_quorums() -> None:
    assert check(LINES + "quorum none\n", LOG) == (True, ())
    assert check(LINES + "quorum none\n", W[0]) == (False, ("W1",))
    assert check(LINES + "quorum W2\n", LOG, W[0]) == (False, ("W1",))
    assert check(LINES + "quorum W2\n", LOG, W[1]) == (True, ("W2",))
    assert check(NESTED, LOG, W[0]) == (False, ("W1",))
    assert check(NESTED, LOG, W[0], W[2]) == (False, ("W1", "W3"))
    assert check(NESTED, LOG, W[0], W[1]) == (True, ("W1", "W2"))
    assert check(NESTED, LOG, W[2], PQ) == (True, ("W3", "PQ"))
    assert check(NESTED, W[2], PQ) == (False, ("W3", "PQ"))


def test_a_bad_signature_of_a_known_witness_spoils_it() -> None:
    good = sign_note(TEXT, LOG, W[0])
    bad = signature_line(W[1], bytes(72))
    policy = parse_policy((LINES + "group G any W1 W2\nquorum G\n").encode())
    assert check_policy(policy, good).is_satisfied
    assert not check_policy(policy, good + bad).is_satisfied
    stranger = CosignatureSigner("stranger.example", bytes([9]) * 32)
    assert check_policy(policy, good + signature_line(stranger, bytes(72))).is_satisfied


def test_a_log_key_of_another_name_signs_nothing() -> None:
    other = Ed25519NoteSigner("other.example/log", bytes([7]) * 32)
    policy = parse_policy(f"log {format_vkey(other.verifier)}\nquorum none\n".encode())
    assert not check_policy(policy, sign_note(TEXT, other)).is_satisfied


def test_policies_round_trip() -> None:
    policy = parse_policy(("# a comment\n\n" + NESTED.replace(" ", "\t  ")).encode())
    assert format_policy(policy) == NESTED.encode()
    assert policy.logs[0].url == "https://log.example/"
    assert policy.groups == (
        Group(name="G1", rule="all", members=("W1", "W2")),
        Group(name="G2", rule="2", members=("W3", "W4", "PQ")),
        Group(name="Top", rule="any", members=("G1", "G2")),
    )
    assert [group.threshold for group in policy.groups] == [2, 2, 1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        LINES,
        LINES + "quorum none\nquorum none\n",
        LINES + "quorum nobody\n",
        LINES + "group G 0 W1\nquorum G\n",
        LINES + "group G 2 W1\nquorum G\n",
        LINES + "group G 01 W1 W2\nquorum G\n",
        LINES + "group G some W1\nquorum G\n",
        LINES + "group G any\nquorum none\n",
        LINES + "group G any W1 W1\nquorum G\n",
        LINES + "group G any W1\ngroup H any W1\nquorum G\n",
        LINES + "group G any H\ngroup H any W1\nquorum G\n",
        LINES + "group G any G\nquorum G\n",
        LINES + "group W1 any W2\nquorum W1\n",
        LINES + "group none any W2\nquorum none\n",
        LINES + LOG_LINE + "quorum none\n",
        LINES + f"witness X {format_vkey(W[0].verifier)}\nquorum none\n",
        LINES + f"witness X {format_vkey(CosignatureSigner('renamed', bytes([1]) * 32).verifier)}\nquorum none\n",
        f"log {format_vkey(W[0].verifier)}\nquorum none\n",
        f"witness X {format_vkey(LOG.verifier)}\nquorum none\n",
        "log nonsense\nquorum none\n",
        "frobnicate\nquorum none\n",
        LINES + "quorum none extra\n",
        "quorum none\n" + "#\n" * 10_001,
        "quorum none\n" + "#" * (1 << 20),
        "quorum none\n\xff",
    ],
)
def test_other_policies_are_refused(text: str) -> None:
    with pytest.raises(FormatError):
        parse_policy(text.encode("latin-1"))


@given(st.text(alphabet="loggroupwitnesquma123 \t\n#W", max_size=120))
def test_any_text_is_a_policy_or_a_format_error(text: str) -> None:
    try:
        policy = parse_policy((LINES + text).encode())
    except FormatError:
        return
    assert parse_policy(format_policy(policy)) == policy
