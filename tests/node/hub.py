"""A small network in memory: everything arrives after a moment, unless a link is cut."""

import math
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import trio

from aliad.errors import RemoteProtocolError
from aliad.net.network import (
    MAX_ANSWER_BYTES,
    MAX_REQUEST_BYTES,
    DirectHandler,
    GossipMessage,
    PeerDown,
    PeerEvent,
    PeerUnreachable,
    PeerUp,
    RequestHandler,
    RequestRefused,
    RequestTimedOut,
    Validator,
    Verdict,
)
from aliad.types import PeerId


@dataclass
class Hub:
    """Who is there, and who cannot reach whom. ``delay`` is one way, in seconds."""

    delay: float = 0.005
    members: dict[PeerId, "HubNetwork"] = field(default_factory=dict)
    cut: set[frozenset[PeerId]] = field(default_factory=set)
    penalties: list[tuple[PeerId, PeerId, str]] = field(default_factory=list)
    direct: list[tuple[PeerId, str, bytes]] | None = None  # what was sent, if somebody asks

    def connected(self, one: PeerId, other: PeerId) -> bool:
        linked = one in self.members and other in self.members
        return linked and one != other and frozenset((one, other)) not in self.cut

    def split(self, *groups: list[PeerId]) -> None:
        """Cut every link between members of different groups."""
        before = self._links()
        for place, group in enumerate(groups):
            for other in groups[place + 1 :]:
                self.cut |= {frozenset((a, b)) for a in group for b in other}
        self._tell(before)

    def heal(self) -> None:
        before = self._links()
        self.cut.clear()
        self._tell(before)

    def join(self, member: "HubNetwork") -> None:
        before = self._links()
        self.members[member.self_id] = member
        self._tell(before)

    def leave(self, peer: PeerId) -> None:
        before = self._links()
        self.members.pop(peer, None)
        self._tell(before)

    def _links(self) -> set[tuple[PeerId, PeerId]]:
        return {(a, b) for a in self.members for b in self.members if self.connected(a, b)}

    def _tell(self, before: set[tuple[PeerId, PeerId]]) -> None:
        after = self._links()
        for one, other in sorted(after - before):
            self.members[one].happened(PeerUp(other))
        for one, other in sorted(before - after):
            if one in self.members:
                self.members[one].happened(PeerDown(other))


class HubNetwork:
    """One member's `Network`."""

    def __init__(self, hub: Hub, peer: PeerId, nursery: trio.Nursery) -> None:
        self._hub = hub
        self._peer = peer
        self._nursery = nursery
        self._validators: dict[str, Validator] = {}
        self._inboxes: dict[str, trio.MemorySendChannel[GossipMessage]] = {}
        self.handlers: dict[str, RequestHandler] = {}
        self._direct: dict[str, DirectHandler] = {}
        self._watchers: list[trio.MemorySendChannel[PeerEvent]] = []
        self._seen: set[tuple[PeerId, int]] = set()
        self._serial = 0
        self.sent = 0

    @property
    def self_id(self) -> PeerId:
        return self._peer

    def peers(self) -> frozenset[PeerId]:
        hub = self._hub
        return frozenset(each for each in hub.members if hub.connected(self._peer, each))

    def penalise(self, peer: PeerId, reason: str) -> None:
        self._hub.penalties.append((self._peer, peer, reason))

    async def events(self) -> AsyncIterator[PeerEvent]:
        send, receive = trio.open_memory_channel[PeerEvent](math.inf)
        for peer in sorted(self.peers()):
            send.send_nowait(PeerUp(peer))
        self._watchers.append(send)
        async for event in receive:
            yield event

    def happened(self, event: PeerEvent) -> None:
        for watcher in self._watchers:
            watcher.send_nowait(event)

    async def publish(self, topic: str, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self._serial += 1
        self._seen.add((self._peer, self._serial))
        self._flood(topic, self._peer, self._serial, data)

    async def subscribe(self, topic: str, validate: Validator) -> AsyncIterator[GossipMessage]:
        send, receive = trio.open_memory_channel[GossipMessage](math.inf)
        self._validators[topic], self._inboxes[topic] = validate, send
        async for message in receive:
            yield message

    def serve(
        self,
        protocol: str,
        handler: RequestHandler,
        *,
        max_request: int = MAX_REQUEST_BYTES,
        per_peer: int = 4,
    ) -> None:
        self.handlers[protocol] = handler

    def receive(self, protocol: str, handler: DirectHandler) -> None:
        self._direct[protocol] = handler

    async def send(self, peer: PeerId, protocol: str, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self.sent += 1
        if self._hub.direct is not None:
            self._hub.direct.append((self._peer, protocol, data))
        if peer in self.peers():
            self._nursery.start_soon(self._carry, peer, protocol, data)

    async def request(
        self,
        peer: PeerId,
        protocol: str,
        data: bytes,
        *,
        timeout: float,  # noqa: ASYNC109 - the Protocol's
        max_answer: int = MAX_ANSWER_BYTES,
    ) -> bytes:
        with trio.move_on_after(timeout):
            return await self._ask(peer, protocol, data)
        raise RequestTimedOut(f"{peer} did not answer in time")

    async def _ask(self, peer: PeerId, protocol: str, data: bytes) -> bytes:
        await trio.sleep(self._hub.delay)
        if peer not in self.peers():
            raise PeerUnreachable(f"{peer} is not connected")
        handler = self._hub.members[peer].handlers.get(protocol)
        if handler is None:
            raise RequestRefused(f"{peer} does not serve {protocol}")
        try:
            answer = await handler(self._peer, data)
        except RemoteProtocolError as error:
            self._hub.members[peer].penalise(self._peer, error.what)
            raise RequestRefused(f"{peer} refused", error.what) from error
        await trio.sleep(self._hub.delay)
        return answer

    async def _carry(self, peer: PeerId, protocol: str, data: bytes) -> None:
        await trio.sleep(self._hub.delay)
        if peer not in self.peers():
            return
        member = self._hub.members[peer]
        handler = member._direct.get(protocol)
        try:
            if handler is not None:
                handler(self._peer, data)
        except RemoteProtocolError as error:
            member.penalise(self._peer, error.what)

    def _flood(self, topic: str, author: PeerId, serial: int, data: bytes) -> None:
        for peer in sorted(self.peers()):
            self._nursery.start_soon(self._pass_on, peer, topic, author, serial, data)

    async def _pass_on(
        self, peer: PeerId, topic: str, author: PeerId, serial: int, data: bytes
    ) -> None:
        await trio.sleep(self._hub.delay)
        member = self._hub.members.get(peer)
        if member is None or peer not in self.peers() or (author, serial) in member._seen:
            return
        validate = member._validators.get(topic)
        if validate is None:
            return
        member._seen.add((author, serial))
        message = GossipMessage(topic, author, self._peer, data)
        try:
            verdict = validate(message)
        except RemoteProtocolError as error:
            member.penalise(self._peer, error.what)
            return
        if verdict is Verdict.ACCEPT:
            member._inboxes[topic].send_nowait(message)
            member._flood(topic, author, serial, data)
