"""The six rules of single-shot Simplex, applied to the facts of one open height.

Source: Chan and Pass, "Simplex Consensus: A Simple and Fast Consensus Protocol", TCC 2023, run
once per height. Facts are recorded elsewhere; `Simplex.run` applies the rules to them until none
finds anything to do, so no handler calls another.

Why it is safe: a quorum of FINALIZE(v, x) holds more than a third of honest power, which never
casts NULLIFY(v). So no NULLIFY certificate of v exists, and every later proposal must repeat x.
"""

from aliad.consensus.application import Draft, Order
from aliad.consensus.beacon import beacon_input, next_beacon
from aliad.consensus.block import MAX_PAYLOAD_BYTES, Block, Header, Opening, body_digest
from aliad.consensus.effects import Commit, Propose, Validate
from aliad.consensus.height import Identity, OpenHeight
from aliad.consensus.journal import block_record
from aliad.consensus.timing import Timing
from aliad.consensus.verification import is_sound, is_timely
from aliad.consensus.votes import Kind, certificate_of
from aliad.types import Hash32, Millis, NodeId, View


class Simplex(OpenHeight):
    """R1 to R6. Each returns whether it changed a fact."""

    def __init__(
        self, opening: Opening, timing: Timing, identity: Identity, peers: list[NodeId], now: Millis
    ) -> None:
        super().__init__(opening, timing, identity, peers, now)
        self._ordered: tuple[Order, bytes] | None = None  # with the VRF proof of its beacon
        self._drafted: tuple[View, Block] | None = None
        self._judging: set[Hash32] = set()
        self._journaled: set[Hash32] = set()

    def run(self, now: Millis) -> None:
        """Apply the rules until none of them finds anything to do."""
        while not self.done and (
            self.r1_certify()
            or self.r2_commit(now)
            or self.r3_finalize()
            or self.r4_advance(now)
            or self.r5_propose(now)
            or self.r6_notarize(now)
        ):
            pass

    def r1_certify(self) -> bool:
        """R1: a quorum of equal votes is a certificate: persist it, relay it once."""
        if not self.facts.ripe:
            return False
        view, kind, block_hash = self.facts.ripe.pop()
        if self.facts.certificate(view, kind) is None:
            cast = self.facts.votes[view, kind].values()
            equal = [vote for vote in cast if vote.block_hash == block_hash]
            self.accept(certificate_of(equal, self.opening.validators))
        return True

    def r2_commit(self, now: Millis) -> bool:
        """R2: a FINALIZE certificate commits its block, once the block is known."""
        certificate = self.facts.finalized()
        if certificate is None:
            return False
        block = self.facts.blocks.get(certificate.block_hash)
        if block is None:
            self.want_block(certificate.block_hash, now)
            return False
        self.effects.append(Commit(block, certificate, tuple(self.facts.certificates.values())))
        self.done = True
        return True

    def r3_finalize(self) -> bool:
        """R3: a NOTARIZE certificate (v, x), and this node cast neither NULLIFY(v) nor FINALIZE(v):
        cast FINALIZE(v, x)."""
        if not self.identity.may_vote:
            return False
        for (view, kind), certificate in self.facts.certificates.items():
            if kind is Kind.NOTARIZE and self.facts.may_cast(view, Kind.FINALIZE):
                self.send(self.cast(Kind.FINALIZE, view, certificate.block_hash))
                return True
        return False

    def r4_advance(self, now: Millis) -> bool:
        """R4: the view is one above the highest with a NOTARIZE or NULLIFY certificate."""
        if self.facts.top < self.view:
            return False
        self.view = View(self.facts.top + 1)
        self.patient_until = None
        self.facts.forget_before(View(max(0, self.view - 1)))
        self.start(now)
        return True

    def r5_propose(self, now: Millis) -> bool:
        """R5: the leader of the view, having cast nothing in it, repeats the block of the latest
        NOTARIZE certificate unchanged, NULLIFY certificates covering the views since; if there is
        no such block it makes a new one."""
        if not self.started or not self.may_notarize() or self.leader(self.view) != self.me:
            return False
        if self._expects_finality(now):
            return False
        justification = self.justification(self.view, None)
        if justification.missing is not None:
            self.want_certificates(justification.missing, now)
            return False
        if justification.repeats < 0:
            return self._propose_new(now)
        block_hash = justification.chain[-1].block_hash
        if block_hash not in self.facts.blocks:
            self.want_block(block_hash, now)
            return False
        return self._propose(block_hash)

    def r6_notarize(self, now: Millis) -> bool:
        """R6: a proposal of the view's leader, its justification complete, and this node cast
        neither NOTARIZE nor NULLIFY in the view: execute it; NOTARIZE if valid, else NULLIFY."""
        proposal = self.facts.proposals.get(self.view)
        if proposal is None or not self.may_notarize():
            return False
        block_hash = proposal.block_hash
        justification = self.justification(self.view, block_hash)
        if justification.missing is not None:
            self.want_certificates(justification.missing, now)
            return False
        block = self.facts.blocks.get(block_hash)
        if block is None:
            self.want_block(block_hash, now)
            return False
        valid = self._judge(block_hash, block)
        if valid is None:
            return False
        if not valid or (justification.repeats < 0 and not self._is_timely(block, now)):
            self._reject()
            return False
        self._journal(block_hash, block)
        self.send(self.cast(Kind.NOTARIZE, self.view, block_hash))
        return True

    # What the application answers

    def drafted(self, view: View, draft: Draft) -> None:
        """The application made the payload that `Propose` asked for."""
        if self._ordered is None or self._ordered[0].view != view or view != self.view:
            return  # the view went by meanwhile
        order, proof = self._ordered
        header = Header(
            order.height,
            self.opening.parent,
            order.time,
            self.opening.validators.digest,
            draft.next_validators,
            self.me,
            proof,
            order.beacon,
            body_digest(order.last_commit, draft.payload),
            draft.app,
        )
        self._drafted = (view, Block(header, order.last_commit, draft.payload))

    def validated(self, block_hash: Hash32, valid: bool) -> None:
        """The application judged the block that `Validate` gave it."""
        self.facts.valid[block_hash] = valid

    # Steps of R5 and R6

    def _expects_finality(self, now: Millis) -> bool:
        """A leader that cast FINALIZE in the view before gives its quorum Δ to form: in the common
        case the block is final by then, and repeating it would be one useless proposal a height."""
        if (self.view - 1, Kind.FINALIZE) not in self.facts.mine:
            return False
        until = self.entered + self.timing.delta
        self.patient_until = until if now < until else None
        return now < until

    def _propose_new(self, now: Millis) -> bool:
        if self._drafted is not None and self._drafted[0] == self.view:
            block = self._drafted[1]
            block_hash = block.header.digest()
            self.facts.blocks[block_hash] = block
            self.facts.valid[block_hash] = True
            return self._propose(block_hash)
        if self._ordered is None or self._ordered[0].view != self.view:
            self._order(now)
        return False

    def _order(self, now: Millis) -> None:
        """Ask the application for a payload; time and beacon are settled first."""
        opening = self.opening
        alpha = beacon_input(opening.genesis, opening.height, opening.beacon)
        proof, beta = self.identity.signer.prove(alpha)
        order = Order(
            opening.height,
            self.view,
            Millis(max(now + self.clock_offset, opening.parent_time + 1)),
            next_beacon(opening.beacon, opening.height, beta),
            self.me,
            opening.last_commit,
        )
        self._ordered = (order, proof)
        self.effects.append(Propose(order))

    def _propose(self, block_hash: Hash32) -> bool:
        self._journal(block_hash, self.facts.blocks[block_hash])
        vote = self.cast(Kind.NOTARIZE, self.view, block_hash)
        self.send(self.proposal(vote, MAX_PAYLOAD_BYTES))
        return True

    def _journal(self, block_hash: Hash32, block: Block) -> None:
        """A block voted for is kept, so that somebody can answer who wants it after a crash."""
        if block_hash not in self._journaled:
            self._journaled.add(block_hash)
            self.records.append(block_record(block_hash, block))

    def _judge(self, block_hash: Hash32, block: Block) -> bool | None:
        """Whether the block is valid; None while the application is asked."""
        valid = self.facts.valid.get(block_hash)
        if valid is None and block_hash not in self._judging:
            if not is_sound(block, self.opening, self.identity.verifier):
                self.facts.valid[block_hash] = False
                return False
            self._judging.add(block_hash)
            self.effects.append(Validate(block_hash, block))
        return valid

    def _is_timely(self, block: Block, now: Millis) -> bool:
        wall = Millis(now + self.clock_offset)
        return is_timely(block, self.leader(self.view), wall, self.timing.clock_tolerance)

    def _reject(self) -> None:
        """NULLIFY, but not before Δ: invalid proposals in a row must not spin the views."""
        if self.timeout_at is not None:
            self.timeout_at = min(self.timeout_at, self.entered + self.timing.delta)
