"""From sources to an order that can be placed. Pure: the salts come from the caller."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aliad.ledger.jobs import JobTerms
from aliad.ledger.openings import ESCROW_FACTOR
from aliad.ledger.transactions import OpenOrder
from aliad.spec.model import ModelConfig
from aliad.spec.order import (
    Ids,
    OrderBatch,
    OrderEntry,
    OrderIndex,
    compute_order_batch_digest,
    compute_order_work,
    cut_batches,
    encode_order_batch,
)
from aliad.types import Hash32, MegaMac, NanoAlia, Ppm, RewardRate
from aliad.work.dataset import compute_manifest_root
from aliad.work.orders.book import BatchNote, OrderNote


@dataclass(frozen=True, slots=True)
class CutOrder:
    """Sources in sealed-to-be batches. ``root`` names the order, and is its terms' manifest."""

    root: Hash32
    index: OrderIndex
    batches: tuple[BatchNote, ...]


@dataclass(frozen=True, slots=True)
class OrderPlan:
    """How a network works on an order. Durations in milliseconds, memory in MiB; ``overhead`` is
    the share of the work that goes into checks."""

    memory: int = 1
    min_workers: int = 3
    overhead: int = 100_000
    round_ms: int = 60_000
    record_ms: int = 60_000
    check_ms: int = 60_000
    reveal_ms: int = 60_000


def cut_order(
    sources: Sequence[Ids], shape: ModelConfig, beam: int, make_salt: Callable[[], bytes]
) -> CutOrder:
    """Cut sources to batches, each with 32 random bytes of ``make_salt``.

    Raises LocalProtocolError for what the model cannot read.
    """
    batches: list[BatchNote] = []
    entries: list[OrderEntry] = []
    for places in cut_batches([len(source) for source in sources]):
        batch = OrderBatch(make_salt(), beam, tuple(sources[place] for place in places))
        data = encode_order_batch(batch, shape)
        work = compute_order_work(shape, [len(source) for source in batch.sources], beam)
        batches.append(BatchNote(data, places))
        entries.append(OrderEntry(compute_order_batch_digest(data), work))
    index = OrderIndex(tuple(entries))
    return CutOrder(compute_manifest_root(index), index, tuple(batches))


def compute_escrow(work: MegaMac, rate: RewardRate) -> NanoAlia:
    """What the ledger asks for: every batch computed, and at worst each checked by two."""
    return NanoAlia(ESCROW_FACTOR * work * rate)


def make_open_order(note: OrderNote, index: OrderIndex, escrow: NanoAlia) -> OpenOrder:
    """The transaction."""
    return OpenOrder(note.model, note.terms, note.spec, index.work, escrow)


def make_order_terms(
    cut: CutOrder, plan: OrderPlan, parameters: Hash32, engine: Hash32
) -> JobTerms:
    """What the ledger's rules need. ``parameters``: of the job that made the model."""
    return JobTerms(
        batches=len(cut.index.entries),
        manifest=cut.root,
        epochs=1,
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
