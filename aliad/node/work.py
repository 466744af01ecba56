"""All of a node's work, wired: compute processes, blobs, notes, messages, roles.

    work = NodeWork(chain, network, blobs, exchange, WorkPlace(folder, devices), key)
    await nursery.start(work.run)

Nothing here decides anything; `aliad.work` does.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import trio

from aliad.compute.process.failures import ComputeError
from aliad.compute.process.pool import ComputePool
from aliad.compute.process.spawning import ComputeSettings, environment
from aliad.consensus.engine import wall_clock
from aliad.crypto import SigningKey
from aliad.errors import ConfigError, InputError, RemoteProtocolError
from aliad.ledger.job_state import get_closed_job, get_jobs
from aliad.ledger.jobs import JobKind
from aliad.ledger.openings import compute_spec_digest
from aliad.ledger.transactions import OpenJob
from aliad.net.blobs.exchange import BlobExchange
from aliad.net.network import Network
from aliad.node.auditing import BatchAudit
from aliad.node.blobs import NodeBlobs
from aliad.node.compute import NodeCompute
from aliad.node.library import ModelLibrary, Place
from aliad.node.models import NodeModels, fetch_model
from aliad.node.notes import StoreNotes
from aliad.node.order_files import OrderFiles
from aliad.node.order_quotes import Quoting
from aliad.node.orders import NodeOrders
from aliad.node.outbox import Included
from aliad.node.service import ChainService
from aliad.node.serving import Catalogue, choose_models, find_sources
from aliad.node.work_chain import WorkChain
from aliad.node.work_messages import NetworkMessages
from aliad.spec.dataset import decode_index
from aliad.spec.package import JOB, JobPackage, blob_files, decode_package
from aliad.store.blobs import BlobStore
from aliad.store.leveldb import LevelDb
from aliad.types import BlobId, Hash32, JobId, Millis, NodeId
from aliad.work.checks import Checks
from aliad.work.desk import Desk
from aliad.work.disputes.messages import is_dispute_question
from aliad.work.judging import find_job
from aliad.work.notebook import Notebook
from aliad.work.opening import make_open_job
from aliad.work.orders.book import ServedNote
from aliad.work.ports import FileId, Judgement
from aliad.work.service import WorkService

LOOK_SECONDS: Final = 2.0
_MEBI: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class ModelPlace:
    """Which finished models this node serves: those whose job's id begins with one of ``chosen``,
    all if there are none; ``most`` of them, and no more than ``budget`` bytes."""

    serve: bool = True
    chosen: tuple[str, ...] = ()
    budget: int = 4 << 30
    most: int = 8


@dataclass(frozen=True, slots=True)
class WorkPlace:
    """Where and how this node computes. `memory` in bytes; `jobs`: beginnings of the ids of the
    jobs to work for, in hexadecimal, all if there are none."""

    folder: Path
    devices: tuple[str, ...] = ("cpu",)
    threads: int = 1
    niceness: int = 10
    memory: int = 2 << 30
    capacity: int = 1
    enabled: bool = True
    reward_to: NodeId | None = None
    jobs: tuple[str, ...] = ()
    models: ModelPlace = ModelPlace()

    @property
    def files(self) -> Path:
        """The compute processes' directory."""
        return self.folder / "files"


@dataclass(slots=True)
class NodeWork:
    """See the module's text. All methods belong to the event loop."""

    chain: ChainService
    network: Network
    store: BlobStore
    exchange: BlobExchange
    place: WorkPlace
    key: SigningKey
    wall: Callable[[], int] = wall_clock
    new_compute: Callable[[ComputePool], NodeCompute] = NodeCompute
    service: WorkService = field(init=False)
    compute: NodeCompute = field(init=False)
    blobs: NodeBlobs = field(init=False)
    checks: Checks = field(init=False)
    audit: BatchAudit = field(init=False)
    catalogue: Catalogue = field(init=False)
    library: ModelLibrary = field(init=False)
    orders: NodeOrders = field(init=False)
    _pool: ComputePool = field(init=False)
    _notes: LevelDb = field(init=False)
    _messages: NetworkMessages = field(init=False)

    def __post_init__(self) -> None:
        """Open the notes. Raises ConfigError, StoreFailed, StoreCorrupt."""
        place = self.place
        shutil.rmtree(place.folder / "models", ignore_errors=True)  # what a kill left half made
        place.files.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.folder.chmod(0o700)  # notes of orders are in clear
        self._pool = ComputePool(
            [
                ComputeSettings(place.files, device, place.threads, place.niceness)
                for device in place.devices
            ]
        )
        self.compute = self.new_compute(self._pool)
        self.blobs = NodeBlobs(self.store, self.exchange, place.files)
        self._notes = LevelDb(place.folder / "notes", create=True)
        self._messages = NetworkMessages(self.network, self.chain.genesis_hash)
        self.catalogue = Catalogue(self.chain)
        self.library = ModelLibrary(
            Place(place.folder / "models-kept", place.files, place.models.budget),
            self.blobs,
            lambda job: get_closed_job(self.chain.state, job),
            self.compute.prove,
            self._get_needed_models,
            lambda: self.wall() / 1000,
        )
        desk = Desk(
            self.key,
            Notebook(StoreNotes(self._notes)),
            WorkChain(self.chain),
            self.compute,
            self.blobs,
            self._messages,
            lambda: Millis(self.wall()),
            self.library,
            self.compute,
        )
        models = NodeModels(self.blobs, place.files, place.folder / "models")
        self.checks = Checks(desk, self.compute)
        self.audit = BatchAudit(desk, self.compute)
        self.service = WorkService(desk, models, self.checks.roles)
        self.orders = self._make_orders(desk)

    def _make_orders(self, desk: Desk) -> NodeOrders:
        book, files = desk.book.orders, OrderFiles(self.place.folder / "orders")
        quoting = Quoting(
            self.chain,
            book,
            files,
            self.library,
            self.catalogue,
            self.compute.engine,
            self.wall,
        )
        wake = self.service.reconciler.wake
        return NodeOrders(self.chain, book, files, quoting, wake, self.wall)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled. Started once the devices have passed their self-test.

        Raises ConfigError if one does not, ComputeError if a process does not even start.
        """
        await self.library.load()
        known = self.service.desk.book.all_files() | self.library.files()
        await trio.to_thread.run_sync(remove_unknown, self.place.files, known)
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self._pool.run)
                await self.compute.start()
                self._messages.serve(self)
                nursery.start_soon(self._messages.listen, self)
                nursery.start_soon(self.service.run)
                nursery.start_soon(self._offer)
                nursery.start_soon(self.orders.run)
                task_status.started()
        except ExceptionGroup as group:
            found: BaseException | None = group.subgroup((ConfigError, ComputeError))
            while isinstance(found, BaseExceptionGroup):
                found = found.exceptions[0]
            if found is None:
                raise
            raise found from group

    def close(self) -> None:
        """Close the notes; `run` has returned."""
        self._notes.close()

    # How it is

    @property
    def paused(self) -> bool:
        """Whether the operator wants no new work."""
        return self.service.desk.book.paused

    def pause(self, paused: bool) -> None:
        """Take no new work, or take it again; a restart does not forget it."""
        self.service.pause(paused)

    def duties(self) -> tuple[str, ...]:
        """What is being done, in a few words each."""
        return tuple(sorted(type(want).__name__ for want in self.service.reconciler.active()))

    def halted(self) -> tuple[tuple[JobId, str], ...]:
        """Training jobs that this node works for no more, and why.

        Orders are left out: a customer who does not keep to what it ordered is no trouble of ours.
        """
        book = self.service.desk.book
        return tuple(
            (job_id, reason)
            for job_id, job in get_jobs(self.chain.state)
            if job.kind is JobKind.TRAINING and (reason := book.halted(job_id)) is not None
        )

    def reported(self, job: JobId) -> tuple[tuple[float, ...], float]:
        """(losses of the newest rounds, tokens/s of all workers) as trainers reported them."""
        return self.service.desk.book.reported(job)

    async def drain(self) -> None:
        """Return when no batch is being computed; none is begun from now on."""
        await self.compute.drain()

    def cancel(self, job: JobId) -> str:
        """Originate no more: the ledger gives the job up when its records do not come."""
        found = find_job(self.chain.state, job)
        if found is None or found.owner != self.chain.node:
            raise InputError("This node originates no such job.", "", "`aliad job list` shows all.")
        self.service.desk.book.halt(job, "Cancelled by its originator's operator.")
        self.service.reconciler.wake()
        return "No round is recorded any more; the network ends the job when it has waited enough."

    # What others say and ask

    def judge(self, author: NodeId, data: bytes) -> Judgement:
        """See `Listener`."""
        return self.service.judge(author, data)

    def hear(self, author: NodeId, data: bytes) -> None:
        """See `Listener`."""
        self.service.hear(author, data)

    async def answer(self, asker: NodeId, data: bytes) -> bytes:
        """See `Listener`."""
        if is_dispute_question(data):
            return await self.checks.answer(asker, data)
        return await self.service.answer(asker, data)

    # What the operator wants

    async def _offer(self) -> None:
        """Offer this host to every job that the operator's settings admit."""
        while True:
            self._offer_now()
            self._serve_now()
            with trio.move_on_after(LOOK_SECONDS):
                await self.chain.wait_above(self.chain.tip.height)
            await trio.lowlevel.checkpoint()

    def _offer_now(self) -> None:
        place, book = self.place, self.service.desk.book
        memory = min(place.memory // _MEBI, self.compute.engine().memory)
        for job_id, job in get_jobs(self.chain.state):
            if job.kind is not JobKind.TRAINING:
                continue
            offered = book.offer(job_id) is not None
            if place.enabled and self._admits(job_id):
                if not offered:
                    self.service.offer(job_id, place.capacity, place.reward_to, memory)
            elif offered:
                self.service.withdraw(job_id)

    def _serve_now(self) -> None:
        """Offer to translate with the models that the operator's settings admit."""
        place, book = self.place, self.service.desk.book.orders
        admitted: tuple[JobId, ...] = ()
        if place.enabled and place.models.serve:
            models = [
                one for one in self.catalogue.models() if not self.library.is_refused(one.model)
            ]
            limits = place.models
            admitted = choose_models(models, limits.chosen, limits.budget, limits.most)
        served = dict(book.served())
        memory = min(place.memory // _MEBI, self.compute.engine().memory)
        note = ServedNote(place.capacity, memory, place.reward_to or self.chain.node)
        for model in admitted:
            if served.get(model) != note:
                self.service.serve(model, note.capacity, note.reward_to, note.memory)
        for model in served.keys() - set(admitted):
            self.service.unserve(model)

    def _get_needed_models(self) -> frozenset[JobId]:
        """Models that stay: those that are served, and those of orders that are not over."""
        served = [model for model, _ in self.service.desk.book.orders.served()]
        ordered = [
            job.model for _, job in get_jobs(self.chain.state) if job.kind is JobKind.TRANSLATION
        ]
        return frozenset((*served, *ordered))

    def _admits(self, job: JobId) -> bool:
        chosen = self.place.jobs
        return not chosen or any(job.hex().startswith(each) for each in chosen)

    async def submit(self, folder: Path) -> JobId:
        """Open the job that was prepared in a folder; returns when it is on the chain.

        Raises InputError for whatever is wrong with it, or if this node may not open jobs.
        """
        package, ids = await self._import(folder)
        raw = await trio.to_thread.run_sync(self.store.read, package.spec.data.batches)
        index = decode_index(raw)
        missing = [entry.blob for entry in index.entries if entry.blob not in ids]
        if missing:
            raise InputError(
                f"The prepared job in {folder} is not whole.",
                f"{len(missing)} of {len(index.entries)} batches are missing.",
                "Prepare it again.",
            )
        if package.engine != self.compute.engine().digest:
            raise InputError(
                "The job was prepared with another version of the engine.",
                "Its first state would not be the same here.",
                "Prepare it again with the aliad that this node runs.",
            )
        body = make_open_job(package, index, self.chain.params.max_batch_work)
        return await self._open(body)

    async def _open(self, body: OpenJob) -> JobId:
        digest = compute_spec_digest(body.spec)
        for job_id, job in get_jobs(self.chain.state):
            if job.owner == self.chain.node and job.spec == digest and job.terms == body.terms:
                return job_id  # asked twice
        key = b"open-job" + body.terms.manifest + body.terms.parameters
        self.chain.offer(key, body, self.chain.tip.height)
        outcome = await self.chain.settle(key)
        if not isinstance(outcome, Included):
            raise InputError(
                "The network does not take this job.",
                outcome.why,
                "Validators decide who may open jobs: `aliad vote`.",
            )
        self.service.reconciler.wake()
        return JobId(outcome.name)

    async def _import(self, folder: Path) -> tuple[JobPackage, set[BlobId]]:
        """Take a package's blobs in. Raises InputError."""
        try:
            package = decode_package(await trio.to_thread.run_sync((folder / JOB).read_bytes))
            paths = await trio.to_thread.run_sync(blob_files, folder)
            ids: set[BlobId] = set()
            for path in paths:
                content = await trio.to_thread.run_sync(path.read_bytes)
                ids.add(await self.blobs.keep_bytes(content))
        except (OSError, RemoteProtocolError) as error:
            raise InputError(
                f"{folder} is not a prepared job.",
                f"{getattr(error, 'what', error)}.",
                "Give the folder that the preparation wrote.",
            ) from error
        return package, ids

    async def prepare(self, arguments: tuple[str, ...]) -> None:
        """Prepare a job in a process of its own; see `aliad.local.network_job` for what it takes.

        Raises InputError with what that process says.
        """
        done = await trio.run_process(
            [sys.executable, "-P", "-m", "aliad.local.network_job", *arguments],
            stdin=subprocess.DEVNULL,
            capture_stderr=True,
            check=False,
            env=environment(self.place.threads),
        )
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip().splitlines()[-3:]
            raise InputError(*(said or ["The job cannot be prepared."]))

    async def model(self, job: JobId, folder: Path) -> Hash32:
        """Fetch a finished job's model into a folder that does not exist; the id of its list.

        Raises InputError, Unavailable.
        """
        closed = get_closed_job(self.chain.state, job)
        if closed is None:
            raise InputError("No such job has ended.", "", "`aliad job list` shows all.")
        sources = find_sources(self.chain.state, job, closed, self.chain.node)
        await fetch_model(self.blobs, closed, sources, folder)
        return closed.model


def remove_unknown(folder: Path, known: frozenset[FileId]) -> int:
    """Remove what a killed node left in the compute directory; how many files it was."""
    names = {file.hex() for file in known}
    gone = [path for path in folder.iterdir() if path.is_file() and path.name not in names]
    for path in gone:
        path.unlink(missing_ok=True)
    return len(gone)
