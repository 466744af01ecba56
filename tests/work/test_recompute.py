"""Every kind of operation of a real batch can be refereed: offered by one node, run by another."""

from dataclasses import replace

import pytest
import trio

from aliad.errors import RemoteProtocolError
from aliad.ledger.job_state import get_round
from aliad.types import BlobId, Hash32, JobId, Round
from aliad.work.disputes.messages import OFFER, OperandsWanted
from aliad.work.disputes.operands import check_executed, check_offer
from aliad.work.disputes.ports import Place
from aliad.work.ports import Refused
from aliad.work.recompute import Recompute
from aliad.work.reports import Duty
from tests.byzantine.trial import ENGINE
from tests.work.world import World, WorldNode
from tests.work.world_jobs import make_job

NAMES = tuple(f"node {number}" for number in range(4))


async def open_round(world: World) -> tuple[JobId, Place]:
    """Run until the second round is open: then there are statistics, and every kind of step."""
    job = await world.open_job(make_job(batches=8, exact=True, overhead=0))
    world.work_for(job)
    await world.until(lambda: world.job(job).round == 1 and _is_ready(world, job))
    for node in world.nodes.values():
        node.crash()  # nothing more happens
        node.up = True
    found = get_round(world.ledger.state, job, Round(1))
    assert found is not None
    return job, Place(job, Round(1), found.slots[0].batch)


def _is_ready(world: World, job: JobId) -> bool:
    found = get_round(world.ledger.state, job, Round(1))
    nodes = [world.by_name[name] for name in NAMES]
    return found is not None and all(
        node.desk.book.state(job, found.parameters) is not None and node.desk.book.index(job)
        for node in nodes
    )


def recompute_of(node: WorldNode) -> Recompute:
    return Recompute(node.desk, node.compute)


@pytest.mark.trio
async def test_operations_are_offered_by_one_and_executed_by_another(
    autojump_clock: object,
) -> None:
    world = World(NAMES, 2, exact=ENGINE)
    async with world.running():
        job, place = await open_round(world)
        party, judge = (recompute_of(world.by_name[name]) for name in NAMES[:2])
        trace = await party.trace_of(place, Duty.CHECK)
        assert await judge.digest_of(place) == trace.update
        for index in (*range(0, len(trace.rows) - 1, 9), len(trace.rows) - 2):
            offer = await party.offer_of(place, index, trace)
            assert OFFER.decode(OFFER.encode(offer)) == offer
            wanted = OperandsWanted(job, place.round, place.batch, index)
            check_offer(offer, wanted, trace)
            blobs = [operand.blob for operand in offer.operands]
            executed = await judge.execute(place, index, blobs, ())
            check_executed(offer, executed)
            assert executed.digest == trace.rows[index].digest


@pytest.mark.trio
async def test_wrong_operands_are_refused(autojump_clock: object) -> None:
    world = World(NAMES, 2, exact=ENGINE)
    async with world.running():
        job, place = await open_round(world)
        node = world.by_name[NAMES[0]]
        party, judge = (recompute_of(world.by_name[name]) for name in NAMES[:2])
        trace = await party.trace_of(place, Duty.CHECK)
        index = len(trace.rows) * 2 // 3
        offer = await party.offer_of(place, index, trace)
        while not offer.operands:
            index += 1
            offer = await party.offer_of(place, index, trace)
        wanted = OperandsWanted(job, place.round, place.batch, index)
        other = await party.offer_of(place, index + 1, trace)
        first = offer.operands[0]
        for wrong in (
            other,
            replace(offer, operands=(replace(first, producer=index), *offer.operands[1:])),
            replace(offer, operands=(replace(first, slot=len(first.outputs)),)),
            replace(offer, operands=(replace(first, outputs=(Hash32(bytes(32)),)),)),
        ):
            with pytest.raises(RemoteProtocolError):
                check_offer(wrong, wanted, trace)
        rubbish = BlobId(Hash32(await node.blobs.keep_bytes(b"rubbish")))
        with pytest.raises(Refused):
            await judge.execute(
                place, index, [rubbish, *(each.blob for each in offer.operands[1:])], ()
            )
        few = replace(offer, operands=offer.operands[1:])
        executed = await judge.execute(place, index, [each.blob for each in offer.operands], ())
        with pytest.raises(RemoteProtocolError):
            check_executed(few, executed)
        await trio.lowlevel.checkpoint()
