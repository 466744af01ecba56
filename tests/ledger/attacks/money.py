"""Attacks on rewards, escrow and fees."""

from aliad.ledger.accounts import get_economy
from aliad.ledger.events import (
    RewardVested,
)
from aliad.ledger.params import Params
from aliad.ledger.transactions import (
    OpenJob,
    RegisterWorker,
    Transfer,
)
from aliad.types import (
    Millis,
    NanoAlia,
)
from tests.ledger.attacks.acting import OFTEN, refused
from tests.ledger.chain import OWNER, Chain, key
from tests.ledger.invariants import check_state
from tests.ledger.ordering import (
    FEE,
    FUNDS,
    get_earned,
    make_model,
    make_order,
    place,
    run_order,
    serve,
)
from tests.ledger.training import ENGINE, Manifest, Training, make_terms


def early_vesting() -> None:
    """Nothing is paid out while it may still have to burn."""
    chain = Chain(Params(vesting_rounds=5))
    training = Training(chain, workers=3, overhead=0)
    for _ in range(5):
        training.open()
        training.record()
    chain.block()
    assert not chain.events(RewardVested)
    training.open()
    training.record()
    chain.block()
    assert {event.round for event in chain.events(RewardVested)} == {0}
    check_state(chain.state)


def vesting_past_an_open_check() -> None:
    """A round with an open check does not vest, however old it is."""
    chain = Chain(Params(vesting_rounds=1, ruling_ms=Millis(10**9)))
    training = Training(chain, workers=6, overhead=OFTEN, check_ms=10**8)
    draw = training.draw_some()
    for _ in range(4):
        training.open()
        training.record()
    assert all(event.round < draw.round for event in chain.events(RewardVested))


def training_without_leave() -> None:
    """A stranger opens a training job, which would be a printing press."""
    chain = Chain()
    body = OpenJob(make_terms(Manifest(4)), b"")
    refused(chain, chain.tx(key("stranger"), body))


def order_from_oneself() -> None:
    """Customer and workers are one person: it gains nothing, and moves neither the totals, which
    have an end, nor the work that sets the next reward rate."""
    chain = Chain(Params(min_fee=NanoAlia(1)))
    model = make_model(chain)
    crew = [key(f"worker {number}") for number in range(4)]
    chain.give(crew[0].node_id, FUNDS)
    serve(chain, model, crew)
    before = get_economy(chain.state)
    order = place(chain, *make_order(chain, model), crew[0])
    run_order(order)
    after = get_economy(chain.state)
    assert get_earned(order) > 0
    assert after.minted == before.minted
    assert after.burned == before.burned + FEE
    assert after.era_work == before.era_work
    check_state(chain.state)


def free_flood() -> None:
    """Free registrations cannot fill a block."""
    chain = Chain(Params(max_free_per_block=5))
    body = RegisterWorker(Training(chain, workers=0).id, 1, 1, ENGINE, OWNER.node_id)
    made = [chain.tx(key(f"sybil {number}"), body) for number in range(6)]
    refused(chain, *made)


def free_transfer() -> None:
    """Transfers bring the minimum fee."""
    chain = Chain()
    sender = key("rich")
    chain.give(sender.node_id, 10**9)
    body = Transfer(OWNER.node_id, NanoAlia(1))
    refused(chain, chain.tx(sender, body, fee=chain.params.min_fee - 1))


def overdraft() -> None:
    """Nobody spends what it does not have."""
    chain = Chain()
    sender = key("poor")
    chain.give(sender.node_id, 5_000)
    refused(chain, chain.tx(sender, Transfer(OWNER.node_id, NanoAlia(4_001)), fee=1_000))
    check_state(chain.state)
