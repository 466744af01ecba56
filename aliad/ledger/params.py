"""The rules a network chose at its genesis. They never change."""

# ruff: noqa: RUF009 - the calls in the defaults are NewTypes, which return their argument

from dataclasses import dataclass, fields
from typing import Final

from aliad.types import Millis, NanoAlia, Ppm, RewardRate

ONE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Params:
    """Every number the ledger's rules need; the defaults are what a new network gets."""

    era_blocks: int = 100
    max_validators: int = 100
    min_bond: NanoAlia = NanoAlia(100 * 10**9)
    bond_per_power: NanoAlia = NanoAlia(10**9)
    unbonding_blocks: int = 50_000
    evidence_blocks: int = 40_000
    min_fee: NanoAlia = NanoAlia(1_000)
    max_expiry_blocks: int = 10_000
    max_free_per_block: int = 64
    max_block_bytes: int = 1_000_000
    initial_reward_rate: RewardRate = RewardRate(1_000)
    max_reward_rate: RewardRate = RewardRate(10**8)
    emission_per_era: NanoAlia = NanoAlia(1_000 * 10**9)
    halving_eras: int = 50_000
    rate_step: Ppm = Ppm(250_000)
    vesting_rounds: int = 48
    newcomer_factor: int = 8
    newcomer_batches: int = 20
    max_strikes: int = 3
    max_attempts: int = 3
    max_abandoned: int = 3
    trace_ms: Millis = Millis(120_000)
    ruling_ms: Millis = Millis(300_000)
    close_ms: Millis = Millis(3_600_000)
    max_batch_work: int = 10**10
    max_round_batches: int = 512


def is_valid_params(params: Params) -> bool:
    """Whether the rules can work together."""
    numbers = [getattr(params, field.name) for field in fields(params)]
    return (
        all(type(number) is int and 0 <= number < 2**53 for number in numbers)
        and all(getattr(params, name) > 0 for name in _POSITIVE)
        and params.unbonding_blocks > params.evidence_blocks
        and params.initial_reward_rate <= params.max_reward_rate
        and params.max_reward_rate * params.max_batch_work < 2**62
        and params.rate_step < ONE
        and params.max_validators <= 256
        and params.max_round_batches <= 700  # a record of more is too long
        and 800_000 <= params.max_block_bytes <= 1_048_000
    )


_POSITIVE: Final = (
    "era_blocks",
    "max_validators",
    "min_bond",
    "bond_per_power",
    "evidence_blocks",
    "max_expiry_blocks",
    "max_free_per_block",
    "max_block_bytes",
    "initial_reward_rate",
    "halving_eras",
    "vesting_rounds",
    "newcomer_factor",
    "max_strikes",
    "max_attempts",
    "max_abandoned",
    "trace_ms",
    "ruling_ms",
    "close_ms",
    "max_batch_work",
    "max_round_batches",
)
