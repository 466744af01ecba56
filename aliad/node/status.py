"""What two nodes tell each other about how far they are: asked and answered in one exchange."""

from dataclasses import dataclass
from typing import Final

from aliad import codec
from aliad.types import Hash32, Height

KIND: Final = 16  # beside the kinds of `aliad.store.sync_wire`, which share the protocol
MAX_STATUS_BYTES: Final = 256
MAX_STATES: Final = 8


@dataclass(frozen=True, slots=True)
class Status:
    """A node serves the heights ``first..height`` of the chain of ``genesis``.

    ``block`` is the hash at ``height``; ``states`` are the heights whose whole state can be fetched
    from it for now. All of it is a claim: a reason to ask, no more.
    """

    genesis: Hash32
    first: Height
    height: Height
    block: Hash32
    states: tuple[Height, ...] = ()


def encode_status(status: Status) -> bytes:
    """Canonical bytes."""
    heights = status.first, status.height
    return codec.encode((1, KIND, status.genesis, *heights, status.block, status.states))


def is_status(data: bytes) -> bool:
    """Whether a sync request is an exchange of statuses; the rest asks for blocks or states."""
    return data[1:3] == bytes((1, KIND))


def decode_status(data: bytes) -> Status:
    """A peer's status. Raises RemoteProtocolError."""
    fields = codec.open_record(data, 1, KIND, "status", max_bytes=MAX_STATUS_BYTES)
    status = Status(
        fields.hash32(),
        Height(fields.uint()),
        Height(fields.uint()),
        fields.hash32(),
        fields.items(_height, MAX_STATES),
    )
    fields.end()
    return status


def _height(value: codec.Value) -> Height:
    return Height(codec.Fields((value,), "status").uint())
