"""An originator that lies is stopped: everybody computes what it says, and stops believing it."""

import pytest

from aliad.ledger.events import BatchAccepted, NodeConvicted, RewardForfeited, RoundRecorded
from tests.byzantine.lying_originator import HONEST_ROUNDS, InventsParameters
from tests.byzantine.trial import Trial


@pytest.mark.trio
@pytest.mark.parametrize("exact", [True, False])
async def test_nobody_follows_invented_parameters(exact: bool, autojump_clock: object) -> None:
    trial = Trial({0: InventsParameters}, seed=3, exact=exact)
    world = trial.world
    async with world.running():
        await trial.start()
        honest = [node for node in world.nodes.values() if node.id not in world.actors]

        def halted() -> bool:
            return all(node.desk.book.halted(trial.job) is not None for node in honest)

        await world.until(halted)
        for node in honest:
            reason = node.desk.book.halted(trial.job)
            assert reason is not None
            assert "originator lies" in reason
        lie = max(event.round for event in world.ledger.events(RoundRecorded))
        assert lie == HONEST_ROUNDS
        await world.until(lambda: world.ledger.clock() > world.ledger.genesis.time + 600_000)
        accepted = [e for e in world.ledger.events(BatchAccepted) if e.round > lie]
        assert {event.trainer for event in accepted} <= world.actors
        assert not world.ledger.events(NodeConvicted)
        lost = {event.node for event in world.ledger.events(RewardForfeited)}
        assert lost <= world.actors
        world.check_honest()
