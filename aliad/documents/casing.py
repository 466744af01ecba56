"""Text in capitals: models learn little of it, so they get a plain sentence and we the capitals."""

import re
from typing import Final

_WORD: Final = re.compile(r"[^\W\d_]+")
_FEWEST_WORDS: Final = 2
_FEWEST_LETTERS: Final = 8  # shorter is often an abbreviation


def is_shouted(text: str) -> bool:
    """Tell whether a whole sentence is in capitals."""
    words = [word for word in _WORD.findall(text) if len(word) > 1]
    letters = "".join(words)
    return (
        len(words) >= _FEWEST_WORDS
        and len(letters) >= _FEWEST_LETTERS
        and letters == letters.upper()
        and letters != letters.lower()
    )


def spoken(text: str) -> str:
    """The text in small letters, with a capital first one."""
    lower = text.lower()
    for place, char in enumerate(lower):
        if char.isalpha():
            return lower[:place] + char.upper() + lower[place + 1 :]
    return lower


def shouted(text: str) -> str:
    """The text in capitals; "ß" becomes "SS"."""
    return text.upper()
