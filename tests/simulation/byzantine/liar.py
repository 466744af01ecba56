"""Says random things: votes for anything in any view, forged signatures and certificates, claims of
great height, blocks nobody asked for, answers to nothing."""

from dataclasses import replace

from aliad.consensus.messages import Body, Final, Message, Need, Want, WantCert
from aliad.consensus.votes import Certificate, Kind
from aliad.types import Hash32, Height, NodeId, Signature, View
from tests.simulation.byzantine.puppet import Puppet


class Liar(Puppet):
    def mischief(self, source: NodeId, message: Message) -> None:
        if self.world.rng.random() < 0.2:
            self.tell(self.some(), self._lie())

    def _lie(self) -> Message:  # noqa: PLR0911 - one lie a line
        rng, height = self.world.rng, self.core.height
        view = max(0, self.open.view + rng.randint(-1, 2))
        block_hash = rng.choice([*self.heard, Hash32(rng.randbytes(32))])
        kind = rng.choice(list(Kind))
        vote = self.sign(kind, view, block_hash)
        match rng.randrange(12):
            case 0:
                return Need(Height(height + rng.randint(0, 9)))
            case 1:
                return Want(height, block_hash)
            case 2:
                return WantCert(height, View(view))
            case 3:
                return Body(height, self.block())
            case 4:
                return replace(vote, signer=rng.choice(self.world.plan.nodes))
            case 5:
                return replace(vote, height=Height(height + rng.randint(1, 3)))
            case 6:
                bitmap = (1 << len(self.open.opening.validators)) - 1
                forged = tuple(Signature(rng.randbytes(64)) for _ in range(bitmap.bit_count()))
                return Certificate(kind, height, View(view), vote.block_hash, bitmap, forged)
            case 7 if self.certificates():
                return replace(rng.choice(self.certificates()), block_hash=block_hash)
            case 8:
                return self.proposal(view, self.block(rng.choice((None, b"bad"))))
            case 9 if self.certificates():
                return Final(height, self.block(), rng.choice(self.certificates()))
            case _:
                return vote
