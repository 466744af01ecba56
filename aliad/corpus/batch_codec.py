"""Canonical bytes of a batch and its content digest.

``[1, 1, [[[source ids, ...], [target ids, ...]], ...]]``: one entry per micro-batch. The bytes
come from strangers, so the decoder accepts only what the encoder can have written: every source
ends with EOS, no other id is a special one, both sides have the same number of lines.
"""

from typing import Final

from aliad.codec import Fields, Value, encode, open_record
from aliad.corpus.batch import Batch, Ids, MicroBatch
from aliad.corpus.tokenizer import EOS
from aliad.crypto import digest, domain
from aliad.errors import InputError, RemoteProtocolError
from aliad.types import Hash32

VERSION: Final = 1
BATCH_KIND: Final = 1
MAX_BATCH_BYTES: Final = 2 << 20
MAX_MICRO_BATCHES: Final = 4096
MAX_LINES: Final = 4096
MAX_IDS: Final = 4096
MAX_VOCABULARY: Final = 1 << 20

_DOMAIN: Final = domain("batch")


def batch_digest(data: bytes) -> Hash32:
    """Give the content digest of an encoded batch."""
    return digest(_DOMAIN, data)


def encode_batch(batch: Batch) -> bytes:
    """Give the canonical bytes of ``batch``.

    Raises InputError if it could not be decoded again: too large, or not a batch.
    """
    data = encode(
        (VERSION, BATCH_KIND, tuple((micro.source, micro.target) for micro in batch.micro))
    )
    try:
        decode_batch(data)
    except RemoteProtocolError as error:
        raise InputError(
            f"A batch of {batch.lines} lines cannot be encoded.",
            f"{error.what}.",
            f"Cut smaller batches: at most {MAX_LINES} lines a step, {MAX_IDS} tokens a line.",
        ) from error
    return data


def decode_batch(data: bytes, vocabulary: int = MAX_VOCABULARY) -> Batch:
    """Read a batch whose ids are all below ``vocabulary``.

    Raises RemoteProtocolError, and nothing else, for any other bytes.
    """
    fields = open_record(
        data,
        VERSION,
        BATCH_KIND,
        "batch",
        max_bytes=MAX_BATCH_BYTES,
        max_items=max(MAX_MICRO_BATCHES, MAX_LINES, MAX_IDS),
    )
    micro = fields.items(lambda value: _micro_batch(value, vocabulary), MAX_MICRO_BATCHES, 1)
    fields.end()
    return Batch(micro)


def _micro_batch(value: Value, vocabulary: int) -> MicroBatch:
    fields = Fields(value, "micro-batch")
    source = fields.items(lambda ids: _source(ids, vocabulary), MAX_LINES, 1)
    target = fields.items(lambda ids: _ids(ids, vocabulary), MAX_LINES, 1)
    fields.end()
    if len(source) != len(target):
        raise RemoteProtocolError(f"micro-batch: {len(source)} sources, {len(target)} targets")
    return MicroBatch(source, target)


def _source(value: Value, vocabulary: int) -> Ids:
    if type(value) is not tuple or value[-1:] != (EOS,) or type(value[-1]) is not int:
        raise RemoteProtocolError("micro-batch: a source does not end with EOS")
    return (*_ids(value[:-1], vocabulary), EOS)


def _ids(value: Value, vocabulary: int) -> Ids:
    if type(value) is not tuple or not 1 <= len(value) < MAX_IDS:
        raise RemoteProtocolError(f"micro-batch: a line does not have 1 to {MAX_IDS - 1} ids")
    ids: list[int] = []
    for token in value:
        if type(token) is not int or not EOS < token < vocabulary:
            raise RemoteProtocolError(f"micro-batch: an id is not between {EOS} and {vocabulary}")
        ids.append(token)
    return tuple(ids)
