"""Ten thousand draws against a coalition, through the ledger's own rules.

Every colluding trainer fakes every batch; colluding checkers confirm the fakes of the coalition
and are honest otherwise, which is the best they can do. Whoever is convicted is replaced by a new
node of the same side, so the coalition keeps its share.
"""

import random
from dataclasses import dataclass, field

from aliad.ledger.events import BatchDrawn, BatchVerified, NodeConvicted
from aliad.ledger.job_state import expect_round, get_draws
from aliad.ledger.jobs import Draw, DrawPhase, JobPhase, SlotStatus
from aliad.ledger.params import Params
from aliad.ledger.transactions import RegisterWorker, RoundRecord, Transaction
from aliad.types import BatchIndex, NodeId, Round
from tests.ledger.chain import OWNER, VALIDATORS, Chain, hash_of, key
from tests.ledger.training import ENGINE, Training

WORKERS = 60

Lies = dict[tuple[Round, BatchIndex], bool]


@dataclass(slots=True)
class Tally:
    """What became of the draws."""

    draws: int = 0
    faked: int = 0
    passed: int = 0
    expected: float = 0.0
    honest_convicted: int = 0
    colluders_convicted: int = 0
    colluders: set[NodeId] = field(default_factory=set)


class Coalition:
    """A network in which ``share`` percent of the workers collude."""

    def __init__(self, seed: int, share: int) -> None:
        params = Params(newcomer_factor=1, vesting_rounds=4, max_free_per_block=200)
        self.chain = Chain(params, name=f"coalition {seed}")
        self.training = Training(
            self.chain, workers=0, batches=512, epochs=1000, overhead=1_000_000, min_workers=30
        )
        self.tally = Tally()
        self._random = random.Random(seed)
        self._names = 0
        kinds = [place < WORKERS * share // 100 for place in range(WORKERS)]
        self._random.shuffle(kinds)
        self.chain.block(*[self._join(colludes) for colludes in kinds], fast=True)

    def _join(self, colludes: bool) -> Transaction:
        self._names += 1
        worker = key(f"{self.chain.genesis.name} worker {self._names}")
        if colludes:
            self.tally.colluders.add(worker.node_id)
        body = RegisterWorker(self.training.id, 2_000, 1, ENGINE, worker.node_id)
        return self.chain.tx(worker, body)

    def run(self, draws: int) -> Tally:
        """Rounds until so many batches have been drawn and judged."""
        while self.tally.draws < draws:
            self._step()
        return self.tally

    def _step(self) -> None:
        phase = self.training.job.phase
        if phase is JobPhase.OPEN:
            self.training.record(liars=tuple(self.tally.colluders), fast=True)
        elif phase is JobPhase.CORRECTING:
            self._block(self._correction())
        else:
            self._block()
        self._judge()

    def _block(self, *transactions: Transaction) -> None:
        self.chain.block(*transactions, fast=True)

    def _correction(self) -> Transaction:
        number = self.training.job.rewind
        assert number is not None
        found = expect_round(self.chain.state, self.training.id, number)
        left = any(slot.status is not SlotStatus.REFUTED for slot in found.slots)
        parameters = hash_of("corrected", self.chain.height) if left else found.parameters
        body = RoundRecord(self.training.id, number, (), hash_of("sum", number), parameters)
        return self.chain.tx(OWNER, body)

    def _judge(self) -> None:
        """Commit, reveal, let the traces go by, rule; then replace who was convicted."""
        drawn = [event for event in self.chain.log if isinstance(event, BatchDrawn)]
        if not drawn:
            self.chain.log.clear()
            return
        draws = get_draws(self.chain.state, self.training.id)
        lies: Lies = {(draw.round, draw.batch): self._lies(draw) for draw in draws}
        self._block(*[tx for draw in draws for tx in self._commits(draw, lies)])
        draws = get_draws(self.chain.state, self.training.id)
        self._block(*[tx for draw in draws for tx in self._reveals(draw, lies)])
        self.chain.block(ms=self.chain.params.trace_ms, fast=True)
        self._rule()
        self._count(drawn)

    def _lies(self, draw: Draw) -> bool:
        return draw.parties[0].node in self.tally.colluders

    def _liars(self, draw: Draw, lies: Lies) -> tuple[NodeId, ...]:
        return tuple(self.tally.colluders) if lies[draw.round, draw.batch] else ()

    def _commits(self, draw: Draw, lies: Lies) -> list[Transaction]:
        return self.training.commit(draw, self._liars(draw, lies))

    def _reveals(self, draw: Draw, lies: Lies) -> list[Transaction]:
        return self.training.reveal(draw, self._liars(draw, lies))

    def _rule(self) -> None:
        draws = get_draws(self.chain.state, self.training.id)
        assert all(draw.phase is DrawPhase.RULING for draw in draws)
        bodies = [self.training.ruling_body(draw) for draw in draws]
        rulings = [self.chain.tx(judge, body) for body in bodies for judge in VALIDATORS[:3]]
        self._block(*rulings)

    def _count(self, drawn: list[BatchDrawn]) -> None:
        tally = self.tally
        verified = {(e.round, e.batch) for e in self.chain.log if isinstance(e, BatchVerified)}
        gone = [e.node for e in self.chain.log if isinstance(e, NodeConvicted)]
        colluders = len(tally.colluders)
        for event in drawn:
            tally.draws += 1
            if event.trainer in tally.colluders:
                tally.faked += 1
                tally.passed += (event.round, event.batch) in verified
                chance = (colluders - 1) * (colluders - 2) / ((WORKERS - 1) * (WORKERS - 2))
                tally.expected += chance
        tally.honest_convicted += sum(node not in tally.colluders for node in gone)
        tally.colluders_convicted += sum(node in tally.colluders for node in gone)
        self.chain.log.clear()
        self.chain.history.clear()
        joining = [self._join(node in tally.colluders) for node in gone]
        tally.colluders.difference_update(gone)
        self._block(*joining)
