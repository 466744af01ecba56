"""A translation order: what the ledger carries of it, what its batches hold, what they give.

    spec      [1, 22, source, target, beam, sources, index]       public: in `OpenOrder`
    index     [1, 23, [[batch digest, work], …]]                  public: a blob
    batch     [1, 24, salt, beam, [ids, …]]                       secret: sealed to who needs it
    passages  [1, 25, [[ids, score], …]]                          secret: sealed to the customer

A batch holds token ids, so no tokenizer is part of what must be exact. Its random salt goes into
the digests of the batch and of its passages: nobody can find out by guessing what a digest on the
chain stands for.

The work of a batch is a rule, not a measurement: whoever sees the lengths can tell it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from aliad.codec import Fields, Value, encode, open_record
from aliad.crypto import digest, domain
from aliad.errors import InputError, LocalProtocolError, RemoteProtocolError
from aliad.spec.model import ModelConfig
from aliad.types import BlobId, Hash32, MegaMac

Ids: TypeAlias = tuple[int, ...]
"""Token ids: of a source with the end mark, of a passage without."""

VERSION: Final = 1
SPEC_KIND: Final = 22
INDEX_KIND: Final = 23
BATCH_KIND: Final = 24
PASSAGES_KIND: Final = 25

MAX_SOURCES: Final = 32
"""Sources in a batch."""
MAX_TOKENS: Final = 2_048
"""Tokens of all sources of a batch, end marks included."""
MAX_BATCHES: Final = 4_096
"""As many as the ledger takes."""
MAX_BEAM: Final = 32
SALT_BYTES: Final = 32
EOS: Final = 3
"""The end mark, of every vocabulary."""

MAX_SPEC_BYTES: Final = 1 << 10
MAX_INDEX_BYTES: Final = 256 << 10
MAX_BATCH_BYTES: Final = 16 << 10
MAX_PASSAGES_BYTES: Final = 32 << 10

_MAX_LANGUAGE_BYTES: Final = 35  # the longest tag that RFC 5646 says an application must take
_MAX_WORK: Final = 1 << 40
_MAX_SCORE: Final = 1 << 40
_BATCH_DOMAIN: Final = domain("order-batch")
_PASSAGES_DOMAIN: Final = domain("passages")


@dataclass(frozen=True, slots=True)
class OrderSpec:
    """What everybody may know. `source` and `target` are languages, `sources` counts what is to be
    translated, `index` is the blob of the `OrderIndex`."""

    source: str
    target: str
    beam: int
    sources: int
    index: BlobId


@dataclass(frozen=True, slots=True)
class OrderEntry:
    """One batch: the digest of its bytes, its work in mega-MAC."""

    digest: Hash32
    work: MegaMac


@dataclass(frozen=True, slots=True)
class OrderIndex:
    """All batches, in the order that ``BatchIndex`` counts. Its Merkle root names the order."""

    entries: tuple[OrderEntry, ...]

    @property
    def work(self) -> MegaMac:
        """Of all batches."""
        return MegaMac(sum(entry.work for entry in self.entries))


@dataclass(frozen=True, slots=True)
class OrderBatch:
    """Sources to be translated with ``beam`` hypotheses kept each."""

    salt: bytes
    beam: int
    sources: tuple[Ids, ...]


@dataclass(frozen=True, slots=True)
class Passage:
    """A translation. `score`: the negated log-probability of a token, in millionths of a nat."""

    ids: Ids
    score: int


def encode_order_spec(spec: OrderSpec) -> bytes:
    """The canonical bytes. Raises InputError for what no order can be."""
    _check_spec(spec)
    return encode(
        (VERSION, SPEC_KIND, spec.source, spec.target, spec.beam, spec.sources, spec.index)
    )


def _check_spec(spec: OrderSpec) -> None:
    for name in (spec.source, spec.target):
        if not name or len(name.encode()) > _MAX_LANGUAGE_BYTES:
            raise InputError(
                f"An order cannot name a language {name!r}.",
                f"It must have 1 to {_MAX_LANGUAGE_BYTES} bytes.",
                "Give a tag such as `en` or `pt-BR`.",
            )
    if not 1 <= spec.beam <= MAX_BEAM:
        raise InputError(
            f"A beam of {spec.beam} cannot be ordered.", f"It must be 1 to {MAX_BEAM}."
        )
    if not 1 <= spec.sources <= MAX_BATCHES * MAX_SOURCES:
        raise InputError(
            f"An order cannot have {spec.sources} sentences.",
            f"It must have 1 to {MAX_BATCHES * MAX_SOURCES}.",
            "Split the document.",
        )


def decode_order_spec(data: bytes) -> OrderSpec:
    """Read a spec. Raises RemoteProtocolError, and nothing else, for any other bytes."""
    fields = open_record(data, VERSION, SPEC_KIND, "order spec", max_bytes=MAX_SPEC_BYTES)
    spec = OrderSpec(
        fields.text(_MAX_LANGUAGE_BYTES),
        fields.text(_MAX_LANGUAGE_BYTES),
        fields.uint(),
        fields.uint(),
        BlobId(fields.hash32()),
    )
    fields.end()
    try:
        _check_spec(spec)
    except InputError as error:
        raise RemoteProtocolError(f"order spec: {error.what}", error.why) from error
    return spec


def encode_order_index(index: OrderIndex) -> bytes:
    """The canonical bytes. Raises InputError for none or too many batches."""
    if not 1 <= len(index.entries) <= MAX_BATCHES:
        raise InputError(
            f"An order of {len(index.entries)} batches cannot be placed.",
            f"It must have 1 to {MAX_BATCHES}.",
            "Split the document.",
        )
    rows = tuple((entry.digest, entry.work) for entry in index.entries)
    return encode((VERSION, INDEX_KIND, rows))


def decode_order_index(data: bytes) -> OrderIndex:
    """Read an index. Raises RemoteProtocolError, and nothing else, for any other bytes."""
    fields = open_record(
        data, VERSION, INDEX_KIND, "order index", max_bytes=MAX_INDEX_BYTES, max_items=MAX_BATCHES
    )
    entries = fields.items(_entry, MAX_BATCHES, 1)
    fields.end()
    return OrderIndex(entries)


def _entry(value: Value) -> OrderEntry:
    fields = Fields(value, "order index entry")
    entry = OrderEntry(fields.hash32(), MegaMac(fields.uint(_MAX_WORK)))
    fields.end()
    if not entry.work:
        raise RemoteProtocolError("order index entry: a batch without work")
    return entry


def encode_order_batch(batch: OrderBatch, shape: ModelConfig) -> bytes:
    """The canonical bytes. Raises LocalProtocolError for what the model cannot read."""
    try:
        _check_batch(batch, shape)
    except RemoteProtocolError as error:
        raise LocalProtocolError(error.what) from error
    return encode((VERSION, BATCH_KIND, batch.salt, batch.beam, batch.sources))


def decode_order_batch(data: bytes, shape: ModelConfig) -> OrderBatch:
    """Read a batch for a model. Raises RemoteProtocolError, and nothing else, for other bytes."""
    fields = open_record(data, VERSION, BATCH_KIND, "order batch", max_bytes=MAX_BATCH_BYTES)
    batch = OrderBatch(
        fields.blob(SALT_BYTES, SALT_BYTES),
        fields.uint(MAX_BEAM),
        fields.items(_make_reader(shape.vocabulary, shape.length), MAX_SOURCES, 1),
    )
    fields.end()
    _check_batch(batch, shape)
    return batch


def _make_reader(vocabulary: int, length: int) -> Callable[[Value], Ids]:
    """Reads at most ``length`` ids of a vocabulary, padding not among them."""

    def read(value: Value) -> Ids:
        if type(value) is not tuple or len(value) > length:
            raise RemoteProtocolError(f"token ids are not an array of at most {length}")
        ids: list[int] = []
        for each in value:
            if type(each) is not int or not 1 <= each < vocabulary:
                raise RemoteProtocolError(f"a token id is not from 1 to {vocabulary - 1}")
            ids.append(each)
        return tuple(ids)

    return read


def _check_batch(batch: OrderBatch, shape: ModelConfig) -> None:
    read = _make_reader(shape.vocabulary, shape.length)
    for source in batch.sources:
        read(source)
        if not source or source[-1] != EOS:
            raise RemoteProtocolError("order batch: a source does not end with the end mark")
    if len(batch.salt) != SALT_BYTES:
        raise RemoteProtocolError(f"order batch: the salt has not {SALT_BYTES} bytes")
    if not 1 <= batch.beam <= MAX_BEAM:
        raise RemoteProtocolError(f"order batch: a beam of {batch.beam}")
    if not 1 <= len(batch.sources) <= MAX_SOURCES:
        raise RemoteProtocolError(f"order batch: {len(batch.sources)} sources")
    if sum(map(len, batch.sources)) > MAX_TOKENS:
        raise RemoteProtocolError(f"order batch: more than {MAX_TOKENS} tokens")


def compute_order_batch_digest(data: bytes) -> Hash32:
    """The digest of an encoded batch; its salt makes it say nothing about the text."""
    return digest(_BATCH_DOMAIN, data)


def encode_passages(passages: Sequence[Passage]) -> bytes:
    """The canonical bytes of a batch's translations, in the order of its sources."""
    rows = tuple((passage.ids, passage.score) for passage in passages)
    return encode((VERSION, PASSAGES_KIND, rows))


def decode_passages(data: bytes, batch: OrderBatch, shape: ModelConfig) -> tuple[Passage, ...]:
    """Read the translations of a batch: one a source, none longer than the search can make it.

    Raises RemoteProtocolError, and nothing else, for any other bytes.
    """
    fields = open_record(data, VERSION, PASSAGES_KIND, "passages", max_bytes=MAX_PASSAGES_BYTES)
    count = len(batch.sources)
    rows = fields.items(lambda value: value, count, count)
    fields.end()
    return tuple(
        [
            _passage(row, shape.vocabulary, compute_length_cap(len(source), shape.length))
            for row, source in zip(rows, batch.sources, strict=True)
        ]
    )


def _passage(value: Value, vocabulary: int, length: int) -> Passage:
    fields = Fields(value, "passage")
    passage = Passage(_make_reader(vocabulary, length)(fields.value()), fields.uint(_MAX_SCORE))
    fields.end()
    if EOS in passage.ids:
        raise RemoteProtocolError("passage: an end mark in the middle")
    return passage


def compute_passages_digest(salt: bytes, data: bytes) -> Hash32:
    """The digest of encoded passages: what a commitment hides and a check compares."""
    return digest(_PASSAGES_DOMAIN, salt + data)


def compute_length_cap(source: int, length: int) -> int:
    """The most tokens that the search gives for a source of ``source`` tokens."""
    return min(source * 8 // 5 + 10, length - 1)


def compute_order_work(shape: ModelConfig, lengths: Sequence[int], beam: int) -> MegaMac:
    """The work of a batch of sources with these lengths, end marks included.

    Counted are the multiply-accumulates of the products with weights and of the attention for every
    step that the search may take: a customer cannot have more computed than is paid for, whatever
    the text. At least 1; a part of a mega-MAC counts as a whole one.
    """
    macs = sum(_source_macs(shape, length, beam) for length in lengths)
    return MegaMac(max(1, -(-macs // 10**6)))


def _source_macs(shape: ModelConfig, source: int, beam: int) -> int:
    d, f = shape.width, shape.hidden
    steps = compute_length_cap(source, shape.length)
    layer = 4 * d * d + 2 * d * f
    encoder = shape.encoder_layers * source * (layer + 2 * source * d)
    memory = shape.decoder_layers * source * 2 * d * d
    seen = steps * (steps + 1) // 2  # positions that the steps attend to, one hypothesis
    own = steps * (layer + 2 * d * d + 2 * source * d) + 2 * seen * d
    decoder = beam * (shape.decoder_layers * own + steps * d * shape.vocabulary)
    return encoder + memory + decoder


def cut_batches(lengths: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Which sources go into which batch, by their places; sources of similar lengths together.

    Raises LocalProtocolError for a source that no batch can hold.
    """
    batches: list[tuple[int, ...]] = []
    batch: list[int] = []
    tokens = 0
    for place in sorted(range(len(lengths)), key=lambda place: (lengths[place], place)):
        length = lengths[place]
        if not 1 <= length <= MAX_TOKENS:
            raise LocalProtocolError(f"a source of {length} tokens fits into no batch")
        if len(batch) == MAX_SOURCES or tokens + length > MAX_TOKENS:
            batches.append(tuple(batch))
            batch, tokens = [], 0
        batch.append(place)
        tokens += length
    if batch:
        batches.append(tuple(batch))
    return tuple(batches)
