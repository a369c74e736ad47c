"""The manifest: parse and format are inverse, the roots are RFC 6962, the minimum is demanded."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evidencekit.errors import FormatError, MinimumError, UnknownVersionError
from evidencekit.hashing.assembly import Circumstances, build_manifest, missing_minimum
from evidencekit.hashing.canonical import canonical_bytes
from evidencekit.hashing.chainlog import ChainHead
from evidencekit.hashing.manifest import (
    CaptureStamp,
    LedgerReference,
    Manifest,
    OpenEntry,
    OpenStamp,
    SealSigner,
    TokenReference,
    format_manifest,
    parse_manifest,
)
from evidencekit.hashing.merkle import node_hash
from evidencekit.hashing.session import STATED
from evidencekit.model import (
    Artifact,
    Capture,
    Completeness,
    Digests,
    EnvironmentControl,
    JsonValue,
    Operator,
    PageResult,
    Record,
    Redirect,
    Relationship,
    Text,
    Transformation,
)

if TYPE_CHECKING:
    from collections.abc import Callable

START = datetime(2026, 11, 23, 3, 4, 5, 678901, tzinfo=UTC)
NOTE = Text(en="first attempt", zh="第一次")
ZERO = Digests(sha256="0" * 64, sm3="0" * 64)


def made_artifact(path: str, role: str, number: int, page: str | None = "0001") -> Artifact:
    return Artifact(
        path=path,
        file=Path(path),
        media_type="image/png",
        role=role,
        size=number,
        digests=ZERO,
        salt=bytes(32),
        leaf=bytes([number]) * 32,
        hashed_at=START + timedelta(seconds=number),
        page=page,
        derived_from=("capture/page.wacz",) if number == 3 else (),
    )


def made_page(page: str = "0001") -> PageResult:
    return PageResult(
        id=page,
        requested_url="http://例子.example/",
        final_url="https://例子.example/",
        title='标题 "x" \U0001f600',
        status=200,
        content_type="text/html",
        redirects=(Redirect(url="http://例子.example/", status=301),),
        remote_address="192.0.2.1:443",
        protocol="h2",
        verdict="ok",
        verdict_reason=Text(en="loaded", zh="已加载"),
        started_at=START,
        initial_at=START + timedelta(seconds=2),
        finished_at=START + timedelta(seconds=9),
        width_px=1280,
        height_px=20_000,
    )


def made_capture() -> Capture:
    return Capture(
        capture_id="0123456789abcdef" * 2,
        started_at=START,
        finished_at=START + timedelta(seconds=20),
        pages=(made_page(),),
        artifacts=(
            made_artifact("capture/page.wacz", "archive", 1, page=None),
            made_artifact("capture/pages/0001/screenshot.png", "screenshot", 2),
            made_artifact("capture/pages/0001/dom.html", "dom", 3),
        ),
        records=(
            Record(id="000001.request", size=1, digests=ZERO, salt=bytes(32), leaf=b"\x07" * 32),
            Record(id="000001.response", size=1, digests=ZERO, salt=bytes(32), leaf=b"\x08" * 32),
        ),
        roots=(),
        transformations=(
            Transformation(time=START, kind="scroll", detail=Text(en="scrolled", zh="滚动"), page="0001"),
        ),
        completeness=Completeness(
            requests=5,
            recorded=1,
            partial=1,
            failed=1,
            withheld=1,
            not_retrievable=1,
            after_t_capture=2,
            body_bytes=12_345,
            reasons=MappingProxyType({"net::ERR_FAILED": 1}),
        ),
        partial=(Text(en="cut", zh="截断"),),
        withheld=MappingProxyType({"cookie": 2}),
        private_files=MappingProxyType({}),
        not_performed=(Text(en="no pcap", zh="未抓包"),),
    )


def made_circumstances() -> Circumstances:
    return Circumstances(
        number="7ZK3M0Q-2026-000042-TN",
        operator=Operator(
            name="示例",
            relationship=Relationship.COUNSEL,
            environment_control=EnvironmentControl.NOTARY_HOST,
            on_behalf_of="某公司",
            place="天津",
            purpose="维权",
            lawful_basis="个人信息保护法第十三条",
        ),
        matter=None,
        request=MappingProxyType({"urls": ["http://例子.example/"], "mode": "standard"}),
        open=OpenEntry(index=41, entry=b"\x01" * 32, salt=b"\x02" * 32, attempt=1, attempts_note=NOTE),
        t_open=OpenStamp(
            document="seal/open.json",
            sha256="1" * 64,
            tokens=(TokenReference(path="seal/open-1.tsr", sha256="2" * 64, self_issued=True),),
            pending=("http://tsa.example/",),
        ),
        t_capture=(CaptureStamp(page="0001", document="seal/capture-0001.json", sha256="3" * 64),),
        worklog=ChainHead(lines=12, head=b"\x05" * 32, n=11),
        signer=SealSigner(certificate_sha256="4" * 64, self_signed=True),
        ledger=LedgerReference(origin="evidencekit/0123456789abcdef", key="evidencekit/0123456789abcdef+00000000+AQ=="),
        tool_version="0.1.0",
    )


def made_manifest() -> Manifest:
    return build_manifest(made_capture(), made_circumstances())


def test_parse_is_the_inverse_of_format() -> None:
    manifest = made_manifest()
    data = format_manifest(manifest)
    assert parse_manifest(data) == manifest
    assert format_manifest(parse_manifest(data)) == data


text_values = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12)
requests = st.dictionaries(
    text_values, st.none() | st.booleans() | st.integers(-9, 9) | st.lists(text_values), max_size=3
)


@given(
    matter=st.none() | text_values,
    request=requests,
    title=text_values,
    status=st.none() | st.integers(0, 999),
    counts=st.dictionaries(text_values, st.integers(0, 2**53 - 1), max_size=3),
    pending=st.lists(text_values, max_size=2),
    moment=st.datetimes(timezones=st.just(UTC)),
    leaves=st.binary(min_size=32, max_size=32),
)
def test_parse_is_the_inverse_of_format_for_any_content(  # noqa: PLR0913, PLR0917 - one strategy a field
    matter: str | None,
    request: dict[str, JsonValue],
    title: str,
    status: int | None,
    counts: dict[str, int],
    pending: list[str],
    moment: datetime,
    leaves: bytes,
) -> None:
    base = made_manifest()
    manifest = replace(
        base,
        matter=matter,
        request=request,
        pages=(
            replace(base.pages[0], title=title, status=status, protocol=None, remote_address=None, initial_at=moment),
        ),
        withheld=counts,
        completeness=replace(base.completeness, reasons=counts),
        t_open=replace(base.t_open, pending=tuple(pending)),
        artifacts_root=leaves,
    )
    assert parse_manifest(format_manifest(manifest)) == manifest


def test_fields_are_those_of_the_spec() -> None:
    document = json.loads(format_manifest(made_manifest()))
    assert set(document) == {
        "format", "version", "kind", "number", "capture_id", "tool", "matter", "operator", "request", "times", "open",
        "t_open", "t_capture", "pages", "artifacts", "artifacts_root", "records", "completeness", "transformations",
        "withheld", "partial", "not_performed", "worklog", "signer", "ledger",
    }  # fmt: skip
    assert set(document["pages"][0]) == {
        "id", "requested_url", "final_url", "title", "status", "content_type", "redirects", "remote_address",
        "protocol", "verdict", "verdict_reason", "started", "initial", "finished", "width_px", "height_px",
    }  # fmt: skip
    assert set(document["artifacts"][0]) == {"path", "media_type", "role", "page", "derived_from", "hashed_at", "leaf"}
    assert document["times"]["source"] == "system clock, unverified"
    assert document["worklog"] == {"lines": 12, "head": "05" * 32}


def test_roots_are_merkle_trees_over_the_leaves_in_order() -> None:
    manifest = made_manifest()
    one, two, three = (bytes([number]) * 32 for number in (1, 2, 3))
    assert manifest.artifacts_root == node_hash(node_hash(one, two), three)
    assert manifest.records.root == node_hash(b"\x07" * 32, b"\x08" * 32)
    assert manifest.records.count == 2


def drop(*paths: str) -> Callable[[Capture], Capture]:
    return lambda capture: replace(
        capture, artifacts=tuple(artifact for artifact in capture.artifacts if artifact.path not in paths)
    )


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (drop("capture/pages/0001/screenshot.png"), "page 0001 has no full-page image"),
        (drop("capture/page.wacz", "capture/pages/0001/dom.html"), "page 0001 has no source"),
        (lambda capture: replace(capture, pages=()), "no page was captured"),
        (lambda capture: replace(capture, pages=(replace(made_page(), requested_url=""),)), "page 0001 has no URL"),
        (lambda capture: replace(capture, pages=(made_page(), made_page("0002"))), "page 0002 has no full-page image"),
    ],
)
def test_without_the_minimum_there_is_no_manifest(change: Callable[[Capture], Capture], complaint: str) -> None:
    with pytest.raises(MinimumError, match=complaint) as caught:
        build_manifest(change(made_capture()), made_circumstances())
    assert "页" in caught.value.zh


def test_archive_or_dom_is_source_enough() -> None:
    for path in ("capture/page.wacz", "capture/pages/0001/dom.html"):
        manifest = build_manifest(drop(path)(made_capture()), made_circumstances())
        assert missing_minimum(manifest) == ()


def document() -> dict[str, JsonValue]:
    parsed = json.loads(format_manifest(made_manifest()))
    assert isinstance(parsed, dict)
    return parsed


def paths_of(value: JsonValue, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """List the way to every value inside a document."""
    found: list[tuple[str | int, ...]] = [path] if path else []
    if isinstance(value, dict):
        for key, item in value.items():
            found += paths_of(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += paths_of(item, (*path, index))
    return found


def edited(path: tuple[str | int, ...], value: JsonValue, *, delete: bool = False) -> bytes:
    target = json.loads(format_manifest(made_manifest()))
    root = target
    for step in path[:-1]:
        target = target[step]
    if delete:
        del target[path[-1]]
    else:
        target[path[-1]] = value
    return canonical_bytes(root)


FREE = ("request", "withheld", "reasons")


def test_no_field_may_be_missing() -> None:
    for path in paths_of(document()):
        if isinstance(path[-1], str) and not any(name in path[:-1] for name in FREE):
            with pytest.raises(FormatError, match=str(path[-1])):
                parse_manifest(edited(path, None, delete=True))


def test_what_an_older_record_does_not_state_of_its_operator_is_empty() -> None:
    older = json.loads(format_manifest(made_manifest()))
    for name in STATED:
        assert older["operator"].pop(name), "the sample states everything"
    operator = parse_manifest(canonical_bytes(older)).operator
    assert [getattr(operator, name) for name in STATED] == ["", "", "", ""]


@pytest.mark.parametrize("wrong", [None, True, -1, 1.5, "x", [], {}], ids=repr)
def test_no_field_may_be_of_another_type(wrong: JsonValue) -> None:
    """Every field is replaced by `wrong`: it is refused, or reads as a manifest that writes the same bytes."""
    for path in paths_of(document()):
        data = edited(path, wrong)
        try:
            manifest = parse_manifest(data)
        except FormatError:
            continue
        assert format_manifest(manifest) == data, path


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10_000), st.integers(0, 255))
def test_no_changed_byte_passes_unseen_or_leaks(position: int, byte: int) -> None:
    data = bytearray(format_manifest(made_manifest()))
    data[position % len(data)] = byte
    try:
        manifest = parse_manifest(bytes(data))
    except FormatError:
        return
    assert format_manifest(manifest) == bytes(data)


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        (("kind",), "gift", "kind"),
        (("kind",), "deposit", "deposit"),
        (("number",), "../../etc/passwd", "certificate number"),
        (("number",), ".hidden", "certificate number"),
        (("capture_id",), "AB" * 16, "hexadecimal"),
        (("artifacts", 1, "path"), "capture/page.wacz", "twice"),
        (("artifacts", 1, "page"), "0002", "page 0002 is named but not described"),
        (("artifacts", 1, "page"), "1", "page id"),
        (("transformations", 0, "page"), "0009", "page 0009"),
        (("t_capture", 0, "page"), "0003", "page 0003"),
        (("operator", "relationship"), "friend", "not one of"),
        (("worklog", "lines"), 0, "between"),
        (("times", "started"), "2026-11-23T03:04:05Z", "not a time"),
    ],
)
def test_wrong_values_are_refused_for_the_right_reason(
    path: tuple[str | int, ...], value: JsonValue, complaint: str
) -> None:
    with pytest.raises(FormatError, match=complaint):
        parse_manifest(edited(path, value))


def test_a_newer_version_is_named_and_unknown_fields_are_ignored() -> None:
    with pytest.raises(UnknownVersionError, match="newer verifier"):
        parse_manifest(edited(("version",), 2))
    assert parse_manifest(edited(("zone",), "later")) == made_manifest()
