"""What the methods of translation orders need of the running node."""

from dataclasses import dataclass
from typing import Protocol

from aliad.node.order_records import OrderState, OrderWish, Quote, TextState
from aliad.types import Hash32, JobId


@dataclass(frozen=True, slots=True)
class ModelState:
    """A finished model that orders can be placed for. ``bleu`` is its card's, if known here;
    ``workers`` serve it now; ``held``: its files are on this node; ``size`` in bytes."""

    job: JobId
    name: str
    source: str
    target: str
    bleu: float | None
    workers: int
    held: bool
    size: int


class OrdersPort(Protocol):
    """Translations that this node orders. All but `models` and `orders` raise AliadError."""

    async def models(self) -> tuple[ModelState, ...]:
        """Finished models on the chain, the newest first."""

    async def quote(self, texts: tuple[str, ...], wish: OrderWish) -> Quote:
        """Cut texts to batches and keep them as an order that is not placed; fetches the model's
        tokenizer if it is not here. Quotes that are not placed may be forgotten after a while."""

    async def place(self, order: Hash32) -> OrderState:
        """Escrow and open a quoted order; returns when it is in a block."""

    def orders(self) -> tuple[OrderState, ...]:
        """Quoted, running and ended ones that were not forgotten, the newest first."""

    async def cancel(self, order: Hash32) -> str:
        """Stop what has not been started; says what comes back."""

    async def texts(self, order: Hash32, *, partial: bool) -> tuple[TextState, ...]:
        """One for every text that was quoted, in order. Without ``partial`` all must be here."""

    async def forget(self, order: Hash32) -> None:
        """Drop the texts and notes of an order that does not run."""
