"""The originator's hands: gossip the assignment, fetch updates, make means, close."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, cast

import trio

from aliad.ledger.job_state import get_round
from aliad.spec.sizes import most_update_bytes
from aliad.types import BatchIndex, JobId, Round, Signature
from aliad.work import originator
from aliad.work.desk import Desk
from aliad.work.following import Following
from aliad.work.messages import Assignment, encode_message, sign_assignment
from aliad.work.notebook import ModelNote, RecordNote, StateNote, StepNote, UpdateNote
from aliad.work.originator import (
    NOTHING,
    Collect,
    MakeModel,
    OpenRound,
    OriginatorWant,
    Settle,
)
from aliad.work.ports import FileId, ModelOrder, Models, Refused, StateFile, WorkFailed
from aliad.work.reconciler import Want
from aliad.work.situation import Situation
from aliad.work.states import ApplyStep, FetchSpec, FetchState, MakeState
from aliad.work.trainer import LoadIndex, Post
from aliad.work.training import load_index, post

ASSIGN_SECONDS: Final = 10.0


class Originating:
    """The role of whoever opened a job."""

    def __init__(self, desk: Desk, models: Models) -> None:
        self._desk = desk
        self._models = models
        self._following = Following(desk)

    def decide(self, situation: Situation) -> Iterable[Want]:
        """See `originator`."""
        return originator.decide(situation, self._desk.book)

    async def perform(self, want: Want) -> None:
        """Do one of the originator's wants."""
        match cast("OriginatorWant", want):
            case OpenRound(job, number):
                await self._assign(job, number)
            case Collect() as collect:
                await self._collect(collect)
            case Settle() as settle:
                await self._settle(settle)
            case MakeModel() as make:
                await self._make_model(make)
            case Post() as wanted:
                await post(self._desk, wanted)
            case LoadIndex(job):
                await load_index(self._desk, job)
            case FetchSpec() | MakeState() | ApplyStep() | FetchState() as state:
                await self._following.perform(state)

    async def _assign(self, job_id: JobId, number: Round) -> None:
        desk = self._desk
        found = get_round(desk.chain.tip().state, job_id, number)
        if found is None:
            return
        # A state is offered when somebody asks for one: offering each would hash it every round.
        note = desk.book.state(job_id, found.parameters)
        blob = None if note is None else note.blob
        unsigned = Assignment(
            job_id, number, found.parameters, found.seed, blob, Signature(bytes(64))
        )
        message = encode_message(sign_assignment(unsigned, desk.key, desk.chain.genesis))
        while True:
            await desk.messages.gossip(message)
            await trio.sleep(ASSIGN_SECONDS)

    async def _collect(self, want: Collect) -> None:
        """An update that is not what was committed to is noted as none."""
        desk, spec = self._desk, self._desk.spec(want.job)
        most = most_update_bytes(spec.model)
        file = await desk.blobs.fetch_file(want.update, most, (want.trainer,), share=False)
        try:
            digest = await desk.compute.check_update(spec, file)
        except Refused:
            digest = None
        sound = digest == want.digest
        if not sound:
            await desk.compute.remove(file)
        note = UpdateNote(want.trainer, want.digest, file if sound else None)
        desk.book.put_update(want.job, want.round, want.batch, note)

    async def _settle(self, want: Settle) -> None:
        """Mean, residual, next state; then the note from which the record is made."""
        note = NOTHING
        if want.batches:
            note = await self._make_mean(want)
        else:
            note = replace(note, parameters=want.parent)
        if want.correction:
            self._desk.book.put_correction(want.job, want.round, note)
        else:
            self._desk.book.put_record(want.job, want.round, note)

    async def _make_mean(self, want: Settle) -> RecordNote:
        desk, spec = self._desk, self._desk.spec(want.job)
        parent = desk.book.state(want.job, want.parent)
        files = [self._file_of(want, batch) for batch in want.batches]
        if parent is None:
            raise WorkFailed("The round's first state is not here.")
        residual = desk.book.residual(want.job, want.parent)
        mean = await desk.compute.aggregate(spec, files, residual)
        made = await desk.compute.apply(spec, parent.file, mean.file)
        blob = await desk.blobs.keep_file(mean.file)
        desk.book.put_residual(want.job, made.digest, mean.residual)
        desk.book.put_step(want.job, made.digest, StepNote(want.parent, blob, want.round))
        desk.book.put_state(want.job, made.digest, StateNote(made.file, made.rounds))
        await desk.compute.remove(mean.file)
        return RecordNote(want.batches, blob, made.digest)

    def _file_of(self, want: Settle, batch: BatchIndex) -> FileId:
        note = self._desk.book.update(want.job, want.round, batch)
        if note is None or note.file is None:
            raise WorkFailed(f"The update of batch {batch} of round {want.round} is not here.")
        return note.file

    async def _make_model(self, want: MakeModel) -> None:
        desk, job = self._desk, self._desk.job(want.job)
        state = desk.book.state(want.job, want.parameters)
        if state is None:
            raise WorkFailed("The last state is not here.")
        file = StateFile(state.file, want.parameters, state.rounds)
        loss = originator.get_reported_loss(desk.book, want.job, job)
        order = ModelOrder(want.job, desk.spec(want.job), file, int(job.round), loss)
        made = await self._models.make(order)
        desk.book.put_model(want.job, ModelNote(want.parameters, made.model, made.card))
