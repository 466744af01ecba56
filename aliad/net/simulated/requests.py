"""An endpoint's requests: those it makes, and those it answers."""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import trio

from aliad.errors import LocalProtocolError, RemoteProtocolError
from aliad.net.limits import Traffic
from aliad.net.metrics import Direction, Drop
from aliad.net.network import (
    MAX_ANSWER_BYTES,
    MAX_REQUEST_BYTES,
    PeerUnreachable,
    RequestFailed,
    RequestHandler,
    RequestRefused,
    RequestTimedOut,
)
from aliad.net.peers.scores import Fault
from aliad.net.simulated.link import Link, Way
from aliad.net.simulated.neighbours import ENVELOPE, Neighbours
from aliad.types import PeerId

QUEUED: Final = 4  # requests that wait for each one that is worked on

log = logging.getLogger(__name__)

Answer = Callable[[bytes | RequestFailed], None]


@dataclass(slots=True)
class _Service:
    handler: RequestHandler
    max_request: int
    per_peer: int
    accepted: Counter[PeerId] = field(default_factory=Counter)  # waiting or worked on
    turns: dict[PeerId, trio.CapacityLimiter] = field(default_factory=dict)


@dataclass(slots=True)
class _Pending:
    """A request of ours under way; ``result`` is set with ``done``."""

    link: Link
    done: trio.Event
    result: bytes | RequestFailed | None = None


class Requests:
    """The services of one endpoint, and what it has asked."""

    def __init__(self, neighbours: Neighbours) -> None:
        self.services: dict[str, _Service] = {}
        self._near = neighbours
        self._world = neighbours.world
        self._self = neighbours.self_id
        self._metrics = neighbours.metrics
        self._pending: dict[int, _Pending] = {}
        self._number = 0
        self._scopes: set[trio.CancelScope] = set()

    async def request(
        self,
        peer: PeerId,
        protocol: str,
        data: bytes,
        timeout: float,  # noqa: ASYNC109 - as the Protocol has it
        max_answer: int,
    ) -> bytes:
        """See `Network`."""
        if len(data) > MAX_REQUEST_BYTES:
            raise LocalProtocolError(f"{len(data)} bytes are too many for a request")
        await trio.lowlevel.checkpoint()
        link = self._near.links.get(peer)
        if link is None:
            raise PeerUnreachable(f"{peer} is not connected")
        self._metrics.channel(protocol)
        self._number += 1
        number, pending = self._number, _Pending(link, trio.Event())
        self._pending[number] = pending
        try:
            arrive = partial(link.end(peer).requests.arrives, link, protocol, number, data)
            broken = PeerUnreachable(f"the stream to {peer} broke")
            lose = partial(self.answered, number, broken)
            size = len(data) + ENVELOPE
            self._world.carry(link, self._self, size, Way.REQUEST, arrive, lose)
            self._metrics.message(protocol, Direction.OUT, len(data))
            with trio.move_on_after(timeout):
                await pending.done.wait()
        finally:
            del self._pending[number]
        match pending.result:
            case None:
                self._metrics.drop(protocol, Drop.TIMEOUT)
                raise RequestTimedOut(f"{peer} did not answer within {timeout} seconds")
            case bytes(answer) if len(answer) > max_answer:
                self._metrics.drop(protocol, Drop.TOO_LONG)
                self._near.fault(peer, Fault.TOO_LONG)
                raise RemoteProtocolError(f"an answer of {len(answer)} bytes from {peer}")
            case bytes(answer):
                self._metrics.message(protocol, Direction.IN, len(answer))
                return answer
            case RequestFailed() as failure:
                raise failure

    def serve(
        self, protocol: str, handler: RequestHandler, max_request: int, per_peer: int
    ) -> None:
        """See `Network`."""
        self.services[protocol] = _Service(handler, max_request, per_peer)

    def arrives(self, link: Link, protocol: str, number: int, data: bytes) -> None:
        """Answer in a task of its own, or refuse at once."""
        peer, service = link.other(self._self), self.services.get(protocol)
        answer = partial(self._answer, link, protocol, number)
        if service is None:
            self._metrics.drop(protocol, Drop.UNKNOWN)
            answer(RequestRefused(f"{peer} does not know {protocol}"))
        elif len(data) > service.max_request:
            self._metrics.drop(protocol, Drop.TOO_LONG)
            self._near.fault(peer, Fault.TOO_LONG)
            answer(RequestRefused(f"{len(data)} bytes are too many for {protocol}"))
        elif (pause := self._near.pause(peer, Traffic.REQUEST, len(data), protocol)) is None:
            answer(RequestRefused("too many requests"))
        elif service.accepted[peer] >= service.per_peer * (1 + QUEUED):
            self._metrics.drop(protocol, Drop.LIMIT)
            answer(RequestRefused("too many requests at once"))
        else:
            self._metrics.message(protocol, Direction.IN, len(data))
            service.accepted[peer] += 1
            turns = service.turns.setdefault(peer, trio.CapacityLimiter(service.per_peer))
            handle = partial(self._handle, service, turns, pause, peer, protocol, data, answer)
            self._world.spawn(handle)

    async def _handle(
        self,
        service: _Service,
        turns: trio.CapacityLimiter,
        pause: float,
        peer: PeerId,
        protocol: str,
        data: bytes,
        answer: Answer,
    ) -> None:
        with trio.CancelScope() as scope:
            self._scopes.add(scope)
            try:
                await trio.sleep(pause)
                async with turns:
                    result = await service.handler(peer, data)
            except RequestRefused as refusal:
                answer(RequestRefused(f"{self._self} refused", refusal.what))
            except Exception as error:
                self._near.blame(peer, protocol, error)
                answer(RequestRefused(f"{self._self} could not answer"))
            else:
                if len(result) > MAX_ANSWER_BYTES:
                    log.error("an answer of %d bytes on %s is too long", len(result), protocol)
                    answer(RequestRefused(f"{self._self} could not answer"))
                else:
                    answer(result)
            finally:
                self._scopes.discard(scope)
                service.accepted[peer] -= 1
                if not service.accepted[peer]:
                    del service.accepted[peer], service.turns[peer]

    def _answer(
        self, link: Link, protocol: str, number: int, result: bytes | RequestFailed
    ) -> None:
        if link.broken or self._near.stopped:
            return
        asker = link.end(link.other(self._self)).requests
        size = len(result) if isinstance(result, bytes) else 0
        if isinstance(result, bytes):
            self._metrics.message(protocol, Direction.OUT, size)
        arrive = partial(asker.answered, number, result)
        broken = PeerUnreachable(f"the stream to {self._self} broke")
        lose = partial(asker.answered, number, broken)
        self._world.carry(link, self._self, size + ENVELOPE, Way.REQUEST, arrive, lose)

    def answered(self, number: int, result: bytes | RequestFailed) -> None:
        """Wake who asked, if it still waits."""
        pending = self._pending.get(number)
        if pending is not None and pending.result is None:
            pending.result = result
            pending.done.set()

    def lost(self, link: Link) -> None:
        """Requests over a broken connection fail."""
        failure = PeerUnreachable(f"the connection to {link.other(self._self)} broke")
        for number in [number for number, each in self._pending.items() if each.link is link]:
            self.answered(number, failure)

    def stop(self) -> None:
        """Nothing is answered any more."""
        for scope in self._scopes:
            scope.cancel()
