"""Texts as the token ids that a model is given, and its answers as texts again.

Here and on the network the same sources are decoded, each apart from all others, so the same text
has the same translation wherever it is computed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from aliad.crypto import digest, domain
from aliad.documents.fitting import Portion, fit, join
from aliad.errors import InputError
from aliad.types import Hash32

_TEXTS_DOMAIN: Final = domain("order-texts")

Ids: TypeAlias = tuple[int, ...]
Encode: TypeAlias = Callable[[str], Ids]
"""The ids of a text with the end mark, none for a text that has no tokens."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A text and its translation; ``score`` is the worst part's mean log-probability of a token,
    in nats, and 0 where there was nothing to translate."""

    source: str
    target: str
    score: float


@dataclass(frozen=True, slots=True)
class _Cut:
    """A text in the parts that fit; the place of each among the sources, None if it has no ids."""

    portions: list[Portion]
    places: tuple[int | None, ...]


class Portions:
    """Texts cut to what a model reads. ``sources`` are their ids: each is there once, none is
    empty, all end with the end mark and have at most ``length`` ids."""

    __slots__ = ("_cuts", "_texts", "sources")

    def __init__(self, texts: Sequence[str], encode: Encode, length: int) -> None:
        """Raise InputError if a single character has more ids than ``length``."""
        known: dict[Ids, int] = {}
        self._texts: Final = tuple(texts)
        self._cuts: Final = {
            text: _cut(text, encode, length, known) for text in dict.fromkeys(texts)
        }
        self.sources: Final[tuple[Ids, ...]] = tuple(known)

    def joined(self, targets: Sequence[str], scores: Sequence[float]) -> list[Spoken]:
        """The translations of the texts, in order, from those of the sources and their scores."""
        if not len(targets) == len(scores) == len(self.sources):
            raise ValueError(f"{len(targets)} answers for {len(self.sources)} sources")
        spoken = {text: _join(text, cut, targets, scores) for text, cut in self._cuts.items()}
        return [spoken[text] for text in self._texts]


def compute_texts_digest(texts: Sequence[str]) -> Hash32:
    """Tells whether a document, opened again, has the texts that were ordered; never leaves the
    customer's own machine, as texts can be guessed from it."""
    raw = [text.encode() for text in texts]
    return digest(_TEXTS_DOMAIN, b"".join(len(one).to_bytes(8, "big") + one for one in raw))


def _cut(text: str, encode: Encode, length: int, known: dict[Ids, int]) -> _Cut:
    seen: dict[str, Ids] = {}

    def fits(part: str) -> bool:
        seen[part] = encode(part)
        return len(seen[part]) <= length

    portions = fit(text, fits)
    places: list[int | None] = []
    for portion in portions:
        ids = seen[portion.text] if portion.text in seen else encode(portion.text)
        if len(ids) > length:
            raise InputError(
                f"The character {portion.text!r} cannot be translated.",
                f"It has {len(ids)} tokens; this model reads {length} at most.",
                "Use a model that reads more, or remove the character.",
            )
        places.append(known.setdefault(ids, len(known)) if ids else None)
    return _Cut(portions, tuple(places))


def _join(text: str, cut: _Cut, targets: Sequence[str], scores: Sequence[float]) -> Spoken:
    target = join(cut.portions, ["" if place is None else targets[place] for place in cut.places])
    return Spoken(
        text, target, min(0.0 if place is None else scores[place] for place in cut.places)
    )
