"""A batch's canonical bytes as lines of token ids.

    [1, 1, [[[source ids, …], …], [[target ids, …], …]], …]]      one entry a micro-batch

Sources end with the end mark; targets are bare: the decoder reads the start mark and the ids, and
predicts the ids and the end mark.
"""

from dataclasses import dataclass
from typing import Final

from aliad.codec import Value, open_record
from aliad.compute.decode import BOS, EOS
from aliad.compute.microbatch import Ids, TokenLines, check_lines
from aliad.compute.process.wire import from_wire
from aliad.errors import InputError, RemoteProtocolError
from aliad.spec.model import ModelConfig

VERSION: Final = 1
BATCH_KIND: Final = 1
MAX_BYTES: Final = 2 << 20
MAX_MICRO: Final = 4096
MAX_ITEMS: Final = 4096


@dataclass(frozen=True, slots=True)
class Lines:
    """One micro-batch; row i of all three belong together."""

    source: tuple[Ids, ...]
    decoder_input: tuple[Ids, ...]
    labels: tuple[Ids, ...]


@dataclass(frozen=True, slots=True)
class _Sides:
    source: tuple[Ids, ...]
    target: tuple[Ids, ...]


def read_lines(data: bytes, config: ModelConfig) -> tuple[TokenLines, ...]:
    """The micro-batches of a batch. Raises InputError unless a model of `config` can take them."""
    try:
        fields = open_record(
            data, VERSION, BATCH_KIND, "batch", max_bytes=MAX_BYTES, max_items=MAX_ITEMS
        )
        micro = fields.items(_lines, MAX_MICRO, 1)
        fields.end()
    except RemoteProtocolError as error:
        raise InputError(
            "The batch cannot be read.", f"{error.what}.", "Fetch it again by its digest."
        ) from error
    for lines in micro:
        check_lines(lines, config.vocabulary, config.length)
    return micro


def _lines(value: Value) -> Lines:
    sides = from_wire(_Sides, value)
    if not 1 <= len(sides.source) == len(sides.target):
        raise RemoteProtocolError(
            f"a micro-batch has {len(sides.source)} sources and {len(sides.target)} targets"
        )
    if any(line[-1:] != (EOS,) for line in sides.source):
        raise RemoteProtocolError("a source does not end with the end mark")
    bare = [line[:-1] for line in sides.source] + list(sides.target)
    if any(not ids or min(ids) <= EOS for ids in bare):
        raise RemoteProtocolError("a line is empty, or holds padding or a mark")
    return Lines(
        sides.source,
        tuple((BOS, *ids) for ids in sides.target),
        tuple((*ids, EOS) for ids in sides.target),
    )
