"""Peers introduce peers to each other."""

from collections.abc import Callable
from random import Random

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from aliad.errors import RemoteProtocolError
from aliad.net.network import RequestRefused
from aliad.net.peers.address_book import AddressBook
from aliad.net.peers.addresses import Address
from aliad.net.peers.exchange import PeerExchange, Surroundings
from aliad.net.peers.introductions import (
    MAX_INTRODUCED,
    PROTOCOL,
    Introduction,
    Question,
    decode_answer,
    decode_question,
    encode_answer,
    encode_question,
    listens_at,
)
from aliad.net.simulated.conditions import CALM
from aliad.net.simulated.endpoint import SimulatedEndpoint
from aliad.net.simulated.world import SimulatedNetwork
from aliad.types import Millis, PeerId
from tests.net.names import name, names


def place(number: int, host: str = "8.8.8.") -> Address:
    return Address("ip4", f"{host}{number}", 4001)


ANSWER = (Introduction(name(1), (place(1), place(2))), Introduction(name(2), (place(3),)))
QUESTION = Question((place(1), Address("dns", "node.example.org", 4001)), 4117)


def test_questions_and_answers_are_read_as_written() -> None:
    assert decode_question(encode_question(QUESTION)) == QUESTION
    assert decode_question(encode_question(Question())) == Question()
    assert decode_answer(encode_answer(ANSWER)) == ANSWER
    assert decode_answer(encode_answer(())) == ()


def test_the_longest_answer_is_within_its_bound() -> None:
    long = "x" * 60 + ("." + "y" * 60) * 3
    places = tuple([Address("dns4", long, 60_000 + n, True) for n in range(4)])
    answer = tuple([Introduction(name(n), places) for n in range(MAX_INTRODUCED)])
    assert decode_answer(encode_answer(answer)) == answer


@given(st.integers(0, 200), st.binary(min_size=1, max_size=8))
def test_damaged_answers_are_errors_or_other_answers(at: int, noise: bytes) -> None:
    data = encode_answer(ANSWER)
    at %= len(data)
    damaged = data[:at] + noise + data[at + len(noise) :]
    try:
        assert encode_answer(decode_answer(damaged)) == damaged
    except RemoteProtocolError:
        assert damaged != data


def test_where_a_node_listens_is_told_as_well_as_it_can_be() -> None:
    told = listens_at(["/ip4/0.0.0.0/tcp/4117", "/ip6/::/tcp/4118", f"{place(1)}/p2p/{name(1)}"])
    assert told == Question((place(1),), 4117)
    assert listens_at(["/ip4/8.8.8.1/udp/1/quic-v1", "nonsense"]) == Question()


def test_nobody_is_introduced_twice() -> None:
    with pytest.raises(RemoteProtocolError):
        decode_answer(encode_answer((ANSWER[0], ANSWER[0])))


class Node:
    """An endpoint with a book and an exchange, seen by everybody at 8.8.8.NUMBER."""

    def __init__(
        self,
        world: SimulatedNetwork,
        number: int,
        dial: list[PeerId] | None,
        host: str = "8.8.8.",
        question: Question | None = None,
    ) -> None:
        self.network: SimulatedEndpoint = world.join(name(number), dial)
        self.book = AddressBook(name(number))
        self.learned = 0
        hosts = {name(n): f"{host}{n}" for n in range(200)}
        self.exchange = PeerExchange(
            self.network,
            self.book,
            Surroundings(
                own=lambda: question if question is not None else Question((place(number, host),)),
                seen_at=lambda peer: hosts.get(peer, ""),
                banned=lambda peer: peer == name(66),
                few=lambda: number % 2 == 0,
                learned=self.count,
            ),
            Random(number),
        )

    def count(self) -> None:
        self.learned += 1


def play(scenario: Callable[[SimulatedNetwork, trio.Nursery], object]) -> None:
    async def main() -> None:
        async with (
            SimulatedNetwork(1, CALM).running() as world,
            trio.open_nursery() as nursery,
        ):
            await scenario(world, nursery)  # type: ignore[misc]
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))


def test_whoever_joins_by_one_peer_hears_of_the_others() -> None:
    async def scenario(world: SimulatedNetwork, nursery: trio.Nursery) -> None:
        hub = Node(world, 0, [])
        leaves = [Node(world, n, [name(0)]) for n in range(1, 6)]
        for node in (hub, *leaves):
            nursery.start_soon(node.exchange.run)
        await trio.sleep(3600)
        for n, leaf in enumerate(leaves, start=1):
            for other in set(range(1, 6)) - {n}:
                assert leaf.book.addresses(name(other)) == (place(other),)
            assert leaf.learned >= 1

    play(scenario)


def test_a_port_means_the_address_the_peer_is_seen_at() -> None:
    async def scenario(world: SimulatedNetwork, nursery: trio.Nursery) -> None:
        hub = Node(world, 0, [])
        everywhere = Node(world, 1, [name(0)], question=Question((), 4001))
        asker = Node(world, 2, [name(0)])
        for node in (hub, everywhere, asker):
            nursery.start_soon(node.exchange.run)
        await trio.sleep(3600)
        assert asker.book.addresses(name(1)) == (place(1),)

    play(scenario)


def test_claims_nobody_checked_are_not_passed_on() -> None:
    async def scenario(world: SimulatedNetwork, nursery: trio.Nursery) -> None:
        hub = Node(world, 0, [])
        victim = Question((place(99), Address("dns", "victim.example.org", 4001)))
        liar = Node(world, 1, [name(0)], question=victim)
        asker = Node(world, 2, [name(0)])
        for node in (hub, liar, asker):
            nursery.start_soon(node.exchange.run)
        await trio.sleep(3600)
        assert hub.book.addresses(name(1)) != ()
        assert name(1) not in asker.book
        hub.book.confirm(name(1), place(99), Millis(5))
        await trio.sleep(3600)
        assert asker.book.addresses(name(1)) == (place(99),), "now the hub has been there"

    play(scenario)


def test_local_addresses_stay_local() -> None:
    async def scenario(world: SimulatedNetwork, nursery: trio.Nursery) -> None:
        near = [Node(world, n, [] if n == 0 else [name(0)], host="192.168.7.") for n in range(3)]
        for node in near:
            nursery.start_soon(node.exchange.run)
        await trio.sleep(3600)
        assert near[1].book.addresses(name(2)) == (place(2, "192.168.7."),)
        far = Node(world, 3, [name(0)])  # sees everybody at a global address
        nursery.start_soon(far.exchange.run)
        await trio.sleep(3600)
        assert all(place.scope == 2 for e in far.book.entries() for place in [e.places[0].address])
        assert name(2) not in far.book

    play(scenario)


def test_banned_peers_are_neither_named_nor_noted() -> None:
    async def scenario(world: SimulatedNetwork, nursery: trio.Nursery) -> None:
        hub, asker = Node(world, 0, []), Node(world, 2, [name(0)])
        hub.book.confirm(name(66), place(66), Millis(5))
        hub.book.confirm(name(67), place(67), Millis(5))
        for node in (hub, asker):
            nursery.start_soon(node.exchange.run)
        await trio.sleep(3600)
        assert name(66) not in asker.book
        assert name(67) in asker.book

    play(scenario)


def test_nonsense_is_penalised_and_haste_refused() -> None:
    async def scenario(world: SimulatedNetwork, nursery: trio.Nursery) -> None:
        hub = Node(world, 0, [])
        nursery.start_soon(hub.exchange.run)
        liar = world.join(name(1), [name(0)])

        async def nonsense(_peer: PeerId, _data: bytes) -> bytes:
            return b"nonsense"

        liar.serve(PROTOCOL, nonsense)
        await trio.sleep(30)
        assert hub.network.scores.score(name(1), trio.current_time()) < 0
        question = encode_question(Question())
        assert decode_answer(await liar.request(name(0), PROTOCOL, question, timeout=9)) == ()
        with pytest.raises(RequestRefused):
            await liar.request(name(0), PROTOCOL, question, timeout=9)

    play(scenario)


def test_answers_are_bounded_and_differ() -> None:
    async def scenario(world: SimulatedNetwork, nursery: trio.Nursery) -> None:
        hub = Node(world, 0, [])
        for number in range(2, 200):
            hub.book.confirm(name(number), place(number), Millis(number))
        asker = world.join(name(1), [name(0)])
        await trio.sleep(5)
        told: set[PeerId] = set()
        for turn in range(10):
            await trio.sleep(11)
            data = await asker.request(name(0), PROTOCOL, encode_question(Question()), timeout=9)
            answer = decode_answer(data)
            assert len(answer) == MAX_INTRODUCED
            told |= {one.peer for one in answer}
            assert turn == 0 or len(told) > MAX_INTRODUCED
        assert told < set(names(200))

    play(scenario)
