"""Questions about orders, and the notes: bounds, hostile bytes, what is forgotten."""

import random

import pytest

from aliad.crypto import SEAL_BYTES, key_from_seed
from aliad.errors import RemoteProtocolError
from aliad.ledger.jobs import JobTerms
from aliad.spec.model import ModelConfig
from aliad.spec.order import (
    EOS,
    MAX_PASSAGES_BYTES,
    OrderSpec,
    Passage,
    encode_order_spec,
    encode_passages,
)
from aliad.types import BatchIndex, BlobId, Hash32, JobId, Ppm, Round
from aliad.work.notebook import MemoryNotes
from aliad.work.orders.book import OrderBook, OrderNote, Said
from aliad.work.orders.messages import (
    ASK_BATCH,
    DELIVER,
    MAX_QUESTION_BYTES,
    AskBatch,
    DeliverTranslation,
    OrderQuestion,
    decode_order_question,
    is_order_question,
)
from aliad.work.orders.opening import cut_order

JOB = JobId(b"j" * 32)
SHAPE = ModelConfig(300, length=100)
ME = key_from_seed(b"k" * 32)


def test_questions_come_back_as_they_were() -> None:
    ask = AskBatch(JOB, Round(3), BatchIndex(5))
    longest = b"s" * (MAX_PASSAGES_BYTES + SEAL_BYTES)
    most = DeliverTranslation(JOB, Round(3), BatchIndex(5), longest)
    said: list[tuple[OrderQuestion, bytes]] = [(ask, ASK_BATCH.encode(ask))]
    said.append((most, DELIVER.encode(most)))
    for message, data in said:
        assert len(data) <= MAX_QUESTION_BYTES < 64 << 10
        assert is_order_question(data)
        assert decode_order_question(data) == message


def test_hostile_bytes_are_refused_and_never_taken_for_a_question() -> None:
    chance = random.Random(1)
    seed = DELIVER.encode(DeliverTranslation(JOB, Round(1), BatchIndex(2), b"sealed"))
    refused = 0
    for _ in range(2_000):
        data = bytearray(seed)
        for _ in range(chance.randint(1, 3)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            decode_order_question(bytes(data))
        except RemoteProtocolError:
            refused += 1
    assert refused > 500
    for other in (b"", b"\xc0", bytes(MAX_QUESTION_BYTES + 1), seed[:-1]):
        assert not is_order_question(other)
        with pytest.raises(RemoteProtocolError):
            decode_order_question(other)


def make_note(manifest: Hash32) -> OrderNote:
    nothing = Hash32(bytes(32))
    spec = encode_order_spec(OrderSpec("en", "de", 2, 3, BlobId(nothing)))
    terms = JobTerms(1, manifest, 1, nothing, nothing, 1, 3, Ppm(1), 1, 1, 1, 1)
    return OrderNote(JOB, terms, spec, SHAPE.vocabulary, SHAPE.length)


def test_a_forgotten_order_leaves_nothing_behind() -> None:
    notes = MemoryNotes()
    book = OrderBook(notes)
    sources = [(5, 6, EOS), (7, EOS), (8, 9, 10, EOS)]
    cut = cut_order(sources, SHAPE, 2, lambda: b"s" * 32)
    other = cut_order(sources, SHAPE, 2, lambda: b"t" * 32)
    assert cut.root != other.root
    for each in (cut, other):
        book.put_order(each.root, make_note(each.root), each.index, each.batches)
        book.put_job(each.root, JOB)
        passages = encode_passages([Passage((5,), 1)] * 3)
        book.put_result(each.root, BatchIndex(0), Round(4), ME.node_id, passages)
    assert dict(book.orders()).keys() == {cut.root, other.root}
    note = book.order(cut.root)
    assert note is not None
    assert note.wish.beam == 2
    assert book.own_index(cut.root) == cut.index
    batch = book.batch(cut.root, BatchIndex(0))
    assert batch is not None
    assert sorted(batch.places) == [0, 1, 2]
    before = {key for key in notes.values if key[2:34] == other.root}
    book.drop(cut.root)
    assert set(notes.values) == before
    assert book.order(cut.root) is None
    assert not list(book.receipts(cut.root))


def test_what_is_kept_for_a_job_goes_with_it() -> None:
    notes = MemoryNotes()
    book = OrderBook(notes)
    book.put_spec(JOB, make_note(Hash32(bytes(32))).spec)
    book.put_copy(JOB, BatchIndex(1), b"box")
    book.put_sealed(JOB, Round(1), BatchIndex(1), b"box")
    book.put_delivery(JOB, Round(1), BatchIndex(1), Said.HEARD)
    assert list(book.deliveries(JOB)) == [(1, 1, Said.HEARD)]
    assert book.known_jobs() == {JOB}
    book.forget(JOB)
    assert not notes.values
    with pytest.raises(RemoteProtocolError):
        book.put_spec(JOB, b"no spec")
