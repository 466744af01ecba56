"""A hypothesis state machine: a whole network does what it likes, and the money always adds up.

Users move and bond tokens, workers train, lie, fall silent, check and rule, the originator is late
or wrong, customers order and cancel, validators cast double votes. After every block the ledger is
compared with a plain dictionary, its invariants are recomputed from the raw state, and at the end
the history is replayed from genesis to the same state root.
"""

from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from aliad.crypto import SigningKey
from aliad.ledger.accounts import get_economy
from aliad.ledger.apply import apply_payload, make_genesis_state
from aliad.ledger.errors import InvalidBlock
from aliad.ledger.events import JobOpened
from aliad.ledger.job_state import get_closed_job, get_draws, get_jobs
from aliad.ledger.jobs import Draw, DrawPhase, JobKind, JobPhase
from aliad.ledger.params import Params
from aliad.ledger.state_root import MemoryBuckets, compute_state_root
from aliad.ledger.transactions import (
    Bond,
    CancelOrder,
    CloseJob,
    OpenOrder,
    RegisterWorker,
    TransactionBody,
    Transfer,
    Unbond,
    UnregisterWorker,
    VoteOriginator,
    compute_transaction_id,
)
from aliad.types import Hash32, JobId, MegaMac, Millis, NanoAlia, NodeId
from tests.ledger.attacks.acting import correct
from tests.ledger.attacks.stakes import double_vote
from tests.ledger.chain import BY_NODE, OWNER, VALIDATORS, Chain, hash_of, key
from tests.ledger.invariants import check_state
from tests.ledger.model import Model
from tests.ledger.ordering import make_model
from tests.ledger.training import BATCH_WORK, ENGINE, Manifest, Training, make_terms

USERS = [key(f"user {number}") for number in range(3)]
WORKERS = [key(f"worker {number}") for number in range(6)]
PARAMS = Params(
    era_blocks=7,
    min_bond=NanoAlia(1_000),
    bond_per_power=NanoAlia(100),
    unbonding_blocks=6,
    evidence_blocks=5,
    min_fee=NanoAlia(10),
    vesting_rounds=2,
    emission_per_era=NanoAlia(10**7),
    close_ms=Millis(500_000),
)
EVERYBODY = st.sampled_from(USERS + WORKERS)
BATCHES = 10
AMOUNTS = st.integers(0, 2_000)
SOME = st.lists(st.sampled_from(WORKERS), max_size=2)
TROUPE = st.lists(st.sampled_from(WORKERS), min_size=1, max_size=4)


class Network(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.chain = Chain(PARAMS)
        self.model = Model()
        self.seen = 0

    @initialize(overhead=st.sampled_from([0, 100_000, 700_000]))
    def start(self, overhead: int) -> None:
        for user in USERS + WORKERS[:2]:
            self.chain.give(user.node_id, 10**8)
            self.model.give(user.node_id, 10**8)
        self.start_state = dict(self.chain.state.values)
        self.model_id = make_model(self.chain)
        terms = {"check_ms": 5_000, "reveal_ms": 5_000, "batches": 16, "epochs": 2}
        self.jobs = [Training(self.chain, workers=6, overhead=overhead, **terms)]
        translators = [
            self.chain.tx(worker, RegisterWorker(self.model_id, 2_000, 2, ENGINE, worker.node_id))
            for worker in [*WORKERS, VALIDATORS[3]]
        ]
        self.chain.block(*translators)
        self.send(USERS[0], Bond(NanoAlia(1_000)), 10)

    def send(
        self, sender: SigningKey, body: TransactionBody, fee: int = 0, ms: int = 1_000
    ) -> bool:
        """Whether the ledger took it; if not, nothing may have changed."""
        tx = self.chain.tx(sender, body, fee)
        before = dict(self.chain.state.values)
        try:
            self.chain.block(tx, ms=ms)
        except InvalidBlock:
            assert self.chain.state.values == before
            return False
        if isinstance(body, OpenOrder):
            job = JobId(compute_transaction_id(tx))
            place = next(
                at
                for at, e in enumerate(self.chain.log)
                if isinstance(e, JobOpened) and e.job == job
            )
            self._follow(place)
            self.model.open_order(job, sender.node_id, body.escrow)
        return True

    def _follow(self, upto: int) -> None:
        for event in self.chain.log[self.seen : upto]:
            self.model.follow(event)
        self.seen = max(self.seen, upto)

    @property
    def training(self) -> Training:
        """The job that is next in turn; those that are over are skipped."""
        return self.jobs[0]

    @rule()
    def turn(self) -> None:
        """Look at another job or order."""
        self.jobs.append(self.jobs.pop(0))

    def job_is(self, *phases: JobPhase) -> bool:
        jobs = dict(get_jobs(self.chain.state))
        return self.training.id in jobs and jobs[self.training.id].phase in phases

    @rule(ms=st.sampled_from([1, 1_000, 60_000, 400_000]))
    def time_passes(self, ms: int) -> None:
        self.chain.block(ms=ms)

    @rule(sender=EVERYBODY, to=EVERYBODY, amount=AMOUNTS, fee=st.integers(9, 12))
    def transfer(self, sender: SigningKey, to: SigningKey, amount: int, fee: int) -> None:
        self.send(sender, Transfer(to.node_id, NanoAlia(amount)), fee)

    @rule(sender=st.sampled_from(USERS + VALIDATORS), amount=AMOUNTS)
    def bond(self, sender: SigningKey, amount: int) -> None:
        self.send(sender, Bond(NanoAlia(amount)), 10)

    @rule(sender=st.sampled_from(USERS + VALIDATORS), amount=AMOUNTS, resign=st.booleans())
    def unbond(self, sender: SigningKey, amount: int, resign: bool) -> None:
        self.send(sender, Unbond(NanoAlia(amount), resign and sender is VALIDATORS[3]), 10)

    @rule(worker=st.sampled_from([*WORKERS, VALIDATORS[3]]), orders=st.booleans(), to=EVERYBODY)
    def register(self, worker: SigningKey, orders: bool, to: SigningKey) -> None:
        service = self.model_id if orders else self.training.id
        self.send(worker, RegisterWorker(service, 2_000, 1, ENGINE, to.node_id))

    @rule(worker=st.sampled_from(WORKERS))
    def unregister(self, worker: SigningKey) -> None:
        self.send(worker, UnregisterWorker(self.training.id))

    @precondition(lambda self: self.job_is(JobPhase.OPEN))
    @rule(missing=SOME, liars=SOME)
    def record(self, missing: list[SigningKey], liars: list[SigningKey]) -> None:
        gone = [worker.node_id for worker in missing]
        body = self.training.record_body(gone, [worker.node_id for worker in liars])
        self.send(self.training.owner, body, ms=60_000 if missing else 1_000)

    @precondition(lambda self: self.job_is(JobPhase.SCHEDULED))
    @rule()
    def draw(self) -> None:
        self.chain.block()
        self.chain.block()

    @precondition(lambda self: self.job_is(JobPhase.CORRECTING))
    @rule()
    def corrected(self) -> None:
        correct(self.training)

    def _in_phase(self, phase: DrawPhase) -> list[Draw]:
        if not any(job_id == self.training.id for job_id, _ in get_jobs(self.chain.state)):
            return []
        draws = get_draws(self.chain.state, self.training.id)
        return [draw for draw in draws if draw.phase is phase]

    def _speak(self, draw: Draw, silent: list[SigningKey], liars: list[SigningKey]) -> None:
        """Everybody's next word in a check: what it committed to, unless it is silent."""
        told = [worker.node_id for worker in liars]
        if draw.phase is DrawPhase.COMMIT:
            spoken = self.training.commit(draw, told)
        else:
            spoken = self.training.reveal(draw, self._told(draw))
        self.chain._nonces.clear()
        for tx in spoken:
            if tx.sender not in [worker.node_id for worker in silent]:
                self.send(BY_NODE[tx.sender], tx.body)

    def _told(self, draw: Draw) -> list[NodeId]:
        """Who committed to the lie."""
        lie = self.training.lie(draw.round, draw.batch)
        return [
            party.node
            for party in draw.parties
            if party.commitment == self.training.commitment(draw.round, draw.batch, party.node, lie)
        ]

    @precondition(lambda self: self._in_phase(DrawPhase.COMMIT))
    @rule(silent=SOME, liars=SOME)
    def check(self, silent: list[SigningKey], liars: list[SigningKey]) -> None:
        self._speak(self._in_phase(DrawPhase.COMMIT)[0], silent, liars)

    @precondition(lambda self: self._in_phase(DrawPhase.REVEAL))
    @rule(silent=SOME)
    def reveal(self, silent: list[SigningKey]) -> None:
        self._speak(self._in_phase(DrawPhase.REVEAL)[0], silent, [])

    @precondition(lambda self: self._in_phase(DrawPhase.TRACE))
    @rule()
    def no_traces(self) -> None:
        self.chain.block(ms=PARAMS.trace_ms)

    @precondition(lambda self: self._in_phase(DrawPhase.RULING))
    @rule(validators=st.integers(1, 5))
    def judge(self, validators: int) -> None:
        draw = self._in_phase(DrawPhase.RULING)[0]
        body = self.training.ruling_body(draw)
        for validator in [*VALIDATORS, USERS[0]][:validators]:
            self.send(validator, body)

    @precondition(lambda self: self.job_is(JobPhase.FINISHED))
    @rule()
    def close(self) -> None:
        job = self.training.job
        if self.training.owner is not OWNER:
            return
        body = CloseJob(self.training.id, job.parameters, hash_of("model"), hash_of("card"))
        self.send(OWNER, body)

    @rule(
        customer=st.sampled_from(USERS),
        declared=st.sampled_from([1, 2 * BATCH_WORK, BATCHES * BATCH_WORK, 9 * BATCH_WORK]),
        overhead=st.sampled_from([0, 300_000, 1_000_000]),
    )
    def order(self, customer: SigningKey, declared: int, overhead: int) -> None:
        manifest = Manifest(BATCHES)
        made = make_terms(manifest, epochs=1, overhead=overhead, check_ms=5_000, reveal_ms=5_000)
        terms = replace(made, parameters=self._model_parameters())
        escrow = NanoAlia(3 * declared * get_economy(self.chain.state).reward_rate)
        body = OpenOrder(self.model_id, terms, b"", MegaMac(declared), escrow)
        if self.send(customer, body, 10):
            job_id = self.chain.last(JobOpened).job
            self.jobs.insert(0, Training.of_order(self.chain, job_id, manifest, customer))

    @rule(customer=st.sampled_from(USERS), liars=TROUPE, steps=st.integers(10, 40))
    def translate(self, customer: SigningKey, liars: list[SigningKey], steps: int) -> None:
        """An order in which some lie, from its opening, often to its end."""
        self.order(customer, BATCHES * BATCH_WORK, 1_000_000)
        self.work(steps, [], liars)
        self.work(steps, [], [])

    def _model_parameters(self) -> Hash32:
        closed = get_closed_job(self.chain.state, self.model_id)
        assert closed is not None
        return closed.parameters

    @rule(customer=st.sampled_from(USERS))
    def cancel(self, customer: SigningKey) -> None:
        for job_id, job in get_jobs(self.chain.state):
            if job.kind is JobKind.TRANSLATION and job.owner == customer.node_id:
                self.send(customer, CancelOrder(job_id), 10)

    @rule(steps=st.integers(4, 20), silent=SOME, liars=SOME)
    def work(self, steps: int, silent: list[SigningKey], liars: list[SigningKey]) -> None:
        """Everybody does its duty for a while, but for the liars and the silent."""
        for _ in range(steps):
            self._step(silent, liars)
            self.money_adds_up()

    @rule(steps=st.integers(5, 25))
    def work_honestly(self, steps: int) -> None:
        self.work(steps, [], [])

    def _step(self, silent: list[SigningKey], liars: list[SigningKey]) -> None:
        if self._in_phase(DrawPhase.COMMIT):
            self.check(silent, liars)
        elif self._in_phase(DrawPhase.REVEAL):
            self.reveal(silent)
        elif self._in_phase(DrawPhase.TRACE):
            self.no_traces()
        elif self._in_phase(DrawPhase.RULING):
            self.judge(5)
        elif self.job_is(JobPhase.OPEN):
            self.record([], liars)
        elif self.job_is(JobPhase.CORRECTING):
            self.corrected()
        elif self.job_is(JobPhase.FINISHED):
            self.close()
            self.chain.block(ms=2_000)
        self.chain.block(ms=6_000 if silent else 1_000)

    @rule(subject=st.sampled_from(USERS), voters=st.integers(1, 4), admit=st.booleans())
    def vote_originator(self, subject: SigningKey, voters: int, admit: bool) -> None:
        for validator in VALIDATORS[:voters]:
            self.send(validator, VoteOriginator(subject.node_id, admit))

    @rule()
    def double_vote(self) -> None:
        self.send(USERS[0], double_vote(self.chain))

    @invariant()
    def money_adds_up(self) -> None:
        self._follow(len(self.chain.log))
        self.model.compare(self.chain.state)
        check_state(self.chain.state)

    def teardown(self) -> None:
        """Replay from the start: the same state, and the same root block by block."""
        if self.chain.height == 0:
            return
        replayed = make_genesis_state(self.chain.genesis)
        replayed.adopt(dict(self.start_state))
        buckets = MemoryBuckets(replayed.values)
        for block, payload in self.chain.history:
            applied = apply_payload(replayed, block, payload, PARAMS)
            buckets.adopt(buckets.preview(applied.changes))
            replayed.adopt(applied.changes)
        assert replayed.values == self.chain.state.values
        assert buckets.root == compute_state_root(self.chain.state.values)


Network.TestCase.settings = settings(
    max_examples=35,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestNetwork = Network.TestCase
