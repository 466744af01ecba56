"""Work messages: canonical, strict, and forwarded only if the ledger agrees."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aliad.errors import RemoteProtocolError
from aliad.ledger.commitments import compute_commitment
from aliad.ledger.job_state import expect_round
from aliad.ledger.jobs import Slot
from aliad.types import BatchIndex, BlobId, Hash32, JobId, NodeId, Round, Signature
from aliad.work.judging import judge
from aliad.work.messages import (
    AskSpec,
    AskState,
    Assignment,
    Deliver,
    Delivered,
    Gossip,
    ResultMessage,
    StateAt,
    WorkNotice,
    decode_delivered,
    decode_gossip,
    decode_question,
    decode_state_at,
    encode_message,
    sign_assignment,
    sign_result,
)
from aliad.work.ports import Judgement
from aliad.work.reports import Duty, WorkReport, sign_report
from tests.ledger.chain import BY_NODE, OWNER, Chain, hash_of, key
from tests.ledger.training import ENGINE, Training

UNSIGNED = Signature(bytes(64))
JOB = JobId(hash_of("job"))
NODE = NodeId(bytes(range(32)))
REPORT = WorkReport(
    JOB, Round(3), BatchIndex(4), NODE, Duty.TRAIN, "cpu", 5, 6, 7, None, 8, 9, 10, UNSIGNED
)
EXAMPLES: list[Gossip | Deliver | AskSpec | AskState | Delivered | StateAt] = [
    Assignment(JOB, Round(3), hash_of("p"), hash_of("s"), None, UNSIGNED),
    Assignment(JOB, Round(3), hash_of("p"), hash_of("s"), BlobId(hash_of("b")), UNSIGNED),
    ResultMessage(JOB, Round(3), BatchIndex(4), NODE, hash_of("c"), UNSIGNED, REPORT),
    WorkNotice(REPORT),
    Deliver(JOB, Round(3), BatchIndex(4), hash_of("d"), BlobId(hash_of("b"))),
    AskSpec(JOB),
    AskState(JOB, (hash_of("one"), hash_of("two"))),
    Delivered(True),
    StateAt(hash_of("s"), BlobId(hash_of("b"))),
]
READERS = (decode_gossip, decode_question, decode_delivered, decode_state_at)


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda each: type(each).__name__)
def test_each_message_is_read_by_one_reader_only(message: Gossip) -> None:
    raw = encode_message(message)
    read = []
    for reader in READERS:
        try:
            read.append(reader(raw))
        except RemoteProtocolError:
            continue
    assert read == [message]


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_no_message(data: bytes) -> None:
    for reader in READERS:
        with pytest.raises(RemoteProtocolError):
            reader(data)


@given(st.sampled_from(EXAMPLES), st.data())
def test_a_changed_byte_never_gives_the_same_message(message: Gossip, data: st.DataObject) -> None:
    raw = bytearray(encode_message(message))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    for reader in READERS:
        try:
            assert reader(bytes(raw)) != message
        except RemoteProtocolError:
            continue


@pytest.fixture(scope="module")
def training() -> Training:
    made = Training(Chain(), workers=4)
    made.open()
    return made


def result_of(training: Training, slot: Slot, update: str = "update") -> ResultMessage:
    """What an honest trainer of the open round says."""
    number, genesis = training.job.round, training.chain.hash
    place, signer = (training.id, number, slot.batch), BY_NODE[slot.trainer]
    report = replace(REPORT, job=training.id, round=number, batch=slot.batch, node=slot.trainer)
    commitment = compute_commitment(genesis, *place, slot.trainer, hash_of(update))
    message = ResultMessage(
        *place, slot.trainer, commitment, UNSIGNED, sign_report(report, signer, genesis)
    )
    return sign_result(message, training.job.parameters, ENGINE, signer, genesis)


def judged(training: Training, message: Gossip, author: NodeId) -> Judgement:
    return judge(message, author, training.chain.state, training.chain.hash)


def slots(training: Training) -> tuple[Slot, ...]:
    return expect_round(training.chain.state, training.id, training.job.round).slots


def test_an_honest_result_is_passed_on(training: Training) -> None:
    for slot in slots(training):
        assert judged(training, result_of(training, slot), slot.trainer) is Judgement.ACCEPT


def test_a_result_of_another_time_is_dropped_without_blame(training: Training) -> None:
    slot = slots(training)[0]
    for number in (training.job.round + 1, training.job.round + 9):
        late = replace(result_of(training, slot), round=Round(number))
        assert judged(training, late, slot.trainer) is Judgement.IGNORE
    elsewhere = replace(result_of(training, slot), job=JOB)
    assert judged(training, elsewhere, slot.trainer) is Judgement.IGNORE


def test_a_result_that_no_honest_node_sends_is_rejected(training: Training) -> None:
    first, second = slots(training)[:2]
    honest = result_of(training, first)
    stranger = key("stranger").node_id
    copied = replace(honest, node=second.trainer, batch=second.batch)
    for message, author in (
        (honest, stranger),
        (replace(honest, node=stranger), stranger),
        (copied, second.trainer),
        (replace(honest, commitment=hash_of("other")), first.trainer),
        (replace(honest, signature=UNSIGNED), first.trainer),
        (replace(honest, batch=second.batch), first.trainer),
        (replace(honest, report=replace(honest.report, micros=1)), first.trainer),
        (replace(honest, report=result_of(training, second).report), first.trainer),
    ):
        assert judged(training, message, author) is Judgement.REJECT


def assignment_of(training: Training) -> Assignment:
    found = expect_round(training.chain.state, training.id, training.job.round)
    plain = Assignment(
        training.id, training.job.round, found.parameters, found.seed, None, UNSIGNED
    )
    return sign_assignment(plain, OWNER, training.chain.hash)


def test_an_assignment_must_be_the_ledgers_and_the_originators(training: Training) -> None:
    honest = assignment_of(training)
    owner = OWNER.node_id
    assert judged(training, honest, owner) is Judgement.ACCEPT
    stranger = training.workers[0]
    forged = sign_assignment(honest, stranger, training.chain.hash)
    for message, author in (
        (honest, stranger.node_id),
        (forged, stranger.node_id),
        (forged, owner),
        (replace(honest, parameters=hash_of("other")), owner),
        (replace(honest, seed=Hash32(bytes(32))), owner),
        (replace(honest, state=BlobId(hash_of("b"))), owner),
    ):
        assert judged(training, message, author) is Judgement.REJECT
    later = replace(honest, round=Round(honest.round + 1))
    assert judged(training, later, owner) is Judgement.IGNORE


def test_a_notice_without_a_draw_is_dropped_and_a_forged_one_rejected(training: Training) -> None:
    worker = training.workers[0]
    report = replace(REPORT, job=training.id, node=worker.node_id, duty=Duty.CHECK)
    signed = WorkNotice(sign_report(report, worker, training.chain.hash))
    assert judged(training, signed, worker.node_id) is Judgement.IGNORE
    assert judged(training, WorkNotice(report), worker.node_id) is Judgement.REJECT
    assert judged(training, signed, OWNER.node_id) is Judgement.REJECT
