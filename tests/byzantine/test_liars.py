"""Forgeries that a draw hits: every liar is convicted, the operation named, nobody else harmed."""

import pytest

from aliad.ledger.check_events import DisputeOpened, Ruled
from aliad.ledger.jobs import RulingMode
from aliad.types import ZERO_HASH
from tests.byzantine.colluding import Colluder, Sacrifice
from tests.byzantine.framing import Framer
from tests.byzantine.late import LateLiar
from tests.byzantine.sparse import SparseCheater
from tests.byzantine.trace_liar import (
    ClaimsTheTruth,
    HidesItsBlob,
    LiesAndReturns,
    LiesEverywhere,
    LongTrace,
    OffersRubbish,
    OtherOperations,
    ShortTrace,
    ShowsItToSome,
)
from tests.byzantine.trial import Trial
from tests.byzantine.withholder import HidesItsLie, HidesItsTrace
from tests.byzantine.wrong_engine import OtherEngine, WrongBits
from tests.work.world import Maker


@pytest.mark.trio
@pytest.mark.parametrize(
    ("maker", "exact"),
    [
        (SparseCheater, False),
        (WrongBits, True),
        (LateLiar, False),
        (ClaimsTheTruth, True),
        (LiesEverywhere, False),
        (LiesAndReturns, True),
        (OffersRubbish, True),
    ],
)
async def test_a_liar_is_convicted_by_one_operation(
    maker: Maker, exact: bool, autojump_clock: object
) -> None:
    trial = Trial({7: maker}, seed=4, exact=exact)
    async with trial.world.running():
        await trial.start()
        await trial.finish()
        assert trial.convicted() == {"node 7"}
        assert ZERO_HASH not in trial.operations()


@pytest.mark.trio
@pytest.mark.parametrize("exact", [True, False])
async def test_referees_execute_one_operation_and_nothing_else(
    exact: bool, autojump_clock: object
) -> None:
    """Only one dispute, so that no ruling of another one convicts in between."""
    trial = Trial({7: LiesAndReturns}, seed=4, exact=exact)
    async with trial.world.running():
        await trial.start()
        await trial.world.until(lambda: bool(trial.world.convicted))
        assert trial.world.ledger.events(Ruled)
        assert all(event.mode is RulingMode.OPERATION for event in trial.world.ledger.events(Ruled))
        assert trial.replayed_by_referees() == 0


@pytest.mark.trio
@pytest.mark.parametrize(
    "maker",
    [HidesItsLie, HidesItsTrace, HidesItsBlob, OtherOperations, ShortTrace, LongTrace],
)
async def test_who_shows_no_trace_is_convicted_by_the_batch(
    maker: Maker, autojump_clock: object
) -> None:
    trial = Trial({7: maker}, seed=4, exact=False)
    async with trial.world.running():
        await trial.start()
        await trial.finish()
        assert trial.convicted() == {"node 7"}
        assert trial.operations() == {ZERO_HASH}


@pytest.mark.trio
async def test_showing_a_trace_to_half_of_the_validators_helps_nobody(
    autojump_clock: object,
) -> None:
    trial = Trial({7: ShowsItToSome}, seed=4, exact=False)
    async with trial.world.running():
        await trial.start()
        await trial.finish()
        assert trial.convicted() == {"node 7"}


@pytest.mark.trio
async def test_a_colluding_pair_is_convicted_together(autojump_clock: object) -> None:
    trial = Trial({7: Colluder, 8: Colluder}, seed=5)
    async with trial.world.running():
        await trial.start()
        await trial.finish()
        assert trial.convicted() == {"node 7", "node 8"}
        assert ZERO_HASH not in trial.operations()


@pytest.mark.trio
async def test_a_sacrifice_saves_no_forgery(autojump_clock: object) -> None:
    trial = Trial({7: Sacrifice, 8: Sacrifice}, seed=5, exact=False)
    async with trial.world.running():
        await trial.start()
        await trial.finish()
        assert trial.convicted() == {"node 7", "node 8"}


@pytest.mark.trio
async def test_framing_checkers_convict_themselves(autojump_clock: object) -> None:
    trial = Trial(dict.fromkeys((5, 6, 7, 8), Framer), seed=6)
    async with trial.world.running():
        await trial.start()
        await trial.finish()
        assert trial.world.ledger.events(DisputeOpened)
        assert trial.convicted()
        assert ZERO_HASH not in trial.operations()


@pytest.mark.trio
async def test_a_validator_with_another_engine_abstains(autojump_clock: object) -> None:
    trial = Trial({3: OtherEngine, 7: ClaimsTheTruth}, seed=4, exact=False)
    async with trial.world.running():
        await trial.start()
        await trial.finish()
        assert trial.convicted() == {"node 7"}
        other = trial.world.by_name["node 3"].id
        modes = {e.mode for e in trial.world.ledger.events(Ruled) if e.validator == other}
        assert modes == {RulingMode.ABSTAIN}


@pytest.mark.trio
@pytest.mark.parametrize("exact", [True, False])
async def test_validators_that_work_for_no_job_rule_all_the_same(
    exact: bool, autojump_clock: object
) -> None:
    """They have no state and no data before the dispute, and three of four must agree."""
    trial = Trial({8: ClaimsTheTruth}, seed=4, exact=exact)
    async with trial.world.running():
        await trial.start([f"node {number}" for number in (0, 4, 5, 6, 7, 8)])
        await trial.world.until(lambda: bool(trial.world.convicted))
        assert trial.convicted() == {"node 8"}
        assert ZERO_HASH not in trial.operations()
        await trial.finish()
