"""Run many seeds: ``python -m tests.simulation --seeds 200 --start 0 [--mutant NAME] [--jobs N]``.

The last line is a JSON object. The exit status is 1 if a seed violated an invariant, so a mutant
that is caught exits with 1, too.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from multiprocessing import Pool

from aliad.consensus.core import Core
from tests.simulation.mutants import MUTANTS
from tests.simulation.run import Outcome, run_seed


def _run(job: tuple[int, str | None, bool | None]) -> Outcome:
    seed, mutant, real_crypto = job
    return run_seed(seed, Core if mutant is None else MUTANTS[mutant], real_crypto=real_crypto)


def _outcomes(args: argparse.Namespace) -> Iterator[Outcome]:
    real_crypto = True if args.real_crypto else None
    jobs = [(seed, args.mutant, real_crypto) for seed in range(args.start, args.start + args.seeds)]
    if args.jobs == 1:
        yield from map(_run, jobs)
        return
    with Pool(args.jobs) as pool:
        yield from pool.imap(_run, jobs, chunksize=8)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many")
    parser.add_argument("--start", type=int, default=0, help="the first")
    parser.add_argument("--mutant", choices=sorted(MUTANTS), help="a broken protocol to catch")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--real-crypto", action="store_true", help="Ed25519 and bytes in each seed")
    args = parser.parse_args()
    began = time.monotonic()
    heights = evidence = violations = done = 0
    first: int | None = None
    for outcome in _outcomes(args):
        done += 1
        heights += outcome.heights
        evidence += outcome.evidence
        violations += len(outcome.violations)
        if outcome.violations:
            print(f"seed {outcome.seed}: {'; '.join(outcome.violations)}", flush=True)
            first = outcome.seed if first is None else first
            if args.mutant is not None:
                break
    summary = {
        "seeds": done,
        "heights": heights,
        "violations": violations,
        "evidence": evidence,
        "first_failing_seed": first,
        "seconds": round(time.monotonic() - began, 1),
    }
    print(json.dumps(summary))
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
