"""The container: its form, which members may be there, and the two lists of digests (docs/spec/bundle.md)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from evidencekit.bundle import paths
from evidencekit.bundle.sums import parse_sha256sums, parse_sm3sums
from evidencekit.errors import FormatError
from evidencekit.verify.tally import InputMissingError, Tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from evidencekit.model import Finding
    from evidencekit.verify.case import Case

REQUIRED: Final = (
    paths.MIMETYPE,
    paths.VERIFY_EN,
    paths.VERIFY_ZH,
    paths.SHA256SUMS,
    paths.SM3SUMS,
    paths.MANIFEST,
    paths.SEAL,
    paths.OPEN_DOCUMENT,
    paths.RECORDS,
    paths.ENTRY,
    paths.ENTRY_PROOF,
    paths.OPEN_ENTRY,
    paths.OPEN_PROOF,
    paths.CUSTODY,
    paths.asic_manifest(1),
    paths.asic_signature(1),
    paths.asic_manifest(2),
    paths.asic_timestamp(1),
)
OPTIONAL: Final = frozenset(
    {
        paths.CERTIFICATE_PDF,
        paths.CERTIFICATE_HTML,
        paths.REPORT_HTML,
        paths.VERIFY_HTML,
        paths.POLICY,
        paths.POST_QUANTUM_SEAL,
        paths.TRUST_SIGNER,
        paths.TRUST_POST_QUANTUM,
        paths.TRUST_TSA,
        paths.TRUST_LEDGER,
    }
)
_TOKEN: Final = re.compile(r"seal/(?:seal|capture-[0-9]{4,9})-[1-9][0-9]{0,2}\.tsr")
_PROOF_FOLDERS: Final = ("proof/anchors/", "proof/checkpoints/", "proof/links/", "proof/seal/", "proof/tsa/")
_GROWTH: Final = re.compile(
    r"META-INF/(?:ASiCManifest[0-9]{3}\.xml|signature[0-9]{3}\.p7s|timestamp[0-9]{3}\.tst"
    r"|ASiCEvidenceRecordManifest[0-9]{3}\.xml|evidencerecord[0-9]{3}\.ers)"
)


def check_form(case: Case) -> Finding:
    """`container.form`: the ZIP's own bytes, and that every member can be read."""
    tally = Tally("container.form", case.name)
    if case.bundle.is_folder:
        tally.skip("an unpacked folder has no ZIP form to judge", "解包后的文件夹没有可核对的 ZIP 形式")
    for deviation in case.bundle.form_deviations:
        tally.doubt(f"not in the fixed form: {deviation.en}", f"不是规定的形式：{deviation.zh}")
    for name in case.broken:
        why = case.why_broken(name)
        tally.fail(why.en, why.zh)
    return tally.close("in the fixed form", "符合规定形式")


def check_members(case: Case) -> Finding:
    """`container.members`: all that must be there, nothing that may not, and the mimetype itself."""
    tally = Tally("container.members", case.name)
    for name in REQUIRED:
        if not case.has(name):
            tally.fail(f"{name} is missing", f"缺少 {name}")
    if case.has(paths.MIMETYPE) and case.data(paths.MIMETYPE) != paths.MIMETYPE_CONTENT:
        tally.fail("the mimetype is another", "mimetype 内容不符")
    try:
        named = set(_named_by_manifest(case))
    except (FormatError, InputMissingError):
        tally.skip("without a readable manifest nobody knows what may be there", "清单不可读，无法判断应有哪些成员")
        named = set(case.names)
    for name in case.names:
        if not paths.lawful_name(name):
            tally.fail(f"{name[:80]!r} is not a lawful name", f"{name[:80]!r} 不是合法名称")
        elif name not in named and not _may_stand(name):
            tally.fail(f"{name} does not belong there", f"{name} 不应存在")
    tally.details["members"] = len(case.names)
    return tally.close(f"{len(case.names)} members, all of which belong there", f"{len(case.names)} 个成员，均属应有")


def check_version(case: Case) -> Finding:
    """`format.version`: no document of a newer major version was met."""
    tally = Tally("format.version", case.name)
    for path, reason in case.newer().items():
        tally.doubt(f"{path}: {reason.en}", f"{path}:{reason.zh}")
    return tally.close("every document is of version 1", "所有文件均为第 1 版")


def check_sha256sums(case: Case) -> Finding:
    """`sums.sha256`: lists every member that it must, and all agree."""
    tally = Tally("sums.sha256", paths.SHA256SUMS)
    stated = parse_sha256sums(case.data(paths.SHA256SUMS))
    _compare(tally, stated, {name: digests.sha256 for name, digests in case.digests.items()}, case)
    return tally.close(f"{len(stated)} digests agree", f"{len(stated)} 个摘要一致")


def check_sm3sums(case: Case) -> Finding:
    """`sums.sm3`: likewise with SM3."""
    tally = Tally("sums.sm3", paths.SM3SUMS)
    stated = parse_sm3sums(case.data(paths.SM3SUMS))
    _compare(tally, stated, {name: digests.sm3 for name, digests in case.digests.items()}, case)
    return tally.close(f"{len(stated)} digests agree", f"{len(stated)} 个摘要一致")


def _named_by_manifest(case: Case) -> Iterator[str]:
    manifest = case.manifest
    yield manifest.t_open.document
    yield from (token.path for token in manifest.t_open.tokens)
    yield from (stamp.document for stamp in manifest.t_capture)
    yield from (artifact.path for artifact in manifest.artifacts)
    if case.has(paths.REDACTION):
        yield from (paths.REDACTION, paths.ARCHIVE_EDITION, paths.EXCHANGES_EDITION)


def _may_stand(name: str) -> bool:
    if name in OPTIONAL or name in REQUIRED or name.startswith(_PROOF_FOLDERS):
        return True
    # What stands in META-INF is judged one by one by `outer.manifest`.
    return _TOKEN.fullmatch(name) is not None or _GROWTH.fullmatch(name) is not None


def _compare(tally: Tally, stated: Mapping[str, str], found: Mapping[str, str], case: Case) -> None:
    wanted = {name for name in case.names if paths.in_sums(name)}
    for name in sorted(wanted - stated.keys()):
        tally.fail(f"{name} is not listed", f"未列出 {name}")
    for name in sorted(stated.keys() - wanted):
        tally.fail(f"{name} is listed, but it is not there", f"已列出 {name}，但不存在")
    for name in sorted(wanted & stated.keys()):
        if found.get(name) != stated[name]:
            tally.fail(f"{name} has another digest", f"{name} 摘要不符")
