"""Several messages in one: at milliseconds a message, small ones travel together."""

from collections.abc import Sequence
from typing import Final

from aliad import codec
from aliad.errors import RemoteProtocolError

MAX_MESSAGES: Final = 512
OVERHEAD: Final = 8  # bytes at most around one message in a frame
_VERSION: Final = 1


def encode_frame(messages: Sequence[bytes]) -> bytes:
    """A frame of at most `MAX_MESSAGES` messages."""
    return codec.encode((_VERSION, tuple(messages)))


def decode_frame(data: bytes, max_bytes: int) -> tuple[bytes, ...]:
    """The messages in a frame, none of which is decoded. Raises RemoteProtocolError."""
    fields = codec.Fields(codec.decode(data, max_bytes=max_bytes), "frame")
    if fields.uint() != _VERSION:
        raise RemoteProtocolError("a frame of another version")
    messages = fields.items(_message, MAX_MESSAGES, 1)
    fields.end()
    return messages


def _message(value: codec.Value) -> bytes:
    if type(value) is not bytes:
        raise RemoteProtocolError("a frame holds something that is no message")
    return value


def take_frame(waiting: list[bytes], room: int) -> list[bytes]:
    """Take messages from the front of ``waiting`` while they fit into ``room`` bytes, at least
    one."""
    count, size = 0, 16
    for message in waiting[:MAX_MESSAGES]:
        size += len(message) + OVERHEAD
        if count and size > room:
            break
        count += 1
    taken = waiting[:count]
    del waiting[:count]
    return taken
