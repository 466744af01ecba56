"""Where sentences end, by rules, for many scripts.

A full stop ends a sentence unless an abbreviation, an initial or an ordinal stands before it, or
what follows goes on in lower case. Marks of scripts that use no spaces end one at once. When in
doubt a sentence goes on: half a sentence translates worse than two.
"""

import re
import unicodedata
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from typing import Final

from aliad.documents.abbreviations import NUMBERED, ORDINAL_LANGUAGES, of_language

LONGEST: Final = 600  # characters; a longer sentence is cut at a clause or a space

Span = tuple[int, int]

# Arabic, Devanagari, Armenian, Ethiopic, Burmese, Khmer, Tibetan and Latin marks before a space.
_STOPS = ".!?…‽‼⁇⁈⁉؟۔।॥։።፧၊။។៕།༎"
_CLOSERS = "\"'”’»›«“)\\]}」』】〉》）］"
# Where no space comes between sentences, a mark that opens the next one must not be taken.
_CLOSERS_TIGHT = "\"'”’»)\\]}」』】〉》）］"
_END = re.compile(
    f"(?P<spaced>[{_STOPS}]+[{_CLOSERS}]*(?=\\s))|[。！？｡．]+[{_CLOSERS_TIGHT}]*(?![。！？｡．])"
)
_BEFORE = re.compile(r"[^\s(\[{\"'“„«‹¿¡]*\Z")
_SPACED_QUOTE = re.compile(r"[ \u00a0\u202f]»(?=\s|\Z)")
_FIRST = re.compile(r"[\s\"'“”„«»‹›(\[{¿¡—–*-]*(.)")
_CLAUSE = re.compile(r"[;:,،、，；：—–](?:\s+|(?<=[、，；：]))")
_SPACE = re.compile(r"\s+")


def split_sentences(
    text: str, language: str = "", breaks: Iterable[int] = (), whole: Iterable[Span] = ()
) -> list[Span]:
    """The sentences of `text` as spans without the white space around them, in order.

    breaks: offsets that no sentence reaches across; whole: spans in which none ends.
    """
    spans: list[Span] = []
    kept = sorted(whole)
    start = 0
    for stop in sorted({*(place for place in breaks if 0 < place < len(text)), len(text)}):
        _split(text, start, stop, language, kept, spans)
        start = stop
    return spans


def _split(
    text: str, start: int, stop: int, language: str, whole: list[Span], spans: list[Span]
) -> None:
    inside = deque(whole[bisect_left(whole, (start, 0)) : bisect_left(whole, (stop, 0))])
    for match in _END.finditer(text, start, stop):
        end = match.end()
        if match["spaced"] and language.startswith("fr"):
            quote = _SPACED_QUOTE.match(text, end, stop)
            end = quote.end() if quote else end
        while inside and inside[0][1] <= match.start():
            inside.popleft()
        if inside and inside[0][0] <= match.start() and end <= inside[0][1]:
            continue
        if match["spaced"] and not _ends(text, start, match.start(), end, stop, language):
            continue
        _add(text, start, end, spans)
        start = end
    _add(text, start, stop, spans)


def _add(text: str, start: int, end: int, spans: list[Span]) -> None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    while end - start > LONGEST:
        cut = _cut(text, start, end)
        spans.append((start, cut))
        start = cut
        while start < end and text[start].isspace():
            start += 1
    if start < end:
        spans.append((start, end))


def _cut(text: str, start: int, end: int) -> int:
    """Where to cut what is too long: after the last clause of its first part, or at a space."""
    limit = min(start + LONGEST, end)
    for pattern in (_CLAUSE, _SPACE):
        places = list(pattern.finditer(text, start + LONGEST // 3, limit))
        if places:
            found = places[-1]
            return found.start() + (0 if pattern is _SPACE else 1)
    return limit


def _ends(text: str, start: int, stop: int, end: int, limit: int, language: str) -> bool:
    following = _FIRST.match(text, end, limit)
    if following is None:
        return True
    first = following[1]
    if first.islower():
        return False
    marks = text[stop:end].rstrip(_CLOSERS.replace("\\", ""))
    if marks != ".":
        return True
    found = _BEFORE.search(text, max(start, stop - 40), stop)
    word = found[0] if found else ""
    if len(word) == 1 and text.startswith(".", following.end(1)):
        return False  # "z. B.", "i. d. R."
    return _stops_after(word, first, language)


def _stops_after(word: str, first: str, language: str) -> bool:
    """Tell whether a single full stop after `word` ends the sentence; `first` comes next."""
    if not word:
        return True
    if len(word) == 1 and word.isupper() and unicodedata.category(first) in ("Lu", "Lt"):
        return word in "I" and language.startswith("en")  # "It was I. Then ..."
    bare = word.casefold()
    if bare.isdigit():
        return not (len(bare) <= 2 and language.partition("-")[0] in ORDINAL_LANGUAGES)
    if bare in NUMBERED and first.isdigit():
        return False
    # "e.g", "z.B", "U.S": letters and full stops
    if "." in bare and all(len(part) == 1 for part in bare.split(".") if part):
        return False
    return bare not in of_language(language)
