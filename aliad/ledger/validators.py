"""The validator set: who signs a height, with what power."""

from dataclasses import dataclass
from typing import Annotated, Final

from aliad import codec
from aliad.crypto import digest, domain
from aliad.ledger.schema import AtMost, Schema
from aliad.types import Hash32, NodeId, Power

MAX_VALIDATORS: Final = 256
_SET_DOMAIN: Final = domain("validators")


@dataclass(frozen=True, slots=True)
class Validator:
    """One member of a set."""

    node: NodeId
    power: Power


@dataclass(frozen=True, slots=True)
class ValidatorSet:
    """Members in ascending order of their ids, each once, each with power."""

    members: Annotated[tuple[Validator, ...], AtMost(MAX_VALIDATORS)]

    @property
    def total(self) -> Power:
        """The power of all."""
        return Power(sum(member.power for member in self.members))

    def power_of(self, node: NodeId) -> Power:
        """The power of ``node``, 0 if it is not a member."""
        return next((member.power for member in self.members if member.node == node), Power(0))


VALIDATOR_SET: Final = Schema(ValidatorSet, 0x10)


def make_validator_set(powers: dict[NodeId, Power]) -> ValidatorSet:
    """The set of those with any power."""
    return ValidatorSet(
        tuple(Validator(node, power) for node, power in sorted(powers.items()) if power > 0)
    )


def is_valid_validator_set(validators: ValidatorSet) -> bool:
    """Whether it is sorted without repetition, and everybody in it has power."""
    nodes = [member.node for member in validators.members]
    return nodes == sorted(set(nodes)) and all(member.power > 0 for member in validators.members)


def compute_validators_hash(validators: ValidatorSet) -> Hash32:
    """What a header calls the set."""
    return digest(_SET_DOMAIN, codec.encode((1, *VALIDATOR_SET.to_value(validators))))


def is_quorum(power: int, total: int) -> bool:
    """More than two thirds."""
    return 3 * power > 2 * total
