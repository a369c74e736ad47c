"""The record compared with itself (docs/spec/corroboration.md): judged here again from the bundle, not believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final, cast

from evidencekit.bundle import paths
from evidencekit.bundle.warc import read_contents
from evidencekit.corroboration.images import judge_images
from evidencekit.corroboration.location import judge_location
from evidencekit.corroboration.network import judge_network
from evidencekit.corroboration.pictures import MAX_PNG_BYTES, judge_pictures
from evidencekit.corroboration.record import Record, parse_lines
from evidencekit.corroboration.rerender import judge_rerender, reproduced_by, sealed_judgement
from evidencekit.corroboration.texts import judge_texts
from evidencekit.errors import FormatError, UnknownVersionError
from evidencekit.hashing.canonical import parse_canonical
from evidencekit.hashing.fields import Fields
from evidencekit.model import Outcome, Text
from evidencekit.verify.exchanges import MAX_BYTES, MAX_LINE_BYTES
from evidencekit.verify.members import SMALL_BYTES
from evidencekit.verify.tally import InputMissingError, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from evidencekit.corroboration.record import Judgement
    from evidencekit.corroboration.rerender import Rerendered
    from evidencekit.model import Finding
    from evidencekit.verify.case import Case

_MAX_BLOCK: Final = 64 << 20


class CorroborationChecks:
    """The checks of one bundle; what they share is read once."""

    def __init__(self, case: Case, rerendered: Rerendered | None = None) -> None:
        """Prepare; `rerendered` is what an offline re-render made for this verification showed."""
        self._case = case
        self._rerendered = rerendered
        self._record: Record | None = None

    def check_texts(self) -> Finding:
        """`corroboration.text`."""
        self._case.sha256(self._case.archive)  # without the archive there is nothing to compare with
        return self._judged(lambda record: judge_texts(record, reproduced=reproduced_by(self._rerendered)))

    def check_images(self) -> Finding:
        """`corroboration.images`."""
        return self._judged(judge_images)

    def check_location(self) -> Finding:
        """`corroboration.location`."""
        return self._judged(judge_location)

    def check_pictures(self) -> Finding:
        """`corroboration.pictures`."""
        return self._judged(judge_pictures)

    def check_network(self) -> Finding:
        """`corroboration.network`."""
        return self._judged(judge_network)

    def _judged(self, judge: Callable[[Record], Judgement]) -> Finding:
        """No comparison is ever FAILED: what cannot be read was not compared, and the finding about it says why."""
        try:
            return _finding(judge(self.record()))
        except UnknownVersionError:
            raise
        except FormatError as error:
            reason = Text(en=f"what is compared cannot be read: {error.en}", zh=f"待比对的内容无法读取：{error.zh}")
            raise InputMissingError(Outcome.NOT_PERFORMED, reason) from error

    def has_rerender(self) -> bool:
        """Tell whether there is a re-render to judge: the caller's, or one that the capture says it made."""
        return self._rerendered is not None or self._sealed() is not None

    def check_rerender(self) -> Finding:
        """`corroboration.rerender`: the caller's own where there is one, else what the capture says of its own."""
        if self._rerendered is not None:
            rerendered = self._rerendered
            return self._judged(lambda record: judge_rerender(record, rerendered))
        sealed = self._sealed()
        if sealed is None:
            raise InputMissingError(Outcome.NOT_PERFORMED, Text(en="no re-render was made", zh="未作离线重现"))
        return _finding(sealed)

    def _sealed(self) -> Judgement | None:
        case = self._case
        if not case.has(paths.CORROBORATION):
            return None
        try:
            value = parse_canonical(case.data(paths.CORROBORATION), limit=SMALL_BYTES, what=paths.CORROBORATION)
            return sealed_judgement(Fields(value, paths.CORROBORATION))
        except FormatError:
            return None  # the file is for readers; nothing but this hangs on it

    def record(self) -> Record:
        """Give what corroboration reads of the bundle.

        Raises:
            FormatError: the list of exchanges cannot be read.
            InputMissingError: manifest or list are missing.
        """
        if self._record is None:
            case = self._case
            lines = case.lines(case.exchanges, limit=MAX_BYTES, longest=MAX_LINE_BYTES)
            self._record = Record(
                capture_id=case.manifest.capture_id,
                pages=case.manifest.pages,
                lines=parse_lines(lines),
                names=frozenset(case.names),
                read=self._file,
                blocks=self._blocks,
            )
        return self._record

    def _file(self, name: str) -> bytes | None:
        try:
            return self._case.data(name, limit=MAX_PNG_BYTES)
        except (FormatError, InputMissingError):
            return None  # another finding says why

    def _blocks(self, wanted: Callable[[str, int], bool]) -> Iterator[tuple[str, bytes]]:
        with self._case.open_wacz() as wacz:
            for name in wacz.archives:
                with wacz.open(name) as stream:
                    yield from read_contents(
                        cast("BinaryIO", stream),
                        lambda record, size: size <= _MAX_BLOCK and wanted(record, size),
                        places=self._case.places.get(name),
                    )


def _finding(judged: Judgement) -> Finding:
    tally = Tally(judged.id, judged.subject)
    tally.details.update(judged.details)
    for outcome, reason in judged.notes:
        tally.note(outcome, reason)
    return tally.close(judged.agreed.en, judged.agreed.zh)
