"""The example on the simulated network: every role, the real vote, the real ledger."""

import sys
import time
from dataclasses import dataclass

import trio
from trio.testing import MockClock

from aliad.ledger.accounts import get_economy
from aliad.ledger.events import (
    BatchAccepted,
    BatchDrawn,
    BatchVerified,
    NodeConvicted,
    RewardEarned,
    RoundOpened,
    RoundRecorded,
)
from aliad.ledger.jobs import Outcome
from aliad.types import Hash32, NodeId
from tests.byzantine.forging import Forger, Liar, sometimes
from tests.work.world import PARAMS, Maker, World, changed
from tests.work.world_jobs import make_job

WORKERS = 50
CHECKERS = 2
LINES = 20
RATES = (1.0, 0.5, 0.1)
CHEATERS = {f"node {WORKERS - len(RATES) + place}": q for place, q in enumerate(RATES)}
TRAIN_SECONDS = 5.0  # virtual


class Cheater(Liar):
    """Forges each update it owes with its own probability; honest as a checker."""

    def forge(self, forger: Forger) -> Forger:
        forger.secret = self.name
        forges = sometimes(CHEATERS[self.name], self.name)
        forger.lies = lambda task: self.world.trainer_of(task.seed) == self.name and forges(task)
        return forger


@dataclass(frozen=True, slots=True)
class Conviction:
    """``fakes``: how many recorded forgeries it took; ``iterations``: rounds from the start."""

    q: float
    iterations: int
    fakes: int


@dataclass(frozen=True, slots=True)
class NetworkFigures:
    """What one run showed. Shares are of all multiply-accumulates that anybody computed."""

    iterations: int
    finished: bool
    check_share: float
    dispute_share: float
    draws: int
    verified: int
    convictions: tuple[Conviction, ...]
    honest_convictions: int
    minted: int
    paid_work: int
    first_rate: int
    last_rate: int
    blocks: int
    virtual_seconds: float
    seconds: float
    agreed: bool


def run(iterations: int, validators: int, *, exact: bool, seed: int) -> NetworkFigures:
    """The whole example, with real arithmetic or with digests that stand for it."""
    return trio.run(
        _run, iterations, validators, exact, seed, clock=MockClock(autojump_threshold=0)
    )


async def _run(iterations: int, validators: int, exact: bool, seed: int) -> NetworkFigures:
    started = time.perf_counter()
    makers: dict[str, Maker] = dict.fromkeys(CHEATERS, Cheater)
    world = World(
        [f"node {number}" for number in range(WORKERS)],
        seed,
        exact=Hash32(b"x" * 32) if exact else None,
        actors=makers,
        params=changed(PARAMS, newcomer_factor=1, max_round_batches=WORKERS),
        validators=validators,
        voted=True,
    )
    job = make_job(
        WORKERS + (iterations - 1) * (WORKERS - CHECKERS),
        exact=exact,
        overhead=40_000,
        min_workers=WORKERS // 2,
        micro=1,
        lines=LINES,
        seed=seed,
        round_ms=120_000,
        record_ms=120_000,
        check_ms=120_000,
        reveal_ms=60_000,
    )
    async with world.running():
        for node in world.nodes.values():
            node.effort.train = TRAIN_SECONDS
        opened = await world.open_job(job)
        world.work_for(opened)
        world.spawn(_tell, world, started)
        await world.until(lambda: world.is_closed(opened))
        await trio.sleep(5)
        return _measure(world, time.perf_counter() - started)


async def _tell(world: World, started: float) -> None:
    """A line on stderr every ten rounds: the whole takes minutes."""
    told = 0
    while True:
        await trio.sleep(10)
        rounds = len(world.ledger.events(RoundRecorded))
        if rounds >= told + 10:
            told = rounds
            seconds = time.perf_counter() - started
            convicted = len(world.ledger.events(NodeConvicted))
            print(
                f"{rounds} rounds, {convicted} convicted, {seconds:.0f} s",
                file=sys.stderr,
                flush=True,
            )


def _measure(world: World, seconds: float) -> NetworkFigures:
    log = world.ledger
    honest = set(world.nodes) - world.actors
    total = sum(node.effort.macs for node in world.nodes.values())
    checks = sum(node.spent.checks for node in world.nodes.values())
    disputes = sum(node.spent.disputes for node in world.nodes.values())
    earned = log.events(RewardEarned)
    work = {(e.round, e.batch): e.work for e in log.events(BatchAccepted)}
    rates = {event.round: event.rate for event in log.events(RoundOpened)}
    paid = sum(work[e.round, e.batch] for e in earned)
    right = all(e.amount == work[e.round, e.batch] * rates[e.round] for e in earned)
    minted = get_economy(log.state).minted
    if not right or minted != sum(event.amount for event in earned):
        raise AssertionError("tokens were minted for something else than accepted work")
    return NetworkFigures(
        iterations=len(log.events(RoundRecorded)),
        finished=all(world.outcome(job) is Outcome.CLOSED for job in world.jobs),
        check_share=checks / total,
        dispute_share=disputes / total,
        draws=len(log.events(BatchDrawn)),
        verified=len(log.events(BatchVerified)),
        convictions=_get_convictions(world),
        honest_convictions=sum(event.node in honest for event in log.events(NodeConvicted)),
        minted=minted,
        paid_work=paid,
        first_rate=rates[min(rates)],
        last_rate=rates[max(rates)],
        blocks=log.height,
        virtual_seconds=trio.current_time(),
        seconds=seconds,
        agreed=len(log.roots()) == 1,
    )


def _get_convictions(world: World) -> tuple[Conviction, ...]:
    """In the order of the cheaters' rates; who was not convicted is left out."""
    fakes: dict[NodeId, int] = dict.fromkeys(world.actors, 0)
    found: dict[str, Conviction] = {}
    iterations = 0
    for event in world.ledger.log:
        match event:
            case RoundRecorded():
                iterations += 1
            case BatchAccepted() if event.trainer in world.actors:
                fakes[event.trainer] += world.is_forged(event)
            case NodeConvicted() if event.node in world.actors:
                name = world.nodes[event.node].name
                found[name] = Conviction(CHEATERS[name], iterations, fakes[event.node])
            case _:
                pass
    return tuple(found[name] for name in CHEATERS if name in found)
