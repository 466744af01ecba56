"""The open height: its facts, its timers, the votes cast in it, and what is asked of peers.

`aliad.consensus.rules` builds the six rules on top of this.
"""

from dataclasses import dataclass

from aliad.consensus.block import Opening
from aliad.consensus.effects import Effect, Send
from aliad.consensus.facts import Facts
from aliad.consensus.journal import Record, certificate_record, vote_record
from aliad.consensus.justification import Justification, justify
from aliad.consensus.messages import MAX_JUSTIFICATION, Message, Need, Proposal, Want, WantCert
from aliad.consensus.signing import Signer, Verifier
from aliad.consensus.timing import Timing
from aliad.consensus.votes import VOTE, Certificate, Kind, Vote, vote_message
from aliad.errors import LocalProtocolError
from aliad.types import ZERO_HASH, Hash32, Millis, NodeId, View

FANOUT = 3  # peers asked at once for something missing
RESENT_PAYLOAD_BYTES = 1 << 16  # a larger block is sent again only to those who ask


@dataclass(frozen=True, slots=True)
class Identity:
    """Who takes part, and whether it may vote at this height at all."""

    signer: Signer
    verifier: Verifier
    may_vote: bool


class OpenHeight:
    """State of one height. ``effects`` and ``records`` collect what the shell has to do."""

    def __init__(
        self, opening: Opening, timing: Timing, identity: Identity, peers: list[NodeId], now: Millis
    ) -> None:
        self.opening = opening
        self.timing = timing
        self.identity = identity
        self.me = identity.signer.node_id
        self.peers = peers
        self.facts = Facts(opening)
        self.view = View(0)
        self.entered: int = now
        self.started = False
        self.done = False
        self.start_at: int = now + timing.max_block_interval
        self.timeout_at: int | None = None
        self.retry_at: int | None = None
        self.patient_until: int | None = None
        self.clock_offset = 0
        self.wanted: set[Hash32] = set()
        self.effects: list[Effect] = []
        self.records: list[Record] = []
        self._leaders: dict[View, NodeId] = {}
        self._asked: dict[Hash32 | View, tuple[int, int]] = {}  # when last, how often

    # Timers

    def start(self, now: Millis) -> None:
        """Begin the current view: there is something to vote on, or it has been too long."""
        self.started = True
        self.entered = now
        self.timeout_at = now + self.timing.view_timeout(self.view)
        self.retry_at = now + self.timing.retry_interval

    def wake(self, now: Millis) -> None:
        """Whatever is due: the start, the view's timeout, the retransmission."""
        if not self.started and now >= self.start_at:
            self.start(now)
        if self.patient_until is not None and now >= self.patient_until:
            self.patient_until = None
        if self.timeout_at is not None and now >= self.timeout_at:
            self.timeout_at = None
            self.time_out()
        if self.retry_at is not None and now >= self.retry_at:
            self.retry_at = now + self.timing.retry_interval
            self.retransmit()

    def deadlines(self) -> list[int]:
        start_at = None if self.started else self.start_at
        candidates = (start_at, self.timeout_at, self.retry_at, self.patient_until)
        return [] if self.done else [each for each in candidates if each is not None]

    def time_out(self) -> None:
        """The view has lasted too long: NULLIFY it, unless FINALIZE was cast in it."""
        if self.identity.may_vote and self.facts.may_cast(self.view, Kind.NULLIFY):
            self.send(self.cast(Kind.NULLIFY, self.view, ZERO_HASH))

    def retransmit(self) -> None:
        """Gossip loses messages: repeat the votes of this view and the one before, every FINALIZE,
        the certificates that led here and the own proposals. Who has no vote asks instead."""
        for (view, kind), vote in self.facts.mine.items():
            if view >= self.view - 1 or kind is Kind.FINALIZE:
                self.send(self._as_sent(vote))
        for kind in (Kind.NOTARIZE, Kind.NULLIFY):
            certificate = self.facts.certificate(self.view - 1, kind)
            if certificate is not None:
                self.send(certificate)
        if not self.facts.mine and self.peers:
            self.peers.append(self.peers.pop(0))
            self.send(Need(self.opening.height), self.peers[0])

    # Votes and certificates

    def cast(self, kind: Kind, view: View, block_hash: Hash32) -> Vote:
        """Sign a vote and have it written; the caller sends it, which happens after the write."""
        if not self.identity.may_vote or not self.facts.may_cast(view, kind):
            raise LocalProtocolError(f"{kind.name} of view {view} contradicts an earlier vote")
        opening = self.opening
        message = vote_message(opening.validators.digest, opening.height, view, kind, block_hash)
        signature = self.identity.signer.sign(VOTE, opening.genesis, message)
        vote = Vote(kind, opening.height, view, block_hash, self.me, signature)
        self.facts.mine[view, kind] = vote
        self.facts.record_vote(vote)
        self.records.append(vote_record(vote))
        return vote

    def accept(self, certificate: Certificate) -> None:
        """Keep a verified certificate, persist it, relay it once."""
        if self.facts.record_certificate(certificate):
            self.records.append(certificate_record(certificate))
            self.send(certificate)

    def leader(self, view: View) -> NodeId:
        found = self._leaders.get(view)
        if found is None:
            opening = self.opening
            found = opening.validators.leader(opening.beacon, opening.height, view)
            if view <= self.view + 1:  # any peer may ask for any view: do not keep what it names
                self._leaders[view] = found
        return found

    def may_notarize(self) -> bool:
        return self.identity.may_vote and self.facts.may_cast(self.view, Kind.NOTARIZE)

    def justification(self, view: View, block_hash: Hash32 | None) -> Justification:
        return justify(self.facts, view, block_hash)

    # Messages

    def send(self, message: Message, to: NodeId | None = None) -> None:
        self.effects.append(Send(message, to))

    def want_block(self, block_hash: Hash32, now: Millis) -> None:
        self.wanted.add(block_hash)
        self._ask(block_hash, Want(self.opening.height, block_hash), now)

    def want_certificates(self, view: View, now: Millis) -> None:
        self._ask(view, WantCert(self.opening.height, view), now)

    def _ask(self, key: Hash32 | View, message: Message, now: Millis) -> None:
        """Ask a few peers, others each time, until somebody answers; everyone if none is known."""
        last, times = self._asked.get(key, (now - self.timing.retry_interval, 0))
        if now - last < self.timing.retry_interval:
            return
        self._asked[key] = (now, times + 1)
        count = len(self.peers)
        if count <= FANOUT:
            self.send(message)
            return
        for place in range(times * FANOUT, (times + 1) * FANOUT):
            self.send(message, self.peers[place % count])

    def _as_sent(self, vote: Vote) -> Vote | Proposal:
        """A leader's NOTARIZE travels as its proposal."""
        if vote.kind is not Kind.NOTARIZE or self.leader(vote.view) != self.me:
            return vote
        return self.proposal(vote, RESENT_PAYLOAD_BYTES)

    def proposal(self, vote: Vote, most_bytes: int) -> Proposal:
        """The proposal around the leader's own NOTARIZE, its block included if it is not larger."""
        block = self.facts.blocks.get(vote.block_hash)
        if block is not None and len(block.payload) > most_bytes:
            block = None
        chain = self.justification(vote.view, vote.block_hash).chain[:MAX_JUSTIFICATION]
        return Proposal(
            vote.height, vote.view, vote.block_hash, block, chain, self.me, vote.signature
        )
