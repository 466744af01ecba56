"""The consensus core of a node: from inputs and the time to effects, height after height.

No clock, no randomness, no input or output: the daemon and the simulator run this same code. A
message is bounded and checked, its signature last, and then only recorded; the rules of
`aliad.consensus.rules` decide. Effects come in the order in which they must be executed.
"""

from collections.abc import Iterable
from typing import ClassVar, assert_never

from aliad.consensus import intake
from aliad.consensus.answers import AnswerLimit
from aliad.consensus.application import Draft
from aliad.consensus.block import Opening
from aliad.consensus.early import EarlyMessages
from aliad.consensus.effects import Commit, Effect, Penalise, Persist, Send, Serve, WakeAt, in_order
from aliad.consensus.height import Identity
from aliad.consensus.journal import Record, replay
from aliad.consensus.messages import Body, Final, Message, Need, Proposal, Want, WantCert
from aliad.consensus.rules import Simplex
from aliad.consensus.signing import Signer, Verifier
from aliad.consensus.timing import Timing
from aliad.consensus.votes import Certificate, Kind, Vote
from aliad.errors import LocalProtocolError, RemoteProtocolError
from aliad.types import Hash32, Height, Millis, NodeId, View

MAX_PEERS = 64  # whom to ask for what is missing


def _opened(opening: Opening) -> tuple[int, Hash32]:
    return opening.height, opening.validators.digest


class Core:
    """One node's part in the vote. Call `begin` first.

    Args:
        vote_from: no vote below this height (see `aliad.consensus.signer_log.SignerLog`).
    """

    rules: ClassVar[type[Simplex]] = Simplex
    _height: Simplex
    _early: EarlyMessages

    def __init__(
        self, signer: Signer, verifier: Verifier, timing: Timing, vote_from: Height
    ) -> None:
        self._signer = signer
        self._verifier = verifier
        self._timing = timing
        self._vote_from = vote_from
        self._peers: list[NodeId] = []
        self._answers = AnswerLimit(timing.delta)
        self._effects: list[Effect] = []
        self._work_waits = False
        self._ahead: tuple[Height, NodeId] | None = None  # a claim: a reason to ask, no more
        self._asked = False
        self._ask_at: int | None = None
        self._wake_at: int | None = None
        self._clock_offset = 0
        self._next_validators: Hash32 | None = None

    @property
    def height(self) -> Height:
        """The open height."""
        return self._height.opening.height

    # Inputs

    def set_clock(self, offset: int) -> None:
        """How far the wall clock is ahead of ``now``: timers follow the one, block times the
        other, so that setting the clock of the machine neither stalls nor rushes the vote."""
        self._clock_offset = offset

    def set_vote_from(self, height: Height) -> None:
        """What the signer log says by now; it counts from the next height on."""
        self._vote_from = height

    def begin(self, opening: Opening, records: Iterable[Record], now: Millis) -> tuple[Effect, ...]:
        """Start or restart: what the signer log holds is put back before anything is voted."""
        self._open(opening, now)
        replay(records, self._height.facts)
        if self._height.facts.mine:
            self._height.start(now)
        return self._settle(now)

    def receive(self, source: NodeId, message: Message, now: Millis) -> tuple[Effect, ...]:
        """A message from a peer, decoded but not trusted."""
        if message.height < self.height:
            self._help(source, message, now)
        elif message.height > self.height:
            self._notice(source, message, now)
        elif not self._height.done:
            try:
                learnt = self._take(source, message, now)
            except RemoteProtocolError as error:
                self._effects.append(Penalise(source, error.what))
            else:
                self._remember(source)
                if not learnt:
                    return ()
        return self._settle(now)

    def wake(self, now: Millis) -> tuple[Effect, ...]:
        """The time of the last `WakeAt` has come."""
        self._wake_at = None
        if not self._height.done:
            self._height.wake(now)
        if self._ask_at is not None and now >= self._ask_at:
            self._ask_ahead(now)
        return self._settle(now)

    def work_pending(self, now: Millis) -> tuple[Effect, ...]:
        """There is something to propose: the longest block interval need not pass. Said while a
        block is being committed, it holds for the next height."""
        if self._height.done:
            self._work_waits = True
        elif not self._height.started:
            self._height.start(now)
        return self._settle(now)

    def drafted(self, height: Height, view: View, draft: Draft, now: Millis) -> tuple[Effect, ...]:
        """The answer to `Propose`."""
        if height == self.height:
            self._height.drafted(view, draft)
        return self._settle(now)

    def validated(self, block_hash: Hash32, valid: bool, now: Millis) -> tuple[Effect, ...]:
        """The answer to `Validate`."""
        self._height.validated(block_hash, valid)
        return self._settle(now)

    def committed(
        self, opening: Opening, now: Millis, records: Iterable[Record] = ()
    ) -> tuple[Effect, ...]:
        """The answer to `Commit`: the block is stored, the next height opens.

        ``records`` are what the signer log holds of that height: a log may be ahead of a chain
        that was lost and fetched again, and what it holds must not be contradicted.
        """
        expected = (self.height + 1, self._next_validators)
        if opening.height == self.height + 1 and expected != _opened(opening):
            raise LocalProtocolError(
                f"the commit of {self.height} opened {opening.height}",
                "its validators are not what the block says",
            )
        return self.advanced(opening, now, records)

    def advanced(
        self, opening: Opening, now: Millis, records: Iterable[Record] = ()
    ) -> tuple[Effect, ...]:
        """The chain has been extended, be it by a commit of this core or by other means: what is
        open now is ``opening``. A height that is not above the open one says nothing new."""
        if opening.height <= self.height:
            return self._settle(now)
        early = self._early.take() if opening.height == self.height + 1 else ()
        self._open(opening, now)
        replay(records, self._height.facts)
        if self._height.facts.mine:
            self._height.start(now)
        if self._work_waits:
            self._work_waits = False
            self._height.start(now)
        self._ask_ahead(now)
        effects = [*self._settle(now)]
        for source, message in early:
            effects += self.receive(source, message, now)
        return self.ordered(effects)

    # The open height

    def _open(self, opening: Opening, now: Millis) -> None:
        validators = opening.validators
        votes = self._signer.node_id in validators and opening.height >= self._vote_from
        identity = Identity(self._signer, self._verifier, votes)
        self._height = self.rules(opening, self._timing, identity, self._peers, now)
        self._early = EarlyMessages(len(validators))
        self._asked, self._ask_at = False, None

    def _take(  # noqa: PLR0911 - an arm a type
        self, source: NodeId, message: Message, now: Millis
    ) -> bool:
        """Whether there is anything new for the rules, or an answer to send."""
        height = self._height
        match message:
            case Vote():
                return intake.take_vote(height, message)
            case Certificate():
                return intake.take_certificate(height, message)
            case Proposal():
                return intake.take_proposal(height, message, now)
            case Final():
                return intake.take_final(height, message)
            case Body():
                return intake.take_block(height, message.block)
            case Need():
                return False  # not final here either
            case Want() | WantCert():
                self._answer(source, message, now)
                return True
            case _:
                assert_never(message)

    def _answer(self, source: NodeId, message: Want | WantCert, now: Millis) -> None:
        facts = self._height.facts
        match message:
            case Want():
                block = facts.blocks.get(message.block_hash)
                if block is not None and self._answers.allows(source, message.block_hash, now):
                    self._effects.append(Send(Body(message.height, block), source))
            case WantCert():
                if self._answers.allows(source, (message.height, message.view), now):
                    for kind in (Kind.NOTARIZE, Kind.NULLIFY):
                        certificate = facts.certificate(message.view, kind)
                        if certificate is not None:
                            self._effects.append(Send(certificate, source))

    def _remember(self, source: NodeId) -> None:
        if source not in self._peers:
            self._peers.append(source)
            if len(self._peers) > MAX_PEERS:
                self._peers.pop(0)

    # Other heights

    def _help(self, source: NodeId, message: Message, now: Millis) -> None:
        """Whoever still votes at a lower height gets its final block. Answers and relayed
        certificates are not a sign of being behind."""
        if isinstance(message, Final | Body | Certificate):
            return
        if self._answers.allows(source, message.height, now):
            self._effects.append(Serve(message.height, source))

    def _notice(self, source: NodeId, message: Message, now: Millis) -> None:
        """A peer claims to be ahead. One height ahead is normal, and this node is likely to finish
        by itself: it asks only after Δ. Otherwise it asks at once, one question at a time."""
        if message.height == self.height + 1:
            self._early.keep(source, message)
        if self._ahead is None or message.height > self._ahead[0]:
            self._ahead = (message.height, source)
        if self._ask_at is None:
            if message.height == self.height + 1:
                self._ask_at = now + self._timing.delta
            else:
                self._ask_ahead(now)

    def _ask_ahead(self, now: Millis) -> None:
        """Ask who is ahead for this height's final block; if no answer comes, forget the claim."""
        self._ask_at = None
        if self._height.done or self._ahead is None or self._ahead[0] <= self.height:
            return
        if self._asked:
            self._asked, self._ahead = False, None
            return
        self._asked = True
        self._ask_at = now + self._timing.retry_interval
        self._effects.append(Send(Need(self.height), self._ahead[1]))

    # Effects

    def ordered(self, effects: Iterable[Effect]) -> tuple[Effect, ...]:
        return in_order(effects)

    def _settle(self, now: Millis) -> tuple[Effect, ...]:
        """Run the rules and hand out everything there is to do."""
        height = self._height
        if not height.done:
            height.clock_offset = self._clock_offset
            height.run(now)
        effects = self._effects + height.effects
        if height.records:
            effects.append(Persist(self.height, tuple(height.records)))
        for effect in height.effects:
            if isinstance(effect, Commit):
                self._next_validators = effect.block.header.next_validators
        self._effects = []
        height.effects = []
        height.records = []
        deadlines = height.deadlines()
        if self._ask_at is not None:
            deadlines.append(self._ask_at)
        earliest = min(deadlines, default=None)
        if earliest is not None and earliest != self._wake_at:
            effects.append(WakeAt(Millis(earliest)))
        self._wake_at = earliest
        return self.ordered(effects)
