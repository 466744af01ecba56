"""Prints digests of everything the engine computes, as one JSON line, for `test_exactness`.

`python -m tests.compute.exactness` runs in a process of its own, under an instruction set and a
thread count that its environment chooses. Tensors are large enough to be split between threads.
"""

import hashlib
import json
import os
from dataclasses import dataclass, replace
from fractions import Fraction

import torch

from aliad.compute import adamw, rounds
from aliad.compute.adamw import AdamWRecipe
from aliad.compute.decode import translate
from aliad.compute.graph import tensor_digest, trace
from aliad.compute.microbatch import MicroShape, padded
from aliad.compute.noise import random_bits
from aliad.compute.rounds import RoundRecipe
from aliad.compute.schedule import Schedule
from aliad.compute.transformer import Parameters, initial_parameters
from aliad.spec.model import ModelConfig
from benchmarks.float32 import PlainTransformer

Ids = tuple[int, ...]
LARGE = ModelConfig(vocabulary=1000, encoder_layers=1, decoder_layers=1, length=64)
SMALL = ModelConfig(
    vocabulary=300, width=64, hidden=256, encoder_layers=1, decoder_layers=1, length=64
)
RECIPE = RoundRecipe(Schedule(Fraction(2, 1000), 2, 10))
SEED = b"exactness"


@dataclass(frozen=True, slots=True)
class Lines:
    """A micro-batch of ids drawn from the integer hash."""

    source: tuple[Ids, ...]
    decoder_input: tuple[Ids, ...]
    labels: tuple[Ids, ...]


def lines(number: int, count: int, longest: int, vocabulary: int) -> Lines:
    """`count` lines of 1 to `longest` tokens and the end mark."""
    seed = torch.tensor([number], dtype=torch.int32)
    bits = iter((random_bits(seed, 1, 4 * count * longest).long() & 0x7FFFFFFF).tolist())

    def words() -> Ids:
        return tuple(4 + next(bits) % (vocabulary - 4) for _ in range(1 + next(bits) % longest))

    target = [words() for _ in range(count)]
    return Lines(
        tuple((*words(), 3) for _ in range(count)),
        tuple((2, *ids) for ids in target),
        tuple((*ids, 3) for ids in target),
    )


def of_parameters(parameters: Parameters) -> str:
    """One digest for all."""
    return hashlib.sha256(b"".join(map(tensor_digest, parameters.values()))).hexdigest()


def training_step() -> list[str]:
    """Digest of every operation of a batch of two micro-batches, and of the next state."""
    first = lines(1, 24, 20, LARGE.vocabulary)
    state = rounds.initial_job_state(LARGE, 1)
    update, _ = rounds.train_batch(state, LARGE, RECIPE, [first], SEED)
    mean, _ = rounds.aggregate([update, update], state.momentum)
    state = rounds.apply_update(state, RECIPE, mean)
    micro = [first, lines(2, 24, 20, LARGE.vocabulary)]
    graph = rounds.batch_graph(LARGE, RECIPE, tuple(map(MicroShape.of, micro)), False)
    _, rows = trace(graph, rounds.batch_leaves(state, LARGE, RECIPE, micro, SEED))
    return [*(row.digest.hex() for row in rows), state.digest().hex()]


def optimiser_steps(count: int) -> Parameters:
    """Parameters after `count` AdamW updates."""
    recipe = AdamWRecipe(Schedule(Fraction(3, 1000), 5, 20))
    state = adamw.initial_state(initial_parameters(SMALL, 2))
    for step in range(count):
        batch = lines(10 + step, 24, 16, SMALL.vocabulary)
        state, _ = adamw.update(state, SMALL, recipe, batch, step)
    return state.parameters


def decoded(parameters: Parameters, beam: int) -> str:
    """Digest of translations and scores."""
    found = translate(parameters, SMALL, lines(5, 40, 16, SMALL.vocabulary).source, beam=beam)
    text = ";".join(f"{h.ids} {h.score.hex()}" for h in found)
    return hashlib.sha256(text.encode()).hexdigest()


def plain_gradient() -> str:
    """Digest of one gradient by plain float32 torch."""
    plain = PlainTransformer(replace(SMALL, dropout=0.0), initial_parameters(SMALL, 2))
    batch = lines(10, 24, 16, SMALL.vocabulary)
    shape = MicroShape.of(batch)
    grids = [
        padded(rows, length)[0].view(shape.batch, length).long()
        for rows, length in (
            (batch.source, shape.source),
            (batch.decoder_input, shape.target),
            (batch.labels, shape.target),
        )
    ]
    plain.loss(*grids).backward()  # type: ignore[no-untyped-call]
    return of_parameters(
        {name: p.grad for name, p in plain.named_parameters() if p.grad is not None}
    )


def main() -> None:
    """Compute and print."""
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    parameters = optimiser_steps(20)
    found = {
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "operations": training_step(),
        "optimiser": of_parameters(parameters),
        "greedy": decoded(parameters, 1),
        "beam": decoded(parameters, 5),
        "plain": plain_gradient(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
