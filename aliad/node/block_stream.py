"""Every committed block in order, and each new one."""

from typing import TYPE_CHECKING, Self

import trio

from aliad.types import Height

if TYPE_CHECKING:
    from aliad.node.committed import CommittedBlock, CommittedChain


class BlockStream:
    """Nothing is queued for a reader: who falls behind is served from memory, then from disk."""

    def __init__(self, chain: "CommittedChain", after: Height) -> None:
        self._chain = chain
        self._height = after

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> "CommittedBlock":
        await trio.lowlevel.checkpoint()
        while self._height >= self._chain.tip.height:
            await self._chain.wait_grown()
        self._height = Height(self._height + 1)
        return self._chain.block(self._height)
