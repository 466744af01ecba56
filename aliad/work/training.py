"""The trainer's hands: fetch, compute, store, commit, deliver."""

from collections.abc import Iterable
from typing import Final, cast

import trio

from aliad.errors import RemoteProtocolError
from aliad.ledger.commitments import compute_commitment
from aliad.spec.dataset import MAX_BATCH_BYTES, MAX_INDEX_BYTES, compute_batch_digest, decode_index
from aliad.types import BatchIndex, Hash32, JobId, MegaMac, Round, Signature
from aliad.work import trainer
from aliad.work.dataset import is_index_of
from aliad.work.desk import Desk
from aliad.work.messages import (
    MAX_MESSAGE_BYTES,
    Deliver,
    ResultMessage,
    decode_delivered,
    encode_message,
    sign_result,
)
from aliad.work.notebook import ResultNote
from aliad.work.ports import Decoded, Refused, Task, Trained, Unavailable
from aliad.work.reconciler import Want
from aliad.work.reports import Duty, WorkReport, sign_report
from aliad.work.seeds import compute_batch_seed
from aliad.work.situation import Situation
from aliad.work.trainer import Announce, Hand, LoadIndex, Post, Train, TrainerWant

POST_SECONDS: Final = 0.2
ANNOUNCE_SECONDS: Final = 5.0
DELIVER_SECONDS: Final = 2.0
DELIVERED_SECONDS: Final = 30.0
_MEGA: Final = 10**6


async def post(desk: Desk, want: Post) -> None:
    """Keep a transaction posted until it is wanted no more: what was refused may apply later."""
    try:
        while True:
            height = desk.chain.tip().height
            desk.chain.post(want.purpose, want.body)
            await desk.chain.changed(height)
            await trio.sleep(POST_SECONDS)  # if it is done, it is wanted no more by then
    finally:
        desk.chain.withdraw(want.purpose)


async def load_index(desk: Desk, job_id: JobId) -> None:
    """Fetch a job's index. One that is not the ledger's halts the job."""
    spec, terms = desk.spec(job_id), desk.job(job_id).terms
    raw = await desk.blobs.fetch_bytes(spec.data.batches, MAX_INDEX_BYTES, desk.sources(job_id))
    try:
        index = decode_index(raw)
    except RemoteProtocolError as error:
        desk.book.halt(job_id, f"The list of batches cannot be read: {error.what}.")
        return
    if not is_index_of(index, terms):
        desk.book.halt(job_id, "The list of batches is not the one that the job was opened with.")
        return
    desk.book.put_index(job_id, index)


async def fetch_batch(desk: Desk, job_id: JobId, batch: BatchIndex) -> bytes:
    """A batch's bytes, held against the index. Raises Unavailable; Refused if they are others."""
    index = desk.book.index(job_id)
    if index is None:
        raise Unavailable("The list of batches is not here yet.")
    entry = index.entries[batch]
    data = await desk.blobs.fetch_bytes(entry.blob, MAX_BATCH_BYTES, desk.sources(job_id))
    if compute_batch_digest(data) != entry.digest:
        raise Refused(f"Batch {batch} is not the one that the job was opened with.")
    return data


async def is_state_sound(desk: Desk, job_id: JobId, digest: Hash32) -> bool:
    """Whether a state's file is what the note says. If not, this machine lost or damaged it: the
    note goes, and the state is come by again. Raises Interrupted."""
    note = desk.book.state(job_id, digest)
    if note is None:
        return False
    try:
        found = await desk.compute.check_state(desk.spec(job_id), note.file)
    except Refused:
        found = None
    if found is not None and found.digest == digest:
        return True
    desk.book.drop_state(job_id, digest)
    await desk.compute.remove(note.file)
    return False


def count_work(trained: Trained) -> MegaMac:
    """The work of a computed batch: multiply-accumulates in millions, rounded up."""
    return MegaMac(-(-trained.macs // _MEGA))


class Training:
    """The role of a worker."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def decide(self, situation: Situation) -> Iterable[Want]:
        """See `trainer`."""
        return trainer.decide(situation, self._desk.book)

    async def perform(self, want: Want) -> None:
        """Do one of the trainer's wants."""
        match cast("TrainerWant", want):
            case Post() as wanted:
                await post(self._desk, wanted)
            case LoadIndex(job):
                await load_index(self._desk, job)
            case Train() as batch:
                await self._train(batch)
            case Announce(job, number, batch_index):
                await announce(self._desk, job, number, batch_index)
            case Hand(job, number, batch_index):
                await self._hand(job, number, batch_index)

    async def _train(self, want: Train) -> None:
        desk, spec = self._desk, self._desk.spec(want.job)
        state, index = desk.book.state(want.job, want.state), desk.book.index(want.job)
        if state is None or index is None:
            return
        seed = compute_batch_seed(want.job, want.round, want.batch)
        try:
            data = await fetch_batch(desk, want.job, want.batch)
            trained = await desk.compute.train(Task(spec, state.file, data, seed))
        except Refused as error:
            if await is_state_sound(desk, want.job, want.state):
                desk.book.halt(want.job, f"Batch {want.batch} cannot be computed: {error.what}")
            return
        entry = index.entries[want.batch]
        if count_work(trained) != entry.work:
            desk.book.halt(
                want.job,
                f"Batch {want.batch} is {count_work(trained)} mega-MAC of work, "
                f"but the job was opened with {entry.work}.",
            )
            return
        await self._commit(want, trained, len(data))

    async def _commit(self, want: Train, trained: Trained, received: int) -> None:
        """Store the update, then note what will be said of it, then say it."""
        desk, job = self._desk, self._desk.job(want.job)
        readers = frozenset({job.owner})
        update = await desk.blobs.keep_file(trained.file, readers)
        place = (want.job, want.round, want.batch)
        report = make_report(desk, place, Duty.TRAIN, trained, received)
        message = encode_message(make_result(desk, place, want.state, trained.digest, report))
        desk.book.put_result(
            want.job, want.round, want.batch, ResultNote(trained.digest, update, message)
        )
        desk.chain.log("result", subjects_of(want.job, want.round, want.batch, desk), message)
        await desk.compute.remove(trained.file)

    async def _hand(self, job_id: JobId, number: Round, batch: BatchIndex) -> None:
        desk = self._desk
        note = desk.book.result(job_id, number, batch)
        if note is None:
            return
        message = Deliver(job_id, number, batch, note.digest, note.update)
        owner = desk.job(job_id).owner
        while True:
            if owner == desk.me:
                desk.book.put_delivery(message)
                await trio.sleep_forever()
            try:
                raw = await desk.messages.ask(owner, encode_message(message), MAX_MESSAGE_BYTES)
                done = decode_delivered(raw).done
            except (Unavailable, RemoteProtocolError):
                done = False
            await trio.sleep(DELIVERED_SECONDS if done else DELIVER_SECONDS)


async def announce(desk: Desk, job_id: JobId, number: Round, batch: BatchIndex) -> None:
    """Gossip a result of ours until cancelled."""
    note = desk.book.result(job_id, number, batch)
    if note is None:
        return
    if desk.job(job_id).owner == desk.me:
        desk.book.put_heard(note.result)
    while True:
        await desk.messages.gossip(note.message)
        await trio.sleep(ANNOUNCE_SECONDS)


def make_result(
    desk: Desk,
    place: tuple[JobId, Round, BatchIndex],
    parameters: Hash32,
    digest: Hash32,
    report: WorkReport,
) -> ResultMessage:
    """What this node says of a batch: its commitment to ``digest``, signed, and its report."""
    genesis, engine = desk.chain.genesis, desk.job(place[0]).terms.engine
    commitment = compute_commitment(genesis, *place, desk.me, digest)
    message = ResultMessage(*place, desk.me, commitment, Signature(bytes(64)), report)
    return sign_result(message, parameters, engine, desk.key, genesis)


def make_report(
    desk: Desk,
    place: tuple[JobId, Round, BatchIndex],
    duty: Duty,
    trained: Trained | Decoded,
    received: int,
    sent: int = 0,
) -> WorkReport:
    """A signed report on a batch that was computed. What was translated has no loss."""
    report = WorkReport(
        *place,
        desk.me,
        duty,
        desk.compute.engine().device[:64],
        trained.micros,
        trained.tokens,
        trained.memory,
        trained.temperature,
        received,
        sent,
        max(0, trained.loss_millis) if isinstance(trained, Trained) else 0,
        Signature(bytes(64)),
    )
    return sign_report(report, desk.key, desk.chain.genesis)


def subjects_of(job: JobId, number: Round, batch: BatchIndex, desk: Desk) -> tuple[bytes, ...]:
    """Under what an entry of the work log is found: job, round, batch, node."""
    at_round = job + number.to_bytes(8, "big")
    return (job, at_round, at_round + batch.to_bytes(8, "big"), desk.me)
