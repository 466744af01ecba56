"""Who is kept out, and until when. Bans outlive a restart.

The first ban lasts `FIRST_BAN`; each further one doubles, up to `LONGEST_BAN`. A ban that is over
is remembered for `MEMORY`, so that the next one is longer. At most `MAX_BANS` are kept; those that
end first make room.

Pure: ``now`` is in milliseconds of wall-clock time, since bans are stored.
"""

from dataclasses import dataclass
from typing import Final

from aliad.codec import Fields, Value, encode, open_record
from aliad.errors import RemoteProtocolError
from aliad.peer_id import node_id_of, peer_id_of
from aliad.types import MAX_UINT, Millis, PeerId

FIRST_BAN: Final = Millis(60 * 60 * 1000)
LONGEST_BAN: Final = Millis(7 * 24 * 60 * 60 * 1000)
MEMORY: Final = Millis(7 * 24 * 60 * 60 * 1000)
MAX_BANS: Final = 4096
MAX_TIMES: Final = 16
MAX_BYTES: Final = MAX_BANS * 64

_VERSION: Final = 1
_KIND: Final = 2


@dataclass(frozen=True, slots=True)
class Ban:
    """``peer`` is kept out until ``until``, for the ``times``-th time."""

    peer: PeerId
    until: Millis
    times: int


class Bans:
    """All bans."""

    __slots__ = ("_bans",)

    def __init__(self, bans: tuple[Ban, ...] = ()) -> None:
        self._bans = {ban.peer: ban for ban in bans}

    def __len__(self) -> int:
        return len(self._bans)

    def values(self) -> tuple[Ban, ...]:
        """All bans there are, in the order of peer ids."""
        return tuple(sorted(self._bans.values(), key=lambda ban: ban.peer))

    def banned(self, peer: PeerId, now: Millis) -> bool:
        """Whether ``peer`` is kept out at ``now``.

        An end further away than `LONGEST_BAN` was written by a clock gone wrong, and has passed.
        """
        ban = self._bans.get(peer)
        return ban is not None and now < ban.until <= now + LONGEST_BAN

    def ban(self, peer: PeerId, now: Millis) -> Ban:
        """Keep ``peer`` out from now on."""
        earlier = self._bans.pop(peer, None)
        times = min(MAX_TIMES, earlier.times + 1 if earlier is not None else 1)
        self._make_room(now)
        length = min(LONGEST_BAN, FIRST_BAN << (times - 1))
        ban = Ban(peer, Millis(now + length), times)
        self._bans[peer] = ban
        return ban

    def lift(self, peer: PeerId) -> bool:
        """Forget all that was held against ``peer``; False if nothing was."""
        return self._bans.pop(peer, None) is not None

    def _make_room(self, now: Millis) -> None:
        over = [ban.peer for ban in self._bans.values() if ban.until + MEMORY < now]
        for peer in over:
            del self._bans[peer]
        if len(self._bans) >= MAX_BANS:
            del self._bans[min(self._bans.values(), key=lambda ban: (ban.until, ban.peer)).peer]


def encode_bans(bans: Bans) -> bytes:
    """The canonical bytes of all bans."""
    entries = tuple([(node_id_of(ban.peer), ban.until, ban.times) for ban in bans.values()])
    return encode((_VERSION, _KIND, entries))


def decode_bans(data: bytes) -> Bans:
    """Raises RemoteProtocolError for anything that `encode_bans` did not write."""
    fields = open_record(data, _VERSION, _KIND, "bans", max_bytes=MAX_BYTES, max_items=MAX_BANS)
    bans = Bans(fields.items(_read_ban, MAX_BANS))
    fields.end()
    if encode_bans(bans) != data:
        raise RemoteProtocolError("bans: not in order, or a peer twice")
    return bans


def _read_ban(value: Value) -> Ban:
    fields = Fields(value, "ban")
    ban = Ban(peer_id_of(fields.node()), Millis(fields.uint(MAX_UINT)), fields.uint(MAX_TIMES))
    fields.end()
    return ban
