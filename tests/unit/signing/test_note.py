"""Signed notes against the vectors of Go's sumdb/note, C2SP, Tessera and Sunlight."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidencekit.errors import FormatError, UsageError
from evidencekit.signing.note import (
    Note,
    format_note,
    format_vkey,
    open_note,
    parse_signature_line,
    parse_vkey,
    sign_note,
    signature_line,
    split_note,
)
from evidencekit.signing.notesigner import CosignatureSigner, Ed25519NoteSigner, format_skey, parse_skey

VECTORS = Path(__file__).parents[3].parent / "shared" / "vectors" / "ledger" / "c2sp_vectors.json"

# golang.org/x/mod/sumdb/note, note_test.go
NEUMANN_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NEUMANN_SKEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
ENOCH_VKEY = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
NEUMANN_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()
ENOCH_LINE = (
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
).encode()
NOTE = TEXT + b"\n" + NEUMANN_LINE + ENOCH_LINE


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    if not VECTORS.exists():
        pytest.skip("shared/vectors/ledger is not beside the repository")
    loaded: dict[str, Any] = json.loads(VECTORS.read_text(encoding="utf-8"))
    return loaded


def names(note: Note) -> tuple[list[str], list[str], list[str]]:
    return [s.name for s in note.verified], [s.name for s in note.unverified], [s.name for s in note.invalid]


def test_published_notes_verify_and_bend(vectors: dict[str, Any]) -> None:
    for case in vectors["signed_notes"]:
        verifiers = [parse_vkey(vkey) for vkey in case["vkeys"]]
        note = open_note(case["note"].encode(), verifiers)
        assert note.is_verified, case["source"]
        assert len(note.verified) == len(verifiers)
        assert [format_vkey(verifier) for verifier in verifiers] == case["vkeys"]
        bent = open_note(b"x" + case["note"].encode(), verifiers)
        assert not bent.is_verified
        assert len(bent.invalid) == len(verifiers)


def test_published_keys_sign_the_published_lines(vectors: dict[str, Any]) -> None:
    cases = [case for case in vectors["signed_notes"] if "skey" in case]
    assert len(cases) >= 2
    for case in cases:
        signer = parse_skey(case["skey"])
        text, signatures = split_note(case["note"].encode())
        line = signature_line(signer, signer.sign(text))
        assert line in case["note"].encode()
        assert signatures[0].name == signer.name


def test_published_malformed_notes_are_refused(vectors: dict[str, Any]) -> None:
    verifier = parse_vkey(NEUMANN_VKEY)
    for text in vectors["malformed_notes"]["notes"]:
        with pytest.raises(FormatError):
            open_note(text.encode(), [verifier])


def test_published_bad_vkeys_are_refused(vectors: dict[str, Any]) -> None:
    for vkey in vectors["bad_vkeys"]:
        with pytest.raises(FormatError):
            parse_vkey(vkey)


def test_go_signature_is_reproduced_to_the_byte() -> None:
    signer = parse_skey(NEUMANN_SKEY)
    assert format_vkey(signer.verifier) == NEUMANN_VKEY
    assert sign_note(TEXT, signer) == TEXT + b"\n" + NEUMANN_LINE


def test_known_unknown_and_bad_signatures_are_kept_apart() -> None:
    neumann, enoch = parse_vkey(NEUMANN_VKEY), parse_vkey(ENOCH_VKEY)
    assert names(open_note(NOTE, [neumann, enoch])) == (["PeterNeumann", "EnochRoot"], [], [])
    assert names(open_note(NOTE, [enoch])) == (["EnochRoot"], ["PeterNeumann"], [])
    nobody = open_note(NOTE, [])
    assert names(nobody) == ([], ["PeterNeumann", "EnochRoot"], [])
    assert not nobody.is_verified
    forged = NOTE.replace(b"think", b"thing")
    both = open_note(forged, [neumann])
    assert names(both) == ([], ["EnochRoot"], ["PeterNeumann"])
    half = TEXT + b"\n" + NEUMANN_LINE + ENOCH_LINE.replace(b"MNtC", b"MNtD")
    mixed = open_note(half, [neumann, enoch])
    assert names(mixed) == (["PeterNeumann"], [], ["EnochRoot"])
    assert not mixed.is_verified, "one bad signature of a known key spoils the note"


def test_a_key_of_the_same_name_but_another_id_is_unknown() -> None:
    other = Ed25519NoteSigner("PeterNeumann", bytes(32)).verifier
    assert names(open_note(TEXT + b"\n" + NEUMANN_LINE, [other])) == ([], ["PeterNeumann"], [])


def test_of_repeated_lines_the_first_counts() -> None:
    neumann = parse_vkey(NEUMANN_VKEY)
    bad = NEUMANN_LINE.replace(b"x08go/ZJ", b"x08go/ZK")
    assert names(open_note(TEXT + b"\n" + NEUMANN_LINE + bad, [neumann]))[0] == ["PeterNeumann"]
    assert names(open_note(TEXT + b"\n" + bad + NEUMANN_LINE, [neumann]))[2] == ["PeterNeumann"]


def test_the_text_ends_at_the_last_blank_line() -> None:
    signer = parse_skey(NEUMANN_SKEY)
    text = b"one\n\ntwo\n"
    note = open_note(sign_note(text, signer), [signer.verifier])
    assert note.text == text
    assert note.is_verified


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        TEXT + b"\n",
        NOTE[:-1],
        NOTE + b"\n",
        NOTE.replace(b"\n", b"\r\n"),
        b"\xff" + NOTE,
        TEXT + b"\n" + NEUMANN_LINE.replace(b"\xe2\x80\x94", b"-"),
        TEXT + b"\n" + NEUMANN_LINE.replace(b"AM=", b"AM"),
        TEXT + b"\n" + b"\xe2\x80\x94 name AAAA\n",
        TEXT + b"\n" + NEUMANN_LINE * 101,
        b"x" * 1_000_001 + NOTE,
    ],
)
def test_what_is_not_a_note_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        open_note(data, [parse_vkey(NEUMANN_VKEY)])


def test_free_padding_bits_pass_as_in_go() -> None:
    free = TEXT + b"\n" + NEUMANN_LINE.replace(b"AM=", b"AN=")
    assert open_note(free, [parse_vkey(NEUMANN_VKEY)]).is_verified
    assert format_note(*split_note(free)) == TEXT + b"\n" + NEUMANN_LINE


def test_a_hundred_signatures_are_read() -> None:
    assert open_note(TEXT + b"\n" + NEUMANN_LINE * 100, [parse_vkey(NEUMANN_VKEY)]).is_verified


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "a",
        "a+b",
        "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        NEUMANN_VKEY.replace("c74f", "C74F"),
        NEUMANN_VKEY.replace("c74f", "c74e"),
        NEUMANN_VKEY + "=",
        NEUMANN_VKEY + "\n",
        "x+" + "0" * 100_000,
        "\ud800+00000000+AAAA",
    ],
)
def test_what_is_not_a_vkey_is_refused(vkey: str) -> None:
    with pytest.raises(FormatError):
        parse_vkey(vkey)


def test_signing_keys_round_trip() -> None:
    seed = bytes(range(32))
    line = format_skey("example.com/log", seed)
    signer = parse_skey(line)
    assert signer.sign(TEXT) == Ed25519NoteSigner("example.com/log", seed).sign(TEXT)
    for bad in ("", line.removeprefix("PRIVATE+"), line.replace("log", "lag"), line[:-4], line + "AAAA"):
        with pytest.raises(FormatError):
            parse_skey(bad)


def test_a_cosignature_covers_time_and_text() -> None:
    witness = CosignatureSigner("witness.example", bytes(range(32)), clock=lambda: 1_700_000_000.9)
    text = b"example.com/log\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
    data = sign_note(text, witness)
    note = open_note(data, [parse_vkey(format_vkey(witness.verifier))])
    assert note.is_verified
    assert int.from_bytes(note.verified[0].signature[:8], "big") == 1_700_000_000
    line = data.split(b"\n\n")[1][:-1]
    signature = parse_signature_line(line).signature
    later = signature_line(witness, (1_700_000_001).to_bytes(8, "big") + signature[8:])
    assert open_note(text + b"\n" + later, [witness.verifier]).invalid


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u3000b", "a\nb", "a\x07"])
def test_names_that_a_note_cannot_hold_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        Ed25519NoteSigner(name, bytes(32))


@pytest.mark.parametrize("text", [b"", b"no newline", b"tab\there\n", b"\xff\n"])
def test_texts_that_a_note_cannot_hold_are_refused(text: bytes) -> None:
    with pytest.raises(UsageError):
        sign_note(text, parse_skey(NEUMANN_SKEY))


def test_a_note_without_signer_and_a_short_seed_are_refused() -> None:
    with pytest.raises(UsageError):
        sign_note(TEXT)
    with pytest.raises(UsageError):
        Ed25519NoteSigner("name", bytes(31))


@given(st.binary(max_size=300))
def test_any_bytes_are_a_note_or_a_format_error(tail: bytes) -> None:
    verifier = parse_vkey(NEUMANN_VKEY)
    for data in (tail, TEXT + b"\n" + tail, TEXT + b"\n" + NEUMANN_LINE + tail, NOTE[: len(tail)] + tail):
        try:
            note = open_note(data, [verifier])
        except FormatError:
            continue
        canonical = format_note(*split_note(data))
        assert len(canonical) == len(data)
        assert open_note(canonical, [verifier]) == note


@given(st.text(max_size=80))
def test_any_text_is_a_vkey_or_a_format_error(text: str) -> None:
    for candidate in (text, "a+" + text, "PeterNeumann+c74f20a3+" + text):
        try:
            key = parse_vkey(candidate)
        except FormatError:
            continue
        assert format_vkey(key) == candidate
