"""Training loops in one process: every step a pure function of the state before it.

Which batches a step takes follows from its number alone, so a loop can go on from any saved state
and reach the same bits.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aliad.compute import adamw, rounds
from aliad.compute.adamw import AdamWRecipe, AdamWState
from aliad.compute.noise import stream_id
from aliad.compute.rounds import JobState, RoundRecipe
from aliad.compute.transformer import Parameters
from aliad.corpus.batch import Batch
from aliad.corpus.batches import epoch_order
from aliad.spec.model import ModelConfig


@dataclass(frozen=True, slots=True)
class StepReport:
    """What a step did: its number from 1, mean loss per target token before it, target tokens."""

    step: int
    loss: float
    tokens: int


def queue(count: int, epochs: int, seed: bytes) -> list[int]:
    """Batch indices of all epochs in order: every batch once an epoch, each epoch shuffled."""
    return [index for epoch in range(epochs) for index in epoch_order(count, seed, epoch)]


def adamw_loop(
    state: AdamWState,
    config: ModelConfig,
    recipe: AdamWRecipe,
    batches: Sequence[Batch],
    order: Sequence[int],
    seed: bytes,
) -> Iterator[tuple[AdamWState, StepReport]]:
    """One AdamW update per micro-batch of each batch in `order`, from `state` on."""
    steps = [(index, i) for index in order for i in range(len(batches[index].micro))]
    for step in range(state.step, len(steps)):
        index, i = steps[step]
        micro = batches[index].micro[i]
        state, loss = adamw.update(state, config, recipe, micro, stream_id(seed, step))
        tokens = micro.target_tokens
        yield state, StepReport(step + 1, loss / tokens, tokens)


def rounds_of(order: Sequence[int], workers: int) -> list[Sequence[int]]:
    """The batches of each round: the next `workers` of the queue."""
    return [order[i : i + workers] for i in range(0, len(order), workers)]


def batch_seed(seed: bytes, done: int, place: int) -> bytes:
    """What drives the dropout of the batch at `place` of the round after `done` rounds."""
    return seed + done.to_bytes(8, "big") + place.to_bytes(4, "big")


def rounds_loop(
    state: JobState,
    residual: Parameters,
    config: ModelConfig,
    recipe: RoundRecipe,
    batches: Sequence[Batch],
    schedule: Sequence[Sequence[int]],
    seed: bytes,
) -> Iterator[tuple[JobState, Parameters, StepReport]]:
    """The network's rounds with all workers in this process, from `state` on."""
    for done in range(state.rounds, len(schedule)):
        updates, loss, tokens = [], 0.0, 0
        for place, index in enumerate(schedule[done]):
            batch = batches[index]
            update, losses = rounds.train_batch(
                state, config, recipe, batch.micro, batch_seed(seed, done, place)
            )
            updates.append(update)
            loss += sum(losses)
            tokens += batch.target_tokens
        mean, residual = rounds.aggregate(updates, residual)
        state = rounds.apply_update(state, recipe, mean)
        yield state, residual, StepReport(done + 1, loss / tokens, tokens)
