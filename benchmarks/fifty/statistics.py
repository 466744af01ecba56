"""How long cheaters last, over many seeds: the ledger's own rules, digests instead of computing.

Nothing is stubbed but the arithmetic: draws, commitments, reveals, rulings, convictions and rewinds
are the ledger's. A convicted cheater is replaced by an honest worker, so there are always fifty.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from aliad.ledger.events import BatchDrawn, BatchVerified, NodeConvicted, RewardEarned
from aliad.ledger.job_state import expect_round, get_draws
from aliad.ledger.jobs import Draw, DrawPhase, JobPhase, SlotStatus
from aliad.ledger.params import Params
from aliad.ledger.transactions import RegisterWorker, RoundRecord, Transaction
from aliad.types import BatchIndex, NodeId, Round
from benchmarks.fifty.network import CHECKERS, RATES, WORKERS
from tests.ledger.chain import OWNER, VALIDATORS, Chain, hash_of, key
from tests.ledger.training import ENGINE, Training

OVERHEAD = 40_000
MOST_ITERATIONS = 4_000


@dataclass(slots=True)
class Career:
    """A cheater's: how often it forged, in how many iterations, until it was convicted."""

    q: float
    fakes: int = 0
    iterations: int = 0
    convicted: bool = False


@dataclass(slots=True)
class Statistics:
    """Of all seeds together."""

    seeds: int = 0
    iterations: int = 0
    trained: int = 0
    checked: int = 0
    honest_convictions: int = 0
    passed: int = 0
    careers: list[Career] = field(default_factory=list)


class Simulation:
    """One seed: fifty workers, three of them cheaters, until the last cheater is convicted."""

    def __init__(self, seed: int, statistics: Statistics) -> None:
        params = Params(newcomer_factor=1, max_free_per_block=200)
        self.chain = Chain(params, name=f"fifty {seed}")
        self.training = Training(
            self.chain, workers=0, batches=4_800, epochs=1_000, overhead=OVERHEAD, min_workers=30
        )
        self.statistics = statistics
        self._random = random.Random(seed)
        self._names = 0
        self._lies: set[tuple[Round, BatchIndex]] = set()
        self.chain.block(*[self._join() for _ in range(WORKERS)], fast=True)
        names = self._random.sample(range(1, WORKERS + 1), len(RATES))
        nodes = [key(f"{self.chain.genesis.name} worker {name}").node_id for name in names]
        self.careers = {node: Career(q) for node, q in zip(nodes, RATES, strict=True)}

    def _join(self) -> Transaction:
        self._names += 1
        worker = key(f"{self.chain.genesis.name} worker {self._names}")
        body = RegisterWorker(self.training.id, 2_000, 1, ENGINE, worker.node_id)
        return self.chain.tx(worker, body)

    def run(self) -> None:
        """Until nobody cheats any more."""
        iterations = 0
        while iterations < MOST_ITERATIONS and not all(c.convicted for c in self.careers.values()):
            iterations += self._step()
        self.statistics.seeds += 1
        self.statistics.iterations += iterations
        self.statistics.careers.extend(self.careers.values())

    def _step(self) -> bool:
        """One block or so; whether a round was recorded."""
        phase = self.training.job.phase
        if phase is JobPhase.OPEN:
            self._record()
        elif phase is JobPhase.CORRECTING:
            self.chain.block(self._correction(), fast=True)
        else:
            self.chain.block(fast=True)
        self._judge()
        self._count()
        return phase is JobPhase.OPEN

    def _record(self) -> None:
        number = self.training.job.round
        slots = expect_round(self.chain.state, self.training.id, number).slots
        liars: list[NodeId] = []
        for career in self.careers.values():
            career.iterations += not career.convicted
        for slot in slots:
            career_ = self.careers.get(slot.trainer)
            if career_ is not None and self._random.random() < career_.q:
                career_.fakes += 1
                liars.append(slot.trainer)
                self._lies.add((number, slot.batch))
        self.training.record(liars=liars, fast=True)
        self.statistics.trained += len(slots)

    def _correction(self) -> Transaction:
        number = self.training.job.rewind
        if number is None:
            raise AssertionError("a job is corrected that was not rewound")
        found = expect_round(self.chain.state, self.training.id, number)
        left = any(slot.status is not SlotStatus.REFUTED for slot in found.slots)
        parameters = hash_of("corrected", self.chain.height) if left else found.parameters
        body = RoundRecord(self.training.id, number, (), hash_of("sum", number), parameters)
        return self.chain.tx(OWNER, body)

    def _judge(self) -> None:
        """Honest checkers commit, all reveal, no traces come, the validators rule."""
        if not any(isinstance(event, BatchDrawn) for event in self.chain.log):
            return
        self._say(DrawPhase.COMMIT)
        self._say(DrawPhase.REVEAL)
        if get_draws(self.chain.state, self.training.id):
            self.chain.block(ms=self.chain.params.trace_ms, fast=True)
            for draw in get_draws(self.chain.state, self.training.id):
                if draw.phase is DrawPhase.RULING:
                    self.training.rule_batch(draw, VALIDATORS[:3])

    def _say(self, phase: DrawPhase) -> None:
        said: list[Transaction] = []
        for draw in get_draws(self.chain.state, self.training.id):
            if draw.phase is phase:
                speak = self.training.commit if phase is DrawPhase.COMMIT else self.training.reveal
                said += speak(draw, self._liars(draw))
        if said:
            self.chain.block(*said, fast=True)

    def _liars(self, draw: Draw) -> Sequence[NodeId]:
        return (draw.parties[0].node,) if (draw.round, draw.batch) in self._lies else ()

    def _count(self) -> None:
        gone: list[NodeId] = []
        for event in self.chain.log:
            match event:
                case NodeConvicted():
                    gone.append(event.node)
                case BatchVerified():
                    self.statistics.passed += (event.round, event.batch) in self._lies
                case RewardEarned():
                    self.statistics.checked += event.check
                case _:
                    pass
        self.chain.log.clear()
        self.chain.history.clear()
        for node in gone:
            if node in self.careers:
                self.careers[node].convicted = True
            else:
                self.statistics.honest_convictions += 1
        if gone:
            self.chain.block(*[self._join() for _ in gone], fast=True)


def run(seeds: int, first: int = 1) -> Statistics:
    """Simulate so many networks."""
    statistics = Statistics()
    for seed in range(first, first + seeds):
        Simulation(seed, statistics).run()
    return statistics


def expected_fakes() -> float:
    """The mean number of forgeries until one is drawn: 1/π with π = overhead/2 · N/trainers."""
    trainers = WORKERS - CHECKERS
    return trainers / (OVERHEAD / 1_000_000 / 2 * WORKERS)


def found_within(statistics: Statistics, fakes: int) -> float:
    """The share of cheaters that were convicted after at most so many forgeries."""
    done = Counter(career.convicted and career.fakes <= fakes for career in statistics.careers)
    return done[True] / max(1, len(statistics.careers))
