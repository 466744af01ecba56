"""What nodes say about their work: shown in the audit, and drawn as a job's curve."""

from dataclasses import replace

import pytest

import aliad.rpc.methods  # noqa: F401
from aliad.daemon.curves import Curve
from aliad.ledger.job_state import get_jobs
from aliad.peer_id import peer_id_of
from aliad.rpc.registry import METHODS
from aliad.store import audit
from aliad.store.kv import WriteBatch
from aliad.types import BatchIndex, Hash32, JobId, Millis, NodeId, Round, Signature
from aliad.work.messages import ResultMessage, encode_message
from aliad.work.reports import Duty, WorkReport
from tests.ledger.chain import OWNER, key
from tests.ledger.training import Training
from tests.rpc.world import StoredChain, make_backend

WORKER = key("worker 1").node_id


def say(job: JobId, number: int, batch: int, loss: int, tokens: int) -> ResultMessage:
    report = WorkReport(
        job,
        Round(number),
        BatchIndex(batch),
        WORKER,
        Duty.TRAIN,
        "a CPU",
        1_000_000,
        tokens,
        1 << 20,
        45_000,
        0,
        0,
        loss,
        Signature(bytes(64)),
    )
    return ResultMessage(
        job, Round(number), BatchIndex(batch), WORKER, Hash32(bytes(32)), report.signature, report
    )


def log(chain: StoredChain, time: int, message: ResultMessage, kind: str = "result") -> None:
    """As the node does that hears it."""
    place = message.job + message.round.to_bytes(8, "big")
    batch = place + message.batch.to_bytes(8, "big")
    entry = audit.AuditEntry(
        Millis(time), kind, (message.job, place, batch, WORKER), encode_message(message)
    )
    writing = WriteBatch()
    audit.append(writing, audit.extent(chain.store), [entry])
    chain.store.write(writing, sync=True)


@pytest.fixture
def reported() -> tuple[StoredChain, JobId]:
    chain = StoredChain()
    job = Training(chain).id
    for number in range(3):
        for batch in range(2):
            time = 10_000 * number + 1000 * batch
            log(chain, time, say(job, number, batch, 4000 - 1000 * number, 100 * (batch + 1)))
    return chain, job


def test_a_curve_follows_the_reports(reported: tuple[StoredChain, JobId]) -> None:
    chain, job = reported
    curve = Curve(job)
    curve.read(chain.store)
    assert curve.losses() == (4.0, 3.0, 2.0)
    assert curve.tokens_per_second() == 300.0
    assert curve.seconds_left(6) == pytest.approx(3 * 21 / 3)
    log(chain, 30_000, say(job, 3, 0, 1000, 50))
    log(chain, 31_000, replace(say(job, 3, 1, 9000, 50)), kind="work-notice")
    curve.read(chain.store)
    assert curve.losses() == (4.0, 3.0, 2.0, 1.0)


def test_the_mean_is_weighted_by_tokens() -> None:
    chain = StoredChain()
    job = Training(chain).id
    log(chain, 0, say(job, 0, 0, 1000, 300))
    log(chain, 0, say(job, 0, 1, 5000, 100))
    curve = Curve(job)
    curve.read(chain.store)
    assert curve.losses() == (2.0,)


@pytest.mark.trio
async def test_what_was_said_is_audited_with_what_the_ledger_did(
    reported: tuple[StoredChain, JobId],
) -> None:
    chain, job = reported
    node = make_backend(chain, OWNER.node_id)
    assert [found for found, _ in get_jobs(chain.state)] == [job]
    said = await METHODS["audit.batch"].call(node, {"job": job.hex()[:8], "round": 1, "batch": 0})
    assert isinstance(said, dict)
    (entry,) = said["entries"]
    assert isinstance(entry, dict)
    assert entry["kind"] == "result"
    assert "loss 3.000" in str(entry["text"])
    assert "45 °C" in str(entry["text"])
    whole = await METHODS["audit.node"].call(node, {"node": peer_id_of(NodeId(WORKER))})
    assert isinstance(whole, dict)
    kinds = [each["kind"] for each in whole["entries"]]
    assert kinds.count("result") == 6
    assert "worker_registered" in kinds
