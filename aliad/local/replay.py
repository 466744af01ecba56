"""Computing a network's job again on one machine, in the order that its chain tells.

The state after every round has the digest that the nodes of the network agreed on, or somebody
lied; the first round that differs is named.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch

from aliad.compute import rounds
from aliad.compute.rounds import JobState, RoundRecipe
from aliad.compute.transformer import Parameters
from aliad.corpus.batch import Batch
from aliad.spec.model import ModelConfig
from aliad.types import Hash32


@dataclass(frozen=True, slots=True)
class Replayed:
    """One round of the past: its batches with the seeds of their dropout, in the order of the
    slots, and the digest of the state that it made."""

    number: int
    batches: tuple[tuple[int, bytes], ...]
    result: Hash32


@dataclass(frozen=True, slots=True)
class Difference:
    """The first round whose state is another one here."""

    number: int
    recorded: Hash32
    computed: Hash32


def replay(
    config: ModelConfig,
    recipe: RoundRecipe,
    seed: int,
    batches: Sequence[Batch],
    order: Iterable[Replayed],
    say: Callable[[int], None] = lambda _: None,
) -> JobState | Difference:
    """The state after the last round, or the first difference. `say` is told every round done."""
    state = rounds.initial_job_state(config, seed)
    residual: Parameters = {name: torch.zeros_like(x) for name, x in state.parameters.items()}
    for past in order:
        updates = [
            rounds.train_batch(state, config, recipe, batches[index].micro, noise)[0]
            for index, noise in past.batches
        ]
        mean, residual = rounds.aggregate(updates, residual)
        state = rounds.apply_update(state, recipe, mean)
        digest = Hash32(state.digest())
        if digest != past.result:
            return Difference(past.number, past.result, digest)
        say(past.number)
    return state
