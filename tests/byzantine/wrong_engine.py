"""Nodes with another engine: one says so, the other does not."""

from aliad.types import Hash32
from aliad.work.ports import Engine
from tests.byzantine.forging import Forger, Liar

OTHER = Hash32(b"o" * 32)


class OtherEngine(Liar):
    """A validator that was not updated: it knows that its bits are different, and says so."""

    def forge(self, forger: Forger) -> Forger:
        forger.lies = lambda task: True
        inner = forger.inner
        forger.engine = lambda: Engine(OTHER, "old", inner.engine().memory)  # type: ignore[attr-defined]
        return forger


class WrongBits(Liar):
    """Registers with the job's engine, and computes other bits: all of them, in good faith."""

    def forge(self, forger: Forger) -> Forger:
        forger.how, forger.lie_at = "negated", 0.05
        return forger


class Upgraded(Liar):
    """An honest worker that gets another engine in the middle of the job, and knows it."""

    AT = 12  # the height

    def forge(self, forger: Forger) -> Forger:
        inner = forger.inner

        def engine() -> Engine:
            digest = OTHER if self.world.ledger.height >= self.AT else inner.engine().digest
            return Engine(digest, "new", inner.engine().memory)

        forger.lies = lambda task: self.world.ledger.height >= self.AT
        forger.engine = engine  # type: ignore[attr-defined]
        return forger
