"""A simulated node: the core, its disk, its chain, and the shell that executes effects between
which it may crash."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, assert_never

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
from aliad.consensus.messages import Final, Message
from aliad.consensus.votes import Certificate
from aliad.types import Height, Millis, NodeId
from tests.simulation.chain import VALID, SimulatedChain
from tests.simulation.disk import SimulatedDisk

if TYPE_CHECKING:
    from tests.simulation.world import World


class Node:
    """Honest. ``life`` counts restarts, so that what an earlier life asked for is ignored."""

    vote_from = Height(0)
    crashes = True

    def __init__(self, world: World, place: int) -> None:
        self.world = world
        self.place = place
        self.signer = world.signer(place)
        self.disk = SimulatedDisk()
        self.chain = SimulatedChain(world.plan)
        self.skew = world.rng.randint(-300, 300)
        self.up = False
        self.life = 0
        self._wake_at = 0

    @property
    def node_id(self) -> NodeId:
        return self.signer.node_id

    @property
    def is_honest(self) -> bool:
        return self.place not in self.world.plan.roles

    @property
    def clock(self) -> Millis:
        return Millis(self.world.now + self.skew)

    def boot(self) -> None:
        self.up = True
        self.life += 1
        plan = self.world.plan
        self.core = self.world.core(self.signer, self.world.verifier, plan.timing, self.vote_from)
        opening = self.chain.opening()
        records = self.disk.load(opening.height)
        self.execute(self.core.begin(opening, records, self.clock))

    def crash(self) -> None:
        self.up = False
        self.life += 1
        down = self.world.rng.choice((20, 400, 4_000))
        self.world.at(self.world.now + down, self.recover)

    def recover(self) -> None:
        if not self.up:
            self.boot()

    def receive(self, source: NodeId, message: Message) -> None:
        if self.up:
            self.execute(self.core.receive(source, message, self.clock))

    def later(self, delay: int, what: Callable[[], tuple[Effect, ...]]) -> None:
        """Run it in this life only."""
        life = self.life

        def act() -> None:
            if self.up and self.life == life:
                self.execute(what())

        self.world.at(self.world.now + delay, act)

    def execute(self, effects: tuple[Effect, ...]) -> None:
        """In the order given. A crash strikes between two effects, or before or after a write."""
        if not effects:
            return
        rng = self.world.rng
        chance = self.world.plan.weather.crash if self.crashes and not self.world.healed else 0.0
        cut = rng.randint(0, len(effects)) if rng.random() < chance else None
        for place, effect in enumerate(effects):
            if place == cut:
                self.crash()
                return
            self.perform(effect)
        if cut is not None:
            self.crash()

    def perform(self, effect: Effect) -> None:
        match effect:
            case Persist():
                self.disk.write(effect.height, effect.records)
            case Send():
                self.send(effect.message, effect.to)
            case WakeAt():
                self._sleep_until(effect.at)
            case Propose():
                self._draft(effect)
            case Validate():
                self._judge(effect)
            case Commit():
                self._commit(effect)
            case Serve():
                self._serve(effect.height, effect.to)
            case Report():
                if self.is_honest:
                    self.world.observer.reported(effect.evidence)
            case Penalise():
                if self.is_honest:
                    self.world.observer.penalised(effect.peer, effect.reason)
            case _:
                assert_never(effect)

    def send(self, message: Message, to: NodeId | None) -> None:
        if self.is_honest:
            self.world.observer.sent(message)
        self.world.send(self, message, to)

    def payload(self) -> bytes:
        return VALID + self.world.rng.randbytes(8)

    def certificates_of(self, height: Height) -> tuple[Certificate, ...]:
        """All it has seen of a height, which is what an audit after a fork would collect."""
        if height <= self.chain.tip:
            return tuple(self.chain.trails[height - 1])
        if height == self.core.height:
            return tuple(self.core._height.facts.certificates.values())
        return ()

    def _sleep_until(self, at: Millis) -> None:
        self._wake_at = at
        life = self.life

        def wake() -> None:
            if self.up and self.life == life and self._wake_at == at:
                self.execute(self.core.wake(self.clock))

        self.world.at(at - self.skew, wake)

    def _draft(self, effect: Propose) -> None:
        order = effect.order
        draft = self.chain.draft(order, self.payload())
        self.later(
            self.world.rng.randint(0, 30),
            lambda: self.core.drafted(order.height, order.view, draft, self.clock),
        )

    def _judge(self, effect: Validate) -> None:
        valid = self.chain.is_valid(effect.block)
        self.later(
            self.world.rng.randint(0, 30),
            lambda: self.core.validated(effect.block_hash, valid, self.clock),
        )

    def _commit(self, effect: Commit) -> None:
        block = effect.block
        height = block.header.height
        if self.is_honest:
            self.world.observer.committed(self.node_id, block, valid=self.chain.is_valid(block))

        def commit() -> tuple[Effect, ...]:
            opening = self.chain.commit(block, effect.certificate, effect.trail)
            self.disk.forget(height)
            self.world.committed()
            if self.world.rng.random() < 0.7:
                self.later(0, lambda: self.core.work_pending(self.clock))
            return self.core.committed(opening, self.clock)

        self.later(self.world.rng.randint(0, 30), commit)

    def _serve(self, height: Height, to: NodeId) -> None:
        found = self.chain.finalized(height)
        if found is not None:
            self.send(Final(height, *found), to)
