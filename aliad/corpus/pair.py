"""A sentence and its translation."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pair:
    """A source sentence, its translation, and the line of the file where it begins (from 1)."""

    source: str
    target: str
    line: int
