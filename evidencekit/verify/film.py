"""A process's film: its parts' digests, and the time-stamps over them (docs/spec/process.md).

`manifest.artifacts` already says that the film is the one that was sealed. Here: that each document over a part names
this film's beginning as it is, and when that existed. A part without a trusted time-stamp leaves the film as dated as
the seal is, so it is a question; a document that contradicts the film is a failure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from evidencekit.hashing.digest import digest_beginnings
from evidencekit.hashing.process import PROCESS_ROLE, VIDEO_ROLE, parse_process
from evidencekit.model import Outcome, Text
from evidencekit.verify.stamped import open_stamped
from evidencekit.verify.tally import InputMissingError, Tally
from evidencekit.verify.timestamps import Stamp, note_order, note_stamps, times_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evidencekit.hashing.process import Segment, Video
    from evidencekit.model import Finding
    from evidencekit.verify.case import Case
    from evidencekit.verify.timestamps import TimeChecks

FILM_FOLDER: Final = "capture/film/"


def has_film(case: Case) -> bool:
    """Tell whether the manifest lists a film or parts of one."""
    try:
        artifacts = case.manifest.artifacts
    except InputMissingError:
        return False
    return any(each.role == VIDEO_ROLE or each.path.startswith(FILM_FOLDER) for each in artifacts)


def check_film(case: Case, times: TimeChecks) -> Finding:
    """`time.film`: every part's document is about the film's beginning as it is, and a token over it is trusted."""
    video = _read_video(case)
    if video is None:
        tally = Tally("time.film", FILM_FOLDER)
        tally.fail("the process names no film, but there is one", "过程记录未载明录像，但包内有录像")
        return tally.close("", "")
    tally = Tally("time.film", video.path)
    tally.details["segments"] = len(video.segments)
    _check_digests(case, video, tally)
    for place, segment in enumerate(video.segments, 1):
        _check_document(case, video.path, segment, tally)
        if segment.n != place:
            tally.fail(f"part {segment.n} stands at place {place}", f"第 {segment.n} 段位于第 {place} 位")
        _check_tokens(case, segment, times, tally)
    if not video.segments:
        tally.doubt("no part of the film has a digest of its own", "录像没有任何分段摘要")
    elif video.segments[-1].size < case.sizes.get(video.path, 0):
        tally.doubt("the film's end is in no part", "录像结尾不属于任何分段")
    return tally.close(
        f"{len(video.segments)} parts of the film are as their documents say, each proved by a TSA you trust",
        f"录像的 {len(video.segments)} 个分段与其记载一致，并均由您信任的时间戳机构证明",
    )


def _read_video(case: Case) -> Video | None:
    name = next((each.path for each in case.manifest.artifacts if each.role == PROCESS_ROLE), None)
    if name is None:
        reason = Text(
            en="there is a film, but no process that names its parts", zh="包内有录像，但没有载明其分段的过程记录"
        )
        raise InputMissingError(Outcome.NOT_PERFORMED, reason)
    return parse_process(case.data(name)).video


def _check_digests(case: Case, video: Video, tally: Tally) -> None:
    """Compare each part's digest with the film's first `size` bytes."""
    sizes = [segment.size for segment in video.segments]
    if sizes != sorted(sizes):
        tally.fail("the parts of the film do not grow", "录像分段的长度并非递增")
        return
    case.digest_of(video.path)  # withheld, missing or unreadable: that is said instead
    found = digest_beginnings(case.bundle.stream(video.path), sizes)
    for segment in video.segments:
        if segment.size > case.sizes[video.path]:
            tally.fail(f"part {segment.n} is longer than the film", f"第 {segment.n} 段比录像还长")
        elif found[segment.size] != segment.sha256:
            tally.fail(
                f"the film's first {segment.size} bytes are not those of part {segment.n}",
                f"录像的前 {segment.size} 字节与第 {segment.n} 段的摘要不符",
            )


def _check_document(case: Case, film: str, segment: Segment, tally: Tally) -> None:
    """Note where the stamped document is not about this part of this film."""
    document = open_stamped(case, segment.document, "film-segment")
    if document.text("capture_id") != case.manifest.capture_id or document.text("path") != film:
        tally.fail(f"{segment.document} is of another capture or film", f"{segment.document} 属于另一次取证或另一录像")
    said = (document.integer("n", 1), document.integer("size"), document.hex("sha256", 32), document.time("time"))
    if said != (segment.n, segment.size, segment.sha256, segment.time):
        tally.fail(f"{segment.document} is not what the process says", f"{segment.document} 与过程记录不符")


def _check_tokens(case: Case, segment: Segment, times: TimeChecks, tally: Tally) -> None:
    part = Text(en=f"part {segment.n}", zh=f"第 {segment.n} 段")
    digest = case.sha256(segment.document)
    for path in segment.tokens:
        if not case.has(path):
            tally.fail(f"the token {path} is missing", f"缺少时间戳 {path}")
    stamps = [times.stamp_of(path, digest) for path in segment.tokens if case.has(path)]
    if not segment.tokens:
        tally.doubt(f"{part.en} of the film carries no time-stamp", f"录像{part.zh}没有时间戳")
    elif stamps:
        note_stamps(tally, stamps, of=part)
    _check_order(stamps, times, segment.n, tally)


def _check_order(stamps: Sequence[Stamp], times: TimeChecks, number: int, tally: Tally) -> None:
    """A part is made after the request was stamped, and its tokens are under the seal."""
    opened = max(times_of(times.opens, "earliest"), default=None)
    sealed = max(times_of(times.seals, "latest"), default=None)
    name = f"T_film {number}"
    note_order(tally, ("T_open", opened), (name, min(times_of(stamps, "latest"), default=None)))
    note_order(tally, (name, max(times_of(stamps, "earliest"), default=None)), ("T_seal", sealed))
