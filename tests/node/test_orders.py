"""The customer's side on a real chain: priced, placed once whatever is killed, joined again."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from aliad.blob import blob_id_of
from aliad.corpus.tokenizer import train_tokenizer
from aliad.errors import AliadError, InputError
from aliad.ledger import keys
from aliad.ledger.accounts import get_account
from aliad.ledger.job_state import get_closed_job, get_jobs
from aliad.ledger.jobs import CLOSED_JOB, ClosedJob, JobKind, Outcome
from aliad.ledger.records import WORKER, Worker
from aliad.ledger.transactions import encode_transaction, sign_transaction
from aliad.node.library import ModelLibrary, Place
from aliad.node.order_files import OrderFiles
from aliad.node.order_quotes import Quoting
from aliad.node.order_records import OrderPhase, OrderWish
from aliad.node.orders import NodeOrders
from aliad.node.service import ChainService
from aliad.node.serving import Catalogue, Published, choose_models
from aliad.spec.model import ModelConfig
from aliad.spec.order import Passage, decode_order_batch, encode_order_index, encode_passages
from aliad.store.blobs import BlobStore
from aliad.store.chain import GenesisState
from aliad.types import (
    BatchIndex,
    Hash32,
    Height,
    JobId,
    Millis,
    NanoAlia,
    NodeId,
    Nonce,
    Ppm,
    Round,
)
from aliad.work.notebook import MemoryNotes
from aliad.work.orders.book import OrderBook
from aliad.work.orders.opening import make_open_order
from aliad.work.ports import Engine, ServedModel
from tests.node.models import CAPACITY, copying_blobs, job_id, publish, write_model
from tests.node.world import FUNDS, USERS, World, node_key, wall

MODEL = job_id(1)
ENGINE = Hash32(b"e" * 32)
CUSTOMER = 3
WORDS = ["the", "small", "dog", "sees", "a", "red", "house", "and", "sleeps", "today"]
TEXTS = tuple(f"{a} {b} {c}" for a in WORDS for b in WORDS[:4] for c in WORDS[4:7])
WISH = OrderWish(MODEL, 5, Ppm(100_000), Millis(30_000), "letter.docx")


class Shop:
    """A network where a model is finished and served, and a customer's node on a disk."""

    def __init__(self, folder: Path, world: World) -> None:
        self.folder = folder
        self.world = world
        self.notes: dict[bytes, bytes] = {}
        self.others = BlobStore(folder / "others", CAPACITY)
        (folder / "files").mkdir()
        model = train_tokenizer(TEXTS, 280)
        shape = ModelConfig(280, 16, 32, 2, 1, 1, 16)
        self.closed = publish(self.others, write_model(folder / "model", 1, model, shape))

    def give(self, **changes: object) -> None:
        """Have the model closed and served, and the customer funded, from the beginning."""
        start = self.world.start_state
        assert start is not None
        values = dict(start.values)
        values[keys.closed_job(MODEL)] = CLOSED_JOB.encode(self.closed)
        failed = replace(self.closed, outcome=Outcome.FAILED)
        values[keys.closed_job(job_id(2))] = CLOSED_JOB.encode(failed)
        if changes.get("served", True):
            for user in USERS[:3]:
                worker = WORKER.encode(Worker(4096, 1, ENGINE, 0))
                values[keys.worker(MODEL, user.node_id)] = worker
        self.world.start_state = GenesisState(start.hash, values, start.record)

    @property
    def chain(self) -> ChainService:
        return self.world.running[CUSTOMER].node.service

    async def open(self) -> NodeOrders:
        """Start the customer's side, or start it again with what it kept."""
        blobs, self.exchange = copying_blobs(
            self.folder / "blobs", self.folder / "files", [self.others]
        )
        library = ModelLibrary(
            Place(self.folder / "kept", self.folder / "files", 64 << 20),
            blobs,
            lambda job: get_closed_job(self.chain.state, job),
            _take,
            frozenset[JobId],
            lambda: wall() / 1000,
        )
        await library.load()
        self.book = OrderBook(MemoryNotes(self.notes))
        files, chain = OrderFiles(self.folder / "orders"), self.chain
        engine = Engine(ENGINE, "cpu", 4096)
        quoting = Quoting(chain, self.book, files, library, Catalogue(chain), lambda: engine, wall)
        return NodeOrders(chain, self.book, files, quoting, lambda: None, wall)

    def orders_on_chain(self) -> list[JobId]:
        """Of the customer."""
        return [job for job, each in get_jobs(self.chain.state) if each.owner == self.chain.node]

    def balance(self) -> int:
        return get_account(self.chain.state, self.chain.node).balance


async def _take(_: ServedModel) -> None:
    await trio.lowlevel.checkpoint()


async def make_shop(nursery: trio.Nursery, folder: Path, **changes: object) -> Shop:
    world = World(nursery, holders=[node_key(CUSTOMER)])
    shop = Shop(folder, world)
    shop.give(**changes)
    await world.start(0, 1, 2, 3)
    return shop


async def until(shop: Shop, orders: NodeOrders, order: Hash32, phase: OrderPhase) -> None:
    """Let the customer's side look until an order is so far."""
    with trio.fail_after(600):
        while orders.view(order).phase is not phase:  # noqa: ASYNC110 - no event
            await trio.sleep(0.2)


def echo(shop: Shop, order: Hash32, batches: range) -> None:
    """Put passages in as if workers had delivered them: every source comes back as it is."""
    note = shop.book.order(order)
    assert note is not None
    for place in batches:
        batch = shop.book.batch(order, BatchIndex(place))
        assert batch is not None
        sources = decode_order_batch(batch.data, note.shape).sources
        passages = [Passage(ids[:-1], 100 if ids[0] % 2 else 2_000_000) for ids in sources]
        worker = USERS[place % 3].node_id
        data = encode_passages(passages)
        shop.book.put_result(order, BatchIndex(place), Round(0), worker, data)


@pytest.mark.trio
async def test_a_quote_is_on_the_disk_before_it_is_told(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        shop = await make_shop(nursery, tmp_path)
        orders = await shop.open()
        texts = (*TEXTS, TEXTS[0], "…", " ".join(TEXTS[:4]))
        quote = await orders.quote(texts, WISH)
        assert quote.sentences == len(texts)
        assert len(TEXTS) <= quote.sources < 2 * len(TEXTS)
        assert quote.escrow == 3 * quote.work * quote.rate
        # None of the workers has a history: their batches are drawn eight times as often.
        assert quote.price == -(-quote.work * quote.rate * 18 // 10)
        assert (quote.balance, quote.workers) == (FUNDS, 3)

        view = orders.view(quote.order)
        assert (view.phase, view.job, view.done) == (OrderPhase.QUOTED, None, 0)
        assert (view.source, view.target, view.name) == ("en", "de", "letter.docx")
        index, note = shop.book.own_index(quote.order), shop.book.order(quote.order)
        assert index is not None
        assert note is not None
        assert index.work == quote.work
        assert note.terms.manifest == quote.order
        assert note.wish.index == blob_id_of(encode_order_index(index))
        assert (note.terms.round_ms, note.terms.overhead) == (30_000, 100_000)
        assert note.terms.parameters == shop.closed.parameters
        for path in (tmp_path / "orders").rglob("*"):
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)

        again = await shop.open()
        assert again.view(quote.order) == view
        assert (await orders.quote(texts, WISH)).order != quote.order, "salts make orders differ"
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_what_cannot_be_ordered_is_told(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        shop = await make_shop(nursery, tmp_path, served=False)
        orders = await shop.open()
        for wish, texts, why in (
            (replace(WISH, model=job_id(2)), TEXTS, "There is no model"),
            (replace(WISH, model=job_id(3)), TEXTS, "There is no model"),
            (WISH, ("", "  ", "\n"), "nothing to translate"),
        ):
            with pytest.raises(AliadError, match=why) as caught:
                await orders.quote(texts, wish)
            assert caught.value.fix
        assert list((tmp_path / "orders").glob("*")) == []
        quote = await orders.quote(TEXTS, WISH)
        assert quote.workers == 0
        with pytest.raises(InputError, match="Nobody serves"):
            await orders.place(quote.order)
        with pytest.raises(InputError, match="no such order"):
            await orders.place(Hash32(bytes(32)))
        with pytest.raises(InputError, match="not placed"):
            await orders.cancel(quote.order)
        with pytest.raises(InputError, match=r"not complete|missing"):
            await orders.texts(quote.order, partial=False)
        assert {one.text for one in await orders.texts(quote.order, partial=True)} == {None}
        shop.exchange.others = []
        assert (await orders.quote(TEXTS, WISH)).workers == 0, "the tokenizer is kept"
        assert shop.orders_on_chain() == []
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_who_cannot_pay_is_told_before_anything_is_sent(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        shop = await make_shop(nursery, tmp_path)
        orders = await shop.open()
        quote = await orders.quote(TEXTS, WISH)
        rest = NanoAlia(FUNDS - quote.escrow)
        shop.world.transfer(node_key(CUSTOMER), USERS[0].node_id, rest, CUSTOMER)
        while shop.balance() == FUNDS:  # noqa: ASYNC110 - no event
            await trio.sleep(0.1)
        with pytest.raises(InputError, match="balance is too small") as caught:
            await orders.place(quote.order)
        assert "ALIA" in caught.value.why
        assert orders.view(quote.order).phase is OrderPhase.QUOTED
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_an_order_is_placed_once_and_cancelled_for_its_escrow(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        shop = await make_shop(nursery, tmp_path)
        orders = await shop.open()
        nursery.start_soon(orders.run)
        quote = await orders.quote(TEXTS, WISH)
        async with trio.open_nursery() as twice:
            for _ in range(3):
                twice.start_soon(orders.place, quote.order)
        await orders.place(quote.order)
        (job,) = shop.orders_on_chain()
        view = orders.view(quote.order)
        assert view.job == job
        assert view.phase in (OrderPhase.WAITING, OrderPhase.TRANSLATING)
        assert (view.escrow, view.paid) == (quote.escrow, 0)
        assert view.opened_ms > 0
        assert shop.balance() < FUNDS - quote.escrow
        with pytest.raises(InputError, match="still runs"):
            await orders.forget(quote.order)

        await orders.cancel(quote.order)
        await until(shop, orders, quote.order, OrderPhase.CANCELLED)
        await trio.sleep(5)
        view = orders.view(quote.order)
        assert (view.escrow, view.paid, view.reason) == (0, 0, "")
        assert FUNDS - 10 * shop.chain.params.min_fee <= shop.balance() < FUNDS
        with pytest.raises(InputError, match="Nothing is left"):
            await orders.cancel(quote.order)
        assert (await shop.open()).view(quote.order) == view
        await orders.forget(quote.order)
        assert orders.views() == ()
        assert list((tmp_path / "orders").iterdir()) == []
        assert not [key for key in shop.notes if bytes(quote.order) in key]
        nursery.cancel_scope.cancel()


@pytest.mark.trio
@pytest.mark.parametrize("sent", [False, True])
async def test_a_kill_in_the_middle_of_placing_opens_one_order(
    tmp_path: Path, autojump_clock: MockClock, sent: bool
) -> None:
    """Killed after it was asked for, with the transaction on its way or not; the new run offers it
    again, and must not open a second one when the first arrives after all."""
    async with trio.open_nursery() as nursery:
        shop = await make_shop(nursery, tmp_path)
        orders = await shop.open()
        quote = await orders.quote(TEXTS, WISH)
        orders._put(quote.order, replace(orders._files[quote.order], asked=True))
        note, index = shop.book.order(quote.order), shop.book.own_index(quote.order)
        assert note is not None
        assert index is not None
        if sent:  # by the run before: nobody here remembers it
            body, chain = make_open_order(note, index, quote.escrow), shop.chain
            tx = sign_transaction(
                node_key(CUSTOMER),
                chain.genesis_hash,
                Nonce(0),
                chain.params.min_fee,
                Height(chain.tip.height + 200),
                body,
            )
            shop.world.running[0].node.service.submit(encode_transaction(tx))
        orders = await shop.open()
        assert orders.view(quote.order).phase is OrderPhase.OPENING
        nursery.start_soon(orders.run)
        while orders.view(quote.order).job is None:  # noqa: ASYNC110 - no event
            await trio.sleep(0.1)
        await trio.sleep(120)
        assert len(shop.orders_on_chain()) == 1
        assert shop.orders_on_chain() == [orders.view(quote.order).job]
        assert get_account(shop.chain.state, shop.chain.node).nonce == 1
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_cancelling_before_the_block_is_no_race(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Asked for, cancelled at once, and in a block after all: it is cancelled there."""
    async with trio.open_nursery() as nursery:
        shop = await make_shop(nursery, tmp_path)
        orders = await shop.open()
        nursery.start_soon(orders.run)
        quote = await orders.quote(TEXTS, WISH)
        refused: list[InputError] = []

        async def place() -> None:
            try:
                await orders.place(quote.order)
            except InputError as error:
                refused.append(error)

        async with trio.open_nursery() as both:
            both.start_soon(place)
            while orders.view(quote.order).phase is not OrderPhase.OPENING:
                await trio.lowlevel.checkpoint()
            assert "not placed" in await orders.cancel(quote.order)
        assert len(refused) == 1
        assert orders.view(quote.order).phase is OrderPhase.CANCELLED
        for _ in range(600):
            for job in shop.orders_on_chain():
                shop.book.put_job(quote.order, job)  # as the customer's role does
            await trio.sleep(0.2)
        assert shop.orders_on_chain() == []
        assert FUNDS - 10 * shop.chain.params.min_fee <= shop.balance() < FUNDS
        assert orders.view(quote.order).phase is OrderPhase.CANCELLED
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_an_order_that_ended_while_its_customer_was_down_is_found(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        shop = await make_shop(nursery, tmp_path)
        orders = await shop.open()
        quote = await orders.quote(TEXTS, WISH)
        async with trio.open_nursery() as running:
            running.start_soon(orders.run)
            await orders.place(quote.order)
            await orders.cancel(quote.order)
            await until(shop, orders, quote.order, OrderPhase.CANCELLED)
            running.cancel_scope.cancel()
        job = orders.view(quote.order).job
        for key in [key for key in shop.notes if key.startswith(b"Tj")]:
            del shop.notes[key]  # killed before it was noted
        orders = await shop.open()
        assert orders.view(quote.order).phase is OrderPhase.OPENING
        nursery.start_soon(orders.run)
        await until(shop, orders, quote.order, OrderPhase.CANCELLED)
        assert orders.view(quote.order).job == job
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_what_came_back_is_joined_to_the_texts(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        shop = await make_shop(nursery, tmp_path)
        orders = await shop.open()
        nursery.start_soon(orders.run)
        texts = (TEXTS[0], "", *TEXTS, " ".join(TEXTS[:6]), TEXTS[0])
        quote = await orders.quote(texts, WISH)
        await orders.place(quote.order)
        assert quote.batches > 2
        echo(shop, quote.order, range(1))
        await trio.sleep(5)
        view = orders.view(quote.order)
        assert 0 < view.done < view.sources
        some = await orders.texts(quote.order, partial=True)
        assert None in {one.text for one in some}
        assert all(one.text in (None, text) for one, text in zip(some, texts, strict=True))
        with pytest.raises(InputError, match="not complete"):
            await orders.texts(quote.order, partial=False)

        echo(shop, quote.order, range(quote.batches))
        shop.others.remove(shop.closed.model)  # type: ignore[arg-type]
        await trio.sleep(5)
        found = await orders.texts(quote.order, partial=False)
        assert tuple(one.text for one in found) == texts
        assert all(one.score <= 0 for one in found)
        view = orders.view(quote.order)
        assert view.done == view.sources
        assert 0 < view.poor < view.done
        orders = await shop.open()
        assert await orders.texts(quote.order, partial=False) == found
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_quotes_that_nobody_places_are_forgotten(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        shop = await make_shop(nursery, tmp_path)
        orders = await shop.open()
        quote = await orders.quote(TEXTS, WISH)
        file = orders._files[quote.order]
        orders._put(quote.order, replace(file, quoted=Millis(file.quoted - 25 * 3_600_000)))
        kept = await orders.quote(TEXTS, WISH)
        nursery.start_soon(orders.run)
        folder = tmp_path / "orders"
        while [path.name for path in folder.iterdir()] != [kept.order.hex()]:  # noqa: ASYNC110
            await trio.sleep(0.1)
        assert [view.order for view in orders.views()] == [kept.order]
        nursery.cancel_scope.cancel()


def test_a_half_written_order_is_none(tmp_path: Path) -> None:
    files = OrderFiles(tmp_path / "orders")
    assert list(files.names()) == []
    (tmp_path / "orders" / ("ab" * 32)).mkdir(parents=True)
    assert list(files.names()) == []
    with pytest.raises(InputError):
        files.texts(Hash32(b"\xab" * 32))


def _published(number: int, size: int, opened: int) -> Published:
    nothing = Hash32(bytes(32))
    closed = ClosedJob(
        JobKind.TRAINING,
        NodeId(bytes(32)),
        nothing,
        Outcome.CLOSED,
        Round(1),
        nothing,
        nothing,
        nothing,
    )
    return Published(job_id(number), closed, Height(opened), size=size)


def test_the_newest_models_that_fit_are_served() -> None:
    models = [_published(number, 10, 100 - number) for number in range(5)]
    large = _published(9, 1000, 200)
    names = [one.model for one in models]
    assert choose_models(models, (), 100, 8) == tuple(names)
    assert choose_models(models, (), 100, 2) == tuple(names[:2])
    assert choose_models(models, (), 35, 8) == tuple(names[:3])
    assert choose_models([large, *models], (), 35, 8) == tuple(names[:3])
    chosen = (names[4].hex()[:8], names[2].hex())
    assert choose_models(models, chosen, 100, 8) == (names[2], names[4])
    assert choose_models(models, ("ffff",), 100, 8) == ()
