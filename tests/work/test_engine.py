"""A job with the real engine: network rounds make the bytes that one machine makes alone."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import trio

from aliad.compute.process.files import ContentDirectory, FileDigest
from aliad.compute.process.pool import ComputePool
from aliad.compute.process.spawning import ComputeSettings
from aliad.corpus.sample.corpus import make_sample, write_sample
from aliad.errors import InputError
from aliad.ledger.events import BatchAccepted, RoundRecorded
from aliad.ledger.jobs import Outcome
from aliad.local.network_job import NetworkJob, make_network_job, with_plan
from aliad.local.prepare import CorpusFiles
from aliad.local.recipe import round_recipe
from aliad.local.replay import Difference, Replayed, replay
from aliad.local.toml import read_spec
from aliad.node.auditing import BatchAudit
from aliad.node.compute import NodeCompute
from aliad.spec.dataset import decode_index
from aliad.types import Hash32, Round
from aliad.work.history import find_played_rounds
from aliad.work.ports import FileId
from aliad.work.seeds import compute_batch_seed
from tests.local.conftest import SPEC
from tests.work.hub import Disk
from tests.work.jobs import Network, Prepared, network


class FolderDisk(Disk):
    """A disk whose files are a compute directory that all nodes of a test share."""

    folder: ContentDirectory

    def read(self, file: FileId) -> bytes:
        return self.folder.read(FileDigest(file))

    def write(self, content: bytes) -> FileId:
        return FileId(self.folder.write([content]))


class SharedCompute(NodeCompute):
    """Several nodes' compute in one directory, so that none may remove a file of another."""

    async def remove(self, file: FileId) -> None:
        await trio.lowlevel.checkpoint()


@dataclass(frozen=True, slots=True)
class Sample:
    """A prepared job with its corpus."""

    job: NetworkJob
    prepared: Prepared


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("job")
    write_sample(make_sample(120, 10, 10), folder)
    (folder / "spec.toml").write_text(SPEC)
    corpus = CorpusFiles(folder / "train.en", folder / "train.de")
    made = make_network_job(read_spec(folder / "spec.toml"), corpus, None)
    job = with_plan(made, overhead=0, round_ms=600_000, record_ms=600_000)
    spec = job.package.spec
    index = decode_index(job.blobs[spec.data.batches])
    return Sample(job, Prepared(job.package, index, tuple(job.blobs.values())))


def replayed(net: Network, sample: Sample, last: Hash32) -> object:
    """What the local engine makes of the same order."""
    package = sample.job.package
    played = find_played_rounds(net.ledger.events, net.id, package.parameters, last)
    order = [
        Replayed(
            past.number,
            tuple(
                (batch, compute_batch_seed(net.id, past.number, batch)) for batch in past.batches
            ),
            past.result,
        )
        for past in played
    ]
    spec = package.spec
    recipe = round_recipe(spec.recipe)
    seed, batches = spec.training.seed, sample.job.prepared.batches
    end = replay(spec.model, recipe, seed, batches, order)
    spoilt = [Replayed(one.number, tuple(reversed(one.batches)), one.result) for one in order]
    assert isinstance(replay(spec.model, recipe, seed, batches, spoilt), Difference)
    return end if isinstance(end, Difference) else end.digest()


@pytest.mark.trio
async def test_network_rounds_give_the_bytes_of_one_machine(sample: Sample, tmp_path: Path) -> None:
    folder = ContentDirectory(tmp_path)
    pool = ComputePool([ComputeSettings(tmp_path)])
    compute = SharedCompute(pool)
    with trio.fail_after(280):
        async with trio.open_nursery() as nursery:
            await nursery.start(pool.run)
            engine = await compute.start()
            assert engine.digest == sample.job.package.engine
            async with network(sample.prepared, workers=3, compute=on(folder, compute)) as net:
                for node in [net.owner, *net.workers]:
                    node.disk = disk_in(folder, node.disk)
                await net.open()
                await look_again(net, compute)
                closed = await net.closed()
            assert closed.outcome is Outcome.CLOSED
            assert closed.rounds >= 6
            assert closed.parameters == replayed(net, sample, closed.parameters)
            nursery.cancel_scope.cancel()


async def look_again(net: Network, compute: NodeCompute) -> None:
    """Any node can compute a recorded batch again and see that its trainer told the truth."""
    while not [event for event in net.ledger.events if isinstance(event, RoundRecorded)]:
        await net.ledger.changed(net.ledger.height)
    service = net.workers[0].service
    assert service is not None
    audit = BatchAudit(service.desk, compute)
    done = [event for event in net.ledger.events if isinstance(event, BatchAccepted)]
    for event in done[:2]:
        seen = await audit.replay(net.id, event.round, event.batch)
        assert (seen.trainer, seen.work) == (event.trainer, event.work)
        assert seen.committed
        assert seen.matches
    rows = await audit.trace(net.id, done[0].round, done[0].batch)
    assert [row.index for row in rows] == list(range(len(rows)))
    assert -(-sum(row.macs for row in rows) // 10**6) == done[0].work
    with pytest.raises(InputError, match="cannot be looked at"):
        await audit.replay(net.id, Round(99), done[0].batch)


def on(folder: ContentDirectory, compute: NodeCompute) -> Callable[[Disk], NodeCompute]:
    return lambda _: compute


def disk_in(folder: ContentDirectory, disk: Disk) -> FolderDisk:
    made = FolderDisk(disk.notes, disk.blobs)
    made.folder = folder
    return made
