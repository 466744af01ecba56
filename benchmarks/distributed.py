"""Training by real daemons against DistributedDataParallel and against one process, on one machine.

    python -m benchmarks.distributed [--rounds 8] [--seconds 5] [--width 256]

Three daemons on loopback (the ledger wants a trainer and two checkers) with one compute thread each
train a job with all verification on. On the same machine, with the same model and micro-batches,
plain float32 torch trains with AdamW: one process with as many threads as there are cores, and
one process a core with DistributedDataParallel over gloo. The baselines run before and after the
network, and the mean of both counts. Draws are those of workers with a history. Prints JSON.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from aliad.daemon.devnet import Devnet, DevnetNode, DevnetPlan, make_devnet
from aliad.ledger.events import BatchAccepted, BatchDrawn, Event, RoundOpened, RoundRecorded
from aliad.ledger.params import Params
from aliad.node.past import find_events
from aliad.spec.job import Plan
from aliad.spec.model import count_parameters
from aliad.spec.training import BatchSpec, ModelSpec, OptimiserSpec, TrainingSpec
from aliad.store import audit
from aliad.store.blobs import BlobStore
from aliad.store.blocks import BlockRows
from aliad.store.datadir import Layout
from aliad.store.leveldb import LevelDb
from aliad.types import BlobId, Height, Millis, Round
from aliad.work.messages import ResultMessage, decode_gossip
from benchmarks.plain_training import Trial, measure_plain

WORKERS = 3
VOCABULARY = 1600
LINES = 20
PAIRS = 12_000
CORES = max(1, (os.cpu_count() or 2))


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run of the network took. Seconds are medians over rounds."""

    rounds: int
    tokens_per_s: float
    round_seconds: float
    compute_seconds: float
    noncompute_share: float
    open_to_result_seconds: float
    result_to_open_seconds: float
    checks: int
    update_bytes: float
    mean_bytes: float


def make_spec(width: int, micro: int) -> TrainingSpec:
    """A model of 3+3 layers; batches of ``micro`` local steps of 20 lines."""
    model = ModelSpec(vocabulary=VOCABULARY, width=width, hidden=4 * width, heads=4, length=64)
    return TrainingSpec(
        "benchmark", "en", "de", 100, 1, model, BatchSpec(LINES, micro, WORKERS), OptimiserSpec()
    )


def prepare(folder: Path, spec: TrainingSpec) -> list[int]:
    """Write the job's folder; the tokens of every batch."""
    from aliad.corpus.sample.corpus import make_sample, write_sample
    from aliad.local.network_job import make_network_job, write_network_job
    from aliad.local.prepare import CorpusFiles

    write_sample(make_sample(PAIRS, 10, 10), folder)
    plan = Plan(rounds=1000, memory=256, round_ms=600_000, record_ms=600_000, check_ms=600_000)
    corpus = CorpusFiles(folder / "train.en", folder / "train.de")
    job = make_network_job(spec, corpus, None, plan)
    write_network_job(job, folder / "job")
    return [batch.target_tokens for batch in job.prepared.batches]


def run_network(net: Devnet, job: Path, most: int) -> str:
    """Train so many rounds, then stop everything; the job's id."""
    with net:
        net.start()
        for node in net.nodes:
            while not all(device["alive"] for device in rows(ask(node, "work.status")["devices"])):
                time.sleep(0.5)
        origin = net.nodes[0]
        name = str(ask(origin, "job.submit", folder=str(job))["job"])
        while int(str(rows(call(origin, "job.list"))[0]["round"])) < most:
            time.sleep(1.0)
    return name


def call(node: DevnetNode, method: str, **arguments: str) -> object:
    """One call of a daemon."""
    with node.connect(120.0) as client:
        return client.call(method, **arguments)


def ask(node: DevnetNode, method: str, **arguments: str) -> dict[str, object]:
    """One call of a daemon that is answered by an object."""
    answer = call(node, method, **arguments)
    assert isinstance(answer, dict)
    return dict(answer)


def rows(value: object) -> list[dict[str, object]]:
    """A list of objects in an answer."""
    assert isinstance(value, list)
    return value


def read_events(folder: Path) -> list[tuple[Millis, Event]]:
    """Everything that happened, with the times of its blocks."""
    store = LevelDb(Layout(folder, "devnet").chain, create=False)
    try:
        rows = BlockRows(store)
        found: list[tuple[Millis, Event]] = []
        for at in range(1, rows.tip().height + 1):
            raw = rows.header(Height(at))
            assert raw is not None
            moment = read_time(raw)
            found += [(moment, event) for event in find_events(store, Height(at))]
        return found
    finally:
        store.close()


def read_time(raw: bytes) -> Millis:
    """A header's timestamp."""
    from aliad.store.ledger_format import read_header

    return read_header(raw)[0].time


def read_results(folder: Path) -> list[tuple[Millis, ResultMessage]]:
    """Every result that a node heard, and when it heard it."""
    store = LevelDb(Layout(folder, "devnet").chain, create=False)
    try:
        heard = []
        for _, entry in audit.entries(store):
            if entry.kind == "result":
                message = decode_gossip(entry.payload)
                assert isinstance(message, ResultMessage)
                heard.append((entry.time, message))
        return heard
    finally:
        store.close()


def measure(folder: Path, tokens: Sequence[int], skip: int) -> Measured:
    """From the originator's database: times, work reports, sizes. The first rounds do not count."""
    events = read_events(folder)
    opened = {e.round: at for at, e in events if isinstance(e, RoundOpened)}
    recorded = [(at, e) for at, e in events if isinstance(e, RoundRecorded)]
    accepted = [(at, e) for at, e in events if isinstance(e, BatchAccepted)]
    numbers = [Round(n) for n in sorted(opened) if n >= skip and n + 1 in opened]
    wall = (opened[Round(numbers[-1] + 1)] - opened[numbers[0]]) / 1000
    done = sum(tokens[e.batch] for _, e in accepted if e.round in numbers)
    micros: dict[Round, list[int]] = defaultdict(list)
    last: dict[Round, int] = defaultdict(int)
    for at, message in read_results(folder):
        micros[message.round].append(message.report.micros)
        last[message.round] = max(last[message.round], at)
    lasted = [(opened[Round(n + 1)] - opened[n]) / 1000 for n in numbers]
    computed = [max(micros[n]) / 1e6 for n in numbers if micros[n]]
    to_result = [(last[n] - opened[n]) / 1000 for n in numbers if last[n]]
    to_open = [(opened[Round(n + 1)] - last[n]) / 1000 for n in numbers if last[n]]
    blobs = BlobStore(Layout(folder, "devnet").blobs, 20 << 30)
    means = [size_of(blobs, BlobId(e.aggregate)) for _, e in recorded if e.round in numbers]
    return Measured(
        len(numbers),
        done / wall,
        statistics.median(lasted),
        statistics.median(computed),
        1 - sum(computed) / sum(lasted),
        statistics.median(to_result),
        statistics.median(to_open),
        len([e for _, e in events if isinstance(e, BatchDrawn)]),
        statistics.median(updates_of(folder)),
        statistics.median([size for size in means if size]),
    )


def size_of(blobs: BlobStore, blob: BlobId) -> int:
    """Bytes of a blob that is here; 0 if it is not."""
    holding = blobs.holding(blob)
    return 0 if holding is None else holding.manifest.length


def updates_of(folder: Path) -> list[int]:
    """Bytes of the updates that this node made itself and still has."""
    from aliad.node.notes import StoreNotes
    from aliad.work.notebook import OWN_RESULT, Notebook

    store = LevelDb(Layout(folder, "devnet").base / "compute" / "notes", create=False)
    try:
        book = Notebook(StoreNotes(store))
        blobs = BlobStore(Layout(folder, "devnet").blobs, 20 << 30)
        found = [
            size_of(blobs, blob)
            for key, _ in book.notes.items(OWN_RESULT)
            for blob in book.files_of(OWN_RESULT, key)[1]
        ]
        return [size for size in found if size]
    finally:
        store.close()


def find_micro_batches(width: int, seconds: float) -> int:
    """How many local steps of 20 lines an exact worker makes in so many seconds, measured."""
    command = [sys.executable, "-m", "benchmarks.plain_training", "--exact", str(width)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return max(1, round(seconds / float(done.stdout.strip().splitlines()[-1])))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--width", type=int, default=256)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Three workers share the cores, so a batch that alone takes less takes that long here.
        share = max(1.0, WORKERS / CORES)
        micro = find_micro_batches(chosen.width, chosen.seconds / share)
        spec = make_spec(chosen.width, micro)
        tokens = prepare(folder, spec)
        trial = Trial(folder, chosen.width, VOCABULARY, LINES)
        before = measure_plain(trial, CORES)
        params = replace(Params(), newcomer_factor=1)
        net = make_devnet(DevnetPlan(folder / "net", WORKERS, WORKERS, params=params))
        run_network(net, folder / "job", chosen.rounds + 3)
        after = measure_plain(trial, CORES)
        found = measure(net.nodes[0].datadir, tokens, 2)
    single = (before.single + after.single) / 2
    ddp = (before.ddp + after.ddp) / 2
    parameters = count_parameters(spec.config())
    print(json.dumps(asdict(found), indent=2))
    result = {
        "tokens_per_s": round(found.tokens_per_s, 1),
        "ratio_to_ddp": round(found.tokens_per_s / ddp, 3),
        "ratio_to_single": round(found.tokens_per_s / single, 3),
        "noncompute_share": round(found.noncompute_share, 3),
        "bytes_per_round": int(found.update_bytes),  # up; down is the mean of the same length
        "bytes_down_per_round": int(found.mean_bytes),
        "bytes_per_parameter": round(found.update_bytes / parameters, 3),
        "parameters": parameters,
        "rounds": found.rounds,
        "checks": found.checks,
        "workers": WORKERS,
        "cores": CORES,
        "micro_batches": micro,
        "lines": LINES,
        "plain_single_before": round(before.single, 1),
        "plain_single_after": round(after.single, 1),
        "plain_ddp_before": round(before.ddp, 1),
        "plain_ddp_after": round(after.ddp, 1),
        "load": round(os.getloadavg()[0], 2),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
