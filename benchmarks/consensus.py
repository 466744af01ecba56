"""How long a block takes to be final, and how much the ledger carries.

``python -m benchmarks.consensus`` prints one flat JSON object as its last line. All validators of
a network run in this one process on one core, with real signatures, real encoding and the engine
that nodes run, but without network delay: the time of n validators is the work of n nodes, added
up. Nothing waits for anything but the processor, so ``finality_ms_N`` counts processor time, which
is the wall time of a machine with nothing else to do; ``finality_ms_N_wall`` is what passed here.
"""

import argparse
import json
import logging
import time
from itertools import pairwise
from statistics import median
from typing import NamedTuple

import trio

from aliad.consensus.timing import Timing
from aliad.types import Millis
from benchmarks import ledger_throughput
from tests.consensus.loopback import Member, make_network

HEIGHTS = {4: 20, 16: 10, 50: 5, 100: 3}
# Long enough that no view ever times out, however busy the machine is.
TIMING = Timing(Millis(3_600_000), Millis(3_600_000), Millis(3_600_000))


class Duration(NamedTuple):
    """Milliseconds from one block to the next, committed by everyone."""

    processor: float
    wall: float


async def _time_heights(count: int, heights: int) -> list[Duration]:
    _, members = make_network(count, TIMING)
    moments: list[Duration] = []
    async with trio.open_nursery() as nursery:
        for member in members:
            await nursery.start(member.engine.run)
        for member in members:
            member.engine.work_pending()
        for height in range(1, heights + 2):
            await _all_reach(members, height)
            moments.append(Duration(time.process_time() * 1_000, time.perf_counter() * 1_000))
        nursery.cancel_scope.cancel()
    return [Duration(b.processor - a.processor, b.wall - a.wall) for a, b in pairwise(moments)]


async def _all_reach(members: list[Member], height: int) -> None:
    for member in members:
        await member.chain.reach(height)


def finality(count: int, heights: int) -> Duration:
    """The medians over some heights with ``count`` validators."""
    durations = trio.run(_time_heights, count, heights)
    return Duration(median(d.processor for d in durations), median(d.wall for d in durations))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.consensus", description=__doc__)
    parser.add_argument("--finality-only", action="store_true", help="leave the ledger out")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    result: dict[str, float] = {}
    for count, heights in HEIGHTS.items():
        duration = finality(count, heights)
        result[f"finality_ms_{count}"] = round(duration.processor, 1)
        result[f"finality_ms_{count}_wall"] = round(duration.wall, 1)
        print(f"{count} validators: {duration.processor:.1f} ms", flush=True)
    if not args.finality_only:
        committed, replayed = ledger_throughput.measure()
        result["transfers_per_s"] = round(committed.cpu, 1)
        result["replay_per_s"] = round(replayed.cpu, 1)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
