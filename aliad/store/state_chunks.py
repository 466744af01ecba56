"""Chunks of a state: a range of buckets with all their keys and values, proving themselves.

The serving side keeps views of the state at a few recent heights (LevelDB snapshots, which cost
next to nothing and end with the process); the fetching side checks a chunk against the state root
of a header it trusts.
"""

from dataclasses import dataclass
from typing import Final

from aliad import codec
from aliad.errors import RemoteProtocolError, StoreCorrupt
from aliad.ledger.state import read_stored
from aliad.ledger.state_root import (
    BUCKET,
    DEPTH,
    MAX_KEY_BYTES,
    RootTree,
    is_valid_chunk,
)
from aliad.store import keys
from aliad.store.blocks import BlockRows, Tip
from aliad.store.chain import ChainStore
from aliad.store.kv import Reader
from aliad.store.ledger_format import LedgerFormat
from aliad.store.state_rows import StateRows
from aliad.types import Hash32, Height

MAX_CHUNK_BYTES: Final = 1 << 20
MAX_CHUNK_PAIRS: Final = 16_384
MAX_VALUE_BYTES: Final = 1 << 20
KEPT_HEIGHTS: Final = 2

Entries = tuple[tuple[bytes, bytes], ...]


class LedgerStateRules(LedgerFormat):
    """Satisfies StateRules of :mod:`aliad.store.sync_state`."""

    def check_chunk(self, raw: bytes, first: int, count: int, root: Hash32) -> Entries:
        """The pairs of exactly these buckets, or RemoteProtocolError if ``root`` lacks them."""
        pairs, path = _decode_chunk(raw)
        if not is_valid_chunk(root, first, count, pairs, path):
            raise RemoteProtocolError(f"sent a chunk {first}+{count} that is not of the state")
        return pairs


@dataclass(slots=True)
class _Kept:
    tip: Tip
    view: Reader
    tree: RootTree | None = None  # built when somebody asks


class StateShelf:
    """The states this node can serve: the newest few it was told to keep.

    Keep the first block of an era: the set that signed an era's last block is not in its state.
    """

    def __init__(self) -> None:
        self._kept: list[_Kept] = []

    def keep(self, chain: ChainStore) -> None:
        """Keep the state as it is now, and let go of the oldest one."""
        self._kept.append(_Kept(chain.tip, chain.snapshot()))
        while len(self._kept) > KEPT_HEIGHTS:
            self._kept.pop(0).view.close()

    def offers(self) -> tuple[Tip, ...]:
        """The blocks whose state can be fetched here, oldest first."""
        return tuple(kept.tip for kept in self._kept)

    def header(self, height: Height) -> bytes | None:
        """The header of a kept state; None if it is not kept."""
        kept = self._find(height)
        return None if kept is None else BlockRows(kept.view).header(height)

    def chunk(self, height: Height, first: int, count: int) -> bytes | None:
        """The chunk of ``count`` buckets from ``first``; empty if it is too large to send.

        None if the state of ``height`` is not kept. Raises RemoteProtocolError for a range that
        is no aligned power of two.
        """
        kept = self._find(height)
        if kept is None:
            return None
        level = count.bit_length() - 1
        if not 0 < count <= 1 << DEPTH or count != 1 << level or first % count:
            raise RemoteProtocolError(f"asked for buckets {first}+{count}, which is no subtree")
        if not 0 <= first < 1 << DEPTH:
            raise RemoteProtocolError(f"asked for bucket {first} of {1 << DEPTH}")
        rows = StateRows(kept.view)
        if kept.tree is None:
            kept.tree = rows.load_tree()
        pairs: list[tuple[bytes, bytes]] = []
        size = 0
        for index in range(first, first + count):
            for key in _keys_of(rows, index):
                value = rows.get(key)
                if value is None:
                    raise StoreCorrupt(f"the state lacks a key of bucket {index}", "", keys.RESYNC)
                pairs.append((key, value))
                size += len(key) + len(value) + 16
            if size > MAX_CHUNK_BYTES - 4096 or len(pairs) > MAX_CHUNK_PAIRS:
                return b""
        return codec.encode((1, tuple(pairs), kept.tree.path(first >> level, level)))

    def close(self) -> None:
        """Let go of every view."""
        while self._kept:
            self._kept.pop().view.close()

    def _find(self, height: Height) -> _Kept | None:
        return next((kept for kept in self._kept if kept.tip.height == height), None)


def _keys_of(rows: StateRows, index: int) -> list[bytes]:
    record = rows.bucket(index)
    return [entry.key for entry in read_stored(record, BUCKET).entries] if record else []


def _decode_chunk(raw: bytes) -> tuple[Entries, tuple[Hash32, ...]]:
    values = codec.decode(raw, max_bytes=MAX_CHUNK_BYTES, max_items=MAX_CHUNK_PAIRS)
    fields = codec.Fields(values, "chunk")
    if fields.uint() != 1:
        raise RemoteProtocolError("a chunk of another version")
    pairs = fields.items(_read_pair, MAX_CHUNK_PAIRS)
    path = fields.items(lambda value: codec.Fields((value,), "path").hash32(), DEPTH)
    fields.end()
    return pairs, path


def _read_pair(value: codec.Value) -> tuple[bytes, bytes]:
    fields = codec.Fields(value, "pair")
    pair = fields.blob(MAX_KEY_BYTES), fields.blob(MAX_VALUE_BYTES)
    fields.end()
    return pair
