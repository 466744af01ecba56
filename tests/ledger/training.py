"""A training job on a chain, whose nodes do what a test tells them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from aliad.crypto import SigningKey, sign
from aliad.ledger import merkle
from aliad.ledger.commitments import (
    compute_commitment,
    compute_manifest_leaf,
    compute_trace_leaf,
    get_result_message,
)
from aliad.ledger.events import BatchDrawn, RoundOpened
from aliad.ledger.job_state import (
    expect_round,
    get_draw,
    get_draws,
    get_job,
    get_round,
)
from aliad.ledger.jobs import Draw, Job, JobKind, JobPhase, JobTerms, RulingMode, Slot
from aliad.ledger.transactions import (
    RESULT_DOMAIN,
    CheckCommit,
    OpenJob,
    RegisterWorker,
    Result,
    Reveal,
    RoundRecord,
    Ruling,
    TraceClaim,
    TraceCommit,
    Transaction,
    compute_transaction_id,
)
from aliad.ledger.workers import is_barred
from aliad.types import (
    ZERO_HASH,
    BatchIndex,
    Hash32,
    JobId,
    MegaMac,
    NodeId,
    Ppm,
    Round,
)
from tests.ledger.chain import BY_NODE, OWNER, VALIDATORS, Chain, hash_of, key

ENGINE = Hash32(b"e" * 32)
FIRST_PARAMETERS = Hash32(b"p" * 32)
BATCH_WORK = MegaMac(1_000)


class Manifest:
    """The batches of a job with their Merkle tree."""

    def __init__(self, count: int) -> None:
        self.count = count
        leaves = [
            compute_manifest_leaf(BatchIndex(index), hash_of("batch", index), BATCH_WORK)
            for index in range(count)
        ]
        self._levels = merkle.compute_levels(leaves)
        self.root = self._levels[-1][0]

    def path(self, index: int) -> tuple[Hash32, ...]:
        return merkle.compute_path(self._levels, index)


def make_terms(manifest: Manifest, **changes: int) -> JobTerms:
    terms = JobTerms(
        batches=manifest.count,
        manifest=manifest.root,
        epochs=2,
        engine=ENGINE,
        parameters=FIRST_PARAMETERS,
        memory=1_000,
        min_workers=3,
        overhead=Ppm(40_000),
        round_ms=60_000,
        record_ms=30_000,
        check_ms=60_000,
        reveal_ms=30_000,
    )
    return replace(terms, **changes)  # type: ignore[arg-type]


class Training:
    """A job on a chain, its workers, and what they say when they tell the truth."""

    def __init__(self, chain: Chain, workers: int = 6, batches: int = 64, **terms: int) -> None:
        self.chain = chain
        self.manifest = Manifest(batches)
        self.terms = make_terms(self.manifest, **terms)
        self.workers = [key(f"worker {number}") for number in range(workers)]
        opening = chain.tx(OWNER, OpenJob(self.terms, b"spec"))
        self.id = JobId(compute_transaction_id(opening))
        chain.block(opening)
        self.owner = OWNER
        self.register(self.workers)

    @staticmethod
    def of_order(chain: Chain, job_id: JobId, manifest: Manifest, owner: SigningKey) -> "Training":
        """An open translation order, seen as a job."""
        order = Training.__new__(Training)
        order.chain, order.id, order.manifest, order.owner = chain, job_id, manifest, owner
        order.terms, order.workers = order.job.terms, []
        return order

    @property
    def job(self) -> Job:
        return get_job(self.chain.state, self.id)

    def register(self, workers: Iterable[SigningKey], capacity: int = 1) -> None:
        made = [
            self.chain.tx(worker, RegisterWorker(self.id, 2_000, capacity, ENGINE, worker.node_id))
            for worker in workers
        ]
        for start in range(0, len(made), 60):
            self.chain.block(*made[start : start + 60])

    def open(self) -> RoundOpened:
        """Let blocks pass until a round is open."""
        for _ in range(8):
            if self.job.phase is JobPhase.OPEN:
                return self.chain.last(RoundOpened)
            self.chain.block()
        raise AssertionError(f"no round opened: {self.job.phase!r}")

    def slots(self) -> list[Slot]:
        """All batches of the rounds that have not vested."""
        job = self.job
        rounds = [
            get_round(self.chain.state, self.id, Round(number))
            for number in range(job.vested, job.round + 1)
        ]
        return [slot for found in rounds if found is not None for slot in found.slots]

    def truth(self, number: Round, batch: BatchIndex) -> Hash32:
        """The digest of the update that an honest node computes."""
        parameters = expect_round(self.chain.state, self.id, number).parameters
        return hash_of("update", parameters, batch)

    def lie(self, number: Round, batch: BatchIndex) -> Hash32:
        """The digest that colluders agree on."""
        return hash_of("lie", self.id, number, batch)

    def commitment(self, number: Round, batch: BatchIndex, node: NodeId, update: Hash32) -> Hash32:
        return compute_commitment(self.chain.hash, self.id, number, batch, node, update)

    def result(self, slot: Slot, update: Hash32, signer: SigningKey | None = None) -> Result:
        """A trainer's signed result for its slot of the open round."""
        job = self.job
        commitment = self.commitment(job.round, slot.batch, slot.trainer, update)
        return self.sign_result(slot, commitment, signer)

    def sign_result(
        self, slot: Slot, commitment: Hash32, signer: SigningKey | None = None
    ) -> Result:
        job = self.job
        message = get_result_message(
            self.id, job.round, slot.batch, slot.trainer, commitment, job.parameters, ENGINE
        )
        key_used = signer or BY_NODE[slot.trainer]
        signature = sign(key_used, RESULT_DOMAIN, self.chain.hash, message)
        return Result(
            commitment,
            signature,
            hash_of("batch", slot.batch),
            BATCH_WORK,
            self.manifest.path(slot.batch),
        )

    def record_body(
        self, missing: Sequence[NodeId] = (), liars: Sequence[NodeId] = ()
    ) -> RoundRecord:
        """The originator's record: ``liars`` committed to a lie, ``missing`` said nothing."""
        number = self.job.round
        slots = expect_round(self.chain.state, self.id, number).slots
        results = tuple(
            None
            if slot.trainer in missing or is_barred(self.chain.state, slot.trainer)
            else self.result(
                slot,
                self.lie(number, slot.batch)
                if slot.trainer in liars
                else self.truth(number, slot.batch),
            )
            for slot in slots
        )
        moved = any(result is not None for result in results)
        training = self.job.kind is JobKind.TRAINING
        parameters = hash_of("parameters", number) if moved and training else self.job.parameters
        aggregate = hash_of("aggregate", number) if training else ZERO_HASH
        return RoundRecord(self.id, number, results, aggregate, parameters)

    def record(
        self,
        missing: Sequence[NodeId] = (),
        liars: Sequence[NodeId] = (),
        *,
        fast: bool = False,
    ) -> None:
        """Record the open round; calling somebody missing takes until the deadline."""
        body = self.record_body(missing, liars)
        ms = self.terms.round_ms if missing else 1_000
        self.chain.block(self.chain.tx(self.owner, body), ms=ms, fast=fast)

    def round(self, liars: Sequence[NodeId] = ()) -> list[Draw]:
        """Open, record and draw one round; returns the open draws."""
        self.open()
        self.record(liars=liars)
        self.chain.block()
        self.chain.block()
        return get_draws(self.chain.state, self.id)

    def draw_some(self, liars: Sequence[NodeId] = ()) -> Draw:
        """Rounds until something is drawn; needs an overhead that draws often."""
        for _ in range(20):
            before = len(self.chain.events(BatchDrawn))
            self.round(liars)
            drawn = self.chain.events(BatchDrawn)[before:]
            if drawn:
                first = drawn[0]
                return get_draw(self.chain.state, self.id, first.round, first.batch)
        raise AssertionError("nothing was drawn")

    def says(self, draw: Draw, node: NodeId, liars: Sequence[NodeId]) -> Hash32:
        told = self.lie if node in liars else self.truth
        return told(draw.round, draw.batch)

    def current(self, draw: Draw) -> Draw:
        return get_draw(self.chain.state, self.id, draw.round, draw.batch)

    def commit(self, draw: Draw, liars: Sequence[NodeId] = ()) -> list[Transaction]:
        """The commitments of the checkers that have not committed."""
        return [
            self.chain.tx(
                BY_NODE[party.node],
                CheckCommit(
                    self.id,
                    draw.round,
                    draw.batch,
                    self.commitment(
                        draw.round, draw.batch, party.node, self.says(draw, party.node, liars)
                    ),
                ),
            )
            for party in draw.parties
            if party.commitment is None
        ]

    def reveal(self, draw: Draw, liars: Sequence[NodeId] = ()) -> list[Transaction]:
        """The reveals of the parties that have not revealed."""
        return [
            self.chain.tx(
                BY_NODE[party.node],
                Reveal(self.id, draw.round, draw.batch, self.says(draw, party.node, liars)),
            )
            for party in draw.parties
            if party.revealed is None
        ]

    def check(self, draw: Draw, liars: Sequence[NodeId] = ()) -> None:
        """Commit and reveal, as all parties should."""
        self.chain.block(*self.commit(draw, liars))
        self.chain.block(*self.reveal(self.current(draw), liars))

    def ruling_body(self, draw: Draw) -> Ruling:
        """What a validator finds that executes the whole batch."""
        return Ruling(
            self.id,
            draw.round,
            draw.batch,
            RulingMode.BATCH,
            0,
            Hash32(bytes(32)),
            (),
            self.truth(draw.round, draw.batch),
        )

    def rule_batch(self, draw: Draw, validators: Sequence[SigningKey] = VALIDATORS[:3]) -> None:
        """Validators execute the whole batch and say the truth."""
        body = self.ruling_body(draw)
        self.chain.block(*[self.chain.tx(validator, body) for validator in validators])


class Trace:
    """A party's trace: ``operations`` digests that differ from the truth from ``lie_at`` on."""

    def __init__(self, draw: Draw, last: Hash32, operations: int = 11, lie_at: int = 99) -> None:
        self.draw = draw
        self.count = operations
        self.digests = [
            hash_of("output", at, at >= lie_at, last if at >= lie_at else 0)
            for at in range(operations)
        ]
        self.digests[-1] = last
        leaves = [
            compute_trace_leaf(at, operation_id(at), result)
            for at, result in enumerate(self.digests)
        ]
        self.levels = merkle.compute_levels(leaves)

    @property
    def root(self) -> Hash32:
        return self.levels[-1][0]

    def commit(self) -> TraceCommit:
        last = self.count - 1
        return TraceCommit(
            self.draw.job,
            self.draw.round,
            self.draw.batch,
            self.root,
            self.count,
            operation_id(last),
            merkle.compute_path(self.levels, last),
            hash_of("blob", self.root),
        )

    def claim(self, at: int) -> TraceClaim:
        return TraceClaim(self.digests[at], merkle.compute_path(self.levels, at))


def operation_id(at: int) -> Hash32:
    return hash_of("operation", at)


def rule_operation(draw: Draw, traces: Sequence[Trace], at: int, right: Hash32) -> Ruling:
    """A ruling on operation ``at``, with every party's claim."""
    return Ruling(
        draw.job,
        draw.round,
        draw.batch,
        RulingMode.OPERATION,
        at,
        operation_id(at),
        tuple(trace.claim(at) for trace in traces),
        right,
    )
