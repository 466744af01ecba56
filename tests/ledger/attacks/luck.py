"""Hoping not to be drawn: too rarely checked, or nothing left to lose when it happens."""

from aliad.ledger import draws, keys, workers
from aliad.ledger.accounts import get_pending
from aliad.ledger.job_state import expect_round
from aliad.ledger.jobs import JobKind, RoundState
from aliad.ledger.records import STANDING, Standing
from aliad.ledger.shuffle import Randomness
from aliad.types import NodeId, Round
from tests.ledger.chain import Chain, hash_of
from tests.ledger.training import BATCH_WORK, Training

ROUNDS = 52


def nothing_to_lose() -> None:
    """Whoever is found out loses the rewards of 48 rounds, more than it expected to gain."""
    chain = Chain()
    training = Training(chain, workers=3, overhead=0, batches=200)
    for _ in range(ROUNDS):
        training.open()
        training.record()
    reward = BATCH_WORK * chain.params.initial_reward_rate
    for worker in training.workers:
        at_stake = sum(
            get_pending(chain.state, training.id, Round(number), worker.node_id)
            for number in range(training.job.round)
        )
        assert at_stake >= (48 - 1) * reward


def fresh_keys() -> None:
    """A cheat takes a new key after each conviction: new keys are drawn eight times as often."""
    chain = Chain()
    veteran, newcomer = NodeId(hash_of("veteran")), NodeId(hash_of("newcomer"))
    standing = Standing(chain.params.newcomer_batches, False, veteran, (), 0)
    chain.state.adopt({keys.standing(veteran): STANDING.encode(standing)})
    ctx = chain.rule_context()
    for kind in JobKind:
        assert workers.get_draw_weight(ctx, kind, newcomer) == 8
        assert workers.get_draw_weight(ctx, kind, veteran) == 1


def long_record() -> None:
    """No record is so good that its owner is drawn less than others."""
    chain = Chain()
    node = NodeId(hash_of("veteran"))
    standing = Standing(10**6, False, node, (), 10**6)
    chain.state.adopt({keys.standing(node): STANDING.encode(standing)})
    for kind in JobKind:
        assert workers.get_draw_weight(chain.rule_context(), kind, node) >= 1


def crowding_out() -> None:
    """A cheat with a history hides behind newcomers: they add draws and take none away."""
    chain = Chain()
    training = Training(chain, workers=10, overhead=100_000)
    training.open()
    found = expect_round(chain.state, training.id, Round(0))
    alone = sum(_count(number, 10, found) for number in range(400))
    crowded = sum(_count(number, 5 + 5 * 8, found) for number in range(400))
    assert abs(alone - 200) < 4 * 100**0.5
    assert abs(crowded - 4.5 * alone) < 0.5 * alone


def _count(number: int, weight: int, found: RoundState) -> int:
    seed = Randomness(hash_of("draws", number))
    return draws.compute_draw_count(seed, 100_000, found, weight)
