"""At the end of an era: the reward rate is retargeted, and the validator set changes a little."""

from dataclasses import replace

from aliad.ledger import keys
from aliad.ledger.accounts import get_economy, put_economy
from aliad.ledger.context import Context
from aliad.ledger.events import RateChanged, ValidatorsChanged
from aliad.ledger.params import ONE, Params
from aliad.ledger.records import STAKE
from aliad.ledger.stakes import get_power
from aliad.ledger.state import StateReader, load, read_stored
from aliad.ledger.validators import (
    MAX_VALIDATORS,
    VALIDATOR_SET,
    ValidatorSet,
    make_validator_set,
)
from aliad.types import Era, MegaMac, NanoAlia, NodeId, Power, RewardRate


def get_validators(state: StateReader) -> ValidatorSet:
    """The set that signs the block after this state."""
    return load(state, keys.VALIDATORS, VALIDATOR_SET) or ValidatorSet(())


def put_validators(ctx: Context, validators: ValidatorSet) -> None:
    """Store the set that signs from the next block on."""
    ctx.state.put(keys.VALIDATORS, VALIDATOR_SET.encode(validators))


def process_era_end(ctx: Context) -> None:
    """Every ``era_blocks`` blocks."""
    if ctx.height % ctx.params.era_blocks == 0:
        process_retarget(ctx)
        process_validator_changes(ctx)


def get_emission(params: Params, era: Era) -> NanoAlia:
    """What the schedule wants an era to mint."""
    return NanoAlia(params.emission_per_era >> min(era // params.halving_eras, 63))


def compute_reward_rate(
    params: Params, rate: RewardRate, work: MegaMac, emission: NanoAlia
) -> RewardRate:
    """The rate that would have met the schedule, at most one step from the last; 0 work says
    nothing."""
    if work == 0:
        return rate
    step = max(1, rate * params.rate_step // ONE)
    low, high = max(1, rate - step), min(params.max_reward_rate, rate + step)
    return RewardRate(min(max(emission // work, low), high))


def process_retarget(ctx: Context) -> None:
    """More work than planned lowers what a mega-MAC earns, less raises it."""
    economy = get_economy(ctx.state)
    emission = get_emission(ctx.params, Era(ctx.height // ctx.params.era_blocks))
    rate = compute_reward_rate(ctx.params, economy.reward_rate, economy.era_work, emission)
    put_economy(ctx, replace(economy, reward_rate=rate, era_work=MegaMac(0)))
    if rate != economy.reward_rate:
        ctx.emit(RateChanged(rate, economy.era_work))


def get_target_powers(state: StateReader, params: Params) -> dict[NodeId, Power]:
    """The powers that stakes deserve, of the strongest ``max_validators``."""
    powers = [
        (NodeId(key[1:]), get_power(read_stored(value, STAKE), params))
        for key, value in state.items(keys.STAKE)
    ]
    ranked = sorted(powers, key=lambda entry: (-entry[1], entry[0]))
    return {node: power for node, power in ranked[: params.max_validators] if power > 0}


def compute_next_validators(current: ValidatorSet, target: dict[NodeId, Power]) -> ValidatorSet:
    """As far towards the target as a third of the power reaches; who loses power goes first.

    Power that is lost and power that is gained both count. The last unit of power stays until
    another has come, so the set never becomes empty and a complete exchange does not stick.
    """
    powers = {member.node: member.power for member in current.members}
    changes = {node: target.get(node, 0) - powers.get(node, 0) for node in {*powers, *target}}
    total, budget = current.total, max(1, current.total // 3)
    for node in sorted(changes, key=lambda node: (changes[node] > 0, node)):
        change = max(-budget, 1 - total, min(changes[node], budget))
        if node not in powers and len(powers) >= MAX_VALIDATORS:
            continue
        powers[node] = Power(powers.get(node, 0) + change)
        total, budget = Power(total + change), budget - abs(change)
    return make_validator_set(powers)


def process_validator_changes(ctx: Context) -> None:
    """Bonds and unbonds of the era take effect."""
    current = get_validators(ctx.state)
    target = get_target_powers(ctx.state, ctx.params)
    following = compute_next_validators(current, target)
    if following != current:
        put_validators(ctx, following)
        ctx.emit(ValidatorsChanged(following))
