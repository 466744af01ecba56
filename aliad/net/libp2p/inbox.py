"""A bounded queue between the network and one reader, who loses what does not fit."""

from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

import trio

T = TypeVar("T")


class Inbox(AsyncIterator[T], Generic[T]):
    """Iterates over what was put, in order, until it is closed and empty."""

    __slots__ = ("__weakref__", "_closed", "_items", "_limit", "_readers")

    def __init__(self, limit: int) -> None:
        self._items: deque[T] = deque()
        self._limit = limit
        self._closed = False
        self._readers = trio.lowlevel.ParkingLot()

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> bool:
        """False if the queue is full or closed, and the item lost."""
        if self._closed or len(self._items) >= self._limit:
            return False
        self._items.append(item)
        self._readers.unpark()
        return True

    def close(self) -> None:
        """The reader gets what is there, and then the end."""
        self._closed = True
        if self._readers:
            self._readers.unpark_all()

    async def __anext__(self) -> T:
        await trio.lowlevel.checkpoint()
        while not self._items:
            if self._closed:
                raise StopAsyncIteration
            await self._readers.park()
        return self._items.popleft()
