"""Small chains in the real encoding, every byte of which follows from the height.

Block ``h`` moves a few keys of the state, removes one, carries three transactions. Whoever knows
the height can therefore rebuild everything the database must hold, and compare.
"""

from collections.abc import Iterator
from hashlib import sha256

from aliad.errors import RemoteProtocolError
from aliad.ledger.block import (
    APP_HEADER,
    AppHeader,
    Header,
    Payload,
    decode_payload,
    encode_payload,
)
from aliad.ledger.state import Changes, StateReader
from aliad.ledger.state_root import MemoryBuckets
from aliad.store.audit import AuditEntry
from aliad.store.blocks import HistoryRow
from aliad.store.chain import BlockCommit, ChainStore, GenesisState
from aliad.store.kv import Reader
from aliad.store.ledger_format import LedgerFormat, encode_body, encode_header, read_body
from aliad.store.verification import Execution
from aliad.types import Hash32, Height, Millis, NodeId, RewardRate

FORMAT = LedgerFormat()
ACCOUNTS = 40
SET = Hash32(b"v" * 32)


def seeded(*parts: object) -> bytes:
    """32 bytes that follow from the parts."""
    return sha256(repr(parts).encode()).digest()


GENESIS = GenesisState(
    Hash32(seeded("genesis")),
    {b"account/%d" % n: seeded("start", n) for n in range(ACCOUNTS)},
    b"genesis record",
)


def changes_at(height: int) -> Changes:
    """What block ``height`` does to the state: sorted, and never without effect."""
    changed: Changes = {
        b"account/%d" % ((height * 7 + n) % ACCOUNTS): seeded("value", height, n) * 3
        for n in range(5)
    }
    changed[b"block/%d" % height] = seeded("block", height)
    if height > 10:
        changed[b"block/%d" % (height - 10)] = None
    return dict(sorted(changed.items()))


def transactions_at(height: int) -> tuple[bytes, ...]:
    return tuple(seeded("transaction", height, n) * 6 for n in range(3))


def account(number: int) -> NodeId:
    return NodeId(seeded("account", number))


def execution_at(height: int) -> Execution:
    """What executing block ``height`` leads to."""
    return Execution(
        changes_at(height),
        tuple(Hash32(seeded("id", transaction)) for transaction in transactions_at(height)),
        tuple(HistoryRow(account((height + n) % ACCOUNTS), b"note %d" % height) for n in range(2)),
    )


class SeededExecutor:
    """Executes these blocks: what is in them must be what follows from the height."""

    def execute(self, state: StateReader, header: bytes, body: bytes) -> Execution:
        height = FORMAT.decode_header(header).height
        if decode_payload(read_body(body)[1]).transactions != transactions_at(height):
            raise RemoteProtocolError(f"block {height} holds other transactions")
        return execution_at(height)


class ChainMaker:
    """Makes the blocks one after another, with the state they lead to."""

    def __init__(self) -> None:
        self.height = 0
        self.parent = GENESIS.hash
        self.buckets = MemoryBuckets(GENESIS.values)
        self.values = dict(GENESIS.values)

    @staticmethod
    def resume(chain: ChainStore) -> "ChainMaker":
        """Go on where a chain of these blocks stands."""
        maker = ChainMaker()
        maker.height, maker.parent = chain.tip.height, chain.tip.hash
        maker.values = dict(chain.state.items(b""))
        maker.buckets = MemoryBuckets(maker.values)
        return maker

    def next(self) -> BlockCommit:
        height = self.height + 1
        changes = changes_at(height)
        update = self.buckets.preview(changes)
        transactions = transactions_at(height)
        done = execution_at(height)
        body = encode_body(None, encode_payload(Payload(transactions)))
        header = Header(
            Height(height),
            self.parent,
            Millis(1000 * height),
            SET,
            SET,
            account(height % ACCOUNTS),
            b"p" * 80,
            Hash32(seeded("beacon", height)),
            FORMAT.body_hash(body),
            APP_HEADER.encode(AppHeader(update.tree.root, RewardRate(1000))),
        )
        raw = encode_header(header)
        self.height = height
        self.parent = FORMAT.decode_header(raw).hash
        self.buckets.adopt(update)
        for key, value in changes.items():
            if value is None:
                del self.values[key]
            else:
                self.values[key] = value
        return BlockCommit(
            raw,
            body,
            seeded("certificate", height) * 4,
            changes,
            update,
            done.transactions,
            done.history,
            seeded("trail", height),
            (AuditEntry(Millis(1000 * height), "block", (b"job/1", account(1)), seeded(height)),),
        )


def blocks(count: int) -> Iterator[BlockCommit]:
    maker = ChainMaker()
    for _ in range(count):
        yield maker.next()


def fill(chain: ChainStore, upto: int) -> None:
    """Commit blocks until the tip is at ``upto``."""
    maker = ChainMaker.resume(chain)
    while maker.height < upto:
        chain.commit(maker.next())


def everything(reader: Reader) -> dict[bytes, bytes]:
    """Every row."""
    return dict(reader.iterate())
