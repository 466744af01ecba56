"""The validators of one height, their power, and what a quorum is.

Any two quorums share more than a third of the power, hence an honest validator as long as less
than a third is Byzantine. Everything else in the protocol rests on that.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from aliad import codec, crypto
from aliad.errors import LocalProtocolError
from aliad.types import Hash32, Height, NodeId, Power, View

MAX_VALIDATORS = 256

_SET = crypto.domain("validators")
_LEADER = crypto.domain("leader")


@dataclass(frozen=True, slots=True)
class Validator:
    node_id: NodeId
    power: Power


@dataclass(frozen=True, slots=True)
class ValidatorSet:
    """Validators in ascending order of their key, each with positive power. Build with `of`."""

    members: tuple[Validator, ...]
    total: Power = field(init=False, compare=False)
    digest: Hash32 = field(init=False, compare=False)
    _index: dict[NodeId, int] = field(init=False, repr=False, compare=False)
    _sums: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 < len(self.members) <= MAX_VALIDATORS:
            raise LocalProtocolError(f"a validator set has 1 to {MAX_VALIDATORS} members")
        if any(left.node_id >= right.node_id for left, right in pairwise(self.members)):
            raise LocalProtocolError("validators are not in ascending order of their keys")
        if any(member.power <= 0 for member in self.members):
            raise LocalProtocolError("a validator without power")
        sums = tuple(accumulate(member.power for member in self.members))
        encoded = codec.encode((1, tuple((m.node_id, m.power) for m in self.members)))
        index = {member.node_id: place for place, member in enumerate(self.members)}
        object.__setattr__(self, "_sums", sums)
        object.__setattr__(self, "total", Power(sums[-1]))
        object.__setattr__(self, "digest", crypto.digest(_SET, encoded))
        object.__setattr__(self, "_index", index)

    @staticmethod
    def of(members: Iterable[Validator]) -> "ValidatorSet":
        return ValidatorSet(tuple(sorted(members, key=lambda member: member.node_id)))

    def __len__(self) -> int:
        return len(self.members)

    def __contains__(self, node: object) -> bool:
        return node in self._index

    def index_of(self, node: NodeId) -> int:
        return self._index[node]

    def power_of(self, node: NodeId) -> Power:
        """Zero for a stranger."""
        place = self._index.get(node)
        return Power(0) if place is None else self.members[place].power

    def is_quorum(self, power: int) -> bool:
        """More than two thirds of the power."""
        return 3 * power > 2 * self.total

    def leader(self, beacon: Hash32, height: Height, view: View) -> NodeId:
        """Power-weighted pick from H(R_{h-1} | h | v): known to all only once h-1 is final."""
        seed = beacon + height.to_bytes(8, "big") + view.to_bytes(4, "big")
        ticket = int.from_bytes(crypto.digest(_LEADER, seed), "big") % self.total
        for member, upper in zip(self.members, self._sums, strict=True):
            if ticket < upper:
                return member.node_id
        raise AssertionError("the last sum is the total, and the ticket is below it")
