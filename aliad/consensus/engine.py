"""The shell around the core: one trio task that feeds it inputs and executes what it asks for.

Effects are executed in the order given: the signer log is on the disk before a vote leaves. The
write is synchronous on purpose, as nothing may overtake it; it takes less than a vote's way through
the network. Slow work (drafting, judging and committing blocks) runs in tasks beside it, so that
votes keep flowing, and its results come back as inputs.

Timers follow trio's clock, which never jumps. The wall clock is asked only for block times.
"""

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeAlias, assert_never

import trio

from aliad.consensus import wire
from aliad.consensus.application import Application
from aliad.consensus.block import Opening
from aliad.consensus.core import Core
from aliad.consensus.effects import (
    Commit,
    Effect,
    Penalise,
    Persist,
    Propose,
    Report,
    Send,
    Serve,
    Validate,
    WakeAt,
)
from aliad.consensus.messages import Final
from aliad.consensus.signer_log import SignerLog
from aliad.consensus.signing import Signer, Verifier
from aliad.consensus.timing import Timing
from aliad.errors import RemoteProtocolError
from aliad.types import Height, Millis, NodeId

MAX_INPUTS = 4096
MAX_OUTPUTS = 4096

log = logging.getLogger(__name__)

Input: TypeAlias = Callable[[Millis], tuple[Effect, ...]]


class Transport(Protocol):
    """How messages leave. Both may lose, repeat and reorder them."""

    async def broadcast(self, data: bytes) -> None:
        """To every validator and whoever else follows the chain, but not back to this node."""

    async def send(self, peer: NodeId, data: bytes) -> None: ...

    def penalise(self, peer: NodeId, reason: str) -> None: ...


def wall_clock() -> int:
    """Milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


class Engine:
    """Runs the vote of one node. `run` returns only by cancellation or by an error of its own."""

    def __init__(
        self,
        signer: Signer,
        verifier: Verifier,
        timing: Timing,
        application: Application,
        signer_log: SignerLog,
        transport: Transport,
        wall: Callable[[], int] = wall_clock,
    ) -> None:
        self._core = Core(signer, verifier, timing, signer_log.vote_from())
        self._application = application
        self._log = signer_log
        self._transport = transport
        self._wall = wall
        self._inputs, self._waiting = trio.open_memory_channel[Input](MAX_INPUTS)
        self._outputs, self._leaving = trio.open_memory_channel[Send](MAX_OUTPUTS)
        self._wake_at: Millis | None = None

    @property
    def height(self) -> Height:
        """The open height, once `run` has begun."""
        return self._core.height

    def deliver(self, source: NodeId, data: bytes) -> None:
        """A message from the network. What does not fit the queue is dropped, as networks do."""
        try:
            message = wire.decode(data)
        except RemoteProtocolError as error:
            self._transport.penalise(source, error.what)
            return
        self._offer(partial(self._core.receive, source, message))

    def work_pending(self) -> None:
        """There is something to propose; may be called from `Application.commit`, too."""
        self._offer(self._core.work_pending)

    def advance(self, opening: Opening) -> None:
        """The chain was extended by other means than this vote, durably: go on behind it."""
        self._offer(partial(self._advance, opening))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Take up the open height where the signer log left it, then vote for ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send_all)
            opening = self._application.opening()
            records = self._log.load(opening.height)
            self._step(lambda now: self._core.begin(opening, records, now), nursery)
            task_status.started()
            while True:
                self._step(await self._next_input(), nursery)

    async def _next_input(self) -> Input:
        deadline = float("inf") if self._wake_at is None else self._wake_at / 1000
        with trio.move_on_at(deadline):
            return await self._waiting.receive()
        self._wake_at = None
        return self._core.wake

    def _step(self, act: Input, nursery: trio.Nursery) -> None:
        now = round(trio.current_time() * 1000)
        self._core.set_clock(self._wall() - now)
        for effect in act(Millis(now)):
            self._execute(effect, nursery)

    def _execute(self, effect: Effect, nursery: trio.Nursery) -> None:
        match effect:
            case Persist():
                self._log.write(effect.height, effect.records)
            case Send():
                self._post(effect)
            case WakeAt():
                self._wake_at = effect.at
            case Propose():
                nursery.start_soon(self._propose, effect)
            case Validate():
                nursery.start_soon(self._validate, effect)
            case Commit():
                nursery.start_soon(self._commit, effect)
            case Serve():
                nursery.start_soon(self._serve, effect)
            case Report():
                self._application.report(effect.evidence)
            case Penalise():
                self._transport.penalise(effect.peer, effect.reason)
            case _:
                assert_never(effect)

    def _offer(self, act: Input) -> None:
        try:
            self._inputs.send_nowait(act)
        except trio.WouldBlock:
            log.warning("consensus input dropped: %d are waiting", MAX_INPUTS)

    def _post(self, send: Send) -> None:
        try:
            self._outputs.send_nowait(send)
        except trio.WouldBlock:
            log.warning("consensus message dropped: %d are waiting", MAX_OUTPUTS)

    async def _send_all(self) -> None:
        """A slow network must not hold up the vote, so sending has a task of its own."""
        async for send in self._leaving:
            data = wire.encode(send.message)
            if send.to is None:
                await self._transport.broadcast(data)
            else:
                await self._transport.send(send.to, data)

    async def _propose(self, effect: Propose) -> None:
        order = effect.order
        draft = await self._application.propose(order)
        if draft is None:
            return
        await self._inputs.send(partial(self._core.drafted, order.height, order.view, draft))

    async def _validate(self, effect: Validate) -> None:
        valid = await self._application.validate(effect.block)
        if valid is None:
            return
        await self._inputs.send(partial(self._core.validated, effect.block_hash, valid))

    async def _commit(self, effect: Commit) -> None:
        block = effect.block
        opening = await self._application.commit(block, effect.certificate, effect.trail)
        records = self._take_up(opening)
        await self._inputs.send(partial(self._core.committed, opening, records=records))

    def _advance(self, opening: Opening, now: Millis) -> tuple[Effect, ...]:
        if opening.height <= self._core.height:
            return ()
        return self._core.advanced(opening, now, self._take_up(opening))

    def _take_up(self, opening: Opening) -> Sequence[tuple[bytes, bytes]]:
        """Everything below is settled, and forgotten; what the log holds of the height that opens
        was signed before, by a node whose chain was lost since."""
        self._log.forget(Height(opening.height - 1))
        self._core.set_vote_from(self._log.vote_from())
        return self._log.load(opening.height)

    async def _serve(self, effect: Serve) -> None:
        found = await self._application.finalized(effect.height)
        if found is not None:
            self._post(Send(Final(effect.height, *found), effect.to))
