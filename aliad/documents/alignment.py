"""Which words of a translation go with which of its source, without asking the model.

Words that are the same on both sides (kept items, numbers, names, marks) or begin alike are
anchors; between anchors, in order, positions are interpolated. Only boundaries between words
are mapped and they never change their order, so markup can neither overlap nor land in a word.
"""

import itertools
import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aliad.documents.pieces import OBJECT

# Scripts without spaces: each character is a word of its own.
SINGLE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u303f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_MARKS = r"\u0300-\u036f\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u200c\u200d\ufe0f"
_WORD: Final = re.compile(
    f"{OBJECT}|[{SINGLE}][{_MARKS}]*|[^\\W{SINGLE}](?:[^\\W{SINGLE}]|[{_MARKS}]"
    f"|['’.,:](?=[^\\W{SINGLE}]))*|[^\\s{OBJECT}]"
)
_ALIKE: Final = 0.6  # share of the longer word that both must begin with
_SHORTEST: Final = 4  # letters of a word that may be alike
_REACH: Final = 0.35  # how far, of the sentence's length, an anchor may move


@dataclass(frozen=True, slots=True)
class Word:
    """A word, mark or kept item: where it stands, and which item it is."""

    start: int
    end: int
    text: str
    item: int | None = None


def words_of(text: str, items: Sequence[int] = (), start: int = 0, end: int = -1) -> list[Word]:
    """The words of `text[start:end]`; `items` are those for which `OBJECT` stands, in order."""
    order = iter(items)
    return [
        Word(
            match.start(),
            match.end(),
            match[0].casefold(),
            next(order, None) if match[0] == OBJECT else None,
        )
        for match in _WORD.finditer(text, start, len(text) if end < 0 else end)
    ]


def boundaries(source: Sequence[Word], target: Sequence[Word]) -> list[int]:
    """For every boundary between source words, 0 to n, that between target words, 0 to m.

    Never decreasing; the first is 0 and the last m.
    """
    n, m = len(source), len(target)
    places = [0] * (n + 1)
    known = [(0, 0)]
    for i, j in _in_order(_anchors(source, target)):
        known += [(i, j), (i + 1, j + 1)]
    known.append((n, m))
    for (i, j), (k, l) in itertools.pairwise(known):  # noqa: E741
        for step in range(i, k + 1):
            # round half up, in integers
            places[step] = j if k == i else j + (2 * (step - i) * (l - j) + k - i) // (2 * (k - i))
    places[n] = m
    return places


def _anchors(source: Sequence[Word], target: Sequence[Word]) -> list[tuple[int, int]]:
    """Pairs of words that go together, by source and then target position."""
    n, m = len(source), len(target)
    exact: dict[object, list[int]] = {}
    for j, word in enumerate(target):
        exact.setdefault(_key(word), []).append(j)
    stems: dict[str, list[int]] = {}
    for j, word in enumerate(target):
        if len(word.text) >= _SHORTEST:
            stems.setdefault(word.text[:2], []).append(j)
    pairs: list[tuple[int, int]] = []
    for i, word in enumerate(source):
        found = _nearest(exact.get(_key(word), []), i * m // max(n, 1), 3)
        if not found and word.item is None and len(word.text) >= _SHORTEST:
            near = _nearest(stems.get(word.text[:2], []), i * m // max(n, 1), 6)
            found = [j for j in near if _alike(word.text, target[j].text)]
        pairs += [(i, j) for j in found if word.item is not None or _near(i, n, j, m)]
    return pairs


def _nearest(places: list[int], wanted: int, count: int) -> list[int]:
    """The few of the rising `places` that are nearest to the wanted one."""
    middle = bisect_left(places, wanted)
    around = places[max(0, middle - count) : middle + count]
    return sorted(around, key=lambda place: abs(place - wanted))[:count]


def _key(word: Word) -> object:
    return word.text if word.item is None else word.item


def _near(i: int, n: int, j: int, m: int) -> bool:
    # Differences of up to two words are near in the shortest sentence, too.
    return abs(j * n - i * m) <= max(_REACH * n * m, 2 * max(n, m))


def _alike(one: str, other: str) -> bool:
    same = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        same += 1
    return same >= _ALIKE * max(len(one), len(other))


def _in_order(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest chain of pairs that rises on both sides."""
    # Within one source word the later target comes first, so that a chain takes one of them.
    ordered = sorted(pairs, key=lambda pair: (pair[0], -pair[1]))
    tails: list[int] = []
    ends: list[int] = []
    before: list[int] = []
    for index, (_, j) in enumerate(ordered):
        place = bisect_left(tails, j)
        before.append(ends[place - 1] if place else -1)
        if place == len(tails):
            tails.append(j)
            ends.append(index)
        else:
            tails[place] = j
            ends[place] = index
    chain: list[tuple[int, int]] = []
    index = ends[-1] if ends else -1
    while index >= 0:
        chain.append(ordered[index])
        index = before[index]
    return chain[::-1]
