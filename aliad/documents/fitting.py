"""Texts that are too long for a model, cut into parts that fit."""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

_CUTS: Final = (
    re.compile(r"(?<=[.!?;:。！？；])\s+"),
    re.compile(r"(?<=[,،、，—–])\s*"),
    re.compile(r"\s+"),
    re.compile(r"(?=.)", re.DOTALL),
)


class Portion(NamedTuple):
    """A part of a text, and what joins it to the next one."""

    text: str
    joint: str


def fit(text: str, fits: Callable[[str], bool]) -> list[Portion]:
    """The text in as few halves of halves as it takes until each part fits.

    A cut comes after a clause if there is one near the middle, else at a space, else anywhere.
    The parts and their joints, one after another, are the text; a single character always fits.
    """
    if len(text) < 2 or fits(text):
        return [Portion(text, "")]
    for pattern in _CUTS:
        middle = len(text) // 2
        near = [
            match
            for match in pattern.finditer(text, 1)
            if match.end() < len(text)
            and (pattern is _CUTS[-1] or abs(match.start() - middle) <= len(text) // 3)
        ]
        if near:
            cut = min(near, key=lambda match: abs(match.start() - middle))
            left = fit(text[: cut.start()], fits)
            right = fit(text[cut.end() :], fits)
            return [*left[:-1], Portion(left[-1].text, cut[0]), *right]
    return [Portion(text, "")]


def join(portions: list[Portion], texts: list[str]) -> str:
    """The translations of portions as one text."""
    return "".join(text + portion.joint for portion, text in zip(portions, texts, strict=True))
