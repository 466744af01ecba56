"""Translation orders: which models serve, what a document costs, ordering it, its translation."""

from collections.abc import Callable, Iterable
from typing import Annotated, Final, TypeVar

import msgspec
import trio

from aliad.ledger.openings import MAX_ORDER_MS
from aliad.node.order_records import OrderState, OrderWish, TextState
from aliad.rpc.permissions import Permission
from aliad.rpc.ports import Backend, Refused
from aliad.rpc.registry import Done, Nothing, Params, View, method
from aliad.types import Hash32, JobId, Millis, Ppm

PAGE_BYTES: Final = 2 << 20
SHORTEST_PREFIX: Final = 4

T = TypeVar("T")
Beam = Annotated[int, msgspec.Meta(ge=1, le=32)]
Share = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Duration = Annotated[int, msgspec.Meta(ge=1_000, le=MAX_ORDER_MS)]
Name = Annotated[str, msgspec.Meta(max_length=256)]
Text = Annotated[str, msgspec.Meta(min_length=1)]
Count = Annotated[int, msgspec.Meta(ge=1, le=200_000)]
Place = Annotated[int, msgspec.Meta(ge=0, le=200_000)]


class ModelOffer(View):
    """A model that the network made. ``workers`` serve it now; ``bleu`` is what its card says,
    ``size`` its bytes; ``held``: it is on this node's disk."""

    job: str
    name: str
    source: str
    target: str
    bleu: float | None
    workers: int
    held: bool
    size: int


@method("order.models", Permission.READ)
async def models(node: Backend, _query: Nothing) -> list[ModelOffer]:
    """Finished models that orders can name, the newest first."""
    return [
        ModelOffer(
            job=one.job.hex(),
            name=one.name,
            source=one.source,
            target=one.target,
            bleu=one.bleu,
            workers=one.workers,
            held=one.held,
            size=one.size,
        )
        for one in await node.orders.models()
    ]


class Wish(Params):
    """How to translate: ``model`` is the job that made it, or the beginning of its id;
    ``overhead_ppm`` the share of work spent on checks; ``name`` is shown in lists."""

    model: str
    beam: Beam = 5
    overhead_ppm: Share = 100_000
    round_ms: Duration = 60_000
    name: Name = ""


class DraftView(View):
    """A document that is being sent; ``texts`` of it are here."""

    draft: str
    texts: int


@method("order.begin", Permission.WALLET)
async def begin(node: Backend, query: Wish) -> DraftView:
    """Begin to send texts; `order.add` sends them, `order.quote` ends it."""
    model = _one(query.model, await node.orders.models(), "model", lambda found: found.job)
    wish = OrderWish(
        model.job, query.beam, Ppm(query.overhead_ppm), Millis(query.round_ms), query.name
    )
    return DraftView(draft=node.drafts.begin(wish, trio.current_time()), texts=0)


class Addition(Params):
    """Texts in order, at most 1 MiB a call and 256 KiB a text; none is empty."""

    draft: str
    texts: list[Text]


@method("order.add", Permission.WALLET, changes=False)
async def add(node: Backend, query: Addition) -> DraftView:
    """Send more texts."""
    draft = node.drafts.add(query.draft, query.texts, trio.current_time())
    return DraftView(draft=query.draft, texts=len(draft.texts))


class ByDraft(Params):
    """A draft that `order.begin` gave."""

    draft: str


class QuoteView(View):
    """What it would cost: ``price_nano`` is expected, ``escrow_nano`` set aside until the order is
    over. ``sources`` are cut and different sentences, ``work`` is in mega-MAC, ``rate`` in
    nano-ALIA a mega-MAC; ``workers`` serve the model."""

    order: str
    model: str
    sentences: int
    sources: int
    batches: int
    work: int
    rate: int
    price_nano: int
    escrow_nano: int
    balance_nano: int
    workers: int


@method("order.quote", Permission.WALLET)
async def quote(node: Backend, query: ByDraft) -> QuoteView:
    """What the draft's texts would cost; they become an order that is not placed yet."""
    draft = node.drafts.take(query.draft, trio.current_time())
    found = await node.orders.quote(tuple(draft.texts), draft.wish)
    return QuoteView(
        order=found.order.hex(),
        model=found.model.hex(),
        sentences=found.sentences,
        sources=found.sources,
        batches=found.batches,
        work=found.work,
        rate=found.rate,
        price_nano=found.price,
        escrow_nano=found.escrow,
        balance_nano=found.balance,
        workers=found.workers,
    )


class ByOrder(Params):
    """An order's id in hex, or the beginning of it."""

    order: str


class OrderView(View):
    """An order of this node. ``digest`` is of its texts. ``done`` of ``sources`` sentences are
    translated and here, ``recorded`` of ``batches`` on the chain; ``checks`` are open;
    ``escrow_nano`` is still set aside; ``poor`` translations have a low score. ``job`` is its id
    on the chain, null before."""

    order: str
    job: str | None
    name: str
    model: str
    source: str
    target: str
    digest: str
    phase: str
    sentences: int
    sources: int
    done: int
    batches: int
    recorded: int
    checks: int
    workers: int
    paid_nano: int
    escrow_nano: int
    poor: int
    opened_ms: int
    reason: str


@method("order.place", Permission.WALLET)
async def place(node: Backend, query: ByOrder) -> OrderView:
    """Escrow and open a quoted order; answers when it is in a block."""
    return _view(await node.orders.place(_find(node, query.order).order))


@method("order.list", Permission.OPERATE, changes=False)
async def list_orders(node: Backend, _query: Nothing) -> list[OrderView]:
    """Orders of this node, the newest first."""
    return [_view(one) for one in node.orders.orders()]


@method("order.show", Permission.OPERATE, changes=False)
async def show(node: Backend, query: ByOrder) -> OrderView:
    """One order: how far it is, what it has cost."""
    return _view(_find(node, query.order))


@method("order.cancel", Permission.WALLET)
async def cancel(node: Backend, query: ByOrder) -> Done:
    """Stop what has not been started; what is left of the escrow comes back."""
    return Done(text=await node.orders.cancel(_find(node, query.order).order))


class TextsQuery(Params):
    """A page of an order's translations; ``partial``: also while some are missing."""

    order: str
    first: Place = 0
    count: Count = 1_000
    partial: bool = False


class TranslatedText(View):
    """A translation, null while it is missing; ``score`` is the mean log-probability of a token."""

    text: str | None
    score: float


class TextsView(View):
    """Translations from ``first`` on, of ``total``; fewer than asked for if they are long."""

    first: int
    total: int
    texts: list[TranslatedText]


@method("order.texts", Permission.WALLET, changes=False)
async def texts(node: Backend, query: TextsQuery) -> TextsView:
    """The translations of the texts, in the order in which they were sent."""
    order = _find(node, query.order).order
    found = await node.orders.texts(order, partial=query.partial)
    page = _page(found[query.first : query.first + query.count])
    return TextsView(first=query.first, total=len(found), texts=page)


@method("order.forget", Permission.WALLET)
async def forget(node: Backend, query: ByOrder) -> Done:
    """Drop the texts and notes of an order that does not run."""
    await node.orders.forget(_find(node, query.order).order)
    return Done(text="forgotten")


def _page(found: Iterable[TextState]) -> list[TranslatedText]:
    page: list[TranslatedText] = []
    room = PAGE_BYTES
    for one in found:
        room -= len((one.text or "").encode())
        if page and room < 0:
            break
        page.append(TranslatedText(text=one.text, score=one.score))
    return page


def _find(node: Backend, text: str) -> OrderState:
    return _one(text, node.orders.orders(), "order", lambda found: found.order)


def _one(text: str, known: Iterable[T], kind: str, name_of: Callable[[T], Hash32 | JobId]) -> T:
    """The one whose id is, or begins with, ``text``. Raises Refused."""
    begins = text.lower()
    fits = [one for one in known if name_of(one).hex().startswith(begins)]
    if len(fits) == 1 and len(begins) >= SHORTEST_PREFIX:
        return fits[0]
    count = str(len(fits)) if fits and len(begins) >= SHORTEST_PREFIX else "no"
    raise Refused(
        f"{count} {kind}s begin with {text[:64]!r}",
        f"{kind}s are named by their id, or by {SHORTEST_PREFIX} or more of its first digits",
        f"`aliad {kind}s` shows all of them.",
    )


def _view(one: OrderState) -> OrderView:
    return OrderView(
        order=one.order.hex(),
        job=None if one.job is None else one.job.hex(),
        name=one.name,
        model=one.model.hex(),
        source=one.source,
        target=one.target,
        digest=one.digest.hex(),
        phase=str(one.phase),
        sentences=one.sentences,
        sources=one.sources,
        done=one.done,
        batches=one.batches,
        recorded=one.recorded,
        checks=one.checks,
        workers=one.workers,
        paid_nano=one.paid,
        escrow_nano=one.escrow,
        poor=one.poor,
        opened_ms=one.opened_ms,
        reason=one.reason,
    )
