"""Speed of exact arithmetic against plain float32 torch: the same model, interleaved, medians.

    python -m benchmarks.engine [--threads 1] [--model runs/quality-adamw-13/exact.pt]

A step is forward and backward of 32 sentences of 16 + 16 tokens, 3+3 layers, vocabulary 8,000.
Decoding is greedy over the Multi30k test set with model T, where the data and a trained checkpoint
are present; elsewhere over sentences drawn at random, with an untrained model.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from aliad.compute.adamw import AdamWState
from aliad.compute.decode import EOS, translate
from aliad.compute.graph import Builder, Graph, run
from aliad.compute.memory import keep_freed_memory
from aliad.compute.microbatch import MicroShape, declare
from aliad.compute.tables import sinusoids
from aliad.compute.transformer import Parameters, initial_parameters, loss_and_gradients
from aliad.spec.model import ModelConfig, parameter_shapes
from benchmarks import multi30k
from benchmarks.float32 import PlainTransformer
from benchmarks.plain_decode import Ids, greedy

SHAPE = MicroShape(32, 16, 16)


def gradient_graph(config: ModelConfig, shape: MicroShape) -> Graph:
    """Loss and gradients of one micro-batch."""
    b = Builder()
    weights = {name: b.leaf(name, s) for name, s in parameter_shapes(config).items()}
    positions = b.leaf("positions", (config.length, config.width))
    inputs = declare(b, shape, positions, "batch")
    loss, gradients = loss_and_gradients(b, config, weights, inputs, shape.batch)
    return b.finish([loss, *gradients.values()])


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def ratio(exact: Callable[[], object], plain: Callable[[], object], runs: int, name: str) -> float:
    """Median over interleaved runs of exact time by plain time."""
    exact(), plain()
    pairs = [(seconds(exact), seconds(plain)) for _ in range(runs)]
    value = statistics.median(a / b for a, b in pairs)
    times = [statistics.median(side) for side in zip(*pairs, strict=True)]
    print(f"{name}: exact {times[0]:.3f} s, plain {times[1]:.3f} s, ratio {value:.3f}", flush=True)
    return value


def step_ratio(width: int, hidden: int, runs: int) -> float:
    """Forward and backward time of exact over plain."""
    config = ModelConfig(vocabulary=8000, width=width, hidden=hidden, heads=8, length=64)
    parameters, graph = initial_parameters(config, 1), gradient_graph(config, SHAPE)
    generator = torch.Generator().manual_seed(1)

    def ids(length: int) -> Tensor:
        shape = (SHAPE.batch, length)
        return torch.randint(4, config.vocabulary, shape, generator=generator)

    source, target, labels = ids(SHAPE.source), ids(SHAPE.target), ids(SHAPE.target)
    leaves = [*parameters.values(), sinusoids(config.length, width)]
    for grid in (source, target):
        lengths = torch.full((SHAPE.batch,), grid.shape[1], dtype=torch.int32)
        leaves += [grid.int().view(-1), lengths]
    leaves += [labels.int().view(-1), torch.ones(1, dtype=torch.int32)]
    plain = PlainTransformer(config, parameters)
    plain.train()

    def plain_step() -> None:
        plain.zero_grad()
        plain.loss(source, target, labels).backward()  # type: ignore[no-untyped-call]

    return ratio(lambda: run(graph, leaves), plain_step, runs, f"step, width {width}")


def decode_task(checkpoint: Path) -> tuple[ModelConfig, Parameters, list[Ids]]:
    """Model T and the sentences to translate."""
    config = ModelConfig(vocabulary=multi30k.VOCABULARY, length=multi30k.MAX_LENGTH)
    if checkpoint.exists() and multi30k.folder().exists():
        state: AdamWState = torch.load(checkpoint, weights_only=False)  # a file of our own
        tokenizer = multi30k.load("adamw").tokenizer
        encoded = tokenizer.encode_batch(multi30k.lines("test_2016_flickr", "en"))
        return config, state.parameters, [(*ids, EOS) for ids in encoded]
    print(f"no {checkpoint} or no data: an untrained model translates random sentences")
    rows = torch.randint(
        4, config.vocabulary, (256, 14), generator=torch.Generator().manual_seed(1)
    )
    return config, initial_parameters(config, 1), [(*map(int, row), EOS) for row in rows]


def decode_ratio(checkpoint: Path, runs: int) -> float:
    """Greedy decoding time of exact over plain."""
    config, parameters, sources = decode_task(checkpoint)
    plain = PlainTransformer(config, parameters)
    return ratio(
        lambda: translate(parameters, config, sources),
        lambda: greedy(plain, sources),
        runs,
        f"greedy decoding of {len(sources)} sentences",
    )


def main() -> None:
    """Run and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--model", type=Path, default=Path("runs/quality-adamw-13/exact.pt"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    figures: dict[str, float | int] = {
        "step_ratio_d512": step_ratio(512, 2048, options.runs),
        "step_ratio_d256": step_ratio(256, 1024, options.runs),
        "decode_ratio": decode_ratio(options.model, max(3, options.runs // 3)),
        "threads": options.threads,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
