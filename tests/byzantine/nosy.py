"""A worker that wants to read what is none of its business."""

import trio

from aliad.crypto import unseal
from aliad.errors import RemoteProtocolError
from aliad.ledger.job_state import get_jobs
from aliad.types import BatchIndex, Round
from aliad.work.disputes.ports import Place
from aliad.work.orders.messages import ASK_BATCH, MAX_SEALED_BATCH_BYTES, AskBatch
from aliad.work.ports import Unavailable
from tests.work.world import World
from tests.work.world_orders import OrderNode, OrderWorld


class Nosy(OrderNode):
    """It asks others for every batch, in this round and the last, again and again.

    ``taken``: the places of what it got.
    """

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        assert isinstance(world, OrderWorld)
        self.order_world = world
        self.taken: set[Place] = set()
        self.asked = 0

    def start(self) -> None:
        super().start()
        self.world.spawn(self._pry)

    async def _pry(self) -> None:
        while True:
            await trio.sleep(4.1)
            for job_id, job in get_jobs(self.world.ledger.state):
                for number in range(max(0, job.round - 1), job.round + 1):
                    for batch in range(job.terms.batches):
                        place = Place(job_id, Round(number), BatchIndex(batch))
                        self.world.spawn(self._ask_all, place)

    async def _ask_all(self, place: Place) -> None:
        question = ASK_BATCH.encode(AskBatch(place.job, place.round, place.batch))
        """The customer first; of the others those that could have it as well."""
        for node in (self.order_world.customer.id, *list(self.world.nodes)[:2]):
            self.asked += 1
            try:
                sealed = await self.messages.ask(node, question, MAX_SEALED_BATCH_BYTES)
                if sealed and unseal(self.key, sealed):
                    self.taken.add(place)
            except (Unavailable, RemoteProtocolError):
                continue
