"""Traces, own and fetched, by their Merkle root: what a node knows it can tell others."""

import logging
from collections.abc import Collection

import trio

from aliad.errors import RemoteProtocolError
from aliad.ledger.jobs import Party
from aliad.types import ZERO_HASH, BlobId, Hash32, NodeId
from aliad.work.desk import Desk
from aliad.work.disputes.messages import (
    MAX_QUESTION_BYTES,
    TRACE_AT,
    TRACE_WANTED,
    TraceAt,
    TraceWanted,
)
from aliad.work.disputes.trace import MAX_ROWS, Trace, encode_trace, get_trace_bytes, open_trace
from aliad.work.ports import Unavailable

_PREFIX = b"K"
_SHORT = 20_000  # rows, hashed in some hundredths of a second

log = logging.getLogger(__name__)


class Archive:
    """A blob's id is noted, so a node that restarts still knows which blob is which trace."""

    def __init__(self, desk: Desk) -> None:
        self._blobs = desk.blobs
        self._messages = desk.messages
        self._notes = desk.book.notes
        self._traces: dict[Hash32, Trace] = {}

    async def keep(self, trace: Trace) -> BlobId:
        """Offer a trace to everybody."""
        blob = await self._blobs.keep_bytes(encode_trace(trace))
        self._remember(trace, blob)
        return blob

    def _remember(self, trace: Trace, blob: BlobId) -> None:
        self._traces[trace.root] = trace
        self._notes.put(_PREFIX + trace.root, blob)

    def blob_of(self, root: Hash32) -> BlobId | None:
        """The blob of a trace, if this node has had it."""
        blob = self._notes.get(_PREFIX + root)
        return None if blob is None else BlobId(Hash32(blob))

    def answer(self, wanted: TraceWanted) -> bytes:
        """The answer to who asks for a trace; empty if this node cannot tell."""
        blob = self.blob_of(wanted.root)
        return b"" if blob is None else TRACE_AT.encode(TraceAt(wanted.root, blob))

    async def fetch(self, party: Party, others: Collection[NodeId]) -> Trace | None:
        """A party's trace, from itself or whoever else has it. None if nobody tells now."""
        root = party.trace
        if root is None or party.operations > MAX_ROWS:
            return None
        if root in self._traces:
            return self._traces[root]
        nodes = tuple(dict.fromkeys((party.node, *others)))
        known = self.blob_of(root)
        if known is not None and (trace := await self._take(party, known, nodes)) is not None:
            return trace
        for node in nodes:
            blob = await self._ask(node, root)
            if blob is not None and blob != known:
                trace = await self._take(party, blob, (node, *nodes))
                if trace is not None:
                    return trace
        return None

    async def _ask(self, node: NodeId, root: Hash32) -> BlobId | None:
        """Which blob a node says the trace is."""
        question = TRACE_WANTED.encode(TraceWanted(root))
        try:
            answer = await self._messages.ask(node, question, MAX_QUESTION_BYTES)
            return TRACE_AT.decode(answer).blob if answer else None
        except (Unavailable, RemoteProtocolError):
            return None

    async def _take(self, party: Party, blob: BlobId, sources: Collection[NodeId]) -> Trace | None:
        """The trace in a blob, if it is the party's."""
        most = get_trace_bytes(party.operations)
        try:
            data = await self._blobs.fetch_bytes(blob, most, sources)
            trace = await _open(data, party)
        except (Unavailable, RemoteProtocolError) as error:
            log.info("the trace of %s is not to be had: %s", party.node.hex()[:8], error.what)
            return None
        self._remember(trace, await self._blobs.keep_bytes(data))
        return trace

    def roots(self) -> frozenset[Hash32]:
        """Every trace there is a note about."""
        return frozenset(Hash32(key[len(_PREFIX) :]) for key, _ in self._notes.items(_PREFIX))

    async def forget(self, root: Hash32) -> None:
        """The dispute is over."""
        self._traces.pop(root, None)
        blob = self.blob_of(root)
        if blob is not None:
            self._notes.delete(_PREFIX + root)
            await self._blobs.drop(blob)


async def _open(data: bytes, party: Party) -> Trace:
    """Hashing a long trace takes seconds and must not hold up the node."""
    root = party.trace or ZERO_HASH
    if party.operations <= _SHORT:
        return open_trace(data, root, party.operations)
    return await trio.to_thread.run_sync(open_trace, data, root, party.operations)
