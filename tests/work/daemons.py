"""Jobs on real daemons: preparing one, waiting for its end, and computing it again alone."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aliad.corpus.sample.corpus import make_sample, write_sample
from aliad.daemon.devnet import Devnet, DevnetNode, DevnetPlan, make_devnet
from aliad.ledger.events import Event
from aliad.local.network_job import NetworkJob, make_network_job, with_plan, write_network_job
from aliad.local.prepare import CorpusFiles
from aliad.local.recipe import round_recipe
from aliad.local.replay import Difference, Replayed, replay
from aliad.local.toml import read_spec
from aliad.node.past import find_events
from aliad.rpc.client import Client, Denied, TimedOut, Unreachable
from aliad.store.blocks import BlockRows
from aliad.store.datadir import Layout
from aliad.store.leveldb import LevelDb
from aliad.types import Hash32, Height, JobId
from aliad.work.history import find_played_rounds
from aliad.work.seeds import compute_batch_seed
from tests.local.conftest import SPEC

PATIENCE = 250.0
DEADLINES = {"round_ms": 240_000, "record_ms": 240_000, "check_ms": 60_000, "reveal_ms": 60_000}


@dataclass(frozen=True, slots=True)
class PreparedJob:
    """A job of the sample corpus, in memory and as the folder that is submitted."""

    job: NetworkJob
    folder: Path


def prepare_job(folder: Path, *, epochs: int = 2, **plan: int) -> PreparedJob:
    """120 pairs in 7 batches for a model of some thousand parameters."""
    write_sample(make_sample(120, 10, 10), folder)
    spec = SPEC.replace("epochs = 2", f"epochs = {epochs}")
    (folder / "spec.toml").write_text(spec)
    corpus = CorpusFiles(folder / "train.en", folder / "train.de")
    made = make_network_job(read_spec(folder / "spec.toml"), corpus, None)
    job = with_plan(made, **{"memory": 64, **DEADLINES, **plan})
    write_network_job(job, folder / "job")
    return PreparedJob(job, folder / "job")


def make_network(folder: Path, nodes: int = 6) -> Devnet:
    """Daemons of which four vote. Node 0 may open jobs."""
    return make_devnet(DevnetPlan(folder / "net", nodes, min(4, nodes)))


def ask(node: DevnetNode, name: str, **arguments: object) -> object:
    """One call; a daemon that is being started again is asked once more."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with node.connect(60.0) as client:
                return _call(client, name, arguments)
        except (Unreachable, TimedOut, Denied):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)


def _call(client: Client, name: str, arguments: dict[str, object]) -> object:
    return client.call(name, **arguments)  # type: ignore[arg-type]


def wait(holds: Callable[[], bool], what: str) -> None:
    """Until it holds, or the test fails."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.3)


def works(node: DevnetNode) -> bool:
    """Whether the compute processes of a daemon have passed their test."""
    status = ask(node, "work.status")
    assert isinstance(status, dict)
    return bool(status["enabled"]) and all(device["alive"] for device in status["devices"])


def submit(node: DevnetNode, job: PreparedJob) -> JobId:
    """Open the job on a node that computes."""
    wait(lambda: works(node), "the originator computes")
    opened = ask(node, "job.submit", folder=str(job.folder))
    assert isinstance(opened, dict)
    return JobId(Hash32(bytes.fromhex(str(opened["job"]))))


def show(node: DevnetNode, job: JobId) -> dict[str, object]:
    """What a node says of the job; one that has not heard of it says nothing."""
    listed = ask(node, "job.list")
    assert isinstance(listed, list)
    found = [each for each in listed if each["id"] == job.hex()]
    return dict(found[0]) if found else {"phase": "", "round": -1}


def wait_closed(node: DevnetNode, job: JobId) -> None:
    """Until the job is closed."""
    wait(lambda: show(node, job)["phase"] == "closed", "the job is closed")


@dataclass(frozen=True, slots=True)
class Past:
    """A stopped node's chain: the hashes of all its headers, and all that happened."""

    hashes: tuple[bytes, ...]
    events: tuple[Event, ...]


def read_past(node: DevnetNode) -> Past:
    """Read the database of a node that is not running."""
    store = LevelDb(Layout(node.datadir, "devnet").chain, create=False)
    try:
        rows = BlockRows(store)
        heights = [Height(at) for at in range(1, rows.tip().height + 1)]
        events = [event for at in heights for event in find_events(store, at)]
        return Past(tuple(rows.hash_at(at) or b"" for at in heights), tuple(events))
    finally:
        store.close()


def replay_alone(past: Past, job: PreparedJob, job_id: JobId, last: Hash32) -> bytes:
    """The last state's digest when one machine computes the chain's order."""
    package = job.job.package
    spec = package.spec
    order = [
        Replayed(
            played.number,
            tuple((b, compute_batch_seed(job_id, played.number, b)) for b in played.batches),
            played.result,
        )
        for played in find_played_rounds(past.events, job_id, package.parameters, last)
    ]
    recipe, batches = round_recipe(spec.recipe), job.job.prepared.batches
    end = replay(spec.model, recipe, spec.training.seed, batches, order)
    assert not isinstance(end, Difference), end
    return end.digest()
