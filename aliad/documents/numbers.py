"""Numbers come back as they were: a model that confuses digits must not change an amount."""

import re
from collections import Counter
from typing import Final

_NUMBER: Final = re.compile(r"\d+(?:[.,:'’\u00a0\u202f]\d+)*")
# Smaller ones are often spelled out in a translation, or were in the source.
_SPELLED: Final = 12


def _digits(number: str) -> str:
    """The digits alone: 1,000.5 and 1.000,5 are the same number written in two ways."""
    return "".join(char for char in number if char.isdigit())


def mend_numbers(source: str, target: str) -> str:
    """Replace numbers of `target` that `source` does not have by those it has and `target` lacks.

    One for one and in order; only if as many are wrong as are missing.
    """
    theirs = list(_NUMBER.finditer(target))
    there = Counter(_digits(match[0]) for match in theirs)
    missing: list[str] = []
    for match in _NUMBER.finditer(source):
        if there[_digits(match[0])] > 0:
            there[_digits(match[0])] -= 1
        else:
            missing.append(match[0])
    wrong: list[re.Match[str]] = []
    for match in reversed(theirs):
        if there[_digits(match[0])] > 0:
            there[_digits(match[0])] -= 1
            wrong.append(match)
    wrong.reverse()
    if len(wrong) < len(missing):
        missing = [number for number in missing if int(_digits(number)[:18]) > _SPELLED]
    if not wrong or len(wrong) != len(missing):
        return target
    out, end = "", 0
    for match, number in zip(wrong, missing, strict=True):
        out += target[end : match.start()] + number
        end = match.end()
    return out + target[end:]
