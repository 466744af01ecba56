"""Answers the sync requests of peers out of the chain database."""

from typing import Final, assert_never

from aliad import codec
from aliad.store.blocks import BlockRows
from aliad.store.ledger_format import read_body
from aliad.store.state_chunks import StateShelf
from aliad.store.sync_peers import Want, WantBodies, WantBuckets, WantCertified, WantHeaders
from aliad.store.sync_wire import MAX_ANSWER_BYTES
from aliad.types import Height

_ROOM: Final = MAX_ANSWER_BYTES - (64 << 10)  # bytes of parts; the rest is for their framing


def answer(rows: BlockRows, shelf: StateShelf, want: Want) -> tuple[bytes, ...]:
    """The parts to send; none if this node does not have it.

    Raises RemoteProtocolError for buckets that are no subtree, StoreCorrupt.
    """
    match want:
        case WantCertified(height):
            header, certificate = rows.header(height), find_certificate(rows, height)
            return () if header is None or certificate is None else (header, certificate)
        case WantHeaders(low, high):
            return _headers(rows, shelf, low, high)
        case WantBodies(low, high):
            return _bodies(rows, low, high)
        case WantBuckets(height, first, count):
            chunk = shelf.chunk(height, first, count)
            return (chunk,) if chunk else ()
        case _:
            assert_never(want)


def find_certificate(rows: BlockRows, height: Height) -> bytes | None:
    """The certificate stored with a block, else the one its child carries; None if neither is."""
    stored = rows.certificate(height)
    if stored is not None:
        return stored
    child = rows.body(Height(height + 1))
    return None if child is None else codec.encode((1, read_body(child)[0]))


def _headers(rows: BlockRows, shelf: StateShelf, low: Height, high: Height) -> tuple[bytes, ...]:
    """All of them or none: a shorter answer would not prove itself."""
    found: list[bytes] = []
    for height in range(low, high + 1):
        raw = rows.header(Height(height)) or shelf.header(Height(height))
        if raw is None:
            return ()
        found.append(raw)
    return tuple(found)


def _bodies(rows: BlockRows, low: Height, high: Height) -> tuple[bytes, ...]:
    """As many as fit, at least one if there is one."""
    found: list[bytes] = []
    size = 0
    for height in range(low, high + 1):
        raw = rows.body(Height(height))
        if raw is None or (found and size + len(raw) > _ROOM):
            break
        found.append(raw)
        size += len(raw)
    return tuple(found)
