"""What the methods say about a real ledger: every amount explained, every lack of work too."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import aliad.rpc.methods  # noqa: F401
from aliad.ledger.accounts import get_account
from aliad.ledger.jobs import JobPhase
from aliad.ledger.transactions import Bond, Transfer
from aliad.peer_id import peer_id_of
from aliad.rpc.ports import Backend, Refused
from aliad.rpc.reference import reference
from aliad.rpc.registry import METHODS
from aliad.rpc.wire import BadFrame
from aliad.types import NanoAlia, NodeId
from tests.ledger.chain import OWNER, key
from tests.ledger.training import Training
from tests.rpc.world import FakeChain, FakeNode, StoredChain, make_backend

ROOT = Path(__file__).parents[2]


async def call(backend: Backend, name: str, /, **params: Any) -> Any:  # noqa: ANN401
    return await METHODS[name].call(backend, params)


def as_seen_by(node: Backend, me: NodeId) -> Backend:
    assert isinstance(node.chain, FakeChain)
    return replace(node, chain=FakeChain(node.chain.chain, me))


@pytest.fixture(scope="module")
def trained() -> tuple[StoredChain, Training]:
    """Some rounds with checks; one worker lied and was convicted, one was silent."""
    chain = StoredChain()
    training = Training(chain, workers=7, overhead=1_000_000)
    liar = training.workers[0].node_id
    for _ in range(40):
        if training.job.phase is JobPhase.OPEN:
            training.record(liars=[liar])
        else:
            chain.block()
        draws = [d for d in chain_draws(training) if d.phase.name == "COMMIT"]
        for draw in draws:
            training.check(draw, liars=[liar])
    chain.give(OWNER.node_id, 10**12)
    chain.sync()
    chain.send(OWNER, Transfer(training.workers[1].node_id, NanoAlia(5)), 1000)
    return chain, training


def chain_draws(training: Training) -> list[Any]:
    from aliad.ledger.job_state import get_draws

    return list(get_draws(training.chain.state, training.id))


@pytest.mark.trio
async def test_history_adds_up_to_the_balance(trained: tuple[StoredChain, Training]) -> None:
    chain, training = trained
    node = make_backend(chain, OWNER.node_id)
    earned = 0
    for worker in training.workers:
        name = peer_id_of(worker.node_id)
        balance = await call(node, "wallet.balance", node=name)
        entries, before = [], None
        while True:
            page = await call(node, "wallet.history", node=name, limit=3, before=before)
            entries += page["entries"]
            before = page["next_before"]
            if before is None:
                break
        assert sum(e["balance_change"] for e in entries) == balance["balance_nano"]
        assert sum(e["pending_change"] for e in entries) == balance["pending_nano"]
        assert all(e["text"] for e in entries)
        assert [e["height"] for e in entries] == sorted(
            (e["height"] for e in entries), reverse=True
        )
        earned += sum(e["pending_change"] > 0 for e in entries)
    assert earned > 20


@pytest.mark.trio
async def test_a_page_of_history_never_repeats_or_skips(
    trained: tuple[StoredChain, Training],
) -> None:
    chain, training = trained
    node = make_backend(chain, training.workers[1].node_id)
    whole = (await call(node, "wallet.history", limit=1000))["entries"]
    pieces, before = [], None
    while True:
        page = await call(node, "wallet.history", limit=1, before=before)
        pieces += page["entries"]
        before = page["next_before"]
        if before is None:
            break
    assert pieces == whole


@pytest.mark.trio
async def test_money_is_shown_whatever_happened_to_it() -> None:
    chain = StoredChain()
    rich, poor = key("rich"), key("poor")
    chain.give(rich.node_id, 10**12)
    chain.sync()
    chain.send(rich, Transfer(poor.node_id, NanoAlia(7)), 1000)
    chain.send(rich, Transfer(rich.node_id, NanoAlia(9)), 1000)
    chain.send(rich, Bond(NanoAlia(10**11)), 1000)
    node = make_backend(chain, rich.node_id)
    entries = (await call(node, "wallet.history"))["entries"]
    held = get_account(chain.state, rich.node_id).balance
    assert 10**12 + sum(e["balance_change"] for e in entries) == held
    assert sum(e["stake_change"] for e in entries) == 10**11
    assert (await call(node, "wallet.balance"))["bonded_nano"] == 10**11


@pytest.mark.trio
async def test_paying_needs_money_and_a_recipient() -> None:
    chain = StoredChain()
    payer = key("payer")
    node = make_backend(chain, payer.node_id)
    to = peer_id_of(OWNER.node_id)
    with pytest.raises(Refused, match="does not cover"):
        await call(node, "wallet.send", to=to, amount_nano=1)
    chain.give(payer.node_id, 10**10)
    chain.sync()
    await call(node, "wallet.send", to=to, amount_nano=1)
    assert isinstance(node.chain, FakeChain)
    assert node.chain.acted == [Transfer(OWNER.node_id, NanoAlia(1))]
    for wrong in ("", "12D3KooWx", to[:-1] + "0", "zz" * 32):
        with pytest.raises(Refused):
            await call(node, "wallet.send", to=wrong, amount_nano=1)
    for amount in (0, -1, 2**62, 1.5, True, "1"):
        with pytest.raises(BadFrame):
            await call(node, "wallet.send", to=to, amount_nano=amount)


@pytest.mark.trio
async def test_every_worker_learns_why_it_has_work_or_none(
    trained: tuple[StoredChain, Training],
) -> None:
    chain, training = trained
    node = make_backend(chain, OWNER.node_id)
    for worker in training.workers[1:]:
        view = await call(as_seen_by(node, worker.node_id), "work.status")
        assert len(view["jobs"]) == 1
        assert view["jobs"][0]["registered"]
        assert view["summary"].startswith(("Working: ", "No batch at the moment: "))
    stranger = await call(as_seen_by(node, key("stranger").node_id), "work.status")
    assert "not registered yet" in stranger["summary"]


@pytest.mark.trio
async def test_a_job_that_is_given_up_here_is_no_work(
    trained: tuple[StoredChain, Training],
) -> None:
    chain, training = trained
    fake = FakeNode(halted="it cannot be computed")
    for worker in training.workers[1:]:
        node = make_backend(chain, worker.node_id, fake)
        view = await call(node, "work.status")
        assert "given up here: it cannot be computed" in view["summary"]
        assert not view["jobs"][0]["working"]


@pytest.mark.trio
async def test_the_first_obstacle_is_named() -> None:
    chain = StoredChain()
    fake = FakeNode()
    node = make_backend(chain, OWNER.node_id, fake)
    fake_work = fake.work
    assert "no open training job" in (await call(node, "work.status"))["summary"]
    fake.work = replace(fake_work, obstacle="the GPU is at 91 °C")
    assert "91 °C" in (await call(node, "work.status"))["summary"]
    await call(node, "work.pause", seconds=60)
    assert "paused" in (await call(node, "work.status"))["summary"]
    await call(node, "work.resume")
    assert isinstance(node.chain, FakeChain)
    node.chain.syncing = True
    assert "catching up" in (await call(node, "work.status"))["summary"]
    fake.work = replace(fake_work, enabled=False)
    assert "offers no compute" in (await call(node, "work.status"))["summary"]


@pytest.mark.trio
async def test_a_round_and_a_node_can_be_audited(trained: tuple[StoredChain, Training]) -> None:
    chain, training = trained
    node = make_backend(chain, OWNER.node_id)
    prefix = training.id.hex()[:10]
    entries = (await call(node, "audit.round", job=prefix, round=0))["entries"]
    kinds = {entry["kind"] for entry in entries}
    assert {"round_opened", "round_recorded", "batch_accepted", "reward_earned"} <= kinds
    name = peer_id_of(training.workers[2].node_id)
    entries = (await call(node, "audit.node", node=name))["entries"]
    assert any(entry["kind"] == "worker_registered" for entry in entries)
    first = await call(node, "audit.job", job=prefix, limit=2)
    rest = await call(node, "audit.job", job=prefix, first=first["next_serial"], limit=5000)
    whole = await call(node, "audit.job", job=prefix, limit=5000)
    assert first["entries"] + rest["entries"] == whole["entries"]
    for dispute in await call(node, "audit.disputes"):
        assert dispute["job"] == training.id.hex()


@pytest.mark.trio
async def test_a_batch_is_computed_again_on_request(
    trained: tuple[StoredChain, Training],
) -> None:
    chain, training = trained
    node = make_backend(chain, OWNER.node_id)
    place = {"job": training.id.hex()[:8], "round": 0, "batch": 3}
    assert (await call(node, "audit.replay", **place))["matches"]
    found = await call(node, "audit.trace", **place, first=3, limit=10)
    assert (found["operations"], len(found["shown"])) == (5, 2)


@pytest.mark.trio
async def test_jobs_are_found_by_the_beginning_of_their_id(
    trained: tuple[StoredChain, Training],
) -> None:
    chain, training = trained
    node = make_backend(chain, OWNER.node_id)
    (line,) = await call(node, "job.list")
    assert (line["id"], line["name"], line["mine"]) == (training.id.hex(), "tiny", True)
    detail = await call(node, "job.show", job=training.id.hex()[:6].upper())
    assert detail["job"] == line
    assert detail["losses"] == [3.0, 2.0]
    assert 0 < detail["job"]["progress"] <= 1
    for wrong in ("", "abc", "0" * 64, "zzzzzz"):
        with pytest.raises(Refused):
            await call(node, "job.show", job=wrong)


@pytest.mark.trio
async def test_blocks_and_transactions(trained: tuple[StoredChain, Training]) -> None:
    chain, training = trained
    node = make_backend(chain, OWNER.node_id)
    newest = await call(node, "chain.block")
    assert newest["height"] == chain.height == (await call(node, "chain.tip"))["height"]
    (tx,) = newest["transactions"]
    assert (tx["kind"], tx["fee_nano"]) == ("transfer", 1000)
    assert tx["body"]["recipient"] == peer_id_of(training.workers[1].node_id)
    assert await call(node, "chain.transaction", id=tx["id"]) == tx
    with pytest.raises(Refused, match="there is no block"):
        await call(node, "chain.block", height=chain.height + 1)
    with pytest.raises(Refused):
        await call(node, "chain.transaction", id="ff" * 32)
    found = await call(node, "chain.validators")
    assert found["total_power"] == 40


@pytest.mark.trio
async def test_status_and_health(trained: tuple[StoredChain, Training]) -> None:
    chain, _ = trained
    fake = FakeNode()
    node = make_backend(chain, OWNER.node_id, fake)
    status = await call(node, "node.status")
    assert (status["height"], status["chain"], status["phase"]) == (chain.height, "test", "ready")
    assert (await call(node, "node.health"))["healthy"]
    await call(node, "node.drain")
    await call(node, "node.stop")
    assert fake.ended == [True, False]
    await call(node, "node.log_level", level="debug")
    assert fake.level == "debug"
    with pytest.raises(BadFrame):
        await call(node, "node.log_level", level="loud")


@pytest.mark.trio
async def test_methods_answer_before_the_first_block() -> None:
    chain = StoredChain()
    node = make_backend(chain, OWNER.node_id)
    assert (await call(node, "node.status"))["height"] == 0
    assert (await call(node, "chain.tip"))["time"] == chain.genesis.time
    assert (await call(node, "wallet.history"))["entries"] == []
    with pytest.raises(Refused):
        await call(node, "chain.block")


@pytest.mark.trio
async def test_unknown_parameters_are_named() -> None:
    node = make_backend(StoredChain(), OWNER.node_id)
    with pytest.raises(BadFrame, match="hight"):
        await call(node, "chain.block", hight=3)
    with pytest.raises(BadFrame, match="height"):
        await call(node, "chain.block", height="3")


def test_the_reference_page_is_current() -> None:
    shown = (ROOT / "docs" / "rpc.md").read_text()
    assert shown == reference(), "run: python -m aliad.rpc.reference > docs/rpc.md"


def test_every_method_says_what_it_does() -> None:
    assert len(METHODS) >= 40
    for name, found in METHODS.items():
        assert found.summary.endswith("."), name
        assert found.schema()["params"]
