"""A sparse cheater: honest most of the time, so that most draws find nothing."""

from tests.byzantine.forging import Forger, Liar, sometimes


class SparseCheater(Liar):
    """Forges a third of its batches, chosen at random."""

    def forge(self, forger: Forger) -> Forger:
        forger.lies = sometimes(1 / 3, self.name)
        return forger
