"""What peers did and what follows: scores, bans, allowances; and their files.

The rules are in `aliad.net.peers` and `aliad.net.limits`; here they meet clocks and disk.
"""

import logging
import random
import time
from collections.abc import Callable

import trio

from aliad.net.libp2p.settings import NetworkSettings
from aliad.net.limits import Limits, Traffic
from aliad.net.metrics import Drop, NetMetrics
from aliad.net.peers.address_book import AddressBook
from aliad.net.peers.bans import Bans
from aliad.net.peers.dialing import Dialer
from aliad.net.peers.files import load_bans, load_book, save_bans, save_book
from aliad.net.peers.scores import Fault, Reaction, Scores
from aliad.types import Millis, PeerId

log = logging.getLogger(__name__)


def wall_clock() -> Millis:
    """Now, for what is stored."""
    return Millis(time.time_ns() // 1_000_000)


class Conduct:
    """Everything known about peers that does not end with their connection."""

    def __init__(self, settings: NetworkSettings, self_id: PeerId, metrics: NetMetrics) -> None:
        directory = settings.directory
        self._directory = directory
        self.self_id = self_id
        self.metrics = metrics
        self.book = load_book(directory, self_id) if directory is not None else AddressBook(self_id)
        self.bans = load_bans(directory) if directory is not None else Bans()
        self.scores = Scores()
        self.limits = Limits(dict(settings.allowances))
        self.dialer = Dialer(settings.dialing, (), random.SystemRandom().random)
        self.disconnect: Callable[[PeerId], None] = lambda _peer: None
        self._leaving: set[PeerId] = set()  # told to, while what they sent is still worked on
        self._bans_changed = trio.Event()

    def banned(self, peer: PeerId) -> bool:
        """Whether the peer is kept out now."""
        return self.bans.banned(peer, wall_clock())

    def allows_gossip(self, peer: PeerId, size: int, channel: str) -> bool:
        """Count a message against its forwarder's allowance, and a drop if that is exhausted.

        Which is nobody's fault: an honest hub forwards what others flood.
        """
        if self.limits.admit(peer, Traffic.GOSSIP, size, time.monotonic()):
            return True
        self.metrics.drop(channel, Drop.RATE)
        return False

    async def allows(self, peer: PeerId, kind: Traffic, size: int, channel: str) -> bool:
        """Count a message against the peer's allowance, and wait if it came too early.

        False if it came far too early, which is a fault.
        """
        pause = self.limits.pause(peer, kind, size, time.monotonic())
        if pause is not None:
            await trio.sleep(pause)
            return True
        self.metrics.drop(channel, Drop.RATE)
        self.fault(peer, Fault.FLOOD, f"flooding {channel}")
        return False

    def reading_pause(self, peer: PeerId, count: int, size: int) -> float:
        """Count frames of gossip; seconds to wait before reading more of them."""
        now = time.monotonic()
        return self.limits.delay(peer, Traffic.PUBSUB, count, size, now)

    def fault(self, peer: PeerId, fault: Fault, what: str) -> None:
        """Lower the peer's score, and disconnect or ban it if that was once too often.

        A flood is one reason to part, not thousands: what still arrives from a peer that is banned
        or leaving is neither logged nor held against it a second time.
        """
        if peer == self.self_id or self.banned(peer):
            return
        self.metrics.penalties += 1
        reaction = self.scores.penalise(peer, fault, time.monotonic())
        log.debug("peer %s: %s (%s)", peer, fault.name.lower(), what)
        match reaction:
            case Reaction.KEEP:
                pass
            case Reaction.DISCONNECT if peer not in self._leaving:
                self._leaving.add(peer)
                self.metrics.disconnects += 1
                log.warning("disconnecting %s: %s", peer, what)
                self.disconnect(peer)
                self.fault(peer, Fault.SENT_AWAY, what)
            case Reaction.DISCONNECT:
                pass
            case Reaction.BAN:
                self.ban(peer, what)

    def came_or_left(self, peer: PeerId) -> None:
        """The peer's connection is a new one, or gone."""
        self._leaving.discard(peer)

    def ban(self, peer: PeerId, why: str) -> None:
        """Keep the peer out for a time, also across restarts."""
        ban = self.bans.ban(peer, wall_clock())
        self.metrics.bans += 1
        if peer not in self.dialer.keep:  # whom the config names is dialed again afterwards
            self.book.forget(peer)
        self._bans_changed.set()
        log.warning("banned %s for the %s. time: %s", peer, ban.times, why)
        self.disconnect(peer)

    async def keep_saving(self) -> None:
        """Save bans at once, addresses every minute, both at the end."""
        if self._directory is None:
            return
        try:
            while True:
                with trio.move_on_after(60):
                    await self._bans_changed.wait()
                await self._save()
                await trio.sleep(1)
        finally:
            with trio.CancelScope(shield=True):
                await self._save()

    async def _save(self) -> None:
        if self._directory is None:
            return
        self._bans_changed = trio.Event()
        try:
            await trio.to_thread.run_sync(save_bans, self._directory, self.bans)
            await trio.to_thread.run_sync(save_book, self._directory, self.book)
        except OSError as error:
            log.error("the peers cannot be saved in %s: %s", self._directory, error)
