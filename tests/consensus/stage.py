"""One core on a stage: the other validators are puppets whose every message a test writes."""

from collections.abc import Iterable
from hashlib import sha256
from typing import TypeVar

from aliad.consensus.application import Draft
from aliad.consensus.beacon import beacon_input, first_beacon, next_beacon
from aliad.consensus.block import Block, Header, Opening, body_digest
from aliad.consensus.core import Core
from aliad.consensus.effects import Effect, Persist, Propose, Send, Validate
from aliad.consensus.journal import Record
from aliad.consensus.messages import Message, Proposal
from aliad.consensus.timing import Timing
from aliad.consensus.validators import Validator, ValidatorSet
from aliad.consensus.votes import VOTE, Certificate, Kind, Vote, certificate_of, vote_message
from aliad.types import ZERO_HASH, Hash32, Height, Millis, NodeId, Power, View
from tests.simulation.keyed_hash import KeyedHashSigner, KeyedHashVerifier

GENESIS = Hash32(b"g" * 32)
START = 1_000_000
TIMING = Timing(Millis(400), Millis(2_000), Millis(10_000))

E = TypeVar("E", bound=Effect)


class Stage:
    """``others`` are the validators besides the core's own, which is ``me``."""

    def __init__(self, count: int = 4, vote_from: int = 0, height: int = 1) -> None:
        signers = [KeyedHashSigner(sha256(bytes([place])).digest()) for place in range(count)]
        self.signers = {signer.node_id: signer for signer in signers}
        self.validators = ValidatorSet.of(Validator(each, Power(1)) for each in self.signers)
        self.me, *self.others = (signer.node_id for signer in signers)
        self.verifier = KeyedHashVerifier()
        self.now = Millis(START)
        self.opening = Opening(
            Height(height),
            GENESIS,
            GENESIS,
            Millis(START - 10),
            first_beacon(GENESIS),
            self.validators,
            None,
            None,
        )
        self.vote_from = Height(vote_from)
        self.disk: dict[bytes, bytes] = {}
        self.effects: list[Effect] = []
        self.boot()

    def boot(self) -> None:
        """Start the core, or start it again from its disk."""
        self.core = Core(self.signers[self.me], self.verifier, TIMING, self.vote_from)
        records: Iterable[Record] = sorted(self.disk.items())
        self._keep(self.core.begin(self.opening, records, self.now))

    def hear(self, source: NodeId, message: Message) -> tuple[Effect, ...]:
        """Deliver, and answer every request to validate or propose at once."""
        return self._keep(self.core.receive(source, message, self.now))

    def wait(self, milliseconds: int) -> tuple[Effect, ...]:
        """Let time pass, waking the core every ten milliseconds."""
        heard: list[Effect] = []
        for _ in range(0, milliseconds, 10):
            self.now = Millis(self.now + 10)
            heard += self._keep(self.core.wake(self.now))
        return tuple(heard)

    def _keep(self, effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
        self.effects += effects
        every = [*effects]
        for effect in effects:
            if isinstance(effect, Persist):
                self.disk.update(effect.records)
            elif isinstance(effect, Validate):
                valid = effect.block.payload.startswith(b"valid")
                every += self._keep(self.core.validated(effect.block_hash, valid, self.now))
            elif isinstance(effect, Propose):
                order = effect.order
                draft = Draft(b"valid: mine", b"", self.validators.digest)
                every += self._keep(self.core.drafted(order.height, order.view, draft, self.now))
        return tuple(every)

    def leader(self, view: int) -> NodeId:
        return self.validators.leader(self.opening.beacon, self.opening.height, View(view))

    def view_led_by(self, node: NodeId, start: int = 0) -> int:
        return next(view for view in range(start, 500) if self.leader(view) == node)

    def view_led_by_another(self, start: int = 0) -> int:
        return next(view for view in range(start, 500) if self.leader(view) != self.me)

    def block(self, proposer: NodeId, payload: bytes = b"valid", time: int | None = None) -> Block:
        opening = self.opening
        alpha = beacon_input(GENESIS, opening.height, opening.beacon)
        proof, beta = self.signers[proposer].prove(alpha)
        header = Header(
            opening.height,
            opening.parent,
            Millis(self.now if time is None else time),
            self.validators.digest,
            self.validators.digest,
            proposer,
            proof,
            next_beacon(opening.beacon, opening.height, beta),
            body_digest(None, payload),
            b"",
        )
        return Block(header, None, payload)

    def vote(self, signer: NodeId, kind: Kind, view: int, block_hash: Hash32 = ZERO_HASH) -> Vote:
        height = self.opening.height
        layout = vote_message(self.validators.digest, height, View(view), kind, block_hash)
        signature = self.signers[signer].sign(VOTE, GENESIS, layout)
        return Vote(kind, height, View(view), block_hash, signer, signature)

    def certificate(
        self,
        kind: Kind,
        view: int,
        block_hash: Hash32 = ZERO_HASH,
        signers: Iterable[NodeId] | None = None,
    ) -> Certificate:
        """By everyone but the core's own validator, unless others are named."""
        chosen = self.others if signers is None else signers
        votes = [self.vote(each, kind, view, block_hash) for each in chosen]
        return certificate_of(votes, self.validators)

    def proposal(self, view: int, block: Block, *justification: Certificate) -> Proposal:
        leader = self.leader(view)
        vote = self.vote(leader, Kind.NOTARIZE, view, block.header.digest())
        return Proposal(
            vote.height, vote.view, vote.block_hash, block, justification, leader, vote.signature
        )


def only(effects: Iterable[Effect], kind: type[E]) -> list[E]:
    return [effect for effect in effects if isinstance(effect, kind)]


def votes(effects: Iterable[Effect]) -> list[tuple[Kind, int]]:
    """Kinds and views of the own votes sent, proposals counting as NOTARIZE."""
    found = []
    for effect in only(effects, Send):
        message = effect.message
        vote = message.vote() if isinstance(message, Proposal) else message
        if isinstance(vote, Vote):
            found.append((vote.kind, int(vote.view)))
    return found
