"""Words that stand for what is not translated: put in before, exchanged back after.

"Open https://x.org now" is shown to the model as "Open X1 now". Whatever the model does, every
kept item comes back exactly once: one that it dropped is put where its neighbours went, one that
it repeated stays where it is first.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aliad.documents.alignment import Word, boundaries, words_of
from aliad.documents.pieces import OBJECT

_STEMS: Final = ("X", "Z", "Q", "XX", "ZZ", "QX", "XQZ", "ZQXQ")


@dataclass(frozen=True, slots=True)
class Shown:
    """What the model sees of a sentence: its text, the stem of the stand-ins, their number."""

    text: str
    stem: str
    kept: int


@dataclass(frozen=True, slots=True)
class Restored:
    """A translation in which `OBJECT` stands for a kept item; `items` tells which, in order.

    `lost` is how many of them the model had dropped.
    """

    text: str
    items: tuple[int, ...]
    lost: int


def show(parts: Sequence[str | int]) -> Shown:
    """Join text and kept items (their index) to what the model sees; spaces become single ones."""
    text = "".join(part for part in parts if isinstance(part, str)).casefold()
    stem = next(
        (stem for stem in _STEMS if not re.search(rf"{stem.casefold()}\s?\d", text)), "XZQXZQ"
    )
    kept = sum(isinstance(part, int) for part in parts)
    number = 0
    shown = ""
    for part in parts:
        if isinstance(part, int):
            number += 1
            # A letter that touches the stand-in would make another word of it.
            joint = " " if shown[-1:].isalnum() and ord(shown[-1]) < 0x0E00 else ""
            shown += f"{joint}{stem}{number}"
        else:
            joint = " " if number and shown[-1:].isdigit() and part[:1].isdigit() else ""
            shown += joint + part
    return Shown(" ".join(shown.split()), stem, kept)


def restore(shown: Shown, translation: str) -> Restored:
    """Find the stand-ins in a translation, and put back those that are not there."""
    text = translation.replace(OBJECT, "")
    if not shown.kept:
        return Restored(text, (), 0)
    pattern = re.compile(rf"(?<![^\W\d_]){shown.stem}\s?(\d{{1,6}})(?!\d)", re.IGNORECASE)
    items: list[int] = []
    clear = ""
    end = 0
    for match in pattern.finditer(text):
        item = int(match[1]) - 1
        clear += text[end : match.start()]
        end = match.end()
        if 0 <= item < shown.kept and item not in items:
            items.append(item)
            clear += OBJECT
    clear += text[end:]
    missing = [item for item in range(shown.kept) if item not in items]
    if missing:
        clear, items = _put_back(shown, pattern, clear, items, missing)
    return Restored(clear, tuple(items), len(missing))


def _put_back(
    shown: Shown, pattern: re.Pattern[str], text: str, items: list[int], missing: list[int]
) -> tuple[str, list[int]]:
    """Insert what is missing between the words that go with its neighbours in the source."""
    source = _source_words(shown, pattern)
    left = [word for word in source if word.item not in missing]
    target = words_of(text, items)
    places = boundaries(left, target)
    inserts: list[tuple[int, int]] = []  # (number of target words before it, item)
    before = 0
    for word in source:
        if word.item is None or word.item not in missing:
            before += 1
        else:
            inserts.append((places[before], word.item))
    out = ""
    order: list[int] = []
    end = 0
    for index, word in enumerate(target):
        out += text[end : word.start]
        out = _inserted(out, [item for place, item in inserts if place == index], order, word)
        out += text[word.start : word.end]
        order += [] if word.item is None else [word.item]
        end = word.end
    last = [item for place, item in inserts if place == len(target)]
    return _inserted(out, last, order, None) + text[end:], order


def _inserted(out: str, items: list[int], order: list[int], following: Word | None) -> str:
    """`out` with kept items at its end, and the spaces that they need there."""
    if not items:
        return out
    order += items
    tight = not out or out[-1].isspace() or out[-1] in "([{\"'«„“"
    bare = following is None or (following.item is None and not following.text[0].isalnum())
    joined = " ".join(OBJECT for _ in items)
    return f"{out}{'' if tight else ' '}{joined}{'' if bare else ' '}"


def _source_words(shown: Shown, pattern: re.Pattern[str]) -> list[Word]:
    text, items, end = "", [], 0
    for match in pattern.finditer(shown.text):
        text += shown.text[end : match.start()] + OBJECT
        items.append(int(match[1]) - 1)
        end = match.end()
    return words_of(text + shown.text[end:], items)
