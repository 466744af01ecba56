"""Which messages were seen before: a window bounded in time and in number.

Pure: ``now`` is in seconds on any clock that does not go back.
"""

from collections import OrderedDict
from typing import Final

WINDOW: Final = 300.0  # seconds; a copy travels through the network in a few
CAPACITY: Final = 1 << 16


class Seen:
    """Message ids of the last ``window`` seconds, at most ``capacity`` of them."""

    __slots__ = ("_capacity", "_ids", "_window")

    def __init__(self, window: float = WINDOW, capacity: int = CAPACITY) -> None:
        self._window = window
        self._capacity = capacity
        self._ids: OrderedDict[bytes, float] = OrderedDict()  # id -> when first seen, oldest first

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, message_id: bytes) -> bool:
        return message_id in self._ids

    def first(self, message_id: bytes, now: float) -> bool:
        """Note the id; False if it is in the window already. A repeat does not prolong its stay."""
        self._expire(now)
        if message_id in self._ids:
            return False
        if len(self._ids) >= self._capacity:
            self._ids.popitem(last=False)
        self._ids[message_id] = now
        return True

    def _expire(self, now: float) -> None:
        while self._ids:
            oldest, at = next(iter(self._ids.items()))
            if now - at < self._window:
                return
            del self._ids[oldest]
