"""How votes travel: consensus' `Transport` over the network.

Validators that are connected tell each other everything over long-lived direct streams, many small
messages in one frame. Gossip serves the rest:

- while a validator of the current set is not connected to this one, this one's proposals, votes
  and certificates are gossiped as well, and every node in between forwards them;
- once a height somebody gossips its FINALIZE certificate, so that nodes without a vote hear of the
  block and fetch it from a neighbour. Who has heard one does not repeat it.

A message to somebody who is not connected goes to a neighbour instead if it asks for something:
who told us of a block need not be the only one to have it. The neighbour may have heard of the
block a moment ago itself: it remembers who asked, and answers when it has committed the block.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final, assert_never

import trio

from aliad.consensus import wire
from aliad.consensus.engine import Engine
from aliad.consensus.messages import Final as FinalBlock
from aliad.consensus.messages import Message, Need, Proposal, Want
from aliad.consensus.votes import Certificate, Kind, Vote
from aliad.errors import RemoteProtocolError
from aliad.ledger.state import Changes
from aliad.net.network import (
    MAX_DIRECT_BYTES,
    MAX_GOSSIP_BYTES,
    GossipMessage,
    Network,
    Verdict,
)
from aliad.node.committed import CommittedBlock, CommittedChain
from aliad.node.frames import decode_frame, encode_frame, take_frame
from aliad.peer_id import node_id_of, peer_id_of
from aliad.types import Height, NodeId, PeerId

VOTES: Final = "/aliad/votes/1"
MAX_WAITING_BYTES: Final = 8 << 20  # for one peer; older messages give way
GOSSIP_PAUSE: Final = 0.02  # seconds between gossiped frames
MAX_QUESTION_BYTES: Final = 64  # any longer message asks for nothing
MAX_ASKERS: Final = 64
RELAY_PAUSE: Final = 0.25  # seconds a node waits, times its rank, for another to tell of a block
RANKS: Final = 4  # highest rank
WINDOW: Final = 2  # heights above the open one that are worth forwarding
FOR_ALL: Final = (Proposal, Vote, Certificate)


@dataclass(slots=True)
class _Line:
    """What waits to go to one peer."""

    waiting: list[bytes] = field(default_factory=list)
    size: int = 0
    wakeup: trio.Event = field(default_factory=trio.Event)


class VoteTransport:
    """Satisfies `aliad.consensus.engine.Transport`; `run` moves what was asked to be sent."""

    def __init__(self, network: Network, chain: CommittedChain, topic: str) -> None:
        self.topic = topic
        self.engine: Engine | None = None
        self.on_ahead: Callable[[PeerId], None] = lambda _: None
        self._network = network
        self._chain = chain
        self._me = node_id_of(network.self_id)
        self._lines: dict[PeerId, _Line] = {}
        self._gossip = _Line()
        self._told: OrderedDict[Height, None] = OrderedDict()  # certificates heard or gossiped
        self._askers: set[NodeId] = set()  # without a vote, for the block of the open height
        self._nursery: trio.Nursery | None = None
        chain.on_commit(self._answer_askers)

    # Towards the others

    async def broadcast(self, data: bytes) -> None:
        """To every validator; what they decide reaches everyone else, too."""
        await trio.lowlevel.checkpoint()
        peers = self._network.peers()
        absent = False
        for member in self._chain.tip.validators.members:
            if member.node == self._me:
                continue
            peer = peer_id_of(member.node)
            if peer in peers:
                self._enqueue(peer, data)
            else:
                absent = True
        if wire.is_question(data):
            if absent:
                self._ask_anyone(data)
        elif wire.is_for_all(data) and self._is_validator():
            if absent:
                self._enqueue_gossip(data)
            if not wire.is_proposal(data):
                self._tell_of(wire.decode(data), data)

    async def send(self, peer: NodeId, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        name = peer_id_of(peer)
        if name in self._network.peers():
            self._enqueue(name, data)
        elif wire.is_question(data):
            self._ask_anyone(data)

    def penalise(self, peer: NodeId, reason: str) -> None:
        self._network.penalise(peer_id_of(peer), reason)

    def _is_validator(self) -> bool:
        return self._chain.tip.validators.power_of(self._me) > 0

    def _ask_anyone(self, data: bytes) -> None:
        """One neighbour, another one for every question."""
        peers = sorted(self._network.peers())
        if peers:
            turn = int.from_bytes(sha256(data).digest()[:4], "big") + int(trio.current_time())
            self._enqueue(peers[turn % len(peers)], data)

    def _enqueue(self, peer: PeerId, data: bytes) -> None:
        line = self._lines.get(peer)
        if line is None:
            if self._nursery is None:
                return
            line = self._lines[peer] = _Line()
            self._nursery.start_soon(self._move, peer, line)
        _append(line, data)

    def _enqueue_gossip(self, data: bytes) -> None:
        if len(data) > MAX_GOSSIP_BYTES - 64:
            proposal = wire.decode(data)
            if isinstance(proposal, Proposal):  # who wants the block asks for it
                data = wire.encode(replace(proposal, block=None))
        if len(data) <= MAX_GOSSIP_BYTES - 64:
            _append(self._gossip, data)

    def _tell_of(self, message: Message, data: bytes) -> None:
        """Gossip that a block is final, unless somebody else is faster."""
        if not isinstance(message, Certificate) or message.kind is not Kind.FINALIZE:
            return
        certificate = message
        if self._nursery is None or certificate.height in self._told:
            return
        members = [member.node for member in self._chain.tip.validators.members]
        start = int.from_bytes(certificate.block_hash[:4], "big")
        rank = min(RANKS, (members.index(self._me) - start) % len(members))
        self._nursery.start_soon(self._tell_later, certificate.height, data, rank)

    async def _tell_later(self, height: Height, data: bytes, rank: int) -> None:
        await trio.sleep(rank * RELAY_PAUSE)
        if height not in self._told and self._has_followers():
            self._note_told(height)
            _append(self._gossip, data)

    def _has_followers(self) -> bool:
        """Whether any neighbour has no vote, and would hear of the block from nobody else."""
        voters = {peer_id_of(member.node) for member in self._chain.tip.validators.members}
        return not self._network.peers() <= voters

    def _note_told(self, height: Height) -> None:
        self._told[height] = None
        while len(self._told) > 64:
            self._told.popitem(last=False)

    # Tasks

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Send what was enqueued, hear what others send."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._network.receive(VOTES, self._receive)
            nursery.start_soon(self._listen)
            nursery.start_soon(self._move_gossip)
            task_status.started()

    async def _move(self, peer: PeerId, line: _Line) -> None:
        """One task a peer, so that a slow one holds up nobody else; it ends with the connection."""
        while peer in self._network.peers():
            while line.waiting:
                await self._network.send(peer, VOTES, _take(line, MAX_DIRECT_BYTES - 64))
            line.wakeup = trio.Event()
            with trio.move_on_after(60):
                await line.wakeup.wait()
            if not line.waiting:
                break
        if self._lines.get(peer) is line:
            del self._lines[peer]

    async def _move_gossip(self) -> None:
        line = self._gossip
        while True:
            while line.waiting:
                await self._network.publish(self.topic, _take(line, MAX_GOSSIP_BYTES - 64))
                await trio.sleep(GOSSIP_PAUSE)
            line.wakeup = trio.Event()
            await line.wakeup.wait()

    async def _listen(self) -> None:
        async for message in self._network.subscribe(self.topic, self.validate):
            author = node_id_of(message.author)
            for data in decode_frame(message.data, MAX_GOSSIP_BYTES):
                self._deliver(author, data)

    # From the others

    def _receive(self, peer: PeerId, data: bytes) -> None:
        source = node_id_of(peer)
        for message in decode_frame(data, MAX_DIRECT_BYTES):
            self._deliver(source, message)

    def _deliver(self, source: NodeId, data: bytes) -> None:
        if len(data) <= MAX_QUESTION_BYTES:
            self._remember_asker(source, wire.decode(data))
        if self.engine is not None:
            self.engine.deliver(source, data)

    def _remember_asker(self, source: NodeId, message: Message) -> None:
        if (
            isinstance(message, Need | Want)
            and message.height == self._chain.tip.height + 1
            and len(self._askers) < MAX_ASKERS
            and not self._may_sign(source)
        ):
            self._askers.add(source)

    def _answer_askers(self, block: CommittedBlock, _: Changes) -> None:
        askers, self._askers = self._askers, set()
        final = self._chain.final(block.height) if askers else None
        if final is not None:
            data = wire.encode(FinalBlock(block.height, *final))
            for asker in sorted(askers):
                self._enqueue(peer_id_of(asker), data)

    def validate(self, message: GossipMessage) -> Verdict:
        """Forward what validators say about the heights in question; signatures are left to those
        who need them, and whoever sent a false one is punished by them."""
        if not self._is_voter(node_id_of(message.author)):
            return Verdict.IGNORE
        relevant = False
        for data in decode_frame(message.data, MAX_GOSSIP_BYTES):
            decoded = wire.decode(data)
            if not isinstance(decoded, FOR_ALL):
                raise RemoteProtocolError("gossip of something that is for one peer only")
            relevant |= self._is_relevant(decoded)
            self._notice(decoded, message.via)
        return Verdict.ACCEPT if relevant else Verdict.IGNORE

    def _is_relevant(self, message: Proposal | Vote | Certificate) -> bool:
        tip = self._chain.tip
        if message.height > tip.height + 1 + WINDOW:
            return isinstance(message, Certificate) and message.kind is Kind.FINALIZE
        if message.height < tip.height:
            return False
        match message:
            case Proposal():
                return message.height > tip.height and self._may_sign(message.leader)
            case Vote():
                return message.height > tip.height and self._may_sign(message.signer)
            case Certificate():
                return message.height > tip.height or message.kind is Kind.FINALIZE
            case _:
                assert_never(message)

    def _is_voter(self, node: NodeId) -> bool:
        """Whether it signs or did before: when an era ends, not all nodes are at one height."""
        last = self._chain.tip.last_validators
        return self._may_sign(node) or (last is not None and last.power_of(node) > 0)

    def _may_sign(self, node: NodeId) -> bool:
        tip = self._chain.tip
        return tip.validators.power_of(node) > 0

    def _notice(self, message: Proposal | Vote | Certificate, via: PeerId) -> None:
        if isinstance(message, Certificate) and message.kind is Kind.FINALIZE:
            self._note_told(message.height)
        if message.height > self._chain.tip.height + 1 + WINDOW:
            self.on_ahead(via)


def _append(line: _Line, data: bytes) -> None:
    line.waiting.append(data)
    line.size += len(data)
    while line.size > MAX_WAITING_BYTES and len(line.waiting) > 1:
        line.size -= len(line.waiting.pop(0))
    line.wakeup.set()


def _take(line: _Line, room: int) -> bytes:
    taken = take_frame(line.waiting, room)
    line.size -= sum(map(len, taken))
    return encode_frame(taken)
