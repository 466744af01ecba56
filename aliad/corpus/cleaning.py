"""Cleaning of a parallel corpus, with an account of every line that was repaired or dropped.

A line is first repaired: Unicode NFC, control characters removed, white space made single spaces.
Then the first rule it breaks drops it: an empty side, too long, an absurd length ratio, or
a pair that came before.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Final
from unicodedata import is_normalized, normalize

from aliad.corpus.normal import has_control, normalise
from aliad.corpus.pair import Pair
from aliad.errors import InputError

_EXAMPLES: Final = 3
_EXAMPLE_CHARACTERS: Final = 60


class Reason(StrEnum):
    """Why a pair was dropped."""

    EMPTY = "empty side"
    TOO_LONG = "too long"
    RATIO = "absurd length ratio"
    DUPLICATE = "duplicate"


class Repair(StrEnum):
    """What was mended in a pair; one pair may need several."""

    CONTROL = "control characters removed"
    UNICODE = "Unicode composed (NFC)"
    SPACE = "white space or invisible characters removed"


@dataclass(frozen=True, slots=True)
class CleaningLimits:
    """What is too much. Lengths are in characters after repair.

    A pair is absurd if one side is longer than ``ratio`` times the other plus ``slack``: short
    lines ("Yes." - "Jawohl, so ist es.") may differ more than long ones.
    """

    characters: int = 1000
    ratio: float = 4.0
    slack: int = 20

    def __post_init__(self) -> None:
        if self.characters < 1 or not self.ratio >= 1 or self.slack < 0:
            raise InputError(
                "These cleaning limits would drop every line.",
                f"characters={self.characters}, ratio={self.ratio}, slack={self.slack}.",
                "Give characters >= 1, ratio >= 1 and slack >= 0.",
            )


@dataclass(frozen=True, slots=True)
class Example:
    """A dropped pair as it is shown to a person: its line, and both sides shortened."""

    line: int
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """How many pairs a reason dropped, and the first few of them."""

    reason: Reason
    count: int
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Repaired:
    """How many of the pairs needed a repair, dropped ones included."""

    repair: Repair
    count: int


@dataclass(frozen=True, slots=True)
class CleaningReport:
    """The account of one run: ``read == kept + sum of dropped counts``."""

    read: int
    kept: int
    dropped: tuple[Dropped, ...]
    repaired: tuple[Repaired, ...]

    def __str__(self) -> str:
        lines = [f"{self.read} pairs read, {self.kept} kept"]
        for entry in self.repaired:
            lines.append(f"  repaired {entry.count}: {entry.repair}")
        for group in self.dropped:
            lines.append(f"  dropped {group.count}: {group.reason}")
            for shown in group.examples:
                lines.append(f"    line {shown.line}: {shown.source!r} | {shown.target!r}")
        return "\n".join(lines)

    def to_json(self) -> str:
        """Give the report as one JSON object with the field names of this module."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)


@dataclass(slots=True)
class _Tally:
    """Counts while a corpus passes by."""

    read: int = 0
    dropped: dict[Reason, int] = field(default_factory=lambda: dict.fromkeys(Reason, 0))
    examples: dict[Reason, list[Example]] = field(default_factory=lambda: {r: [] for r in Reason})
    repaired: dict[Repair, int] = field(default_factory=lambda: dict.fromkeys(Repair, 0))

    def drop(self, reason: Reason, pair: Pair) -> None:
        self.dropped[reason] += 1
        if len(self.examples[reason]) < _EXAMPLES:
            shown = Example(pair.line, _shortened(pair.source), _shortened(pair.target))
            self.examples[reason].append(shown)

    def report(self, kept: int) -> CleaningReport:
        return CleaningReport(
            self.read,
            kept,
            tuple(
                Dropped(reason, count, tuple(self.examples[reason]))
                for reason, count in self.dropped.items()
                if count
            ),
            tuple(Repaired(repair, count) for repair, count in self.repaired.items() if count),
        )


def clean(
    pairs: Iterable[Pair], limits: CleaningLimits | None = None
) -> tuple[list[Pair], CleaningReport]:
    """Repair and filter ``pairs``; give those kept, in order, and the report.

    Raises InputError if pairs came and none is left.
    """
    limits = limits or CleaningLimits()
    kept: list[Pair] = []
    seen: set[bytes] = set()
    tally = _Tally()
    for pair in pairs:
        tally.read += 1
        clear = Pair(normalise(pair.source), normalise(pair.target), pair.line)
        for repair in _repairs(pair, clear):
            tally.repaired[repair] += 1
        reason = _broken_rule(clear, limits)
        if reason is None:
            key = _key(clear)
            if key in seen:
                reason = Reason.DUPLICATE
            seen.add(key)
        if reason is None:
            kept.append(clear)
        else:
            tally.drop(reason, clear)
    report = tally.report(len(kept))
    if report.read and not kept:
        raise InputError(
            f"Nothing is left of the corpus: all {report.read} pairs were dropped.",
            "; ".join(f"{group.reason}: {group.count}" for group in report.dropped) + ".",
            "Check that the two sides belong together, or loosen the limits.",
        )
    return kept, report


def _broken_rule(pair: Pair, limits: CleaningLimits) -> Reason | None:
    shorter, longer = sorted((len(pair.source), len(pair.target)))
    if shorter == 0:
        return Reason.EMPTY
    if longer > limits.characters:
        return Reason.TOO_LONG
    if longer > limits.ratio * shorter + limits.slack:
        return Reason.RATIO
    return None


def _repairs(before: Pair, after: Pair) -> list[Repair]:
    if (before.source, before.target) == (after.source, after.target):
        return []
    sides = ((before.source, after.source), (before.target, after.target))
    found = []
    if any(has_control(raw) for raw, _ in sides):
        found.append(Repair.CONTROL)
    if not all(is_normalized("NFC", raw) for raw, _ in sides):
        found.append(Repair.UNICODE)
    if any(_respaced(raw, clear) for raw, clear in sides):
        found.append(Repair.SPACE)
    return found


def _respaced(raw: str, clear: str) -> bool:
    """Tell whether more than control characters and the composition of letters was changed."""
    spelled = "".join(char for char in raw if not has_control(char))
    return normalize("NFC", spelled) != clear


def _key(pair: Pair) -> bytes:
    source = pair.source.encode()
    return hashlib.blake2b(
        len(source).to_bytes(8, "big") + source + pair.target.encode(), digest_size=16
    ).digest()


def _shortened(text: str) -> str:
    if len(text) > _EXAMPLE_CHARACTERS:
        text = text[: _EXAMPLE_CHARACTERS - 1] + "…"
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
