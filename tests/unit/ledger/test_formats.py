"""Tiles, checkpoints, proofs and cosignatures against published vectors and a naive tree."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidencekit.errors import FormatError, UsageError
from evidencekit.hashing.merkle import EMPTY_ROOT, consistency_ranges, inclusion_ranges, leaf_hash, root_of
from evidencekit.ledger.checkpoint import Checkpoint, format_checkpoint, open_checkpoint, parse_checkpoint
from evidencekit.ledger.cosignature import (
    MlDsaSigner,
    format_mldsa_vkey,
    mldsa_message,
    parse_any_vkey,
    time_of,
)
from evidencekit.ledger.edge import Edge
from evidencekit.ledger.proof import TlogProof, check_proof, format_proof, parse_proof
from evidencekit.ledger.tiles import (
    ENTRIES,
    Tile,
    format_bundle,
    parse_bundle,
    parse_tile_path,
    split_hashes,
    subtree_root,
    tile_widths,
    tiles_between,
)
from evidencekit.signing.note import open_note, parse_vkey, sign_note
from evidencekit.signing.notesigner import Ed25519NoteSigner

VECTORS = Path(__file__).parents[3].parent / "shared" / "vectors" / "ledger"
LEAVES = [hashlib.sha256(b"%d" % i).digest() for i in range(70_000)]
SIGNER = Ed25519NoteSigner("example.com/log", bytes(range(32)))


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    if not VECTORS.exists():
        pytest.skip("shared/vectors/ledger is not beside the repository")
    loaded: dict[str, Any] = json.loads((VECTORS / "c2sp_vectors.json").read_text(encoding="utf-8"))
    return loaded


# --- tiles ---------------------------------------------------------------------------------------


def test_published_tile_paths_and_widths(vectors: dict[str, Any]) -> None:
    for index, path in vectors["tiles"]["index_paths"].items():
        assert Tile(level=3, index=int(index)).path == f"tile/3/{path}"
        assert parse_tile_path(f"tile/3/{path}.p/7") == Tile(level=3, index=int(index), width=7)
    for size, widths in vectors["tiles"]["partial_widths"].items():
        assert [partial for _, partial in tile_widths(int(size))] == widths
    full = {str(level): count for level, (count, _) in enumerate(tile_widths(70_000)) if count}
    assert full == vectors["tiles"]["full_tiles_at_70000"]


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0/0",
        "tile/00/000",
        "tile/64/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001",
        "tile/entries/000/",
        "/tile/0/000",
        "tile/0/000\n",
        "tile/0/\u0661\u0661\u0661",
        "tile/8/0/000",
    ],
)
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(FormatError):
        parse_tile_path(path)


@given(st.integers(0, 63) | st.just(ENTRIES), st.integers(0, 2**55), st.integers(1, 256))
def test_paths_round_trip(level: int, index: int, width: int) -> None:
    tile = Tile(level=level, index=index, width=width)
    assert parse_tile_path(tile.path) == tile


def test_new_tiles_are_those_that_the_old_tree_lacks() -> None:
    for old, new in [(0, 0), (0, 1), (0, 256), (255, 256), (256, 256), (256, 257), (300, 70_000), (65_535, 65_536)]:
        before, after = set(tiles_between(0, old)), set(tiles_between(0, new))
        assert set(tiles_between(old, new)) == after - before, (old, new)
    paths = [tile.path for tile in tiles_between(0, 257)]
    assert paths == [
        "tile/entries/000",
        "tile/entries/001.p/1",
        "tile/0/000",
        "tile/0/001.p/1",
        "tile/1/000.p/1",
    ]


def test_the_edge_gives_every_root_and_every_tile() -> None:
    tiles: dict[tuple[int, int], bytes] = {}
    edge = Edge()
    steps = [1, 1, 253, 1, 1, 255, 256, 257, 1000, 10_000, 53_000, 510, 1]
    for step in steps:
        for tile, data in edge.extend(LEAVES[edge.size : edge.size + step]):
            tiles[tile.level, tile.index] = data
        assert edge.root() == root_of(LEAVES[: edge.size])
        again = Edge(edge.size, edge.levels)
        assert again.root() == edge.root()
    assert sorted(tiles) == sorted(
        (level, index) for level, (full, _) in enumerate(tile_widths(edge.size)) for index in range(full)
    )
    for (level, index), data in tiles.items():
        span = 256**level
        for at, node in enumerate(split_hashes(data)):
            start = (index * 256 + at) * span
            if (index + at) % 37 == 0:
                assert node == root_of(LEAVES[start : start + span])
    with pytest.raises(FormatError):
        Edge(edge.size + 1, edge.levels)


def test_subtrees_are_hashed_from_tiles() -> None:
    edge = Edge()
    size = 66_000
    tiles = {(tile.level, tile.index): split_hashes(data) for tile, data in edge.extend(LEAVES[:size])}

    def hashes(level: int, index: int) -> list[bytes]:
        return tiles.get((level, index)) or edge.levels[level]

    for index in (0, 1, 255, 256, 65_535, 65_536, 65_999, 12_345):
        for start, stop in inclusion_ranges(index, size):
            assert subtree_root(hashes, start, stop) == root_of(LEAVES[start:stop]), (start, stop)
    for old in (1, 3, 256, 65_536, 65_537, 65_900, 65_999):
        for start, stop in consistency_ranges(old, size):
            assert subtree_root(hashes, start, stop) == root_of(LEAVES[start:stop]), (start, stop)
    assert subtree_root(hashes, 0, size) == edge.root()
    with pytest.raises(UsageError):
        subtree_root(hashes, 5, 5)


def test_bundles_round_trip() -> None:
    entries = [b"", b"a", bytes(65_535), b"\x00\x01"] * 64
    assert parse_bundle(format_bundle(entries)) == entries
    assert format_bundle([b"ab", b""]) == b"\x00\x02ab\x00\x00"
    with pytest.raises(UsageError):
        format_bundle([bytes(65_536)])
    for bad in (b"", b"\x00", b"\x00\x02a", format_bundle(entries) + b"\x00", format_bundle([*entries, b""])):
        with pytest.raises(FormatError):
            parse_bundle(bad)
    for bad in (b"", bytes(31), bytes(33), bytes(257 * 32)):
        with pytest.raises(FormatError):
            split_hashes(bad)


def test_tesseras_log_is_read_whole(vectors: dict[str, Any]) -> None:
    folder = VECTORS / "tessera"
    key = next(c for c in vectors["signed_notes"] if "tessera" in c["source"])["vkeys"][0]
    for size in range(1, 16):
        signed = open_checkpoint((folder / f"checkpoint.{size}").read_bytes(), [parse_vkey(key)])
        assert signed.is_log_signed
        entries = parse_bundle((folder / Tile(level=ENTRIES, index=0, width=size).path).read_bytes())
        tile = (folder / Tile(level=0, index=0, width=size).path).read_bytes()
        assert format_bundle(entries) == (folder / Tile(level=ENTRIES, index=0, width=size).path).read_bytes()
        leaves = [leaf_hash(entry) for entry in entries]
        assert split_hashes(tile) == leaves
        assert (signed.checkpoint.size, signed.checkpoint.root) == (size, root_of(leaves))


# --- checkpoints -----------------------------------------------------------------------------------


def test_checkpoints_round_trip() -> None:
    checkpoint = Checkpoint(origin="example.com/log", size=20_852_163, root=bytes(range(32)))
    text = b"example.com/log\n20852163\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    assert format_checkpoint(checkpoint) == text
    assert parse_checkpoint(text) == checkpoint


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"o\n1\n",
        b"o\n1\nAAAA\n",
        b"\n1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        b"o\n01\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        b"o\n+1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        b"o\n-1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        b"o\n1_0\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        b"o\n\xd9\xa1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        b"o\n9223372036854775808\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        b"o\n" + b"9" * 5000 + b"\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        b"o\n0\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        b"o\n1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=\n",
        b"o\n1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        b"o\n1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\nextension\n",
        b"o\n\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        b"\xff\n1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
    ],
)
def test_other_checkpoints_are_refused(text: bytes) -> None:
    with pytest.raises(FormatError):
        parse_checkpoint(text)


def test_the_empty_tree_has_the_root_of_nothing() -> None:
    empty = Checkpoint(origin="o", size=0, root=EMPTY_ROOT)
    assert parse_checkpoint(format_checkpoint(empty)) == empty


def test_only_a_key_named_like_the_origin_makes_it_the_logs() -> None:
    text = format_checkpoint(Checkpoint(origin="example.com/log", size=1, root=bytes(32)))
    other = Ed25519NoteSigner("example.com/other", bytes(32))
    signed = open_checkpoint(sign_note(text, SIGNER, other), [SIGNER.verifier, other.verifier])
    assert signed.is_log_signed
    assert signed.witnesses == ("example.com/other",)
    assert not open_checkpoint(sign_note(text, other), [SIGNER.verifier, other.verifier]).is_log_signed
    assert not open_checkpoint(sign_note(text, SIGNER), [other.verifier]).is_log_signed


@given(st.binary(max_size=200))
def test_any_bytes_are_a_checkpoint_or_a_format_error(data: bytes) -> None:
    for text in (data, b"o\n1\n" + data, b"o\n" + data + b"\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"):
        try:
            checkpoint = parse_checkpoint(text)
        except FormatError:
            continue
        assert format_checkpoint(checkpoint) == text


# --- proofs ------------------------------------------------------------------------------------------


def proof_of(entries: list[bytes], index: int) -> TlogProof:
    leaves = [leaf_hash(entry) for entry in entries]
    text = format_checkpoint(Checkpoint(origin=SIGNER.name, size=len(entries), root=root_of(leaves)))
    path = tuple(root_of(leaves[start:stop]) for start, stop in inclusion_ranges(index, len(entries)))
    return TlogProof(index=index, path=path, checkpoint=sign_note(text, SIGNER))


def test_a_proof_file_reads_as_the_specification_says() -> None:
    entries = [b"one", b"two", b"three"]
    proof = proof_of(entries, 1)
    data = format_proof(proof)
    lines = data.split(b"\n")
    assert lines[:2] == [b"c2sp.org/tlog-proof@v1", b"index 1"]
    assert lines[2] == base64.b64encode(leaf_hash(b"one"))
    assert lines[3] == base64.b64encode(leaf_hash(b"three"))
    assert lines[4] == b""
    assert data.endswith(proof.checkpoint)
    assert parse_proof(data) == proof
    check = check_proof(data, b"two", [SIGNER.verifier])
    assert check.proves
    assert (check.index, check.checkpoint.size, check.leaf) == (1, 3, leaf_hash(b"two"))
    extra = TlogProof(index=1, path=proof.path, checkpoint=proof.checkpoint, extra=b"more")
    assert parse_proof(format_proof(extra)) == extra
    assert check_proof(format_proof(extra), b"two", [SIGNER.verifier]).extra == b"more"


def test_what_does_not_hold_is_a_result() -> None:
    entries = [b"%d" % i for i in range(9)]
    data = format_proof(proof_of(entries, 4))
    assert not check_proof(data, b"5", [SIGNER.verifier]).included
    stranger = check_proof(data, b"4", [])
    assert stranger.included
    assert not stranger.log_signed
    assert not stranger.proves
    assert [s.name for s in stranger.unverified] == [SIGNER.name]
    moved = check_proof(data.replace(b"index 4", b"index 5"), b"4", [SIGNER.verifier])
    assert not moved.included
    bent = check_proof(data.replace(b"/log\n9\n", b"/log\n8\n"), b"4", [SIGNER.verifier])
    assert not bent.log_signed
    assert [s.name for s in bent.invalid] == [SIGNER.name]


def test_no_byte_of_a_proof_can_change_unseen() -> None:
    entries = [b"%d" % i for i in range(5)]
    data = format_proof(proof_of(entries, 2))
    for at in range(len(data)):
        for bit in (1, 4, 32, 128):
            bent = bytearray(data)
            bent[at] ^= bit
            try:
                check = check_proof(bytes(bent), b"2", [SIGNER.verifier])
            except FormatError:
                continue
            assert not (check.proves and not check.unverified and check.extra is None), at


@pytest.mark.parametrize("at", range(6))
def test_other_proofs_are_refused(at: int) -> None:
    data = format_proof(proof_of([b"%d" % i for i in range(5)], 2))
    sibling = base64.b64encode(bytes(32)) + b"\n"
    bad = (
        data.replace(b"@v1", b"@v2"),
        data.replace(b"index 2\n", b""),
        data.replace(b"index 2\n", b"index 02\n"),
        data.replace(b"index 2\n", b"index 2\n" + sibling * 64),
        data.replace(b"index 2\n", b"index 2\nAAAA\n"),
        data.replace(b"\n\n", b"\n"),
    )[at]
    with pytest.raises(FormatError):
        check_proof(bad, b"2", [SIGNER.verifier])


@given(st.binary(max_size=300))
def test_any_bytes_are_a_proof_or_a_format_error(data: bytes) -> None:
    for candidate in (data, b"c2sp.org/tlog-proof@v1\n" + data, b"c2sp.org/tlog-proof@v1\nindex 0\n" + data):
        try:
            proof = parse_proof(candidate)
        except FormatError:
            continue
        assert format_proof(proof) == candidate


# --- ML-DSA-44 cosignatures ----------------------------------------------------------------------------


def test_mldsa_cosignatures() -> None:
    witness = MlDsaSigner("witness.example/pq", bytes(range(32)), clock=lambda: 1_700_000_000)
    text = format_checkpoint(Checkpoint(origin=SIGNER.name, size=7, root=bytes(32)))
    message = mldsa_message(witness.name, 1_700_000_000, text)
    assert message == (
        b"subtree/v1\n\x00\x12witness.example/pq"
        + (1_700_000_000).to_bytes(8, "big")
        + b"\x0fexample.com/log"
        + bytes(8)
        + (7).to_bytes(8, "big")
        + bytes(32)
    )
    key_type, verifier = parse_any_vkey(format_mldsa_vkey(witness.verifier))
    assert key_type == 6
    assert verifier == witness.verifier
    data = sign_note(text, SIGNER, witness)
    signed = open_checkpoint(data, [SIGNER.verifier, verifier])
    assert signed.is_log_signed
    assert signed.witnesses == ("witness.example/pq",)
    assert time_of(signed.note.verified[1]) == 1_700_000_000
    assert len(signed.note.verified[1].signature) == 8 + 2420
    assert open_note(data.replace(b"\n7\n", b"\n8\n"), [verifier]).invalid
    assert not verifier.verify(b"not a checkpoint\n", signed.note.verified[1].signature)
    assert not verifier.verify(text, b"")
    assert not verifier.verify(text, signed.note.verified[1].signature[:-1])
    with pytest.raises(UsageError):
        MlDsaSigner("w", bytes(31))
    with pytest.raises(FormatError):
        parse_any_vkey("PeterNeumann+c74f20a3+")
