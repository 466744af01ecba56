"""The methods of translation orders: bounded drafts, names that are clear, pages that fit."""

from dataclasses import replace
from typing import Any

import pytest

import aliad.rpc.methods  # noqa: F401
from aliad.errors import AliadError
from aliad.node.order_records import OrderPhase, OrderWish
from aliad.rpc import drafts
from aliad.rpc.drafts import AGE_SECONDS, CALL_BYTES, LONGEST_TEXT, MOST_DRAFTS, Drafts
from aliad.rpc.methods import order as methods
from aliad.rpc.order_ports import ModelState
from aliad.rpc.permissions import Permission
from aliad.rpc.ports import Backend
from aliad.rpc.registry import METHODS
from aliad.rpc.wire import BadFrame
from aliad.types import Hash32, JobId, Millis, Ppm
from tests.ledger.chain import OWNER
from tests.rpc.world import FakeOrders, StoredChain, make_backend

WISH = OrderWish(JobId(bytes(32)), 5, Ppm(100_000), Millis(60_000), "a.txt")


def model(first: int, workers: int = 3) -> ModelState:
    job = JobId(bytes([0xAB, 0xCD, first]) + bytes(29))
    return ModelState(job, "small", "en", "de", 30.5, workers, True, 1 << 20)


@pytest.fixture
def orders() -> FakeOrders:
    return FakeOrders((model(1), model(2)))


@pytest.fixture
def node(orders: FakeOrders) -> Backend:
    return make_backend(StoredChain(), OWNER.node_id, None, orders)


async def call(node: Backend, name: str, /, **params: Any) -> Any:  # noqa: ANN401
    return await METHODS[name].call(node, params)


async def ordered(node: Backend, *texts: str, **wish: Any) -> str:  # noqa: ANN401
    draft = (await call(node, "order.begin", model="abcd01", **wish))["draft"]
    for text in texts:
        await call(node, "order.add", draft=draft, texts=[text])
    quote = await call(node, "order.quote", draft=draft)
    return str((await call(node, "order.place", order=quote["order"]))["order"])


def three_lines(error: AliadError) -> bool:
    return len(str(error).splitlines()) == 3 and all((error.what, error.why, error.fix))


@pytest.mark.trio
async def test_a_document_is_sent_quoted_placed_and_fetched(
    node: Backend, orders: FakeOrders
) -> None:
    models = await call(node, "order.models")
    assert [one["job"] for one in models] == [one.job.hex() for one in orders.offers]
    order = await ordered(node, "one", "two", "one", beam=2, overhead_ppm=5, round_ms=2_000)
    ((texts, wish),) = orders.quoted.values()
    assert texts == ("one", "two", "one")
    assert wish == OrderWish(model(1).job, 2, Ppm(5), Millis(2_000), "")
    assert node.drafts._open == {}
    shown = await call(node, "order.show", order=order[:8])
    assert (shown["order"], shown["phase"], shown["sentences"]) == (order, "translating", 3)
    assert await call(node, "order.list") == [shown]
    page = await call(node, "order.texts", order=order, first=1, count=1)
    assert page == {"first": 1, "total": 3, "texts": [{"text": "TWO", "score": -0.25}]}
    assert "come back" in (await call(node, "order.cancel", order=order))["text"]
    await call(node, "order.forget", order=order)
    assert await call(node, "order.list") == []


@pytest.mark.trio
async def test_what_is_missing_is_null(node: Backend, orders: FakeOrders) -> None:
    order = await ordered(node, "one", "two")
    orders.missing = 1
    with pytest.raises(AliadError, match="not done"):
        await call(node, "order.texts", order=order)
    page = await call(node, "order.texts", order=order, partial=True)
    assert [one["text"] for one in page["texts"]] == ["ONE", None]


@pytest.mark.trio
async def test_a_page_fits_a_line(node: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods, "PAGE_BYTES", 10)
    texts = ["x" * 4, "ä" * 3, "y" * 40, "z"]
    order = await ordered(node, *texts)
    pages, first = [], 0
    while first < len(texts):
        page = await call(node, "order.texts", order=order, first=first)
        pages.append([one["text"] for one in page["texts"]])
        first += len(pages[-1])
    assert pages == [["XXXX", "ÄÄÄ"], ["Y" * 40], ["Z"]]
    assert (await call(node, "order.texts", order=order, first=99))["texts"] == []


@pytest.mark.trio
async def test_names_must_be_clear(node: Backend, orders: FakeOrders) -> None:
    for unclear in ("", "abc", "abcd", "ffff", "zzzz", "abcd01" + "0" * 60):
        with pytest.raises(AliadError, match=r"models begin with|no models") as caught:
            await call(node, "order.begin", model=unclear)
        assert three_lines(caught.value)
    with pytest.raises(AliadError, match="no orders begin") as caught:
        await call(node, "order.show", order="abcd")
    assert three_lines(caught.value)
    order = await ordered(node, "one")
    (known,) = orders.known.values()
    twin = replace(known, order=Hash32(known.order[:16] + bytes(16)), phase=OrderPhase.DONE)
    orders.known[twin.order] = twin
    with pytest.raises(AliadError, match="2 orders begin"):
        await call(node, "order.cancel", order=order[:32])
    assert (await call(node, "order.show", order=order))["order"] == order


@pytest.mark.trio
async def test_parameters_are_checked(node: Backend) -> None:
    for wrong in (
        {"beam": 0},
        {"beam": 33},
        {"overhead_ppm": -1},
        {"overhead_ppm": 1_000_001},
        {"round_ms": 0},
        {"name": "x" * 257},
        {"colour": "red"},
    ):
        with pytest.raises(BadFrame):
            await call(node, "order.begin", model="abcd01", **wrong)
    draft = (await call(node, "order.begin", model="abcd01"))["draft"]
    for texts in ([""], "one", [1]):
        with pytest.raises(BadFrame):
            await call(node, "order.add", draft=draft, texts=texts)
    with pytest.raises(AliadError, match="nothing to translate") as caught:
        await call(node, "order.quote", draft=draft)
    assert three_lines(caught.value)


def test_texts_and_money_need_the_wallet_permission() -> None:
    needs = {name: one.permission for name, one in METHODS.items() if name.startswith("order.")}
    assert needs.pop("order.models") is Permission.READ
    assert {needs.pop("order.list"), needs.pop("order.show")} == {Permission.OPERATE}
    assert len(needs) == 7
    assert set(needs.values()) == {Permission.WALLET}


def test_drafts_are_bounded_in_number_and_age() -> None:
    held = Drafts()
    names = [held.begin(WISH, 0.0) for _ in range(MOST_DRAFTS)]
    assert len(set(names)) == MOST_DRAFTS
    with pytest.raises(AliadError) as caught:
        held.begin(WISH, 1.0)
    assert three_lines(caught.value)
    held.add(names[0], ["kept"], AGE_SECONDS)
    held.begin(WISH, AGE_SECONDS + 1)
    assert held.take(names[0], AGE_SECONDS + 1).texts == ["kept"]
    for gone in (names[0], names[1], "", "x"):
        with pytest.raises(AliadError, match="no such draft") as caught:
            held.add(gone, ["late"], AGE_SECONDS + 1)
        assert three_lines(caught.value)


def test_drafts_are_bounded_in_bytes_and_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Drafts()
    one, other = held.begin(WISH, 0.0), held.begin(WISH, 0.0)
    half = "ä" * (LONGEST_TEXT // 2)
    full = [half] * (CALL_BYTES // LONGEST_TEXT)
    for wrong in ([half + "x"], [*full, "x"]):
        with pytest.raises(AliadError, match="at once") as caught:
            held.add(one, wrong, 0.0)
        assert three_lines(caught.value)
    monkeypatch.setattr(drafts, "MOST_BYTES", CALL_BYTES)
    held.add(one, full, 0.0)
    with pytest.raises(AliadError, match="cannot be taken in now") as caught:
        held.add(other, ["x"], 0.0)
    assert three_lines(caught.value)
    assert held.take(one, 0.0).bytes == CALL_BYTES
    monkeypatch.setattr(drafts, "MOST_TEXTS", 2)
    held.add(other, ["x", "y"], 0.0)
    with pytest.raises(AliadError, match="too long") as caught:
        held.add(other, ["z"], 0.0)
    assert three_lines(caught.value)
    assert held.take(other, 0.0).texts == ["x", "y"]
