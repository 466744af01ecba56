"""Computing a drawn batch again: its digest, its trace, the inputs of one of its operations."""

from collections.abc import Collection, Sequence

import trio

from aliad.ledger.job_state import get_round
from aliad.ledger.jobs import JobKind
from aliad.ledger.state import StateReader
from aliad.spec.job import JobSpec
from aliad.types import ZERO_HASH, BlobId, Hash32, NodeId
from aliad.work.desk import Desk
from aliad.work.disputes.messages import Offer, Offered
from aliad.work.disputes.operands import join_digests
from aliad.work.disputes.ports import Executed, Operations, Place
from aliad.work.disputes.trace import Row, Trace, make_trace
from aliad.work.judging import find_job
from aliad.work.messages import WorkNotice, encode_message
from aliad.work.orders.batches import NOTHING, translate_place
from aliad.work.ports import Decoded, FileId, Interrupted, Task, Trained, Unavailable
from aliad.work.reports import Duty
from aliad.work.seeds import compute_batch_seed
from aliad.work.training import fetch_batch, make_report, subjects_of


class Recompute:
    """What one node's compute process says about places on the chain.

    All methods raise WorkFailed; Refused means that asking again does not help.
    """

    def __init__(self, desk: Desk, operations: Operations) -> None:
        self._desk = desk
        self._operations = operations

    def is_able(self, state: StateReader, place: Place) -> bool:
        """Whether this node computes with the job's engine. With another it would accuse itself."""
        job = find_job(state, place.job)
        return job is not None and job.terms.engine == self._desk.compute.engine().digest

    def is_ready(self, state: StateReader, place: Place) -> bool:
        """Whether all is here that computing takes: the list of batches, and the state that the
        place's round started from, or an order's model."""
        found, book = get_round(state, place.job, place.round), self._desk.book
        if found is None or not self.is_able(state, place):
            return False
        job = find_job(state, place.job)
        if job is not None and job.kind is JobKind.TRANSLATION:
            listed = book.orders.index(place.job) is not None
            return listed and self._desk.library.get(job.model) is not None
        return (
            book.index(place.job) is not None
            and book.state(place.job, found.parameters) is not None
        )

    def is_traceable(self, state: StateReader, place: Place) -> bool:
        """Whether a dispute about the place comes down to one operation. Of a translation it does
        not: which operations there are follows from what the ones before gave."""
        job = find_job(state, place.job)
        return job is not None and job.kind is JobKind.TRAINING

    async def digest_of(self, place: Place) -> Hash32:
        """The digest of a batch's update, or of its passages."""
        if not self.is_traceable(self._desk.chain.tip().state, place):
            return await self._translate(place, Duty.CHECK)
        trained = await self._desk.compute.train(await self._task(place))
        await self._tidy(place, trained.file)
        await self._report(place, Duty.CHECK, trained)
        return trained.digest

    async def trace_of(self, place: Place, duty: Duty) -> Trace:
        """Every operation of a batch; of an order's batch none, just what it gives."""
        if not self.is_traceable(self._desk.chain.tip().state, place):
            return Trace((Row(ZERO_HASH, await self._translate(place, duty)),))
        trained = await self._desk.compute.train(await self._task(place), traced=True)
        if trained.trace is None:
            raise Interrupted("The compute process made no trace although it was asked for one.")
        rows = await self._operations.rows(trained.trace)
        await self._desk.compute.remove(trained.trace)
        await self._tidy(place, trained.file)
        await self._report(place, duty, trained)
        return make_trace(rows, trained.digest)

    async def _translate(self, place: Place, duty: Duty) -> Hash32:
        """The digest of an order's batch. All who look at one that is no batch come to the same."""
        translated = await translate_place(self._desk, place)
        if translated is None:
            return NOTHING
        await self._report(place, duty, translated.decoded)
        return translated.digest

    async def _task(self, place: Place) -> Task:
        book = self._desk.book
        found = get_round(self._desk.chain.tip().state, place.job, place.round)
        note = None if found is None else book.state(place.job, found.parameters)
        if note is None:
            raise Unavailable(f"The state that round {place.round} started from is not here.")
        data = await fetch_batch(self._desk, place.job, place.batch)
        seed = compute_batch_seed(place.job, place.round, place.batch)
        return Task(self._desk.spec(place.job), note.file, data, seed)

    async def _tidy(self, place: Place, file: FileId) -> None:
        """The update is not needed, unless this node is the originator and has collected it."""
        collected = self._desk.book.update(place.job, place.round, place.batch)
        if collected is None or collected.file != file:
            await self._desk.compute.remove(file)

    async def _report(self, place: Place, duty: Duty, trained: Trained | Decoded) -> None:
        """Log what it took, and tell the others."""
        where = (place.job, place.round, place.batch)
        notice = WorkNotice(make_report(self._desk, where, duty, trained, 0))
        message = encode_message(notice)
        self._desk.chain.log("work-notice", subjects_of(*where, self._desk), message)
        await self._desk.messages.gossip(message)

    async def offer_of(self, place: Place, index: int, trace: Trace) -> Offer:
        """The inputs of an operation as blobs for everybody; ``trace`` is this node's own."""
        task = await self._task(place)
        executed = await self._operations.extract(task, index)
        blobs = [await self._desk.blobs.keep_file(taken.tensor.file) for taken in executed.inputs]
        await self._remove(executed)
        siblings: dict[int, tuple[Hash32, ...]] = {}
        for taken in executed.inputs:
            if taken.producer not in siblings:
                digests = await self._outputs(task, taken.producer, taken.tensor.digest, trace)
                siblings[taken.producer] = digests
        offered = tuple(
            Offered(taken.producer, taken.slot, blob, siblings[taken.producer])
            for taken, blob in zip(executed.inputs, blobs, strict=True)
        )
        return Offer(place.job, place.round, place.batch, index, offered)

    async def _outputs(
        self, task: Task, producer: int, digest: Hash32, trace: Trace
    ) -> tuple[Hash32, ...]:
        """The digests of all outputs of an operation, of which one is known."""
        if join_digests((digest,)) == trace.rows[producer].digest:
            return (digest,)
        made = await self._operations.extract(task, producer)
        await self._remove(made)
        return tuple(tensor.digest for tensor in made.outputs)

    async def execute(
        self, place: Place, index: int, tensors: Sequence[BlobId], sources: Collection[NodeId]
    ) -> Executed:
        """One operation alone, from tensors that ``sources`` offer."""
        task = await self._task(place)
        most = get_tensor_bound(task.spec)
        blobs = self._desk.blobs
        files: list[FileId] = []
        try:
            for blob in tensors:
                files.append(await blobs.fetch_file(blob, most, sources, share=False))
            executed = await self._operations.execute(task, index, files)
        finally:
            with trio.CancelScope(shield=True):
                for file in files:
                    await self._desk.compute.remove(file)
        await self._remove(executed)
        return executed

    async def _remove(self, executed: Executed) -> None:
        """Tensors are needed no longer than their digests are taken, or their blobs kept."""
        for tensor in (*(taken.tensor for taken in executed.inputs), *executed.outputs):
            await self._desk.compute.remove(tensor.file)


def get_tensor_bound(spec: JobSpec) -> int:
    """No tensor of the job's batches has more bytes than this in its file."""
    model = spec.model
    tokens = spec.training.batches.lines * model.length
    widest = max(model.vocabulary, model.hidden, 3 * model.width, model.heads * model.length)
    matrix = max(model.vocabulary, model.hidden, 3 * model.width) * model.width
    return (64 << 10) + 8 * max(tokens * widest, matrix, model.length * model.width)
