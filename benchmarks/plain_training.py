"""Plain float32 training for `benchmarks.distributed`: one process, or DistributedDataParallel.

    python -m benchmarks.plain_training FOLDER WIDTH VOCABULARY LINES RANK WORLD THREADS SECONDS
    python -m benchmarks.plain_training --exact WIDTH      seconds of one exact local step

Micro-batches come from the prepared job; every process takes its share of them.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from aliad.corpus.batch import Ids, MicroBatch

SECONDS = 12.0


@dataclass(frozen=True, slots=True)
class Trial:
    """What to train: a prepared job's folder, and the model's shape."""

    folder: Path
    width: int
    vocabulary: int
    lines: int


@dataclass(frozen=True, slots=True)
class Plain:
    """Target tokens a second of all processes together."""

    single: float
    ddp: float


def measure_plain(trial: Trial, cores: int) -> Plain:
    """One process with all cores, then one process a core."""
    return Plain(_run(trial, 1, cores), _run(trial, cores, 1))


def _run(trial: Trial, world: int, threads: int) -> float:
    port = str(20_000 + os.getpid() % 20_000)
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "PASSIVE",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
    }
    processes = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "benchmarks.plain_training", str(trial.folder)),
                *(str(trial.width), str(trial.vocabulary), str(trial.lines)),
                *(str(rank), str(world), str(threads), str(SECONDS)),
            ],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for rank in range(world)
    ]
    return sum(float(each.communicate()[0].strip().splitlines()[-1]) for each in processes)


def exact_seconds(width: int) -> float:
    """Median time of one exact local step of 20 lines of 16 + 16 tokens, on one thread."""
    import statistics

    import torch

    from aliad.compute.graph import run
    from aliad.compute.memory import keep_freed_memory
    from aliad.compute.microbatch import MicroShape
    from aliad.compute.rounds import batch_graph, batch_leaves, initial_job_state
    from aliad.corpus.batch import MicroBatch
    from aliad.local.recipe import round_recipe
    from benchmarks.distributed import make_spec

    torch.set_num_threads(1)
    keep_freed_memory()
    spec = make_spec(width, 1)
    config, recipe = spec.config(), round_recipe(spec.recipe(100))
    lines = tuple((*range(10, 25), 3) for _ in range(20))
    micro = MicroBatch(lines, tuple(tuple(range(30, 45)) for _ in range(20)))
    state = initial_job_state(config, 1)
    graph = batch_graph(config, recipe, (MicroShape.of(micro),), True)
    leaves = batch_leaves(state, config, recipe, [micro], bytes(32))
    run(graph, leaves)
    times = []
    for _ in range(5):
        started = time.perf_counter()
        run(graph, leaves)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def train(trial: Trial, rank: int, world: int, threads: int, seconds: float) -> float:
    """Tokens a second of this process."""
    import torch
    from torch import Tensor, nn
    from torch.nn.parallel import DistributedDataParallel

    from aliad.compute.transformer import initial_parameters
    from aliad.corpus.batch_codec import decode_batch
    from aliad.spec.dataset import decode_index
    from aliad.spec.package import BLOBS, JOB, decode_package
    from benchmarks.float32 import PlainTransformer

    class Loss(nn.Module):
        """The model with its loss, so that DDP sees one forward."""

        def __init__(self, model: PlainTransformer) -> None:
            super().__init__()
            self.model = model

        def forward(self, source: Tensor, target: Tensor, labels: Tensor) -> Tensor:
            return self.model.loss(source, target, labels)

    torch.set_num_threads(threads)
    torch.manual_seed(rank)
    package = decode_package((trial.folder / JOB / JOB).read_bytes())
    folder = trial.folder / JOB / BLOBS
    index = decode_index((folder / package.spec.data.batches.hex()).read_bytes())
    config = package.spec.model
    whole: nn.Module = Loss(PlainTransformer(config, initial_parameters(config, 1)))
    if world > 1:
        torch.distributed.init_process_group("gloo", rank=rank, world_size=world)
        whole = DistributedDataParallel(whole)
    optimiser = torch.optim.AdamW(whole.parameters(), lr=1e-3)
    micro = [
        lines
        for entry in index.entries[rank::world][:40]
        for lines in decode_batch((folder / entry.blob.hex()).read_bytes()).micro
    ]
    counted, started, steps = 0, 0.0, 0
    warmup = 3
    while True:
        lines = micro[steps % len(micro)]
        loss = whole(*_padded(lines)) / lines.target_tokens
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(whole.parameters(), 1.0)
        optimiser.step()
        steps += 1
        if steps == warmup:
            started = time.perf_counter()
        elif steps > warmup:
            counted += lines.target_tokens
        over = torch.tensor([float(steps > warmup and time.perf_counter() - started >= seconds)])
        if world > 1:
            torch.distributed.all_reduce(over)
        if float(over.item()):
            break
    rate = counted / (time.perf_counter() - started)
    if world > 1:
        torch.distributed.destroy_process_group()
    return rate


def _padded(lines: "MicroBatch") -> "tuple[Tensor, Tensor, Tensor]":
    """Source ids, decoder inputs and labels, padded with 0."""
    import torch

    def pad(rows: "tuple[Ids, ...]") -> "Tensor":
        width = max(map(len, rows))
        return torch.tensor([[*row, *[0] * (width - len(row))] for row in rows])

    return pad(lines.source), pad(lines.decoder_input), pad(lines.labels)


if __name__ == "__main__":
    if sys.argv[1] == "--exact":
        print(exact_seconds(int(sys.argv[2])))
    else:
        name, width, vocabulary, lines, rank, world, threads, span = sys.argv[1:]
        chosen = Trial(Path(name), int(width), int(vocabulary), int(lines))
        print(train(chosen, int(rank), int(world), int(threads), float(span)))
