"""The fifty-server example: 48 train and 2 check in each iteration, 100,000 lines, three cheaters.

    python -m benchmarks.fifty
    python -m benchmarks.fifty --iterations 12 --seeds 4

1. One network, in virtual time: 50 workers that run every role, validators that vote over the
   simulated network, the real ledger, and the real engine on a tiny model. 100 iterations of
   48 batches of 20 lines. Three workers forge their updates with probability 1, 0.5 and 0.1.
2. Many networks of the ledger's rules alone, with digests instead of arithmetic: how many
   forgeries it takes until a cheater is convicted, against 1/π = 48.

The last line is one flat JSON record. Names that begin with `network_` are from the first part,
those that begin with `seeds_` from the second; the others say which in the text above.
"""

import argparse
import json
import statistics as numbers
from collections.abc import Sequence

from benchmarks.fifty import network, statistics
from benchmarks.fifty.network import RATES, NetworkFigures
from benchmarks.fifty.statistics import Statistics

LIMIT = 0.042
KNOWN = 142  # forgeries after which 95 % of cheaters are found


def main(arguments: Sequence[str] | None = None) -> None:
    """Run both parts and print what they show."""
    options = parse(arguments)
    figures = network.run(
        options.iterations, options.validators, exact=not options.stubbed, seed=options.seed
    )
    tell_network(figures, options)
    found = statistics.run(options.seeds)
    tell_statistics(found)
    print(json.dumps(make_record(figures, found, options)))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options; see the module's text."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fifty",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--iterations", type=int, default=100, help="of the network, 48 batches of 20 lines each")
    add("--validators", type=int, default=7, help="how many of the 50 vote")
    add("--stubbed", action="store_true", help="digests instead of arithmetic in the network, too")
    add("--seed", type=int, default=1, help="of the network")
    add("--seeds", type=int, default=20, help="networks of the second part")
    return parser.parse_args(arguments)


def tell_network(figures: NetworkFigures, options: argparse.Namespace) -> None:
    """The first part, for people."""
    arithmetic = "digests" if options.stubbed else "exact arithmetic on a tiny model"
    print(f"network: 50 workers, {options.validators} of them validators, {arithmetic}")
    print(
        f"  {figures.iterations} rounds recorded, {figures.blocks} blocks,"
        f" {figures.virtual_seconds:.0f} s of virtual time in {figures.seconds:.0f} s"
    )
    print(
        f"  share of all multiply-accumulates spent on checks {figures.check_share:.4f},"
        f" on disputes {figures.dispute_share:.4f}"
    )
    print(f"  {figures.draws} draws, {figures.verified} verified")
    by_rate = {each.q: each for each in figures.convictions}
    for q in RATES:
        each = by_rate.get(q)
        after = (
            "not convicted in this run"
            if each is None
            else f"convicted after {each.iterations} rounds and {each.fakes} forgeries"
        )
        print(f"  q={q}: {after}")
    print(
        f"  {figures.minted} nano-ALIA minted for {figures.paid_work} mega-MAC, each round's at the"
        f" rate of its opening: {figures.first_rate} in the first, {figures.last_rate} in the last"
    )


def tell_statistics(found: Statistics) -> None:
    """The second part, for people."""
    print(f"statistics: {found.seeds} networks, {found.iterations} rounds, no arithmetic")
    for q in RATES:
        careers = [career for career in found.careers if career.q == q]
        fakes = [career.fakes for career in careers if career.convicted]
        rounds = [career.iterations for career in careers if career.convicted]
        if fakes:
            print(
                f"  q={q}: {len(fakes)} of {len(careers)} convicted, after"
                f" {numbers.mean(fakes):.1f} forgeries and {numbers.mean(rounds):.1f} rounds"
                f" on average; expected {statistics.expected_fakes():.0f} and {50 / q:.0f}"
            )


def make_record(
    figures: NetworkFigures, found: Statistics, options: argparse.Namespace
) -> dict[str, object]:
    """The last line."""
    fakes = [career.fakes for career in found.careers if career.convicted]
    chance = 1 - (1 - 1 / statistics.expected_fakes()) ** KNOWN
    record: dict[str, object] = {
        "check_overhead": round(figures.check_share, 5),
        "check_overhead_limit": LIMIT,
        "convicted_after": round(numbers.mean(fakes), 1) if fakes else None,
        "convicted_after_expected": round(statistics.expected_fakes(), 1),
        "honest_convictions": figures.honest_convictions + found.honest_convictions,
        "network_exact": not options.stubbed,
        "network_validators": options.validators,
        "network_iterations": figures.iterations,
        "network_finished": figures.finished,
        "network_agreed": figures.agreed,
        "network_dispute_share": round(figures.dispute_share, 5),
        "network_draws": figures.draws,
        "network_verified": figures.verified,
        "network_minted": figures.minted,
        "network_paid_work": figures.paid_work,
        "network_minted_per_work": round(figures.minted / figures.paid_work, 1),
        "network_first_rate": figures.first_rate,
        "network_last_rate": figures.last_rate,
        "network_seconds": round(figures.seconds, 1),
        "seeds_networks": found.seeds,
        "seeds_rounds": found.iterations,
        "seeds_check_share": round(found.checked / (found.checked + found.trained), 5),
        "seeds_forgeries_verified": found.passed,
        f"seeds_found_within_{KNOWN}": round(statistics.found_within(found, KNOWN), 3),
        f"seeds_found_within_{KNOWN}_expected": round(chance, 3),
    }
    by_rate = {each.q: each for each in figures.convictions}
    for q in RATES:
        name = f"q{q:g}".replace(".", "_")
        each = by_rate.get(q)
        record[f"network_{name}_rounds"] = None if each is None else each.iterations
        record[f"network_{name}_forgeries"] = None if each is None else each.fakes
        careers = [c for c in found.careers if c.q == q and c.convicted]
        rounds = [career.iterations for career in careers]
        record[f"seeds_{name}_rounds"] = round(numbers.mean(rounds), 1) if rounds else None
        record[f"seeds_{name}_rounds_expected"] = round(50 / q, 1)
    return record


if __name__ == "__main__":
    main()
