"""Coverage-guided fuzzing of everything that decodes what a peer sent.

    python -m tests.fuzz.decoders --seconds 300

Needs `atheris`, which is not among the project's dependencies: ``pip install atheris``. A decoder
that raises anything but the protocol error, or accepts bytes that are not canonical, ends the run
with a report and a file that reproduces it.
"""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import atheris
import msgpack

with atheris.instrument_imports(include=["aliad"]):
    from aliad import codec
    from aliad.errors import LocalProtocolError, RemoteProtocolError
    from aliad.ledger import jobs, records
    from aliad.ledger.block import APP_HEADER, HEADER, decode_payload, encode_payload
    from aliad.ledger.events import decode_event, encode_event
    from aliad.ledger.schema import Schema
    from aliad.ledger.state_root import BUCKET, StateProof, is_proven
    from aliad.ledger.transactions import decode_transaction, encode_transaction
    from aliad.ledger.validators import VALIDATOR_SET
    from aliad.spec import order
    from aliad.spec.model import ModelConfig
    from aliad.types import Hash32
    from aliad.work.orders.messages import ASK_BATCH, DELIVER

SHAPE = ModelConfig(400, length=100)
BATCH = order.OrderBatch(bytes(32), 1, ((5, order.EOS),))

Coder = tuple[Callable[[bytes], Any], Callable[[Any], bytes]]

SCHEMAS: list[Schema[Any]] = [
    HEADER,
    APP_HEADER,
    BUCKET,
    VALIDATOR_SET,
    jobs.JOB,
    jobs.ROUND,
    jobs.DRAW,
    records.STAKE,
    ASK_BATCH,
    DELIVER,
]
CODERS: list[Coder] = [
    (codec.decode, codec.encode),
    (decode_transaction, encode_transaction),
    (decode_payload, encode_payload),
    (decode_event, encode_event),
    (order.decode_order_spec, order.encode_order_spec),
    (order.decode_order_index, order.encode_order_index),
    (
        lambda data: order.decode_order_batch(data, SHAPE),
        lambda value: order.encode_order_batch(value, SHAPE),
    ),
    (lambda data: order.decode_passages(data, BATCH, SHAPE), order.encode_passages),
    *[(schema.decode, schema.encode) for schema in SCHEMAS],
]


def try_bytes(data: bytes) -> None:
    """Every decoder on the bytes as they are, and on their canonical encoding if they have one.

    Few mutations are canonical; without the second pass hardly one would get behind the codec.
    """
    try_decoders(data)
    with contextlib.suppress(ValueError, TypeError, msgpack.exceptions.UnpackException):
        value = msgpack.unpackb(data, use_list=False, max_map_len=0, max_ext_len=0)
        with contextlib.suppress(LocalProtocolError):
            try_decoders(codec.encode(value))


def try_decoders(data: bytes) -> None:
    """A decoder gives a value that encodes to these bytes, or raises the protocol error."""
    for decode, encode in CODERS:
        try:
            value = decode(data)
        except RemoteProtocolError:
            continue
        assert encode(value) == data
    is_proven(Hash32(bytes(32)), b"key", None, StateProof(data, (Hash32(bytes(32)),) * 16))


def write_seeds(corpus: Path) -> None:
    """One valid record of several kinds to start from."""
    zero, sixty_four = bytes(32), bytes(64)
    terms = (4, zero, 1, zero, zero, 1, 3, 1, 1, 1, 1, 1)
    result = (zero, sixty_four, zero, 1, (zero, zero))
    claim = (zero, (zero,))
    vote = (1, zero, sixty_four)
    bodies: dict[int, codec.Value] = {
        1: (zero, 5),
        2: (zero, 1, 1, zero, zero),
        5: (1, True),
        6: (terms, b"spec"),
        7: (zero, 0, (result, None), zero, zero),
        8: (zero, 0, 0, zero),
        10: (zero, 0, 0, zero, 1, zero, (zero,), zero),
        11: (zero, 0, 0, 1, 0, zero, (claim, claim, claim), zero),
        12: (zero, zero, 1, 0, vote, vote),
        14: (zero, terms, b"", 1, 1),
    }
    for kind, body in bodies.items():
        data = codec.encode((1, kind, zero, 0, 0, 9, body, sixty_four))
        decode_transaction(data)
        (corpus / f"transaction-{kind}").write_bytes(data)
    (corpus / "order-batch").write_bytes(order.encode_order_batch(BATCH, SHAPE))
    (corpus / "passages").write_bytes(order.encode_passages([order.Passage((5,), 1)]))
    (corpus / "ask-batch").write_bytes(codec.encode((1, ASK_BATCH.kind, zero, 0, 0)))
    (corpus / "deliver").write_bytes(codec.encode((1, DELIVER.kind, zero, 0, 0, b"sealed")))
    (corpus / "order-spec").write_bytes(codec.encode((1, 22, "en", "de", 1, 1, zero)))
    (corpus / "order-index").write_bytes(codec.encode((1, 23, ((zero, 1),))))
    (corpus / "payload").write_bytes(codec.encode((1, 4, (b"tx",))))
    (corpus / "stake").write_bytes(codec.encode((1, records.STAKE.kind, 1, 1, ((5, 6),))))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.decoders", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="how long to run")
    parser.add_argument("--seed", type=int, default=1, help="where the mutations start")
    options = parser.parse_args()
    limits = [f"-max_total_time={options.seconds}", f"-seed={options.seed}", "-max_len=4096"]
    with tempfile.TemporaryDirectory() as corpus:
        write_seeds(Path(corpus))
        atheris.Setup([sys.argv[0], *limits, corpus], try_bytes)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
