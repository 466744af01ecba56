"""Founding a network: a genesis with its first validators and originators."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from aliad.daemon.setup import Made, Wishes, set_up
from aliad.errors import InputError
from aliad.ledger.genesis import Genesis
from aliad.ledger.params import Params, is_valid_params
from aliad.ledger.validators import make_validator_set
from aliad.types import Millis, NodeId, Power

FOUNDING_POWER = Power(10)


def make_genesis(
    name: str,
    validators: Mapping[NodeId, Power],
    originators: Sequence[NodeId],
    params: Params | None = None,
) -> Genesis:
    """A genesis of now. Raises InputError."""
    chosen = params or Params()
    if not validators or not is_valid_params(chosen):
        raise InputError(
            "no network can start like this",
            "it needs at least one validator, and params that fit together",
            "Name validators with --validator PEER.",
        )
    return Genesis(
        name,
        Millis(time.time_ns() // 1_000_000),
        make_validator_set(dict(validators)),
        tuple(sorted(set(originators))),
        chosen,
    )


def found_network(wishes: Wishes, name: str) -> Made:
    """Set a node up as the only validator and originator of a new network. Others may bond later.

    Raises ConfigError, InputError.
    """
    first = set_up(replace(wishes, chain=name, genesis=None))
    if first.genesis is not None:
        return first
    genesis = make_genesis(name, {first.node: FOUNDING_POWER}, [first.node])
    second = set_up(replace(wishes, chain=name, genesis=genesis, bootstrap=(), listen=(), key=None))
    return replace(second, fresh=(*first.fresh, *second.fresh))
