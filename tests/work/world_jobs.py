"""Small jobs for worlds: a spec, its batches as blobs, its terms."""

from dataclasses import dataclass
from fractions import Fraction
from random import Random

from aliad.compute.microbatch import MicroShape
from aliad.compute.rounds import RoundRecipe, batch_graph
from aliad.compute.schedule import Schedule
from aliad.corpus.batch import Batch, MicroBatch
from aliad.corpus.batch_codec import encode_batch
from aliad.ledger.jobs import JobTerms
from aliad.ledger.transactions import OpenJob
from aliad.spec.dataset import (
    DatasetIndex,
    IndexEntry,
    compute_batch_digest,
    encode_index,
)
from aliad.spec.job import DataRefs, JobSpec, Plan, encode_job_spec
from aliad.spec.training import BatchSpec, ModelSpec, TrainingSpec
from aliad.types import BlobId, Hash32, MegaMac, Ppm
from aliad.work.dataset import compute_manifest_root
from tests.work.world_compute import STUB_WORK
from tests.work.world_wires import blob_id_of

LENGTH = 16
TINY = ModelSpec(
    vocabulary=300, width=16, hidden=32, heads=2, encoder_layers=1, decoder_layers=1, length=LENGTH
)


@dataclass(frozen=True, slots=True)
class WorldJob:
    """What an originator needs: the opening but for its first state, and the blobs."""

    spec: JobSpec
    index: DatasetIndex
    batches: tuple[bytes, ...]

    @property
    def blobs(self) -> tuple[bytes, ...]:
        return (encode_index(self.index), *self.batches)

    def opening(self, parameters: Hash32, engine: Hash32) -> OpenJob:
        plan, training = self.spec.plan, self.spec.training
        terms = JobTerms(
            batches=len(self.batches),
            manifest=compute_manifest_root(self.index),
            epochs=training.epochs,
            engine=engine,
            parameters=parameters,
            memory=plan.memory,
            min_workers=plan.min_workers,
            overhead=Ppm(plan.overhead),
            round_ms=plan.round_ms,
            record_ms=plan.record_ms,
            check_ms=plan.check_ms,
            reveal_ms=plan.reveal_ms,
        )
        return OpenJob(terms, encode_job_spec(self.spec))


def make_job(
    batches: int = 8,
    epochs: int = 1,
    *,
    exact: bool = False,
    overhead: int = 1_000_000,
    min_workers: int = 3,
    micro: int = 2,
    lines: int = 3,
    seed: int = 1,
    **plan: int,
) -> WorldJob:
    """Lines of random ids; with ``exact`` the work of each batch is that of its graph."""
    rng = Random(seed)
    training = TrainingSpec(
        "world",
        "en",
        "de",
        epochs=epochs,
        seed=seed,
        model=TINY,
        batches=BatchSpec(lines=lines, micro_batches=micro, workers=1),
    )
    made = [_batch(rng, micro, lines) for _ in range(batches)]
    encoded = tuple(encode_batch(batch) for batch in made)
    work = [_work(training, batch) if exact else STUB_WORK for batch in made]
    index = DatasetIndex(
        tuple(
            IndexEntry(compute_batch_digest(data), blob_id_of(data), MegaMac(cost), 10)
            for data, cost in zip(encoded, work, strict=True)
        )
    )
    nothing = Hash32(bytes(32))
    refs = DataRefs(
        nothing,
        BlobId(nothing),
        nothing,
        BlobId(nothing),
        blob_id_of(encode_index(index)),
        None,
    )
    times = {"round_ms": 30_000, "record_ms": 30_000, "check_ms": 30_000, "reveal_ms": 15_000}
    rounds = max(4, batches * epochs // 2)
    settled = Plan(rounds, min_workers, 100, overhead, **{**times, **plan})
    return WorldJob(JobSpec(training, refs, settled), index, encoded)


def _batch(rng: Random, micro: int, lines: int) -> Batch:
    def ids(least: int) -> tuple[int, ...]:
        return tuple(rng.randrange(4, TINY.vocabulary) for _ in range(rng.randint(least, 6)))

    return Batch(
        tuple(
            MicroBatch(
                tuple((*ids(2), 3) for _ in range(lines)), tuple(ids(2) for _ in range(lines))
            )
            for _ in range(micro)
        )
    )


def _work(training: TrainingSpec, batch: Batch) -> int:
    """Mega-MAC, rounded up, of the graph that workers will build; only shapes count."""
    shapes = tuple(MicroShape.of(part) for part in batch.micro)
    recipe = RoundRecipe(Schedule(Fraction(1, 100), 1, 8, Fraction(1, 50)))
    graphs = [batch_graph(training.config(), recipe, shapes, first) for first in (True, False)]
    macs = {graph.total_macs() for graph in graphs}
    assert len(macs) == 1
    return -(-macs.pop() // 10**6)
