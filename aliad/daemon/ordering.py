"""A node's translation orders as the methods of the socket see them."""

from dataclasses import dataclass, field
from typing import Final

import trio

from aliad.errors import ConfigError
from aliad.node.order_records import OrderState, OrderWish, Quote, TextState
from aliad.node.serving import Published, find_servers, find_sources
from aliad.node.work import NodeWork
from aliad.rpc.order_ports import ModelState
from aliad.rpc.ports import Refused
from aliad.types import Hash32, JobId
from aliad.work.ports import WorkFailed

DESCRIBE_SECONDS: Final = 4.0
DESCRIBED: Final = 16
"""Of so many of the newest models the cards are fetched to be listed."""
AGAIN_SECONDS: Final = 60.0


NO_DEVICE: Final = "this node has no compute device (work.devices is empty)"


def refused(what: str) -> Refused:
    """What a node without devices says to all that needs one."""
    return Refused(what, NO_DEVICE, "Name one in work.devices, and restart the daemon.")


class NoOrders:
    """`OrdersPort` of a node without devices."""

    async def models(self) -> tuple[ModelState, ...]:
        """See `OrdersPort`."""
        raise refused("this node orders no translations")

    async def quote(self, texts: tuple[str, ...], wish: OrderWish) -> Quote:
        """See `OrdersPort`."""
        raise refused("this node orders no translations")

    async def place(self, order: Hash32) -> OrderState:
        """See `OrdersPort`."""
        raise refused("this node orders no translations")

    def orders(self) -> tuple[OrderState, ...]:
        """See `OrdersPort`."""
        return ()

    async def cancel(self, order: Hash32) -> str:
        """See `OrdersPort`."""
        raise refused("this node has placed no order")

    async def texts(self, order: Hash32, *, partial: bool) -> tuple[TextState, ...]:
        """See `OrdersPort`."""
        raise refused("this node has placed no order")

    async def forget(self, order: Hash32) -> None:
        """See `OrdersPort`."""
        raise refused("this node has placed no order")


@dataclass(slots=True)
class Ordering:
    """`OrdersPort` on a node's work."""

    node: NodeWork
    _tried: dict[JobId, float] = field(default_factory=dict)

    async def models(self) -> tuple[ModelState, ...]:
        """See `OrdersPort`."""
        found = self.node.catalogue.models()
        with trio.move_on_after(DESCRIBE_SECONDS):
            async with trio.open_nursery() as nursery:
                for one in found[:DESCRIBED]:
                    nursery.start_soon(self._describe, one)
        return tuple(self._model(one) for one in found)

    async def _describe(self, one: Published) -> None:
        """Fetch a card that is not here; whoever has it may be away."""
        now, library, chain = trio.current_time(), self.node.library, self.node.chain
        if library.about(one.model) or now - self._tried.get(one.model, -1e9) < AGAIN_SECONDS:
            return
        self._tried[one.model] = now
        sources = find_sources(chain.state, one.model, one.closed, chain.node)
        try:
            await library.describe(one.model, one.closed, sources)
        except WorkFailed:
            return

    def _model(self, one: Published) -> ModelState:
        library = self.node.library
        about = library.about(one.model)
        return ModelState(
            one.model,
            one.name or (about.card.name if about else ""),
            about.languages.source if about else one.source,
            about.languages.target if about else one.target,
            about.card.bleu if about else None,
            sum(1 for _ in find_servers(self.node.chain.state, one.model)),
            library.get(one.model) is not None,
            about.size if about else one.size,
        )

    async def quote(self, texts: tuple[str, ...], wish: OrderWish) -> Quote:
        """See `OrdersPort`."""
        self._require_engine()
        return await self.node.orders.quote(texts, wish)

    async def place(self, order: Hash32) -> OrderState:
        """See `OrdersPort`."""
        self._require_engine()
        await self.node.orders.place(order)
        return self.node.orders.view(order)

    def orders(self) -> tuple[OrderState, ...]:
        """See `OrdersPort`."""
        return self.node.orders.views()

    async def cancel(self, order: Hash32) -> str:
        """See `OrdersPort`."""
        return await self.node.orders.cancel(order)

    async def texts(self, order: Hash32, *, partial: bool) -> tuple[TextState, ...]:
        """See `OrdersPort`."""
        return await self.node.orders.texts(order, partial=partial)

    async def forget(self, order: Hash32) -> None:
        """See `OrdersPort`."""
        await self.node.orders.forget(order)

    def _require_engine(self) -> None:
        """An order names the engine that is to compute it: this node's."""
        try:
            self.node.compute.engine()
        except ConfigError as error:
            raise Refused(
                "the compute processes are not ready",
                "they are starting, or they failed",
                "Look at `aliad work status`, and try again in a moment.",
            ) from error
