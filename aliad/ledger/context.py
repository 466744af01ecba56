"""What every rule gets: the block it runs in, the state it changes, the events it causes."""

from dataclasses import dataclass, field

from aliad.ledger.events import Event
from aliad.ledger.params import Params
from aliad.ledger.state import Overlay
from aliad.types import Hash32, Height, Millis


@dataclass(frozen=True, slots=True)
class BlockContext:
    """The parts of a header that execution may use. ``beacon`` is R_h."""

    genesis: Hash32
    height: Height
    time: Millis
    beacon: Hash32


@dataclass(slots=True)
class Context:
    """A block being executed."""

    block: BlockContext
    params: Params
    state: Overlay
    events: list[Event] = field(default_factory=list)
    free_transactions: int = 0

    @property
    def height(self) -> Height:
        """The height of the block."""
        return self.block.height

    @property
    def time(self) -> Millis:
        """The block's timestamp: deadlines are compared with nothing else."""
        return self.block.time

    def emit(self, event: Event) -> None:
        """Note what happened."""
        self.events.append(event)

    def fork(self) -> "Context":
        """The same block with changes and events of its own, until ``join``."""
        return Context(self.block, self.params, Overlay(self.state), [], self.free_transactions)

    def join(self, fork: "Context") -> None:
        """Keep what happened in ``fork``."""
        fork.state.flush(self.state)
        self.events.extend(fork.events)
        self.free_transactions = fork.free_transactions
