"""Frames on a stream: a length, then that many bytes; and a reader that buffers.

The length of our own protocols is 4 bytes, big-endian; that of pubsub a varint. Nothing is read
beyond what its reader allows.
"""

from collections.abc import Iterable
from typing import Any, Final

from libp2p.exceptions import ParseError

from aliad.errors import AliadError

READ_SIZE: Final = 1 << 16
MAX_READ: Final = 1 << 20
MAX_VARINT: Final = 5  # bytes, for lengths below 2**35


class StreamLost(AliadError):
    """The stream ended or broke. ``clean``: between two frames, as the other side may."""

    def __init__(self, what: str, clean: bool = False) -> None:
        super().__init__(what)
        self.clean = clean


class FrameTooLong(AliadError):
    """The other side announced more than it may send."""


def framed(*payloads: bytes) -> bytes:
    """The payloads, each as a frame."""
    return b"".join(_with_lengths(payloads))


def _with_lengths(payloads: Iterable[bytes]) -> Iterable[bytes]:
    for payload in payloads:
        yield len(payload).to_bytes(4, "big")
        yield payload


class StreamReader:
    """Reads a libp2p stream. One task at a time."""

    __slots__ = ("_buffer", "_stream")

    def __init__(self, stream: Any) -> None:  # noqa: ANN401
        self._stream = stream
        self._buffer = bytearray()

    @property
    def buffered(self) -> int:
        """Bytes that were read from the stream and not yet taken."""
        return len(self._buffer)

    async def frame(self, limit: int) -> bytes:
        """One frame of at most ``limit`` bytes. Raises StreamLost, FrameTooLong."""
        length = int.from_bytes(await self.exactly(4, clean=True), "big")
        if length > limit:
            raise FrameTooLong(f"a frame of {length} bytes exceeds {limit}")
        return await self.exactly(length)

    async def varint_frame(self, limit: int) -> bytes:
        """One frame of pubsub. Raises StreamLost, FrameTooLong, ParseError."""
        length = 0
        for place in range(MAX_VARINT):
            (byte,) = await self.exactly(1, clean=place == 0)
            length |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                break
        else:
            raise ParseError("a length of more than five bytes")
        if length > limit:
            raise FrameTooLong(f"a message of {length} bytes exceeds {limit}")
        return await self.exactly(length)

    async def exactly(self, size: int, *, clean: bool = False) -> bytes:
        """``size`` bytes. ``clean``: the stream may end here.

        What was read stays buffered if the caller is cancelled. Long frames are put together once,
        of the pieces as they came: growing a buffer would copy them over and over.
        """
        buffer = self._buffer
        if len(buffer) < size:
            pieces = [bytes(buffer)]
            buffer.clear()
            try:
                await self._read_up_to(size, pieces, clean)
            except BaseException:
                buffer += b"".join(pieces)
                raise
            spare = sum(map(len, pieces)) - size
            if not spare:
                return b"".join(pieces)
            last = pieces.pop()
            buffer += last[len(last) - spare :]
            return b"".join((*pieces, last[: len(last) - spare]))
        with memoryview(buffer) as view:
            taken = bytes(view[:size])
        del buffer[:size]
        return taken

    async def _read_up_to(self, size: int, pieces: list[bytes], clean: bool) -> None:
        """Add to ``pieces`` until they hold ``size`` bytes, or somewhat more."""
        held = len(pieces[0])
        while held < size:
            wanted = min(max(size - held, READ_SIZE), MAX_READ)
            try:
                data = await self._stream.read(wanted)
            except EOFError as error:
                raise StreamLost("the stream ended", clean and not held) from error
            except Exception as error:  # libp2p raises a dozen kinds, some of them KeyError
                raise StreamLost(f"the stream broke: {error!r}") from error
            if not data:
                raise StreamLost("the stream ended", clean and not held)
            pieces.append(bytes(data))
            held += len(data)
