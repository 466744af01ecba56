"""What a hostile peer may send: one function a kind of case, all of them drawn from a seed.

Each takes a source of chance and the victim's address, does one thing no honest node does, and may
raise Gone when the victim has had enough.
"""

from collections.abc import Awaitable, Callable
from random import Random
from typing import Final, TypeAlias

import trio
from libp2p.pubsub.pb import rpc_pb2

from aliad.crypto import key_from_seed
from aliad.net.peers.introductions import PROTOCOL as PEERS
from aliad.net.peers.introductions import Question, encode_question
from tests.net.hostile.intruder import (
    DATA,
    FIN,
    GO_AWAY,
    MULTISTREAM,
    PING,
    RST,
    SYN,
    WINDOW,
    Intruder,
    frame,
    reset_on_close,
    said,
    tcp,
    varint,
)
from tests.net.worker import ECHO, TOPIC, VOTES

GOSSIP: Final = "/meshsub/1.1.0"
IDENTIFY: Final = "/ipfs/id/1.0.0"
PUSH: Final = "/ipfs/id/push/1.0.0"
PROTOCOLS: Final = (GOSSIP, ECHO, VOTES, PEERS, IDENTIFY, PUSH, "/ipfs/ping/1.0.0", "/unknown/1")

Outer: TypeAlias = Callable[[Random, str], Awaitable[None]]
Inner: TypeAlias = Callable[[Random, Intruder], Awaitable[None]]
OUTSIDE: Final[list[Outer]] = []
INSIDE: Final[list[Inner]] = []


def outside(kind: Outer) -> Outer:
    """A case for which no key is needed."""
    OUTSIDE.append(kind)
    return kind


def inside(kind: Inner) -> Inner:
    """A case of an authenticated peer."""
    INSIDE.append(kind)
    return kind


def noise(chance: Random, longest: int) -> bytes:
    """Random bytes, short ones more often."""
    return chance.randbytes(int(longest ** chance.random()))


def damaged(chance: Random, data: bytes) -> bytes:
    """``data`` with some bytes replaced, inserted or cut off."""
    out = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(len(out) + 1)
        match chance.randrange(3):
            case 0:
                out[place : place + 1] = chance.randbytes(1)
            case 1:
                out[place:place] = chance.randbytes(chance.randint(1, 5))
            case _:
                del out[place : place + chance.randint(1, 20)]
    return bytes(out)


# -- before anybody is known ---------------------------------------------------------------------


async def _throw(chance: Random, address: str, data: bytes) -> None:
    stream = await tcp(address, chance.randrange(250))
    if chance.random() < 0.5:
        reset_on_close(stream)
    try:
        with trio.move_on_after(5):
            await stream.send_all(data)
            if chance.random() < 0.3:
                await stream.receive_some(1 << 12)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    finally:
        await trio.aclose_forcefully(stream)


@outside
async def random_bytes_on_the_port(chance: Random, address: str) -> None:
    """Anything at all."""
    await _throw(chance, address, noise(chance, 1 << 17))


@outside
async def random_bytes_for_multistream(chance: Random, address: str) -> None:
    """Lengths that lie, protocols that do not exist."""
    junk = noise(chance, 2000)
    greeting = chance.choice([said(MULTISTREAM), varint(chance.getrandbits(40)), b""])
    await _throw(chance, address, greeting + chance.choice([junk, said(junk), said(junk + b"\n")]))


@outside
async def random_bytes_for_noise(chance: Random, address: str) -> None:
    """A handshake that is none."""
    frames = b""
    for _ in range(chance.randint(1, 4)):
        junk = noise(chance, 4000)
        length = chance.choice([len(junk), chance.getrandbits(16)])
        frames += length.to_bytes(2, "big") + junk
    await _throw(chance, address, said(MULTISTREAM) + said(b"/noise\n") + frames)


# -- the multiplexer -----------------------------------------------------------------------------


@inside
async def random_bytes_for_yamux(chance: Random, peer: Intruder) -> None:
    """Headers of chance."""
    await peer.write(noise(chance, 1 << 14))


@inside
async def wrong_frames(chance: Random, peer: Intruder) -> None:
    """Headers that look right, with any flags, stream and length."""
    for _ in range(chance.randint(1, 50)):
        kind = chance.choice([DATA, WINDOW, PING, GO_AWAY, chance.randrange(256)])
        flags = chance.choice([SYN, FIN, RST, 0, chance.getrandbits(16)])
        stream = chance.choice([0, 1, 2, 3, chance.getrandbits(32)])
        length = chance.choice([0, 1, 1 << 18, chance.getrandbits(32)])
        body = noise(chance, 100) if kind == DATA else b""
        await peer.write(frame(kind, flags, stream, length, chance.choice([0, 0, 0, 1])) + body)


@inside
async def many_streams(chance: Random, peer: Intruder) -> None:
    """Streams that say nothing."""
    for _ in range(chance.randint(1, 600)):
        await peer.write(frame(DATA, SYN, peer._next, 0))
        peer._next += 2


@inside
async def more_than_the_window(chance: Random, peer: Intruder) -> None:
    """What nobody has room for."""
    stream = await peer.stream(chance.choice(PROTOCOLS))
    for _ in range(chance.randint(1, 30)):
        await peer.more(stream, bytes(1 << 16))


# -- streams -------------------------------------------------------------------------------------


async def _ending(chance: Random, peer: Intruder, stream: int) -> None:
    flags = chance.choice([0, FIN, RST])
    if flags:
        await peer.write(frame(WINDOW, flags, stream, 0))


@inside
async def random_bytes_on_a_stream(chance: Random, peer: Intruder) -> None:
    """Of any protocol."""
    stream = await peer.stream(chance.choice(PROTOCOLS), noise(chance, 1 << 16))
    await _ending(chance, peer, stream)


@inside
async def a_random_frame(chance: Random, peer: Intruder) -> None:
    """Well delimited nonsense."""
    body = noise(chance, 5000)
    head = chance.choice([varint(len(body)), len(body).to_bytes(4, "big")])
    stream = await peer.stream(chance.choice(PROTOCOLS), head + body)
    await _ending(chance, peer, stream)


@inside
async def a_length_that_lies(chance: Random, peer: Intruder) -> None:
    """Gigabytes announced, or fewer bytes than announced."""
    length = chance.choice([1 << 20, 1 << 24, (1 << 31) - 1, (1 << 32) - 1, chance.getrandbits(32)])
    head = chance.choice([varint(length), length.to_bytes(4, "big"), b"\xff" * 12])
    stream = await peer.stream(chance.choice(PROTOCOLS), head + noise(chance, 1000))
    await _ending(chance, peer, stream)


@inside
async def a_damaged_negotiation(chance: Random, peer: Intruder) -> None:
    """A stream that does not say which protocol it is for."""
    hello = said(MULTISTREAM) + said(chance.choice(PROTOCOLS).encode() + b"\n")
    data = damaged(chance, hello)
    await peer.write(frame(DATA, SYN, peer._next, len(data)) + data)
    peer._next += 2


@inside
async def a_damaged_question(chance: Random, peer: Intruder) -> None:
    """Peer exchange, almost."""
    data = damaged(chance, encode_question(Question((), 4001)))
    await peer.stream(PEERS, len(data).to_bytes(4, "big") + data)


@inside
async def too_long_a_request(chance: Random, peer: Intruder) -> None:
    """One byte too many, and all of them sent."""
    size = (1 << 20) + chance.randint(1, 1 << 17)
    await peer.stream(ECHO, size.to_bytes(4, "big") + bytes(size))


@inside
async def too_long_a_direct_message(chance: Random, peer: Intruder) -> None:
    """The same one way."""
    size = (2 << 20) + chance.randint(1, 1 << 17)
    await peer.stream(VOTES, size.to_bytes(4, "big") + bytes(min(size, 1 << 19)))


# -- gossip --------------------------------------------------------------------------------------


def a_message(chance: Random) -> rpc_pb2.Message:
    """A gossiped message that would be fine, were its signature right."""
    author = key_from_seed(chance.randbytes(32))
    return rpc_pb2.Message(
        from_id=b"\x00\x24\x08\x01\x12\x20" + author.node_id,
        data=b"evil 0 0 " + noise(chance, 300),
        seqno=chance.randbytes(8),
        topicIDs=[TOPIC],
        signature=chance.randbytes(64),
        key=b"\x08\x01\x12\x20" + author.node_id,
    )


async def _rpc(peer: Intruder, rpc: rpc_pb2.RPC) -> None:
    data = rpc.SerializeToString()
    await peer.stream(GOSSIP, varint(len(data)) + data)


@inside
async def a_damaged_rpc(chance: Random, peer: Intruder) -> None:
    """Protobuf, almost."""
    rpc = rpc_pb2.RPC(publish=[a_message(chance)])
    rpc.subscriptions.add(subscribe=True, topicid=TOPIC)
    rpc.control.graft.add(topicID=TOPIC)
    data = damaged(chance, rpc.SerializeToString())
    await peer.stream(GOSSIP, varint(len(data)) + data)


@inside
async def a_forged_message(chance: Random, peer: Intruder) -> None:
    """Signed by nobody, or missing what a message must have."""
    message = a_message(chance)
    match chance.randrange(7):
        case 0:
            message.ClearField("signature")
        case 1:
            message.from_id = chance.randbytes(chance.randint(0, 60))
        case 2:
            message.seqno = chance.randbytes(chance.randint(0, 20))
        case 3:
            message.key = chance.randbytes(chance.randint(0, 60))
        case 4:
            message.topicIDs.append("another")
        case 5:
            message.ClearField("topicIDs")
        case _:
            pass
    await _rpc(peer, rpc_pb2.RPC(publish=[message]))


@inside
async def too_long_a_message(chance: Random, peer: Intruder) -> None:
    """More than gossip may carry."""
    message = a_message(chance)
    message.data = bytes(chance.choice([1_000_001, 1 << 20, 3 << 20]))
    await _rpc(peer, rpc_pb2.RPC(publish=[message]))


@inside
async def three_thousand_subscriptions(chance: Random, peer: Intruder) -> None:
    """To topics nobody has heard of, at once or one after the other."""
    prefix = chance.choice([TOPIC, "/elsewhere/"])
    if chance.random() < 0.5:
        rpc = rpc_pb2.RPC()
        for number in range(3000):
            rpc.subscriptions.add(subscribe=True, topicid=f"{prefix}{number}")
        await _rpc(peer, rpc)
        return
    data = b""
    for number in range(3000):
        rpc = rpc_pb2.RPC()
        rpc.subscriptions.add(subscribe=chance.random() < 0.9, topicid=f"{prefix}{number}")
        single = rpc.SerializeToString()
        data += varint(len(single)) + single
    await peer.stream(GOSSIP, data)


@inside
async def strange_control(chance: Random, peer: Intruder) -> None:
    """Grafts, prunes, and messages promised or wanted, for whatever topics and ids."""
    rpc = rpc_pb2.RPC()
    for _ in range(chance.randint(1, 30)):
        topic = chance.choice([TOPIC, "", "x" * 3000, f"/{chance.getrandbits(60)}"])
        ids = [noise(chance, 60) for _ in range(int(3000 ** chance.random()))]
        match chance.randrange(5):
            case 0:
                rpc.control.graft.add(topicID=topic)
            case 1:
                prune = rpc.control.prune.add(topicID=topic, backoff=chance.getrandbits(62))
                prune.peers.add(peerID=noise(chance, 60), signedPeerRecord=noise(chance, 300))
            case 2:
                rpc.control.ihave.add(topicID=topic, messageIDs=ids)
            case 3:
                rpc.control.iwant.add(messageIDs=ids)
            case _:
                rpc.subscriptions.add(subscribe=True, topicid=topic)
    await _rpc(peer, rpc)


@inside
async def a_flood(chance: Random, peer: Intruder) -> None:
    """Many small things at once: requests, direct messages or gossip."""
    count = int(3000 ** chance.random())
    match chance.randrange(3):
        case 0:
            await peer.stream(ECHO, (b"\x00\x00\x00\x01x") * count)
        case 1:
            await peer.stream(VOTES, (b"\x00\x00\x00\x01x") * count)
        case _:
            data = b""
            for _ in range(min(count, 300)):
                rpc = rpc_pb2.RPC(publish=[a_message(chance)]).SerializeToString()
                data += varint(len(rpc)) + rpc
            await peer.stream(GOSSIP, data)
