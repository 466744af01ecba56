"""Iterators that hold what has arrived until somebody reads it."""

import math
from collections.abc import Callable
from typing import Generic, TypeVar

import trio

T = TypeVar("T")


class Inbox(Generic[T]):
    """An async iterator that receives from the moment it is made; ends when it is closed."""

    def __init__(self, size: float = math.inf, closed: Callable[[], None] = lambda: None) -> None:
        self._send, self._receive = trio.open_memory_channel[T](size)
        self._closed = closed

    def put(self, item: T) -> bool:
        """False if there is no room, or nobody to read any more."""
        try:
            self._send.send_nowait(item)
        except (trio.WouldBlock, trio.BrokenResourceError, trio.ClosedResourceError):
            return False
        return True

    def finish(self) -> None:
        """Nothing more comes: what is here can still be read, then the iterator ends."""
        self._send.close()

    def __aiter__(self) -> "Inbox[T]":
        return self

    async def __anext__(self) -> T:
        try:
            return await self._receive.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        """Nobody reads any more."""
        self._receive.close()
        self._closed()
        await trio.lowlevel.checkpoint()
