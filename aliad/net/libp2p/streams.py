"""Opening and giving up streams, the same for requests and direct messages."""

import contextlib
from collections.abc import Callable
from typing import Any, Final

import trio
from libp2p.peer.id import ID

from aliad.net.libp2p.frames import StreamReader
from aliad.net.network import PeerUnreachable, RequestRefused
from aliad.types import PeerId

RESET_PATIENCE: Final = 5.0  # seconds


class Stream:
    """An outbound libp2p stream and what was read of it in advance."""

    __slots__ = ("raw", "reader", "used")

    def __init__(self, raw: Any) -> None:  # noqa: ANN401
        self.raw = raw
        self.reader = StreamReader(raw)
        self.used = 0.0  # when it was last put away

    @property
    def usable(self) -> bool:
        """Whether both directions are open, as far as is known."""
        muxed = self.raw.muxed_stream
        return not (muxed.closed or muxed.recv_closed or muxed.send_closed)


class Streams:
    """Opens streams to connected peers, and resets those that are given up."""

    def __init__(self, connected: Callable[[], frozenset[PeerId]]) -> None:
        self._connected = connected
        self._host: Any = None
        self._nursery: trio.Nursery | None = None

    def attach(self, host: Any, nursery: trio.Nursery) -> None:  # noqa: ANN401
        """The stack is up."""
        self._host = host
        self._nursery = nursery

    def detach(self) -> None:
        """The stack is about to go down."""
        self._nursery = None

    async def open(self, peer: PeerId, protocol: str) -> Stream:
        """A new stream. Raises PeerUnreachable, RequestRefused (the peer lacks the protocol)."""
        if self._nursery is None or peer not in self._connected():
            raise PeerUnreachable(f"{peer} is not connected")
        try:
            raw = await self._host.new_stream(ID.from_base58(peer), [protocol])
        except Exception as error:
            if "not supported" in f"{error} {error.__cause__}":
                raise RequestRefused(f"{peer} does not speak {protocol}") from error
            raise PeerUnreachable(f"no stream to {peer}", str(error)) from error
        return Stream(raw)

    def give_up(self, stream: Stream) -> None:
        """Reset the stream, without waiting for it."""
        if self._nursery is not None:
            self._nursery.start_soon(reset, stream.raw)


async def reset(raw: Any) -> None:  # noqa: ANN401
    """Reset a stream as well as that can be done."""
    with trio.move_on_after(RESET_PATIENCE), contextlib.suppress(Exception):
        await raw.reset()
