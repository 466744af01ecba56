"""Silence, copies and noise: they cost whoever makes them, convict nobody honest, stop nothing."""

import pytest

from aliad.ledger.events import (
    BatchMissing,
    BatchVerified,
    Cause,
    RewardEarned,
    RewardForfeited,
    WorkerRemoved,
)
from tests.byzantine.copier import Copier
from tests.byzantine.late import LateRevealer
from tests.byzantine.spammer import ResultSpammer
from tests.byzantine.trial import Trial
from tests.byzantine.withholder import WithholdsCommit, WithholdsReveal, WithholdsUpdate
from tests.byzantine.wrong_engine import Upgraded
from tests.work.world import Maker


@pytest.mark.trio
async def test_who_delivers_nothing_is_not_paid_and_is_sent_home(autojump_clock: object) -> None:
    trial = Trial({7: WithholdsUpdate}, seed=3, exact=False)
    async with trial.world.running():
        await trial.start()
        await trial.finish()
        log, culprit = trial.world.ledger, trial.world.by_name["node 7"].id
        assert not trial.convicted()
        assert {event.trainer for event in log.events(BatchMissing)} == {culprit}
        assert any(event.node == culprit and event.unhealthy for event in log.events(WorkerRemoved))
        assert not any(e.node == culprit and not e.check for e in log.events(RewardEarned))


@pytest.mark.trio
@pytest.mark.parametrize("maker", [WithholdsCommit, WithholdsReveal, LateRevealer])
async def test_silence_in_a_check_costs_what_is_pending_and_convicts_nobody(
    maker: Maker, autojump_clock: object
) -> None:
    trial = Trial({7: maker}, seed=3, exact=False)
    async with trial.world.running():
        await trial.start()
        await trial.finish()
        log, culprit = trial.world.ledger, trial.world.by_name["node 7"].id
        assert not trial.convicted()
        silent = [e for e in log.events(RewardForfeited) if e.cause is Cause.SILENCE]
        assert {event.node for event in silent} == {culprit}
        assert log.events(BatchVerified)


@pytest.mark.trio
async def test_a_copier_gets_nothing(autojump_clock: object) -> None:
    trial = Trial({7: Copier}, seed=3, exact=False)
    async with trial.world.running():
        await trial.start()
        await trial.finish()
        log, copier = trial.world.ledger, trial.world.by_name["node 7"]
        assert isinstance(copier, Copier)
        assert copier.refused
        assert not any(event.node == copier.id for event in log.events(RewardEarned))
        assert trial.convicted() <= {"node 7"}


@pytest.mark.trio
async def test_spam_is_blamed_on_the_spammer_and_delays_nobody(autojump_clock: object) -> None:
    trial = Trial({7: ResultSpammer}, seed=3, exact=False)
    async with trial.world.running():
        await trial.start()
        await trial.finish()
        assert trial.convicted() <= {"node 7"}  # rubbish may fall on a draw of its own
        spammer = trial.world.by_name["node 7"].id
        for node in trial.world.nodes.values():
            if node.id != spammer:
                assert set(node.messages.penalised) == {spammer}


@pytest.mark.trio
@pytest.mark.parametrize("seed", range(3))
async def test_a_new_engine_in_the_middle_of_a_job_accuses_nobody(
    seed: int, autojump_clock: object
) -> None:
    """It computes other bits, so it computes nothing: at worst it is silent in a check."""
    trial = Trial({7: Upgraded}, seed=seed, exact=False)
    async with trial.world.running():
        await trial.start()
        await trial.finish()
        assert not trial.convicted()
