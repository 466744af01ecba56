"""From texts to an order that may be placed, and what it would cost."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import trio

from aliad.blob import blob_id_of
from aliad.documents.portions import compute_texts_digest
from aliad.errors import InputError
from aliad.ledger.accounts import get_account, get_economy
from aliad.ledger.draws import CHECKERS
from aliad.ledger.jobs import JobKind
from aliad.ledger.params import Params
from aliad.ledger.state import StateReader
from aliad.ledger.workers import compute_draw_weight, get_standing
from aliad.node.library import ModelLibrary
from aliad.node.model_files import Description
from aliad.node.order_files import OrderFile, OrderFiles
from aliad.node.order_records import OrderWish, Quote
from aliad.node.order_texts import cut_texts, open_tokenizer
from aliad.node.service import ChainService
from aliad.node.serving import Catalogue, Published, find_servers, find_sources
from aliad.spec.model import ModelConfig, count_parameters
from aliad.spec.order import (
    MAX_SOURCES,
    MAX_TOKENS,
    SALT_BYTES,
    OrderSpec,
    encode_order_index,
    encode_order_spec,
)
from aliad.types import JobId, MegaMac, Millis, NanoAlia, RewardRate
from aliad.work.orders.book import OrderBook, OrderNote
from aliad.work.orders.opening import (
    CutOrder,
    OrderPlan,
    compute_escrow,
    cut_order,
    make_order_terms,
)
from aliad.work.ports import Engine

# Positions of a batch's sources and of what one hypothesis of each may become, at most.
POSITIONS: Final = MAX_TOKENS + MAX_TOKENS * 8 // 5 + 10 * MAX_SOURCES
# However impatient a customer is: a checker may be busy with a batch of something else.
LEAST_CHECK_MS: Final = 20_000
ONE_PPM: Final = 1_000_000
_MEBI: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Quoted:
    """A new order, all of it on this node's disk."""

    priced: Quote
    file: OrderFile
    note: OrderNote


@dataclass(frozen=True, slots=True)
class Quoting:
    """Makes orders."""

    chain: ChainService
    book: OrderBook
    files: OrderFiles
    library: ModelLibrary
    catalogue: Catalogue
    engine: Callable[[], Engine]
    wall: Callable[[], int]

    async def quote(self, texts: Sequence[str], wish: OrderWish) -> Quoted:
        """Cut texts to batches, and keep them as an order that is not placed.

        Raises InputError, Unavailable, Refused.
        """
        found = self._model(wish.model)
        sources = find_sources(self.chain.state, found.model, found.closed, self.chain.node)
        about = await self.library.describe(found.model, found.closed, sources)
        tokenizer = await self.library.tokenizer(found.model)
        cut, count = await trio.to_thread.run_sync(_cut, texts, tokenizer, about, wish.beam)
        index = blob_id_of(encode_order_index(cut.index))
        languages, shape = about.languages, about.shape
        spec = OrderSpec(languages.source, languages.target, wish.beam, count, index)
        plan = OrderPlan(
            memory=compute_memory(shape, wish.beam),
            overhead=wish.overhead,
            round_ms=wish.round_ms,
            check_ms=max(LEAST_CHECK_MS, wish.round_ms),
            reveal_ms=max(LEAST_CHECK_MS, wish.round_ms),
        )
        terms = make_order_terms(cut, plan, found.closed.parameters, self.engine().digest)
        words = encode_order_spec(spec)
        note = OrderNote(wish.model, terms, words, shape.vocabulary, shape.length)
        rate = get_economy(self.chain.state).reward_rate
        work = cut.index.work
        batches = len(cut.batches)
        escrow = compute_escrow(work, rate)
        now = Millis(self.wall())
        digest = await trio.to_thread.run_sync(compute_texts_digest, texts)
        file = OrderFile(wish.name, digest, len(texts), count, batches, work, escrow, now)
        await trio.to_thread.run_sync(self._keep, cut, note, file, texts, tokenizer)
        price = compute_price(self.chain.state, self.chain.params, note, work, rate)
        balance = get_account(self.chain.state, self.chain.node).balance
        workers = count_workers(self.chain.state, note)
        priced = Quote(
            cut.root,
            wish.model,
            len(texts),
            count,
            batches,
            work,
            rate,
            price,
            escrow,
            balance,
            workers,
        )
        return Quoted(priced, file, note)

    def _keep(
        self, cut: CutOrder, note: OrderNote, file: OrderFile, texts: Sequence[str], words: bytes
    ) -> None:
        self.files.create(cut.root, file, texts, words)
        self.book.put_order(cut.root, note, cut.index, cut.batches)

    def _model(self, model: JobId) -> Published:
        found = self.catalogue.get(model)
        if found is None:
            raise InputError(
                f"There is no model {model.hex()[:12]}.",
                "No job of this id has ended with a model.",
                "`aliad models` lists them.",
            )
        return found


def compute_price(
    state: StateReader, params: Params, note: OrderNote, work: MegaMac, rate: RewardRate
) -> NanoAlia:
    """The expected cost: every batch once, and two checks of each that is drawn on average.

    Batches of workers without a history are drawn more often, and so cost more.
    """
    weights = [
        compute_draw_weight(params, JobKind.TRANSLATION, get_standing(state, node))
        for node, _ in find_servers(state, note.model)
    ] or [params.newcomer_factor]
    drawn = min(ONE_PPM, note.terms.overhead * sum(weights) // (2 * len(weights)))
    return NanoAlia(-(-work * rate * (ONE_PPM + CHECKERS * drawn) // ONE_PPM))


def count_workers(state: StateReader, note: OrderNote) -> int:
    """Workers that the ledger would give an order's batches to."""
    return sum(
        worker.engine == note.terms.engine and worker.memory >= note.terms.memory
        for _, worker in find_servers(state, note.model)
    )


def compute_memory(shape: ModelConfig, beam: int) -> int:
    """MiB that a worker needs: parameters twice, keys and values of a search, something beside."""
    kept = 8 * shape.width * shape.decoder_layers * POSITIONS * beam
    return 64 + -(-(8 * count_parameters(shape) + kept) // _MEBI)


def tell_alia(amount: int) -> str:
    """An amount for people."""
    whole, rest = divmod(amount, 10**9)
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".") + " ALIA"


def _cut(
    texts: Sequence[str], tokenizer: bytes, about: Description, beam: int
) -> tuple[CutOrder, int]:
    shape = about.shape
    portions = cut_texts(texts, open_tokenizer(tokenizer, shape.vocabulary), shape.length)
    if not portions.sources:
        raise InputError(
            "There is nothing to translate.",
            "None of the texts holds a letter or a digit.",
            "Give a document that has sentences.",
        )
    cut = cut_order(portions.sources, shape, beam, lambda: os.urandom(SALT_BYTES))
    return cut, len(portions.sources)
