"""Looking at one batch again, on this machine: does it give what its trainer committed to, and how.

A batch follows from the state its round started from, so this works as long as that state can be
had: until the round has vested.
"""

from dataclasses import dataclass
from typing import Final

from aliad.compute.process.records import TraceRow
from aliad.errors import InputError
from aliad.ledger.commitments import compute_commitment
from aliad.ledger.job_state import get_round
from aliad.ledger.jobs import JobKind, RoundState, Slot
from aliad.node.compute import NodeCompute
from aliad.types import ZERO_HASH, BatchIndex, Hash32, JobId, NodeId, Round
from aliad.work.desk import Desk
from aliad.work.following import Following
from aliad.work.judging import find_job, find_slot
from aliad.work.ports import Task, Trained
from aliad.work.seeds import compute_batch_seed
from aliad.work.states import plan_state
from aliad.work.training import count_work, fetch_batch, load_index

# A state is at most this many steps from one that is kept.
_MOST_STEPS: Final = 1_000


@dataclass(frozen=True, slots=True)
class BatchReplayed:
    """A batch computed again.

    `committed`: its trainer is bound to a result; `matches`: to this one.
    `work` in mega-MAC as counted, `recorded_work` as paid; zero before the record.
    """

    trainer: NodeId
    digest: Hash32
    committed: bool
    matches: bool
    work: int
    recorded_work: int
    tokens: int
    micros: int


class BatchAudit:
    """Both methods raise InputError if the batch is unknown or too old, and WorkFailed."""

    def __init__(self, desk: Desk, compute: NodeCompute) -> None:
        self._desk = desk
        self._compute = compute
        self._following = Following(desk)

    async def replay(self, job: JobId, number: Round, batch: BatchIndex) -> BatchReplayed:
        """Compute a batch and hold the result against its trainer's commitment."""
        _, slot = self._find(job, number, batch)
        trained = await self._compute.train(await self._task(job, number, batch))
        await self._tidy(job, number, batch, trained)
        opened = compute_commitment(
            self._desk.chain.genesis, job, number, batch, slot.trainer, trained.digest
        )
        return BatchReplayed(
            slot.trainer,
            trained.digest,
            slot.commitment != ZERO_HASH,
            slot.commitment == opened,
            count_work(trained),
            slot.work,
            trained.tokens,
            trained.micros,
        )

    async def trace(self, job: JobId, number: Round, batch: BatchIndex) -> tuple[TraceRow, ...]:
        """Every operation of a batch: id, kind, shape, multiply-accumulates, seconds, digest."""
        self._find(job, number, batch)
        task = await self._task(job, number, batch)
        trained = await self._compute.train(task, traced=True)
        await self._tidy(job, number, batch, trained)
        if trained.trace is None:
            return ()
        rows = await self._compute.trace_rows(trained.trace)
        await self._compute.remove(trained.trace)
        return rows

    def _find(self, job: JobId, number: Round, batch: BatchIndex) -> tuple[RoundState, Slot]:
        state = self._desk.chain.tip().state
        found = get_round(state, job, number)
        known = find_job(state, job)
        if known is None or found is None:
            raise InputError(
                f"Round {number} of this job cannot be looked at any more.",
                "The job is over, or the round has vested, or there was none.",
                "Replay the whole job from its data: see docs/work.md.",
            )
        if known.kind is JobKind.TRANSLATION:
            raise InputError(
                "A batch of a translation order cannot be computed again here.",
                "Only its customer and the workers that it was given to can read it.",
                "`aliad audit batch` shows who translated and who checked it.",
            )
        slot = find_slot(found, batch)
        if slot is None:
            batches = ", ".join(str(each.batch) for each in found.slots[:20])
            raise InputError(
                f"Batch {batch} was not in round {number}.",
                f"Its batches were {batches}.",
                "Name one of these.",
            )
        return found, slot

    async def _task(self, job_id: JobId, number: Round, batch: BatchIndex) -> Task:
        desk, book = self._desk, self._desk.book
        found, _ = self._find(job_id, number, batch)
        job = desk.job(job_id)
        for _ in range(_MOST_STEPS):
            wants = plan_state(desk.look(), book, job_id, job, found.parameters)
            if not wants:
                break
            await self._following.perform(wants[0])
        note = book.state(job_id, found.parameters)
        if note is None:
            raise InputError(
                f"The state that round {number} started from cannot be had.",
                book.halted(job_id) or "Too many steps lead to it.",
                "Ask a node that works for the job.",
            )
        if book.index(job_id) is None:
            await load_index(desk, job_id)
        data = await fetch_batch(desk, job_id, batch)
        return Task(desk.spec(job_id), note.file, data, compute_batch_seed(job_id, number, batch))

    async def _tidy(self, job: JobId, number: Round, batch: BatchIndex, trained: Trained) -> None:
        """The update is not needed, unless a role of this node has it in hand, too."""
        book, (_, slot) = self._desk.book, self._find(job, number, batch)
        collected = book.update(job, number, batch)
        mine = slot.trainer == self._desk.me and book.result(job, number, batch) is None
        if not mine and (collected is None or collected.file != trained.file):
            await self._compute.remove(trained.file)
