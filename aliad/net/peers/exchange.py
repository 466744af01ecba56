"""Asks connected peers for the addresses of others, and answers such questions.

A peer is asked once when it connects and then now and then. What it says goes into the address book
as hearsay, within the bounds of `aliad.net.peers.address_book`, and the dial loop tries it. An
address is passed on to others only if this node itself reached the peer there, or if the peer is
connected from the very IP address it claims: nobody can have third parties dialed by us or by those
who trust our answers. Addresses of a local network are neither told to peers outside it nor
believed from them.
"""

import ipaddress
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import trio

from aliad.errors import RemoteProtocolError
from aliad.net.network import Network, PeerDown, PeerUp, RequestFailed, RequestRefused
from aliad.net.peers.address_book import AddressBook
from aliad.net.peers.addresses import Address, Scope
from aliad.net.peers.introductions import (
    MAX_ANSWER_BYTES,
    MAX_INTRODUCED,
    MAX_OWN,
    MAX_PLACES,
    MAX_QUESTION_BYTES,
    PROTOCOL,
    Introduction,
    Question,
    decode_answer,
    decode_question,
    encode_answer,
    encode_question,
)
from aliad.types import PeerId

ASK_EVERY: Final = 300.0  # seconds between questions to one connected peer after the other
ASK_SOON: Final = 30.0  # the same, while this node has too few peers
ANSWER_EVERY: Final = 10.0  # seconds between answers to one peer
PATIENCE: Final = 20.0  # for an answer
CANDIDATES: Final = 4 * MAX_INTRODUCED

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the exchange asks of whoever runs the connections."""

    own: Callable[[], Question]  # where this node listens
    seen_at: Callable[[PeerId], str]  # IP address a peer is connected from or at; "" if unknown
    banned: Callable[[PeerId], bool]
    few: Callable[[], bool]  # whether this node would rather have more peers
    learned: Callable[[], None]  # called when the book has grown


class PeerExchange:
    """One node's part in the exchange. Serves from its creation on, asks while `run` runs."""

    def __init__(
        self,
        network: Network,
        book: AddressBook,
        surroundings: Surroundings,
        chance: random.Random | None = None,
    ) -> None:
        self._network = network
        self._book = book
        self._around = surroundings
        self._chance = chance if chance is not None else random.SystemRandom()
        self._answered: dict[PeerId, float] = {}
        self._present: dict[PeerId, tuple[Address, ...]] = {}  # claims that match the connection
        network.serve(PROTOCOL, self._answer, max_request=MAX_QUESTION_BYTES, per_peer=1)

    async def run(self) -> None:
        """Ask until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._ask_in_turn)
            async for event in self._network.events():
                match event:
                    case PeerUp(peer):
                        nursery.start_soon(self.ask, peer)
                    case PeerDown(peer):
                        self._answered.pop(peer, None)
                        self._present.pop(peer, None)

    async def _ask_in_turn(self) -> None:
        while True:
            every = ASK_SOON if self._around.few() else ASK_EVERY
            await trio.sleep(every * (0.5 + self._chance.random()))
            peers = sorted(self._network.peers())
            if peers:
                await self.ask(self._chance.choice(peers))

    async def ask(self, peer: PeerId) -> None:
        """Ask ``peer`` now, and note what it says. Never fails."""
        try:
            answer = await self._network.request(
                peer,
                PROTOCOL,
                encode_question(self._around.own()),
                timeout=PATIENCE,
                max_answer=MAX_ANSWER_BYTES,
            )
            introductions = decode_answer(answer)
        except RequestFailed as error:
            log.debug("%s introduces nobody: %s", peer, error.what)
            return
        except RemoteProtocolError as error:
            self._network.penalise(peer, f"{PROTOCOL}: {error.what}")
            return
        scope = self._scope_of(peer)
        grown = False
        for one in introductions:
            if one.peer != self._network.self_id and not self._around.banned(one.peer):
                places = [place for place in one.places if place.scope >= scope]
                grown |= bool(places) and self._book.learn(one.peer, places, peer)
        if grown:
            self._around.learned()

    async def _answer(self, peer: PeerId, data: bytes) -> bytes:
        await trio.lowlevel.checkpoint()
        question = decode_question(data)
        self._note(peer, question)
        now = trio.current_time()
        if now - self._answered.get(peer, now - ANSWER_EVERY) < ANSWER_EVERY:
            raise RequestRefused("asked again too soon")
        if peer in self._network.peers():
            self._answered[peer] = now
        return encode_answer(self._introductions(peer))

    def _note(self, peer: PeerId, question: Question) -> None:
        """Where the asker says it listens: hearsay, but what matches the connection can be told."""
        seen, scope = self._around.seen_at(peer), self._scope_of(peer)
        own = [address for address in question.own if address.scope >= scope]
        if seen and question.port:
            own.append(Address(f"ip{ipaddress.ip_address(seen).version}", seen, question.port))
        own = list(dict.fromkeys(own))[:MAX_OWN]
        matching = tuple([address for address in own if address.host == seen])
        if peer in self._network.peers() and matching:
            self._present[peer] = matching
        if own and self._book.learn(peer, own, peer):
            self._around.learned()

    def _introductions(self, asker: PeerId) -> tuple[Introduction, ...]:
        scope = self._scope_of(asker)
        places: dict[PeerId, tuple[Address, ...]] = {}
        for peer in sorted(self._present):
            near = tuple([place for place in self._present[peer] if place.scope >= scope])
            if near:
                places[peer] = near
        for peer, confirmed in self._book.shareable(scope)[:CANDIDATES]:
            places[peer] = tuple(dict.fromkeys([*confirmed, *places.get(peer, ())]))
        places.pop(asker, None)
        known = [peer for peer in places if not self._around.banned(peer)]
        chosen = self._chance.sample(known, min(MAX_INTRODUCED, len(known)))
        return tuple([Introduction(peer, places[peer][:MAX_PLACES]) for peer in sorted(chosen)])

    def _scope_of(self, peer: PeerId) -> Scope:
        seen = self._around.seen_at(peer)
        if not seen:
            return Scope.GLOBAL
        return Address(f"ip{ipaddress.ip_address(seen).version}", seen, 1).scope
