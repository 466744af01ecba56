"""The customer's side of translation orders: quoting, placing, following, reading what came back.

What is to be done follows from the notes and the ledger, whenever `run` looks: an order that was
asked for is offered until it is on the chain, however often the node is killed meanwhile. Sealing
batches to workers and taking their passages in is the customer's role, in `aliad.work.orders`.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

import trio

from aliad.errors import InputError, LocalProtocolError
from aliad.ledger import keys
from aliad.ledger.accounts import get_account, get_economy
from aliad.ledger.events import EscrowReturned, JobClosed, decode_event
from aliad.ledger.job_state import get_jobs
from aliad.ledger.jobs import CLOSED_JOB, JobKind, JobPhase, Outcome
from aliad.ledger.openings import compute_spec_digest
from aliad.ledger.state import StateReader, read_stored
from aliad.ledger.transactions import CancelOrder
from aliad.node.order_files import MAX_REASON, OrderFile, OrderFiles
from aliad.node.order_quotes import Quoting, count_workers, tell_alia
from aliad.node.order_records import OrderPhase, OrderState, OrderWish, Quote, TextState
from aliad.node.order_texts import MISSING, cut_texts, join_texts, open_tokenizer
from aliad.node.order_views import (
    OVER,
    PassageCount,
    get_phase,
    tell_order,
)
from aliad.node.outbox import DONE, Included, Refused
from aliad.node.service import ChainService
from aliad.store import audit
from aliad.store.projection import about_job
from aliad.types import Hash32, JobId, Millis, NanoAlia, NodeId
from aliad.work.orders.book import OrderBook, OrderNote
from aliad.work.orders.opening import compute_escrow, make_open_order
from aliad.work.orders.progress import Standing, collect, get_passages, get_standing

LOOK_SECONDS: Final = 2.0
SETTLE_SECONDS: Final = 60.0
QUOTE_MS: Final = 24 * 3_600_000
"""For so long an order that was not placed is kept."""
POOR: Final = 1_000_000
"""A passage whose score is above this many micro-nats a token is a poor one."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class NodeOrders:
    """See the module's text. All methods belong to the event loop."""

    chain: ChainService
    book: OrderBook
    files: OrderFiles
    quoting: Quoting
    wake: Callable[[], None]
    wall: Callable[[], int]
    _files: dict[Hash32, OrderFile] = field(default_factory=dict)
    _notes: dict[Hash32, OrderNote] = field(default_factory=dict)
    _counts: dict[Hash32, PassageCount] = field(default_factory=dict)
    _counted: dict[tuple[Hash32, int, int], PassageCount] = field(default_factory=dict)
    _joined: tuple[Hash32, object, tuple[TextState, ...]] | None = None

    def __post_init__(self) -> None:
        """Take up the orders that are noted."""
        for order in self.files.names():
            file, note = self.files.note(order), self.book.order(order)
            if file is None or note is None:
                log.warning("the notes of order %s are damaged", order.hex()[:8])
            else:
                self._files[order], self._notes[order] = file, note
        for order, _ in self.book.orders():
            if order not in self._files:
                self.book.drop(order)  # killed between noting and saying so

    async def quote(self, texts: Sequence[str], wish: OrderWish) -> Quote:
        """Cut texts to batches, and keep them as an order that is not placed.

        Raises InputError, Unavailable, Refused.
        """
        made = await self.quoting.quote(texts, wish)
        order = made.priced.order
        self._files[order], self._notes[order] = made.file, made.note
        return made.priced

    # Placing

    async def place(self, order: Hash32) -> None:
        """Open a quoted order; returns when it is in a block, or after a while, when it is still
        tried. Raises InputError with the reason if the ledger does not take it."""
        file, note = self._get(order)
        if self._standing(order).id is not None:
            return
        if not file.asked:
            self._check_place(file, note)
            asked = replace(
                file, asked=True, cancelled=False, placed=Millis(self.wall()), reason=""
            )
            self._put(order, asked)
        self._offer(order)
        with trio.move_on_after(SETTLE_SECONDS), suppress(LocalProtocolError):
            await self.chain.settle(_opening(order))  # or it is cancelled meanwhile
        self._look_at(order)
        file = self._get(order)[0]
        if not file.asked:
            raise InputError(
                "The network does not take the order.", file.reason, "Nothing was set aside."
            )

    def _check_place(self, file: OrderFile, note: OrderNote) -> None:
        state = self.chain.state
        rate = get_economy(state).reward_rate
        escrow = compute_escrow(file.work, rate)
        balance = get_account(state, self.chain.node).balance
        needed = file.escrow + self.chain.params.min_fee
        if escrow > file.escrow:
            raise InputError(
                "The price has risen since the quote.",
                f"{tell_alia(escrow)} would be set aside now, not {tell_alia(file.escrow)}.",
                "Ask for a new quote.",
            )
        if balance < needed:
            raise InputError(
                "The balance is too small for the order.",
                f"{tell_alia(needed)} are needed with the fee, {tell_alia(balance)} are there; "
                "what is not used comes back.",
                "Earn or receive some first, or order less at a time.",
            )
        if not count_workers(self.chain.state, note):
            raise InputError(
                "Nobody serves this model now.",
                "No worker with the engine and the memory that it takes is registered for it.",
                "Try again later, or order with another model: `aliad models`.",
            )

    def _offer(self, order: Hash32) -> None:
        file, note, index = self._files[order], self._notes[order], self.book.own_index(order)
        if index is None:
            raise InputError("The order's batches are gone.", "", "Order the document again.")
        body = make_open_order(note, index, file.escrow)

        def done(state: StateReader) -> bool:
            return find_job(state, self.chain.node, order, note) is not None

        self.chain.offer(_opening(order), body, self.chain.tip.height, done=done)

    # Following

    async def run(self) -> None:
        """Do what is to be done for orders, until cancelled."""
        while True:
            for order in list(self._files):
                try:
                    await self._tend(order)
                except InputError as error:  # its files are gone, or the disk is full
                    log.warning("order %s: %s", order.hex()[:8], error)
            with trio.move_on_after(LOOK_SECONDS):
                await self.chain.wait_above(self.chain.tip.height)
            await trio.lowlevel.checkpoint()

    async def _tend(self, order: Hash32) -> None:
        file = self._look_at(order)
        if file is None:
            return
        standing = self._standing(order)
        if standing.id is None:
            if file.asked and self._is_level():
                self._offer(order)
            elif not file.asked and self.wall() - file.quoted > QUOTE_MS:
                await self._remove(order)
            return
        if standing.job is not None and file.cancelled:
            self._offer_cancel(standing.id, standing)
        if standing.closed is not None and file.paid is None:
            self._put(order, replace(file, paid=self._find_paid(file, standing.id)))
        await self._count(order, standing)

    def _look_at(self, order: Hash32) -> OrderFile | None:
        """Take in what became of placing an order."""
        file, note = self._files.get(order), self._notes.get(order)
        if file is None or note is None or not file.asked or self.book.job(order) is not None:
            return file
        outcome = self.chain.outbox.outcome(_opening(order))
        if isinstance(outcome, Included):
            job: JobId | None = JobId(outcome.name)
        else:
            job = find_job(self.chain.state, self.chain.node, order, note)
        if job is not None:
            self.book.put_job(order, job)
            self.chain.outbox.withdraw(_opening(order))
            self.wake()
        elif isinstance(outcome, Refused) and outcome.why != DONE:
            file = replace(file, asked=False, placed=Millis(0), reason=outcome.why[:MAX_REASON])
            self._put(order, file)
        return file

    def _find_paid(self, file: OrderFile, job: JobId) -> NanoAlia | None:
        """What an order that is over has cost; None if that is in the log no more."""
        returned, over = 0, False
        for _, entry in audit.about(self.chain.log, about_job(job)):
            if entry.kind == EscrowReturned.__name__:
                event = decode_event(entry.payload)
                returned += event.amount if isinstance(event, EscrowReturned) else 0
            over = over or entry.kind == JobClosed.__name__
        return NanoAlia(file.escrow - returned) if over else None

    async def _count(self, order: Hash32, standing: Standing) -> None:
        """Count passages that are here, reading each only once."""
        here = poor = 0
        for batch, receipt in standing.receipts.items():
            key = (order, int(batch), int(receipt.round))
            count = self._counted.get(key)
            if count is None:
                passages = await trio.to_thread.run_sync(
                    get_passages, self.book, order, batch, receipt
                )
                bad = sum(passage.score > POOR for passage in passages)
                count = self._counted[key] = PassageCount(len(passages), bad)
            here, poor = here + count.here, poor + count.poor
        self._counts[order] = PassageCount(here, poor)

    def views(self) -> tuple[OrderState, ...]:
        """All orders, the newest first."""
        orders = sorted(self._files, key=lambda order: (-self._files[order].quoted, order))
        return tuple(self.view(order) for order in orders)

    def view(self, order: Hash32) -> OrderState:
        """One order. Raises InputError if it is not known."""
        file, note = self._get(order)
        workers, count = (
            count_workers(self.chain.state, note),
            self._counts.get(order, PassageCount()),
        )
        standing = self._standing(order)
        return tell_order(order, file, note, standing, self.chain.state, workers, count)

    # Ending

    async def cancel(self, order: Hash32) -> str:
        """Begin no more of an order. Raises InputError if nothing is left to cancel."""
        file, _ = self._get(order)
        standing = self._standing(order)
        if standing.id is None and not file.asked:
            raise InputError("This order was not placed.", "", "There is nothing to cancel.")
        over = standing.closed is not None or (
            standing.job is not None and standing.job.phase in (JobPhase.FINISHED, JobPhase.ENDING)
        )
        if over:
            raise InputError("Nothing is left to cancel.", "All of the order was translated.", "")
        if standing.id is None:
            why = "cancelled before it was in a block"
            self._put(order, replace(file, asked=False, cancelled=True, reason=why))
            self.chain.outbox.withdraw(_opening(order))
            return "It is not placed; if it is on its way into a block, it is cancelled there."
        self._put(order, replace(file, cancelled=True))
        self._offer_cancel(standing.id, standing)
        with trio.move_on_after(SETTLE_SECONDS), suppress(LocalProtocolError):
            outcome = await self.chain.settle(_cancelling(standing.id))
            if isinstance(outcome, Refused):
                raise InputError("The order cannot be cancelled.", outcome.why, "")
        return "No batch is begun any more; what is left of the escrow comes back after the checks."

    def _offer_cancel(self, job_id: JobId, standing: Standing) -> None:
        job = standing.job
        if job is None or job.phase in (JobPhase.FINISHED, JobPhase.ENDING):
            return
        if job.outcome is not Outcome.CANCELLED:
            self.chain.offer(_cancelling(job_id), CancelOrder(job_id), self.chain.tip.height)

    async def texts(self, order: Hash32, *, partial: bool) -> tuple[TextState, ...]:
        """Every text's translation, in order.

        Raises InputError if some are missing and not ``partial``, or the order is not known.
        """
        _, note = self._get(order)
        standing = self._standing(order)
        found = self._joined
        if found is None or found[:2] != (order, standing.receipts):
            joined = await trio.to_thread.run_sync(self._join, order, note, standing)
            found = self._joined = (order, standing.receipts, joined)
        missing = sum(one.text is None for one in found[2])
        if missing and not partial:
            raise InputError(
                "The translation is not complete.",
                f"{missing} of {len(found[2])} texts are missing.",
                "Wait, or ask for what is there.",
            )
        return found[2]

    def _join(self, order: Hash32, note: OrderNote, standing: Standing) -> tuple[TextState, ...]:
        tokenizer = open_tokenizer(self.files.tokenizer(order), note.vocabulary)
        portions = cut_texts(self.files.texts(order), tokenizer, note.length)
        passages = collect(self.book, order, standing)
        return tuple(
            TextState(None, 0.0)
            if spoken.score == MISSING
            else TextState(spoken.target, spoken.score)
            for spoken in join_texts(portions, passages, tokenizer)
        )

    async def forget(self, order: Hash32) -> None:
        """Drop all that is noted of an order. Raises InputError while it runs."""
        file, _ = self._get(order)
        if get_phase(file, self._standing(order)) not in (*OVER, OrderPhase.QUOTED):
            raise InputError("The order still runs.", "Its batches are needed.", "Cancel it first.")
        await self._remove(order)

    async def _remove(self, order: Hash32) -> None:
        del self._files[order], self._notes[order]
        self._counts.pop(order, None)
        self._counted = {key: count for key, count in self._counted.items() if key[0] != order}
        self._joined = None
        await trio.to_thread.run_sync(self.files.remove, order)
        await trio.to_thread.run_sync(self.book.drop, order)

    # private

    def _get(self, order: Hash32) -> tuple[OrderFile, OrderNote]:
        file, note = self._files.get(order), self._notes.get(order)
        if file is None or note is None:
            raise InputError(
                "There is no such order.",
                "It was never made here, or forgotten.",
                "Ask for a quote.",
            )
        return file, note

    def _put(self, order: Hash32, file: OrderFile) -> None:
        self.files.put(order, file)
        self._files[order] = file

    def _standing(self, order: Hash32) -> Standing:
        return get_standing(self.chain.state, self.book, order)

    def _is_level(self) -> bool:
        health = self.chain.health()
        return health.level or health.votes


def find_job(state: StateReader, me: NodeId, order: Hash32, note: OrderNote) -> JobId | None:
    """Under which id an order of ours is on the chain, over or not."""
    for job_id, job in get_jobs(state):
        ours = job.kind is JobKind.TRANSLATION and job.owner == me
        if ours and job.terms.manifest == order:
            return job_id
    digest = compute_spec_digest(note.spec)
    for key, value in state.items(keys.CLOSED_JOB):
        closed = read_stored(value, CLOSED_JOB)
        if closed.owner == me and closed.spec == digest:
            return JobId(Hash32(key[len(keys.CLOSED_JOB) :]))
    return None


def _opening(order: Hash32) -> bytes:
    return b"open-order" + order


def _cancelling(job: JobId) -> bytes:
    return b"cancel-order" + job
