"""Where each visible text of a page comes from: a recorded response, a recorded script, or nowhere that is recorded.

Three ways lead to "accounted": the text stands in a recorded body (`direct`); it is put together of whole pieces of
recorded bodies and of numbers they hold, and scripts were recorded (`script`); or what is left of it are numbers, dates
and clock words, in an element that a recorded script names or made (`computed`). All else is `unaccounted`: listed,
never judged to be forged, for scripts can compute what no rule foresees; an offline re-render answers that.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from evidencekit.corroboration.corpus import MAX_PIECE_CHARS, core
from evidencekit.corroboration.domtext import squeeze
from evidencekit.corroboration.sources import unescaped
from evidencekit.corroboration.words import CALENDAR, PICTOGRAPHS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from evidencekit.corroboration.corpus import Corpus
    from evidencekit.corroboration.domtext import Run
    from evidencekit.corroboration.sources import Source

MAX_SNIPPETS: Final = 100
SNIPPET_CHARS: Final = 120
_MAX_COMPOSED_CHARS: Final = 600
_MAX_COMPOSED_RUNS: Final = 4_000
_MAX_PIECES: Final = 3
_LETTERS_A_PIECE: Final = 4
_SHORT_TEXT_CHARS: Final = 24
_WITHHELD = re.compile(r"\[withheld:[a-z_, -]{1,80}\]")
_ELLIPSIS = re.compile(r"\s*(?:…|\.\.\.|……)\s*$")
_ATOM = re.compile(r"\d+(?:[.,:'’\u202f\u00a0 ]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)*|[^\w\s]|_")
_GROUPS = re.compile(r"[,'’\u202f\u00a0 ]")
_SAYS = re.compile(r"[^\W_]")
_LETTER = re.compile(r"[^\W\d_]")
_ONE_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_AROUND_NUMBERS: Final = "¥￥$€£%#()[]+-–−:：/*×~≈<>"
_WIDE = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """A text that no recorded source accounts for, and the elements around it."""

    text: str
    where: str


@dataclass(slots=True, kw_only=True)
class Account:
    """What came of the texts of one page.

    Attributes:
        texts: how many different texts had letters or digits to account for.
        by_source: texts accounted for, by the exchange that accounts for them.
        unaccounted: how many were not; `snippets` are the first of them.
        uncompared: texts not looked up, because the limit of looking was reached.
    """

    texts: int = 0
    direct: int = 0
    script: int = 0
    computed: int = 0
    unaccounted: int = 0
    uncompared: int = 0
    by_source: Counter[str] = field(default_factory=Counter)
    by_script: Counter[str] = field(default_factory=Counter)
    snippets: list[Snippet] = field(default_factory=list)


def account_for(
    runs: Iterable[Run], corpus: Corpus, tags: dict[str, int], *, reproduced: Collection[str] = ()
) -> Account:
    """Account for the texts of one page.

    Args:
        runs: its visible texts.
        corpus: everything recorded in the session.
        tags: how often each element occurs in the page, to know those that scripts added.
        reproduced: squeezed texts that an offline re-render of the record showed: its scripts make them.

    Returns:
        The account; deterministic for the same arguments.
    """
    account, work = Account(), _Work(corpus, tags, frozenset(reproduced))
    for key, run in _different(runs).items():
        account.texts += 1
        if corpus.spent:
            account.uncompared += 1
            continue
        _place(account, work, key, run)
    return account


def _different(runs: Iterable[Run]) -> dict[str, Run]:
    found: dict[str, Run] = {}
    for run in runs:
        text = _WITHHELD.sub(" ", run.text)
        key = squeeze(text)
        if _SAYS.search(key):
            found.setdefault(key, run)
    return found


def _place(account: Account, work: _Work, key: str, run: Run) -> None:
    # A body that the browser shows as it came, such as JSON, shows its escapes, too.
    source = work.direct(key) or (work.direct(squeeze(unescaped(run.text))) if "\\" in run.text else None)
    if source is not None:
        account.direct += 1
        account.by_source[source.exchange] += 1
        return
    made = work.composed(run)
    if made is not None:
        sources, computed = made
        account.computed += computed
        account.script += not computed
        account.by_script.update(sources)
        return
    if key in work.reproduced:
        account.script += 1
        account.by_script["rerender"] += 1
        return
    account.unaccounted += 1
    if len(account.snippets) < MAX_SNIPPETS:
        text = " ".join(run.text.split())[:SNIPPET_CHARS]
        account.snippets.append(Snippet(text=text, where=_where(run)))


def _where(run: Run) -> str:
    names = " ".join(name for each in run.names[:1] for name in each)
    return f"{run.tag} {names}".strip()[:SNIPPET_CHARS]


class _Work:
    """One page's look-ups."""

    def __init__(self, corpus: Corpus, tags: dict[str, int], reproduced: frozenset[str]) -> None:
        self._corpus = corpus
        self._tags = tags
        self._composed = 0
        self.reproduced = reproduced

    def direct(self, key: str) -> Source | None:
        """A number alone must be said by a source; a text with letters may stand anywhere in one."""
        corpus = self._corpus
        if not _LETTER.search(key):
            number = key.strip(_AROUND_NUMBERS)
            return self._number(number) if _ONE_NUMBER.fullmatch(number) else corpus.find(key)
        known = corpus.index.pieces.get(core(key)) if len(key) <= MAX_PIECE_CHARS else None
        return known or corpus.find(key)

    def composed(self, run: Run) -> tuple[set[str], bool] | None:
        """The exchanges that a text may be put together from, and whether numbers in it were computed."""
        if not self._corpus.index.scripts or self._composed >= _MAX_COMPOSED_RUNS:
            return None
        self._composed += 1
        text = _WITHHELD.sub(" ", run.text)
        if len(text) > _MAX_COMPOSED_CHARS and not _ELLIPSIS.search(text):
            return None
        shortened = _ELLIPSIS.sub("", text)
        if shortened != text:
            source = self._corpus.find(squeeze(shortened))
            if source is not None:
                return {source.exchange}, False
        if len(text) > _MAX_COMPOSED_CHARS:
            return None
        found = self._segment(text.lower())
        if found is None:
            return None
        sources, computed = found
        if not computed:
            return sources, False
        script = self._manager(run)
        return None if script is None else (sources | {script}, True)

    def _segment(self, text: str) -> tuple[set[str], bool] | None:
        """Cut a text into the fewest whole pieces; numbers and calendar words are free, but may be computed ones."""
        atoms = _atoms(text)
        letters = sum(len(atom) for atom in atoms if atom[0].isalpha())
        most = max(_MAX_PIECES, letters // _LETTERS_A_PIECE)
        unreached = 1 << 30
        cost = [0] + [unreached] * len(atoms)
        way: list[tuple[int, str | None, bool]] = [(0, None, False)] * (len(atoms) + 1)
        for start, atom in enumerate(atoms):
            if cost[start] >= unreached:
                continue
            free = self._free(atom)
            if free is not None and cost[start] < cost[start + 1]:
                cost[start + 1], way[start + 1] = cost[start], (start, free[0], free[1])
            for end, source in self._pieces_from(atoms, start):
                if cost[start] + 1 < cost[end]:
                    cost[end], way[end] = cost[start] + 1, (start, source.exchange, False)
        return None if cost[-1] > most else _walk(way, len(atoms))

    def _pieces_from(self, atoms: list[str], start: int) -> Iterator[tuple[int, Source]]:
        """Give the ends of the whole pieces that begin at an atom, and where each is recorded."""
        pieces, joined = self._corpus.index.pieces, ""
        for end in range(start, len(atoms)):
            joined += atoms[end]
            if len(joined) > MAX_PIECE_CHARS:
                return
            source = pieces.get(joined) if atoms[end][-1].isalnum() else None
            if source is not None:
                yield end + 1, source

    def _free(self, atom: str) -> tuple[str | None, bool] | None:
        """Whether an atom costs nothing: punctuation; a number that a source holds, or else computed; a clock word."""
        if atom[0].isdigit():
            source = self._number(atom)
            return (None, True) if source is None else (source.exchange, False)
        if atom in CALENDAR:
            return None, True
        return None if atom[0].isalpha() and atom not in PICTOGRAPHS else (None, False)

    def _number(self, number: str) -> Source | None:
        """The source that holds a number, however it is written: 1,299.00 or 1.299,00 of 1299 or of 129900 cents."""
        numbers = self._corpus.index.numbers
        for spelling in _spellings(number):
            found = numbers.get(spelling.lstrip("0") or "0")
            if found is not None:
                return found
        return None

    def _manager(self, run: Run) -> str | None:
        """The script that may have written an element: one that names it or what is around it, or that made it."""
        corpus, index = self._corpus, self._corpus.index
        for names in run.names:
            for name in names:
                if len(name) > 1 and corpus.names(name.lower()):
                    return "script"
        if run.names and run.names[0] and not any(corpus.declares(name.lower()) for name in run.names[0]):
            return "script"
        return "script" if self._tags.get(run.tag, 0) > index.tags.get(run.tag, 0) else None


def _atoms(text: str) -> list[str]:
    """Cut a text where a piece may end: around words and numbers, and between characters of scripts without spaces."""
    atoms: list[str] = []
    for match in _ATOM.finditer(text):
        word = match[0]
        if word[0].isalpha() and _WIDE.search(word):
            atoms += re.findall(rf"{_WIDE.pattern}|[^{_WIDE.pattern[1:]}+", word)
        else:
            atoms.append(word.replace(" ", "").replace("\u00a0", "").replace("\u202f", ""))
    return atoms


def _walk(way: list[tuple[int, str | None, bool]], end: int) -> tuple[set[str], bool]:
    sources: set[str] = set()
    computed = False
    while end > 0:
        end, source, guessed = way[end]
        computed = computed or guessed
        if source is not None:
            sources.add(source)
    return sources, computed


def _spellings(number: str) -> list[str]:
    plain = _GROUPS.sub("", number)
    found = [number, plain, number.replace(".", "").replace(",", ".")]
    for each in tuple(found):
        whole, dot, rest = each.partition(".")
        if dot and rest.isdigit() and whole.isdigit():
            found += [whole + rest, f"{whole}.{rest.rstrip('0')}".rstrip(".")]
    return [each for each in dict.fromkeys(found) if each]
