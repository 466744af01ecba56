"""A job whose batches are only names, and a network of nodes that work for it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from fractions import Fraction

import trio

from aliad.crypto import SigningKey
from aliad.ledger.job_state import get_closed_job, get_jobs
from aliad.ledger.jobs import ClosedJob
from aliad.ledger.params import Params
from aliad.spec.dataset import DatasetIndex, IndexEntry, compute_batch_digest, encode_index
from aliad.spec.job import DataRefs, JobSpec, Plan
from aliad.spec.package import JobPackage
from aliad.spec.training import BatchSpec, ModelSpec, TrainingSpec
from aliad.types import BlobId, Hash32, JobId, MegaMac, Millis
from aliad.work.opening import make_open_job
from aliad.work.ports import Compute
from tests.ledger.chain import OWNER, START, key, make_genesis
from tests.work.hub import DigestCompute, Disk, Hub, Ledger, MoreRoles, Node, blob_name, digest_of

ENGINE = Hash32(b"e" * 32)
WORK = 7
MODEL = ModelSpec(340, 8, 16, 1, 1, 1, 80, Fraction(1, 10), Fraction(1, 10))


def clock() -> Millis:
    """Virtual or real time of the trio run, as milliseconds since 1970."""
    return Millis(START + int(trio.current_time() * 1000))


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the originator has before it opens a job."""

    package: JobPackage
    index: DatasetIndex
    blobs: tuple[bytes, ...]


def make_job(batches: int = 6, epochs: int = 2, *, name: str = "digests", **plan: int) -> Prepared:
    """A job for `DigestCompute`."""
    contents = [b"%s batch %d" % (name.encode(), place) for place in range(batches)]
    index = DatasetIndex(
        tuple(
            IndexEntry(compute_batch_digest(content), blob_name(content), MegaMac(WORK), 10)
            for content in contents
        )
    )
    training = TrainingSpec(name, "en", "de", epochs, 1, MODEL, BatchSpec(2, 2, 4))
    nothing = Hash32(bytes(32))
    listed = encode_index(index)
    data = DataRefs(nothing, BlobId(nothing), nothing, BlobId(nothing), blob_name(listed), None)
    how = replace(Plan(rounds=epochs * 2, memory=100), **plan)
    first = b"\0\0\0\0" + digest_of(b"first", b"1")
    package = JobPackage(JobSpec(training, data, how), ENGINE, digest_of(b"state", first))
    return Prepared(package, index, (listed, *contents))


class Network:
    """An originator, workers, and the ledger between them."""

    def __init__(
        self,
        nursery: trio.Nursery,
        job: Prepared,
        workers: int = 4,
        params: Params | None = None,
        compute: Callable[[Disk], Compute] | None = None,
        more: MoreRoles = lambda _: (),
    ) -> None:
        self.nursery, self.job = nursery, job
        self.ledger = Ledger(make_genesis(params), clock)
        self.hub = Hub()
        made = compute or (lambda disk: DigestCompute(disk, ENGINE, WORK))
        self.make_compute, self.more = made, more
        self.owner = self.add(OWNER)
        self.workers = [self.add(key(f"worker {number}")) for number in range(workers)]
        for content in job.blobs:
            self.owner.disk.blobs[blob_name(content)] = (content, None)
        self.id = JobId(Hash32(bytes(32)))
        self.forged: bytes | None = None

    def add(self, signer: SigningKey) -> Node:
        """One more node, not started yet."""
        return Node(self.hub, self.ledger, signer, self.make_compute, clock, more=self.more)

    async def open(self) -> None:
        """Start everybody, open the job, and have the workers offer themselves."""
        self.nursery.start_soon(self.ledger.run)
        for node in [self.owner, *self.workers]:
            node.start(self.nursery)
        most = self.ledger.params.max_batch_work
        body = make_open_job(self.job.package, self.job.index, most)
        if self.forged is not None:
            body = replace(body, spec=self.forged)
        self.owner.chain.post(b"open", body)
        while not get_jobs(self.ledger.state):
            await self.ledger.changed(self.ledger.height)
        ((self.id, _),) = get_jobs(self.ledger.state)
        for node in self.workers:
            self.offer(node)

    def offer(self, node: Node, capacity: int = 1) -> None:
        """A worker offers itself."""
        assert node.service is not None
        node.service.offer(self.id, capacity)

    async def closed(self) -> ClosedJob:
        """Wait for the end of the job."""
        while (closed := get_closed_job(self.ledger.state, self.id)) is None:
            await self.ledger.changed(self.ledger.height)
        return closed


@asynccontextmanager
async def network(job: Prepared, **options: object) -> AsyncIterator[Network]:
    """A network that ends with the block."""
    async with trio.open_nursery() as nursery:
        yield Network(nursery, job, **options)  # type: ignore[arg-type]
        nursery.cancel_scope.cancel()


def quick(**changes: int) -> Params:
    """Parameters under which a small job ends soon."""
    return replace(Params(), **{"vesting_rounds": 3, **changes})  # type: ignore[arg-type]
