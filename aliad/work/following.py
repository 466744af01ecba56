"""The follower's hands: fetches, applies, compares, tidies."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import cast

from aliad.errors import RemoteProtocolError
from aliad.ledger.jobs import Job
from aliad.spec.job import MAX_JOB_SPEC_BYTES
from aliad.spec.sizes import most_state_bytes, most_update_bytes
from aliad.types import BlobId, Hash32, JobId
from aliad.work import follower
from aliad.work.desk import Desk
from aliad.work.follower import (
    ROUND_NOTES,
    DropJob,
    DropRounds,
    DropStates,
    DropSteps,
    FollowerWant,
)
from aliad.work.messages import (
    MAX_MESSAGE_BYTES,
    AskSpec,
    AskState,
    StateAt,
    decode_state_at,
    encode_message,
)
from aliad.work.notebook import OWN_RESULT, UPDATE, Notebook, StateNote
from aliad.work.ports import Refused, StateFile, Unavailable
from aliad.work.reconciler import Want
from aliad.work.situation import Situation
from aliad.work.states import ApplyStep, FetchSpec, FetchState, MakeState
from aliad.work.training import is_state_sound


class Following:
    """The role of everybody who takes part in a job."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def decide(self, situation: Situation) -> Iterable[Want]:
        """See `follower`."""
        follower.observe(situation, self._desk.book, self._desk.chain.spec)
        return follower.decide(situation, self._desk.book)

    async def perform(self, want: Want) -> None:
        """Do one of the follower's wants."""
        match cast("FollowerWant", want):
            case FetchSpec(job):
                await fetch_spec(self._desk, job, "job", MAX_JOB_SPEC_BYTES, follower.accept_spec)
            case MakeState(job):
                await self._make_state(job)
            case ApplyStep() as step:
                await self._apply(step)
            case FetchState() as fetch:
                await self._fetch_state(fetch)
            case DropStates() as drop:
                await self._drop_states(drop)
            case DropSteps(job, children):
                await self._drop_steps(job, children)
            case DropRounds() as drop:
                await self._drop_rounds(drop)
            case DropJob(job):
                await self._drop_job(job)

    async def _make_state(self, job_id: JobId) -> None:
        desk = self._desk
        made = await desk.compute.make_state(desk.spec(job_id))
        promised = desk.job(job_id).terms.parameters
        if made.digest != promised:
            desk.book.halt(job_id, _differs("the first state", made.digest, promised))
            return
        self._keep(job_id, made)

    async def offer_state(self, job_id: JobId, digest: Hash32) -> BlobId | None:
        """Let everybody fetch a state that is here."""
        desk = self._desk
        note = desk.book.state(job_id, digest)
        if note is None or note.blob is not None:
            return None if note is None else note.blob
        blob = await desk.blobs.keep_file(note.file)
        desk.book.put_state(job_id, digest, replace(note, blob=blob))
        return blob

    def _keep(self, job_id: JobId, made: StateFile) -> None:
        self._desk.book.put_state(job_id, made.digest, StateNote(made.file, made.rounds))

    async def _apply(self, step: ApplyStep) -> None:
        desk, spec = self._desk, self._desk.spec(step.job)
        parent = desk.book.state(step.job, step.parent)
        if parent is None:
            return
        most = most_update_bytes(spec.model)
        mean = await desk.blobs.fetch_file(step.aggregate, most, desk.sources(step.job))
        try:
            made = await desk.compute.apply(spec, parent.file, mean)
        except Refused as error:
            if await is_state_sound(desk, step.job, step.parent):
                reason = f"The mean update of round {step.round} cannot be applied: {error.what}"
                desk.book.halt(step.job, reason)
            return
        if made.digest != step.child:
            reason = _differs(f"the state after round {step.round}", made.digest, step.child)
            desk.book.halt(step.job, reason)
            return
        self._keep(step.job, made)
        await desk.compute.remove(mean)

    async def _fetch_state(self, fetch: FetchState) -> None:
        desk, spec = self._desk, self._desk.spec(fetch.job)
        question = encode_message(AskState(fetch.job, fetch.digests))
        for node in desk.sources(fetch.job):
            try:
                raw = await desk.messages.ask(node, question, MAX_MESSAGE_BYTES)
                found = decode_state_at(raw) if raw else None
            except (Unavailable, RemoteProtocolError):
                continue
            if found is None or found.digest not in fetch.digests:
                continue
            if await self._take_state(fetch.job, found, most_state_bytes(spec.model)):
                return
        raise Unavailable(
            "Nobody reachable has a state of the job to go on from.", "", "It is asked for again."
        )

    async def _take_state(self, job_id: JobId, found: StateAt, most: int) -> bool:
        desk = self._desk
        try:
            file = await desk.blobs.fetch_file(found.blob, most, desk.sources(job_id))
            made = await desk.compute.check_state(desk.spec(job_id), file)
        except (Unavailable, Refused):
            return False
        if made.digest != found.digest:
            await desk.compute.remove(file)
            return False
        self._keep(job_id, made)
        return True

    async def _drop_states(self, drop: DropStates) -> None:
        desk = self._desk
        for digest in drop.states:
            note = desk.book.state(drop.job, digest)
            if note is not None:
                desk.book.drop_state(drop.job, digest)
                await desk.compute.remove(note.file)
                if note.blob is not None:
                    await desk.blobs.drop(note.blob)
        for digest in drop.residuals:
            residual = desk.book.residual(drop.job, digest)
            if residual is not None:
                desk.book.drop_residual(drop.job, digest)
                await desk.compute.remove(residual)

    async def _drop_steps(self, job_id: JobId, children: tuple[Hash32, ...]) -> None:
        desk = self._desk
        for child in children:
            step = desk.book.step(job_id, child)
            if step is not None:
                desk.book.drop_step(job_id, child)
                await desk.blobs.drop(step.aggregate)

    async def _drop_rounds(self, drop: DropRounds) -> None:
        for kind in ROUND_NOTES:
            for key in self._desk.book.rounds_before(drop.job, kind, drop.before):
                await self._drop_note(kind, key)

    async def _drop_note(self, kind: bytes, key: bytes) -> None:
        """Remove the files behind a note, then the note."""
        desk = self._desk
        files, blobs = desk.book.files_of(kind, key)
        for file in files:
            await desk.compute.remove(file)
        for blob in blobs:
            await desk.blobs.drop(blob)
        desk.book.notes.delete(key)

    async def _drop_job(self, job_id: JobId) -> None:
        desk = self._desk
        states = tuple([digest for digest, _ in desk.book.states(job_id)])
        residuals = tuple([digest for digest, _ in desk.book.residuals(job_id)])
        await self._drop_states(DropStates(job_id, states, residuals))
        await self._drop_steps(job_id, tuple([child for child, _ in desk.book.steps(job_id)]))
        for kind in (OWN_RESULT, UPDATE):
            for key, _ in list(desk.book.notes.items(kind + job_id)):
                await self._drop_note(kind, key)
        desk.book.forget(job_id)


def _differs(thing: str, ours: Hash32, theirs: Hash32) -> str:
    return (
        f"{thing[0].upper()}{thing[1:]} is {ours.hex()} here, but {theirs.hex()} in the ledger. "
        "Either the originator lies, or this machine computes wrongly: run its self-test."
    )


async def fetch_spec(
    desk: Desk,
    job_id: JobId,
    kind: str,
    most: int,
    accept: Callable[[Notebook, JobId, Job, bytes], bool],
) -> None:
    """Ask around for a job's or an order's spec until one is accepted. Raises Unavailable."""
    question = encode_message(AskSpec(job_id))
    for node in desk.sources(job_id):
        try:
            raw = await desk.messages.ask(node, question, most)
        except Unavailable:
            continue
        if raw and accept(desk.book, job_id, desk.job(job_id), raw):
            return
    raise Unavailable(f"Nobody reachable has the {kind}'s spec.", "", "It is asked for again.")
