"""The invariants over 200 seeds, and the mutants that must not survive them."""

import json
import subprocess
import sys

import pytest

from tests.simulation.mutants import MUTANTS
from tests.simulation.plan import make_plan
from tests.simulation.run import run_over_threshold, run_seed

SEEDS = 200
CHUNK = 25


@pytest.mark.parametrize("start", range(0, SEEDS, CHUNK))
def test_no_seed_violates_an_invariant(start: int) -> None:
    for seed in range(start, start + CHUNK):
        outcome = run_seed(seed)
        assert outcome.violations == (), f"seed {seed}: {outcome.violations}"
        assert outcome.heights >= 2, f"seed {seed} decided nothing"


def test_the_seeds_cover_what_they_claim() -> None:
    plans = [make_plan(seed) for seed in range(SEEDS)]
    assert {plan.size for plan in plans} == {4, 5, 7, 10}
    roles = {role for plan in plans for role in plan.roles.values()}
    assert roles == {"twins", "liar", "equivocator", "rogue", "silent"}
    assert max(plan.weather.loss for plan in plans) == 0.3
    assert max(plan.weather.longest_delay for plan in plans) == 3_000
    assert sum(plan.real_crypto for plan in plans) == SEEDS // 20
    for plan in plans:
        for validators in plan.sets:
            evil = sum(int(m.power) for m in validators.members if m.node_id not in plan.honest)
            assert 3 * evil < validators.total
    changes = [len(set(plan.sets)) for plan in plans]
    assert max(changes) >= 4
    assert any(plan.nodes[-1] in validators for plan in plans for validators in plan.sets[1:])
    assert any(member not in plan.sets[-1] for plan in plans for member in _founders(plan.seed))
    assert any(len({m.power for m in plan.sets[0].members}) > 1 for plan in plans)


def _founders(seed: int) -> list[object]:
    return [member.node_id for member in make_plan(seed).sets[0].members]


@pytest.mark.parametrize("seed", [1, 6, 7])
def test_a_seed_is_a_whole_story(seed: int) -> None:
    assert run_seed(seed).trace == run_seed(seed).trace
    assert run_seed(seed).trace != run_seed(seed + 8).trace


def test_the_stand_in_for_signatures_changes_no_outcome_of_these_seeds() -> None:
    for seed in range(4):
        assert run_seed(seed, real_crypto=True).violations == ()


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_every_mutant_is_killed(name: str) -> None:
    killed = next((s for s in range(SEEDS) if run_seed(s, MUTANTS[name]).violations), None)
    assert killed is not None, f"{name} survived {SEEDS} seeds"


def test_over_a_third_every_fork_names_its_culprits() -> None:
    forked = 0
    for seed in range(80):
        forks, others = run_over_threshold(seed)
        assert others == (), f"seed {seed}"
        for fork in forks:
            forked += 1
            assert len(fork.culprits) >= fork.needed, f"seed {seed}"
            assert not fork.culprits & fork.honest, f"seed {seed}"
    assert forked >= 5, "the colluders have become too tame to test anything"


def test_the_command_prints_a_summary() -> None:
    command = [sys.executable, "-m", "tests.simulation", "--seeds", "3", "--start", "4"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["seeds"] == 3
    assert summary["heights"] > 3
    assert (summary["violations"], summary["first_failing_seed"]) == (0, None)
    assert summary["evidence"] >= 0
