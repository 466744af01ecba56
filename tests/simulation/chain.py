"""The application of a simulated node: payloads that say whether they are valid, a running state
hash, and validator sets that follow the plan. What is committed here is on the disk."""

from collections.abc import Sequence
from hashlib import sha256

from aliad.consensus.application import Draft, Order
from aliad.consensus.beacon import first_beacon
from aliad.consensus.block import Block, Opening
from aliad.consensus.evidence import Evidence
from aliad.consensus.votes import Certificate
from aliad.types import Hash32, Height, Millis
from tests.simulation.plan import Plan

VALID = b"valid"


class SimulatedChain:
    """Fulfils `aliad.consensus.application.Application`, without its asynchrony."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.blocks: list[tuple[Block, Certificate]] = []
        self.trails: list[Sequence[Certificate]] = []

    @property
    def tip(self) -> Height:
        return Height(len(self.blocks))

    def opening(self) -> Opening:
        plan, height = self._plan, Height(self.tip + 1)
        if not self.blocks:
            beacon = first_beacon(plan.genesis)
            current = plan.validators(height)
            genesis = plan.genesis
            return Opening(height, genesis, genesis, Millis(0), beacon, current, None, None)
        block, certificate = self.blocks[-1]
        return Opening(
            height,
            plan.genesis,
            block.header.digest(),
            block.header.time,
            block.header.beacon,
            plan.validators(height),
            plan.validators(self.tip),
            certificate,
        )

    def draft(self, order: Order, payload: bytes) -> Draft:
        return Draft(payload, self._state(payload), self._next_validators(order.height))

    def is_valid(self, block: Block) -> bool:
        header = block.header
        return (
            header.height == self.tip + 1
            and block.payload.startswith(VALID)
            and header.app == self._state(block.payload)
            and header.next_validators == self._next_validators(header.height)
        )

    def commit(
        self, block: Block, certificate: Certificate, trail: Sequence[Certificate]
    ) -> Opening:
        self.blocks.append((block, certificate))
        self.trails.append(trail)
        return self.opening()

    def finalized(self, height: Height) -> tuple[Block, Certificate] | None:
        return self.blocks[height - 1] if 0 < height <= self.tip else None

    def report(self, evidence: Evidence) -> None:
        """The world checks evidence; the chain has no use for it."""

    def _state(self, payload: bytes) -> bytes:
        previous = self.blocks[-1][0].header.app if self.blocks else b""
        return sha256(previous + payload).digest()

    def _next_validators(self, height: Height) -> Hash32:
        return self._plan.validators(Height(height + 1)).digest
