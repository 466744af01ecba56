"""A fetch's requests that are under way. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf

from aliad.types import PeerId


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    peer: PeerId
    chunks: int  # the set to choose from; 0: a question
    count: int  # how many of them
    manifest: bool
    sent: float
    size: int
    due: float  # from then on somebody else may be asked as well
    arrived: float = inf


class Requests:
    """The requests, by number."""

    def __init__(self) -> None:
        self.chunks = 0  # all that were asked for
        self._number = 0
        self._asked: dict[int, Asked] = {}

    def begin(self, asked: Asked) -> int:
        """Its number."""
        self._number += 1
        self._asked[self._number] = asked
        self.chunks |= asked.chunks
        return self._number

    def get(self, number: int) -> Asked | None:
        """One that is under way."""
        return self._asked.get(number)

    def end(self, number: int) -> Asked | None:
        """It is over; None if it was before."""
        asked = self._asked.pop(number, None)
        if asked is not None and asked.chunks:
            self.chunks = 0
            for each in self._asked.values():
                self.chunks |= each.chunks
        return asked

    def arrived(self, number: int, now: float) -> PeerId | None:
        """Its answer is here; who gave it."""
        asked = self._asked.get(number)
        if asked is None:
            return None
        self._asked[number] = replace(asked, arrived=now, due=inf)
        return asked.peer

    def clear(self) -> None:
        """All are over."""
        self._asked.clear()

    def numbers(self, peer: PeerId) -> list[int]:
        """Those made to one peer."""
        return [number for number, asked in self._asked.items() if asked.peer == peer]

    def all(self) -> list[tuple[int, Asked]]:
        """All, with their numbers."""
        return list(self._asked.items())

    def __iter__(self) -> Iterator[Asked]:
        return iter(self._asked.values())

    def count(self) -> int:
        """How many chunks are to come."""
        return sum(asked.count for asked in self._asked.values())

    def twice(self) -> int:
        """The chunks that two requests ask for."""
        once = twice = 0
        for asked in self._asked.values():
            twice |= once & asked.chunks
            once |= asked.chunks
        return twice
