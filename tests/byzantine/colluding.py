"""A colluding pair: one forges what it trains, the other confirms the forgery when it checks it."""

from tests.byzantine.forging import Forger, Liar

PAIR = ("node 7", "node 8")


class Colluder(Liar):
    """Both know the same secret, so their forgeries and their traces agree to the last bit."""

    def forge(self, forger: Forger) -> Forger:
        forger.secret = "pact"  # noqa: S105
        forger.lies = lambda task: self.world.trainer_of(task.seed) in PAIR
        return forger


class Sacrifice(Colluder):
    """Lies in its trace much earlier than its partner, about something else, so that a ruling on
    the first difference would name only itself, and the partner's forgery would stand."""

    def forge(self, forger: Forger) -> Forger:
        super().forge(forger)
        if self.name == PAIR[1]:
            forger.secret, forger.lie_at = "sacrifice", 0.2
        return forger
