"""The mempool's gossip: what is forwarded, what is punished, what is told again."""

from dataclasses import replace
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from aliad.crypto import SigningKey
from aliad.errors import RemoteProtocolError
from aliad.ledger.mempool import MempoolFull
from aliad.ledger.transactions import Transfer, encode_transaction, sign_transaction
from aliad.net.network import GossipMessage, Verdict
from aliad.node import committed
from aliad.node.frames import decode_frame, encode_frame, take_frame
from aliad.node.pool import BATCH_MISSES, PEER_MISSES, TransactionPool
from aliad.types import Hash32, NanoAlia
from tests.ledger.chain import key
from tests.node.world import FEE, FUNDS, SETTINGS, USERS, World

A, B = USERS[0], USERS[1]


def payment(
    genesis: Hash32, sender: SigningKey, nonce: int, amount: int = 1, fee: int = FEE
) -> bytes:
    body = Transfer(B.node_id, NanoAlia(amount))
    return encode_transaction(sign_transaction(sender, genesis, nonce, fee, 500, body))


class Bench:
    """The pool of a node that hears nobody else."""

    def __init__(self, world: World) -> None:
        self.genesis = world.genesis_hash
        self.pool: TransactionPool = world.running[0].node._pool
        self.via = world.peer(1)

    def hear(self, *raw: bytes) -> Verdict:
        message = GossipMessage(self.pool.topic, self.via, self.via, encode_frame(raw))
        return self.pool.validate(message)

    def pay(self, sender: SigningKey, nonce: int, amount: int = 1) -> bytes:
        return payment(self.genesis, sender, nonce, amount)


@pytest.mark.trio
async def test_what_is_forwarded(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery)
        await world.start(0)
        bench = Bench(world)
        first = bench.pay(A, 0)
        assert bench.hear(first) is Verdict.ACCEPT
        assert bench.hear(first) is Verdict.IGNORE  # nothing new
        assert bench.hear(bench.pay(A, 3)) is Verdict.ACCEPT  # ahead of its time, kept aside
        assert len(bench.pool) == 1
        assert bench.hear(bench.pay(A, 2), bench.pay(A, 1)) is Verdict.ACCEPT
        assert len(bench.pool) == 4
        assert bench.hear(bench.pay(B, 0, FUNDS)) is Verdict.IGNORE  # cannot pay the fee, too
        assert bench.hear(bench.pay(B, 900)) is Verdict.IGNORE  # too far ahead
        assert bench.hear(bench.pay(B, 0, FUNDS), bench.pay(B, 0)) is Verdict.ACCEPT
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_what_is_punished(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery)
        await world.start(0)
        bench = Bench(world)
        good = bench.pay(A, 0)
        forged = good[:-1] + bytes([good[-1] ^ 1])
        for bad in (forged, b"nonsense", payment(Hash32(b"o" * 32), A, 0)):
            with pytest.raises(RemoteProtocolError):
                bench.hear(bad)
        with pytest.raises(RemoteProtocolError):
            bench.pool.validate(GossipMessage(bench.pool.topic, bench.via, bench.via, b"\x00"))
        # Signed, but worth nothing: a stranger without tokens repeats itself.
        poor = [bench.pay(key(f"poor {number}"), 0) for number in range(64)]
        heard = 0
        while heard * BATCH_MISSES < PEER_MISSES - BATCH_MISSES:
            assert bench.hear(*poor) is Verdict.IGNORE
            heard += 1
        with pytest.raises(RemoteProtocolError, match="again and again"):
            bench.hear(*poor)
        assert len(bench.pool) == 0
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_own_transactions_are_told_to_whoever_comes_later(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery)
        await world.start(0)
        name = world.transfer(A, B.node_id, 1, via=0)
        await trio.sleep(120)
        assert world.running[0].node.service.is_waiting(name)
        await world.start(1, 2, 3)
        with trio.fail_after(60):
            await world.included(name)
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_one_sender_may_not_fill_the_pool(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery)
        await world.start(0)
        for _ in range(64):
            world.transfer(A, B.node_id, 1, via=0)
        with pytest.raises(MempoolFull, match="too many"):
            world.transfer(A, B.node_id, 1, via=0)
        assert world.running[0].node.service.health().waiting == 64
        assert world.running[0].node.service.health().own == 64
        nursery.cancel_scope.cancel()


def test_frames_keep_order_and_room() -> None:
    waiting = [bytes([number]) * 100 for number in range(30)]
    everything = [*waiting]
    seen: list[bytes] = []
    while waiting:
        taken = take_frame(waiting, 1_000)
        frame = encode_frame(taken)
        assert len(frame) <= 1_000
        seen += decode_frame(frame, 1_000)
    assert seen == everything
    huge = [b"x" * 5_000, b"y"]
    assert take_frame(huge, 1_000) == [b"x" * 5_000]
    for bad in (b"", b"\x91\x01", encode_frame([b"a"]) + b"\x00"):
        with pytest.raises(RemoteProtocolError):
            decode_frame(bad, 1_000)


def test_blocks_are_executed_in_threads_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a real clock, since a mock one would run away from the threads."""
    monkeypatch.setattr(committed, "HEAVY_BYTES", 0)

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            settings = replace(SETTINGS, inline=False, patience=0.2)
            world = World(nursery, root=tmp_path, settings=settings)
            world.hub.delay = 0.001
            await world.start(0, 1, 2, 3)
            for number in range(5):
                await world.included(world.transfer(A, B.node_id, 1, via=number % 4))
            await world.stop(2)
            await world.included(world.transfer(A, B.node_id, 1, via=3))
            await world.start(2)
            await world.reach(6)
            assert world.agreed()
            assert world.balance(2, B.node_id) == FUNDS + 6
            await world.stop_all()
            nursery.cancel_scope.cancel()

    trio.run(run)
