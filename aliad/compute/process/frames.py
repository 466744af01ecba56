"""Frames on the socketpair: four bytes of mark, four of length, then the message.

The mark tells a stream that has lost its step from one whose next message is merely too long: the
latter is passed over, so that its sender can be told.
"""

import struct
from dataclasses import dataclass
from typing import Final

from aliad.errors import LocalProtocolError, RemoteProtocolError

MARK: Final = b"aliC"
MAX_FRAME: Final = 16 << 20  # bytes of one message; tensors travel as files
_HEAD: Final = struct.Struct(">4sI")


class BrokenStream(RemoteProtocolError):
    """The other side sends something that is no frame: nothing after it can be understood."""


@dataclass(frozen=True, slots=True)
class Oversized:
    """A frame of `size` bytes was announced; its bytes are passed over."""

    size: int


def frame(message: bytes) -> bytes:
    """The bytes to send for one message. Raises LocalProtocolError beyond `MAX_FRAME`."""
    if len(message) > MAX_FRAME:
        raise LocalProtocolError(
            f"A message of {len(message)} bytes exceeds the {MAX_FRAME} of a frame.",
            "Too much was asked for at once.",
            "Ask in smaller portions.",
        )
    return _HEAD.pack(MARK, len(message)) + message


class FrameReader:
    """Cuts a stream of bytes into messages; does no I/O."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skip = 0

    def feed(self, data: bytes) -> list[bytes | Oversized]:
        """The messages that `data` completes.

        Raises BrokenStream where a frame should begin and does not.
        """
        self._buffer += data
        found: list[bytes | Oversized] = []
        while True:
            skipped = min(self._skip, len(self._buffer))
            del self._buffer[:skipped]
            self._skip -= skipped
            if not MARK.startswith(self._buffer[: len(MARK)]):
                raise BrokenStream(
                    "The stream to the compute process is broken.",
                    f"A frame begins with {bytes(self._buffer[:4]).hex()}.",
                    "Start the process again.",
                )
            if self._skip or len(self._buffer) < _HEAD.size:
                return found
            _, size = _HEAD.unpack_from(self._buffer)
            if size > MAX_FRAME:
                found.append(Oversized(size))
                del self._buffer[: _HEAD.size]
                self._skip = size
            elif len(self._buffer) < _HEAD.size + size:
                return found
            else:
                found.append(bytes(self._buffer[_HEAD.size : _HEAD.size + size]))
                del self._buffer[: _HEAD.size + size]
