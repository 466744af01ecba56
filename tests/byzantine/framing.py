"""Framing checkers: they agree on a wrong result for an honest trainer's batch, two against one."""

from tests.byzantine.forging import Forger, Liar

GANG = ("node 5", "node 6", "node 7", "node 8")


class Framer(Liar):
    """Honest as a trainer; as a checker it says what the gang says."""

    def forge(self, forger: Forger) -> Forger:
        forger.secret = "gang"  # noqa: S105
        forger.lies = lambda task: self.world.trainer_of(task.seed) not in GANG
        return forger
