"""Five ways to break the protocol, each of which the simulation has to notice.

A mutant replaces one method and leaves the code it replaces untouched. If one of them survives, the
simulation has become too kind, however many seeds pass.
"""

from collections.abc import Iterable
from dataclasses import replace

from aliad.consensus.block import Opening
from aliad.consensus.core import Core
from aliad.consensus.effects import Effect, Send
from aliad.consensus.facts import Facts
from aliad.consensus.height import Identity
from aliad.consensus.justification import Justification
from aliad.consensus.rules import Simplex
from aliad.consensus.timing import Timing
from aliad.consensus.validators import ValidatorSet
from aliad.consensus.votes import Kind
from aliad.types import Hash32, Millis, NodeId, View


class SendBeforeSync(Core):
    """Votes leave before they are on the disk."""

    def ordered(self, effects: Iterable[Effect]) -> tuple[Effect, ...]:
        right = super().ordered(effects)
        sends = tuple(effect for effect in right if isinstance(effect, Send))
        return sends + tuple(effect for effect in right if not isinstance(effect, Send))


class _SmallQuorum(ValidatorSet):
    __slots__ = ()

    def is_quorum(self, power: int) -> bool:
        return 3 * (power + 1) > 2 * self.total


class QuorumMinusOne(Core):
    """One vote too few makes a certificate."""

    def _open(self, opening: Opening, now: Millis) -> None:
        last = opening.last_validators
        lax = replace(
            opening,
            validators=_SmallQuorum(opening.validators.members),
            last_validators=None if last is None else _SmallQuorum(last.members),
        )
        super()._open(lax, now)


class _LaxFacts(Facts):
    __slots__ = ()

    def may_cast(self, view: View, kind: Kind) -> bool:
        if kind is Kind.FINALIZE:
            return (view, kind) not in self.mine
        return super().may_cast(view, kind)


class _FinalizesAfterNullify(Simplex):
    def __init__(
        self, opening: Opening, timing: Timing, identity: Identity, peers: list[NodeId], now: Millis
    ) -> None:
        super().__init__(opening, timing, identity, peers, now)
        self.facts = _LaxFacts(opening)


class FinalizeAfterNullify(Core):
    """FINALIZE(v) is cast although NULLIFY(v) was."""

    rules = _FinalizesAfterNullify


class _Mute(Simplex):
    def retransmit(self) -> None:
        pass


class NoRetransmission(Core):
    """What the network lost is never said again."""

    rules = _Mute


class _Gullible(Simplex):
    def justification(self, view: View, block_hash: Hash32 | None) -> Justification:
        found = super().justification(view, block_hash)
        return found if block_hash is None else replace(found, missing=None)


class SkippedJustification(Core):
    """Any proposal of the leader is voted for, whatever was certified before it."""

    rules = _Gullible


MUTANTS: dict[str, type[Core]] = {
    "send-before-sync": SendBeforeSync,
    "quorum-minus-one": QuorumMinusOne,
    "finalize-after-nullify": FinalizeAfterNullify,
    "no-retransmission": NoRetransmission,
    "skipped-justification": SkippedJustification,
}
