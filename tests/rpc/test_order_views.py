"""How a translation order looks in the views of jobs, work, audit and money."""

from dataclasses import replace
from typing import Any

import pytest

import aliad.rpc.methods  # noqa: F401
from aliad.ledger.accounts import get_account
from aliad.ledger.jobs import JobPhase
from aliad.peer_id import peer_id_of
from aliad.rpc.ports import Backend
from aliad.rpc.registry import METHODS
from aliad.types import NodeId
from tests.ledger.chain import key
from tests.ledger.ordering import (
    CUSTOMER,
    FEE,
    FUNDS,
    OFTEN,
    is_open,
    run_order,
    run_until,
)
from tests.ledger.training import Training
from tests.rpc.ordered import WORKERS, make_ordered
from tests.rpc.world import FakeChain, StoredChain, make_backend


async def call(node: Backend, name: str, /, **params: Any) -> Any:  # noqa: ANN401
    return await METHODS[name].call(node, params)


def seen_by(node: Backend, me: NodeId) -> Backend:
    assert isinstance(node.chain, FakeChain)
    return replace(node, chain=FakeChain(node.chain.chain, me))


@pytest.fixture(scope="module")
def cheated() -> tuple[StoredChain, Training]:
    """An order that is over; one of its workers lied and was convicted."""
    chain, _, order = make_ordered(OFTEN)
    run_order(order, liars=[WORKERS[0].node_id])
    assert not is_open(order)
    return chain, order


@pytest.mark.trio
async def test_a_running_order_shows_what_it_is() -> None:
    chain, model, order = make_ordered(0)
    node = make_backend(chain, CUSTOMER.node_id)
    order.open()
    (running, made) = await call(node, "job.list")
    assert (running["kind"], running["mine"], running["epochs"]) == ("translation", True, 1)
    assert running["progress"] == 0.0  # a round that is open is not recorded
    assert (made["kind"], made["id"], made["progress"]) == ("training", model.hex(), 1.0)
    detail = await call(node, "job.show", job=running["id"])
    assert detail["order"]["model"] == model.hex()
    assert detail["order"]["escrow_nano"] == order.job.escrow > 0
    assert (await call(node, "job.show", job=made["id"]))["order"] == {}
    trainer = detail["slots"][0]["trainer"]
    busy = next(one.node_id for one in WORKERS if peer_id_of(one.node_id) == trainer)
    work = await call(seen_by(node, busy), "work.status")
    assert work["serves"] == [model.hex()]
    assert work["summary"].startswith("Working: translates batch")
    stranger = await call(seen_by(node, key("stranger").node_id), "work.status")
    assert (stranger["jobs"], stranger["serves"]) == ([], [])
    assert "no open order for a model" in stranger["summary"]
    run_until(order, JobPhase.FINISHED)
    resting = await call(seen_by(node, busy), "work.status")
    assert "is translated and waits for its checks" in resting["summary"]


@pytest.mark.trio
async def test_an_order_that_is_over_was_done(cheated: tuple[StoredChain, Training]) -> None:
    chain, order = cheated
    node = make_backend(chain, CUSTOMER.node_id)
    found = await call(node, "job.show", job=order.id.hex())
    assert (found["job"]["kind"], found["job"]["phase"]) == ("translation", "closed")
    assert (found["job"]["progress"], found["job"]["model"]) == (1.0, "")


@pytest.mark.trio
async def test_the_trail_of_an_order_tells_who_cheated(
    cheated: tuple[StoredChain, Training],
) -> None:
    chain, order = cheated
    node = make_backend(chain, CUSTOMER.node_id)
    entries = (await call(node, "audit.job", job=order.id.hex(), limit=5000))["entries"]
    kinds = {entry["kind"] for entry in entries}
    assert {"job_opened", "batch_drawn", "node_convicted", "escrow_returned"} <= kinds
    told = " ".join(entry["text"] for entry in entries)
    assert "opened translation job" in told
    assert "validators execute the whole batch again" in told
    assert "training" not in told


@pytest.mark.trio
async def test_every_amount_of_an_order_is_explained(
    cheated: tuple[StoredChain, Training],
) -> None:
    chain, _ = cheated
    node = make_backend(chain, CUSTOMER.node_id)
    accounts = {CUSTOMER.node_id: FUNDS} | {worker.node_id: 0 for worker in WORKERS}
    for who, given in accounts.items():
        name = peer_id_of(who)
        entries = (await call(node, "wallet.history", node=name, limit=1000))["entries"]
        balance = await call(node, "wallet.balance", node=name)
        assert given + sum(e["balance_change"] for e in entries) == balance["balance_nano"]
        assert sum(e["pending_change"] for e in entries) == balance["pending_nano"]
    paid = FUNDS - FEE - get_account(chain.state, CUSTOMER.node_id).balance
    mine = (await call(node, "wallet.history", limit=1000))["entries"]
    assert -sum(e["balance_change"] for e in mine if "fee" not in e["text"]) == paid > 0
