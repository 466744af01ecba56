"""Lazy workers: they send an update that cost them nothing, and hope not to be drawn."""

from tests.byzantine.forging import Forger, Liar


class LazyZero(Liar):
    """Nothing changes."""

    def forge(self, forger: Forger) -> Forger:
        forger.how = "zero"
        return forger


class LazyRandom(Liar):
    """Noise in the right shape."""

    def forge(self, forger: Forger) -> Forger:
        forger.how = "random"
        return forger


class LazyStale(Liar):
    """The first batch is computed, and its update sent for ever."""

    def forge(self, forger: Forger) -> Forger:
        forger.how = "stale"
        forger.lies = lambda task: forger.last is not None
        return forger
