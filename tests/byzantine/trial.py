"""A job with adversaries in it, run to its end, and what must then hold whoever they were."""

from collections.abc import Sequence

from aliad.ledger.events import (
    BatchAccepted,
    BatchDrawn,
    BatchMissing,
    BatchRefuted,
    BatchVerified,
    Cause,
    JobCorrected,
    RewardEarned,
    RewardForfeited,
    RewardVested,
    RoundOpened,
    RoundRecorded,
)
from aliad.ledger.job_state import get_closed_job
from aliad.ledger.jobs import Outcome
from aliad.ledger.params import Params
from aliad.types import BatchIndex, Hash32, JobId, Round
from aliad.work.messages import WorkNotice, decode_gossip
from aliad.work.ports import FileId, Task
from aliad.work.reports import Duty
from aliad.work.seeds import compute_batch_seed
from tests.work.world import PARAMS, Maker, World
from tests.work.world_compute import Effort, MemoryDirectory
from tests.work.world_jobs import WorldJob, make_job
from tests.work.world_ledger import Weather

NODES = 9
ENGINE = Hash32(b"x" * 32)
Step = tuple[Round, Hash32, tuple[BatchIndex, ...]]


def names(count: int = NODES) -> tuple[str, ...]:
    return tuple(f"node {number}" for number in range(count))


class Trial:
    """One job. Nodes 0 to 3 are the validators, node 0 the originator; all offer their compute."""

    def __init__(
        self,
        actors: dict[int, Maker],
        seed: int = 1,
        *,
        exact: bool = True,
        nodes: int = NODES,
        job: WorldJob | None = None,
        params: Params = PARAMS,
        weather: Weather | None = None,
        **plan: int,
    ) -> None:
        self.world = World(
            names(nodes),
            seed,
            exact=ENGINE if exact else None,
            actors={f"node {place}": maker for place, maker in actors.items()},
            params=params,
            weather=weather,
        )
        self.plan = job or make_job(batches=16, epochs=2, exact=exact, **plan)
        self.job = JobId(b"")

    async def start(self, workers: Sequence[str] | None = None) -> None:
        self.job = await self.world.open_job(self.plan)
        self.world.work_for(self.job, workers)

    async def finish(self) -> None:
        """Until the job is closed; then everything that must always hold."""
        await self.world.until(lambda: self.world.is_closed(self.job))
        assert self.world.outcome(self.job) is Outcome.CLOSED
        self.check()
        await self.check_parameters()

    def check(self) -> None:
        """Honest nodes keep their good name, are paid, and lose nothing."""
        world, log = self.world, self.world.ledger
        world.check_honest()
        honest = set(world.nodes) - world.actors
        lost = [event for event in log.events(RewardForfeited) if event.node in honest]
        assert all(event.cause is Cause.UNCHECKED for event in lost), lost
        for node in honest:
            earned = sum(e.amount for e in log.events(RewardEarned) if e.node == node)
            taken = sum(e.amount for e in lost if e.node == node)
            paid = sum(e.amount for e in log.events(RewardVested) if e.node == node)
            assert paid == earned - taken
            worked = any(event.trainer == node for event in log.events(BatchAccepted))
            assert paid > 0 or not worked
        accepted = {(e.round, e.batch) for e in log.events(BatchAccepted) if e.trainer in honest}
        paid_for = {(e.round, e.batch) for e in log.events(RewardEarned) if not e.check}
        assert accepted <= paid_for
        for event in world.convicted.values():
            assert event.cause in (Cause.WRONG_RESULT, Cause.DOUBLE_VOTE)

    async def check_parameters(self) -> None:
        """The model follows from honest updates, and from forgeries only if they were not drawn."""
        world, log = self.world, self.world.ledger
        verified = {(e.round, e.batch) for e in log.events(BatchVerified)}
        closed = get_closed_job(log.state, self.job)
        assert closed is not None
        directory = MemoryDirectory()
        compute = world.make_compute(directory, Effort(0.0, 0.0))
        spec = self.plan.spec
        state, residual = await compute.make_state(spec), None
        for number, parent, batches in self._way(closed.parameters):
            assert state.digest == parent
            files: list[FileId] = []
            for batch in batches:
                seed = compute_batch_seed(self.job, number, batch)
                task = Task(spec, state.file, self.plan.batches[batch], seed)
                file = (await compute.train(task)).file
                forgery = self._forgery(number, batch, seed)
                if forgery is not None:
                    assert (number, batch) not in verified, "a forgery was verified"
                    file = directory.write_file(forgery)
                files.append(file)
            mean = await compute.aggregate(spec, files, residual)
            state = await compute.apply(spec, state.file, mean.file)
            residual = mean.residual
        assert state.digest == closed.parameters

    def _way(self, last: Hash32) -> list[Step]:
        """The rounds that led to these parameters, first to last, each with what it counted."""
        opened: dict[Round, RoundOpened] = {}
        gone: set[tuple[Round, BatchIndex]] = set()
        steps: dict[Hash32, Step] = {}
        for event in self.world.ledger.log:
            match event:
                case RoundOpened():
                    opened[event.round] = event
                case BatchRefuted() | BatchMissing():
                    gone.add((event.round, event.batch))
                case _:
                    pass
        missing = {(e.round, e.batch) for e in self.world.ledger.events(BatchMissing)}
        for event in self.world.ledger.log:
            if isinstance(event, RoundRecorded | JobCorrected):
                start = opened[event.round]
                out = gone if isinstance(event, JobCorrected) else missing
                left = [s.batch for s in start.slots if (event.round, s.batch) not in out]
                if event.parameters != start.parameters:
                    steps[event.parameters] = (event.round, start.parameters, tuple(left))
        way: list[Step] = []
        while last in steps:
            way.append(steps[last])
            last = steps[last][1]
        return way[::-1]

    def _forgery(self, number: Round, batch: BatchIndex, seed: bytes) -> bytes | None:
        """The forged update that an actor delivered for a batch, if it did."""
        trainers = {
            slot.trainer
            for event in self.world.ledger.events(RoundOpened)
            if event.round == number
            for slot in event.slots
            if slot.batch == batch
        }
        (trainer,) = trainers
        return self.world.forged.get((trainer, seed))

    # What tests ask

    def fakes(self) -> set[tuple[Round, BatchIndex]]:
        """Drawn batches whose trainer is an actor."""
        actors = self.world.actors
        drawn = self.world.ledger.events(BatchDrawn)
        return {(event.round, event.batch) for event in drawn if event.trainer in actors}

    def convicted(self) -> set[str]:
        return {self.world.nodes[node].name for node in self.world.convicted}

    def operations(self, places: Sequence[str] = ()) -> set[Hash32]:
        """The operations that convictions name."""
        return {
            event.operation
            for node, event in self.world.convicted.items()
            if not places or self.world.nodes[node].name in places
        }

    def replayed_by_referees(self) -> int:
        """How often a validator executed a whole batch to rule on it."""
        found: set[bytes] = set()
        for node in self.world.nodes.values():
            for kind, _, payload in node.chain.lines:
                notice = decode_gossip(payload) if kind == "work-notice" else None
                if isinstance(notice, WorkNotice) and notice.report.duty is Duty.REFEREE:
                    found.add(payload)
        return len(found)
