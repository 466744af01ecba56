"""A translated block written back: markup where its words went, everything exactly once.

Elements keep their order and nesting; none begins or ends within a word, and one that had words
gets one if there is one. Breaks between sentences stay between the same sentences.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from aliad.documents.alignment import Word, boundaries, words_of
from aliad.documents.casing import shouted
from aliad.documents.numbers import mend_numbers
from aliad.documents.pieces import OBJECT, Leaf, Raw, RawBuilder, Style
from aliad.documents.prepare import Kept, Node, Prepared, Sentence
from aliad.documents.standins import restore


@dataclass(slots=True)
class Target:
    """The text of the translation, and how places in the source map to places in it."""

    text: str = ""
    items: list[Kept] = field(default_factory=list)  # for each OBJECT in the text, in order
    exact: dict[int, int] = field(default_factory=dict)  # outside sentences, offset by offset
    source: list[Word] = field(default_factory=list)
    target: list[Word] = field(default_factory=list)
    places: list[int] = field(default_factory=lambda: [0])  # boundaries between words
    lost: int = 0


def rebuild(prepared: Prepared, translations: Sequence[str]) -> tuple[Raw, int]:
    """A block's raw with its sentences translated, and how many kept items had to be put back.

    An empty translation leaves its sentence as it was.
    """
    target = _join(prepared, translations)
    writer = _Writer(prepared, target)
    return writer.write(), target.lost


def _join(prepared: Prepared, translations: Sequence[str]) -> Target:
    target = Target()
    parts: list[str] = []
    place = length = 0
    kept = deque(prepared.kept)
    for sentence, translation in zip(prepared.sentences, translations, strict=True):
        length = _copy(prepared, target, parts, (place, sentence.start), length, kept)
        length = _speak(prepared, target, parts, sentence, translation, length)
        place = sentence.end
        while kept and kept[0].start < place:
            kept.popleft()
    _copy(prepared, target, parts, (place, len(prepared.text)), length, kept)
    target.text = "".join(parts)
    return target


def _copy(
    prepared: Prepared,
    target: Target,
    parts: list[str],
    span: tuple[int, int],
    length: int,
    kept: deque[Kept],
) -> int:
    """Append what stands between sentences, as it is."""
    start, end = span
    text = ""
    place = start
    while place < end:
        if kept and kept[0].start == place:
            item = kept.popleft()
            stop = min(item.end, end)
            for offset in range(place, stop):
                target.exact[offset] = length + len(text)
            text += OBJECT
            target.items.append(item)
            target.source.append(Word(place, stop, OBJECT))
            place = stop
        else:
            stop = min(kept[0].start, end) if kept else end
            for offset in range(place, stop):
                target.exact[offset] = length + len(text) + offset - place
            target.source += words_of(prepared.text, (), place, stop)
            text += prepared.text[place:stop]
            place = stop
    target.exact[end] = length + len(text)
    found = words_of(text)
    first = len(target.target)
    target.target += [Word(w.start + length, w.end + length, w.text) for w in found]
    target.places += range(first + 1, first + len(found) + 1)
    parts.append(text)
    return length + len(text)


def _speak(
    prepared: Prepared,
    target: Target,
    parts: list[str],
    sentence: Sentence,
    translation: str,
    length: int,
) -> int:
    """Append a sentence's translation."""
    source = _masked(prepared.text, sentence)
    if translation:
        restored = restore(sentence.shown, translation)
        text, items = mend_numbers(source, restored.text), restored.items
        text = shouted(text) if sentence.shouted else text
        target.lost += restored.lost
    else:
        text, items = source, tuple(range(len(sentence.kept)))
    said = words_of(text, items)
    spoken = _source_words(prepared.text, sentence)
    first = len(target.target)
    target.places += [first + place for place in boundaries(spoken, said)[1:]]
    target.source += spoken
    target.target += [Word(w.start + length, w.end + length, w.text, w.item) for w in said]
    target.items += [sentence.kept[item] for item in items]
    target.exact[sentence.start] = length
    target.exact[sentence.end] = length + len(text)
    parts.append(text)
    return length + len(text)


def _masked(text: str, sentence: Sentence) -> str:
    """The sentence's own text, with OBJECT for what is kept."""
    out, place = "", sentence.start
    for item in sentence.kept:
        out += text[place : item.start] + OBJECT
        place = item.end
    return out + text[place : sentence.end]


def _source_words(text: str, sentence: Sentence) -> list[Word]:
    words: list[Word] = []
    place = sentence.start
    for number, item in enumerate(sentence.kept):
        words += words_of(text, (), place, item.start)
        words.append(Word(item.start, item.end, OBJECT, number))
        place = item.end
    return words + words_of(text, (), place, sentence.end)


@dataclass(frozen=True, slots=True)
class _Placed:
    node: Node
    start: int
    end: int
    children: tuple["_Placed", ...]


def _is_word(word: Word) -> bool:
    return word.text[0].isalnum() or word.text == OBJECT


class _Writer:
    """Writes one block."""

    def __init__(self, prepared: Prepared, target: Target) -> None:
        self._block = prepared.block
        self._style: Style = prepared.block.style
        self._source = prepared.text
        self._t = target
        self._source_starts = [word.start for word in target.source]
        self._source_ends = [word.end for word in target.source]
        self._starts = [word.start for word in target.target]
        self._ends = [word.end for word in target.target]
        # Marks alone are no words for what an element must have.
        self._spoken = [word.start for word in target.source if _is_word(word)]
        self._word_starts = [word.start for word in target.target if _is_word(word)]
        self._word_ends = [word.end for word in target.target if _is_word(word)]
        self._soft = self._place_softs(prepared)
        self._objects = [i for i, char in enumerate(target.text) if char == OBJECT]
        self._nodes = self._place(list(prepared.nodes), 0, len(target.text))
        self._out = RawBuilder()
        self._line_start = True

    def write(self) -> Raw:
        """The block's new raw."""
        self._emit(self._nodes, 0, len(self._t.text), self._style.leaf)
        return self._out.done()

    def _offset(self, place: int, opens: bool) -> int:
        """Where the source offset `place` is in the target, before or after the space there."""
        if place in self._t.exact:
            return self._t.exact[place]
        # Words that end before the place; a word around it belongs to what opens, or has closed.
        if opens:
            boundary = bisect_left(self._source_ends, place + 1)
        else:
            boundary = bisect_left(self._source_starts, place)
        after = self._t.places[boundary]
        if opens:
            return self._starts[after] if after < len(self._starts) else len(self._t.text)
        return self._ends[after - 1] if after else 0

    def _place(self, nodes: list[Node], low: int, high: int) -> tuple[_Placed, ...]:
        placed: list[_Placed] = []
        cursor = low
        needy = sum(self._had_words(node) for node in nodes)
        for node in nodes:
            if node.after is None:
                attached = node.start > 0 and not self._source[node.start - 1].isspace()
                start = end = min(max(self._offset(node.start, not attached), cursor), high)
            else:
                had = self._had_words(node)
                needy -= had
                limit = self._leaving(needy, cursor, high) if had else high
                want = self._offset(node.start, True)
                start = min(max(want, cursor), limit)
                if had and want < cursor:
                    # Pushed on by the one before it: not to the space behind that, but to a word.
                    word = bisect_left(self._word_starts, cursor)
                    start = min(
                        self._word_starts[word] if word < len(self._word_starts) else start, limit
                    )
                end = min(max(self._offset(node.end, False), start), limit)
                if had:
                    start, end = self._with_word(start, end, cursor, limit)
            children = self._place(node.children, start, end)
            placed.append(_Placed(node, start, end, children))
            cursor = end
        return tuple(placed)

    def _leaving(self, count: int, low: int, high: int) -> int:
        """The last place up to which a range may go to leave `count` words after it."""
        first = bisect_left(self._word_starts, low)
        last = bisect_left(self._word_ends, high + 1) - 1 - count
        return self._word_ends[last] if count and last >= first else high

    def _stands_alone(self, node: Node) -> bool:
        """Tell whether a mark within a sentence has spaces on both sides: one was taken away."""
        place = node.start
        if place in self._t.exact or not 0 < place < len(self._source):
            return False
        return self._source[place - 1].isspace() and self._source[place].isspace()

    def _had_words(self, node: Node) -> bool:
        first = bisect_left(self._spoken, node.start)
        return first < len(self._spoken) and self._spoken[first] < node.end

    def _with_word(self, start: int, end: int, low: int, high: int) -> tuple[int, int]:
        """The range, grown to the nearest word if it has none: the one after, or before."""
        word = bisect_left(self._word_starts, start)
        if word < len(self._word_starts) and self._word_ends[word] <= end:
            return start, end
        if word < len(self._word_starts) and self._word_ends[word] <= high:
            return self._word_starts[word], self._word_ends[word]
        before = bisect_left(self._word_ends, start + 1) - 1
        if before >= 0 and self._word_starts[before] >= low:
            return self._word_starts[before], self._word_ends[before]
        return start, end

    def _place_softs(self, prepared: Prepared) -> dict[int, str]:
        """For each space of the target that becomes a layout break: its raw."""
        text = self._t.text
        chosen: dict[int, str] = {}
        last = -1
        for place, raw in prepared.softs:
            if place in self._t.exact and self._t.exact[place] < len(text):
                want = self._t.exact[place]
            else:
                want = self._offset(place, opens=False)
            want = max(want, last + 1)
            end = len(text)
            spot = next((i for i in range(want, end) if text[i] == " "), None)
            if spot is None:
                spot = next((i for i in range(want - 1, last, -1) if text[i : i + 1] == " "), None)
            if spot is not None:
                chosen[spot] = raw
                last = spot
        return chosen

    def _emit(self, nodes: tuple[_Placed, ...], low: int, high: int, leaf: Leaf) -> None:
        cursor = low
        for placed in nodes:
            self._say(cursor, placed.start, leaf)
            cursor = placed.end
            if placed.node.name in self._style.shed and self._is_bare(placed):
                continue
            self._out.add(*placed.node.before)
            if placed.node.after is None:
                if self._stands_alone(placed.node):
                    self._out.add(leaf.before, " ", leaf.after)
            else:
                inner = placed.node.leaf or leaf
                self._emit(placed.children, placed.start, placed.end, inner)
                self._out.add(*placed.node.after)
        self._say(cursor, high, leaf)

    def _is_bare(self, placed: _Placed) -> bool:
        return placed.node.after is not None and placed.start == placed.end and not placed.children

    def _say(self, start: int, end: int, leaf: Leaf) -> None:
        """Write the target's text from `start` to `end`."""
        run: list[str] = []

        def flush() -> None:
            if written := "".join(run):
                self._out.add(leaf.before, written, leaf.after)
            run.clear()

        place = start
        while place < end:
            char = self._t.text[place]
            if place in self._soft:
                run.append(self._soft[place])
                self._line_start = True
                place += 1
            elif char == OBJECT:
                item = self._t.items[bisect_left(self._objects, place)]
                if item.raw is not None:
                    flush()
                    self._out.add(*item.raw)
                else:
                    run.append(self._written(item, place))
                self._line_start = False
                place += 1
            else:
                stop = place + 1
                while stop < end and stop not in self._soft and self._t.text[stop] != OBJECT:
                    stop += 1
                text = self._style.escape(self._t.text[place:stop])
                run.append(self._style.opening(text) if self._line_start else text)
                self._line_start = False
                place = stop
        flush()

    def _written(self, item: Kept, place: int) -> str:
        if item.text is None:
            return self._style.verbatim(self._source[item.start : item.end])
        text = item.text
        if place == 0 and item.start == 0 and self._source[:1].isupper():
            text = text[:1].upper() + text[1:]
        return self._style.escape(text)
