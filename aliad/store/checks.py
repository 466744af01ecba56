"""What is checked whenever a chain database is opened, in a second or so even for long chains.

LevelDB checks every block of bytes it reads. It does not notice rows that are *not there*: the end
of a log that was cut off, or a whole table whose entry in the manifest was at a damaged end. Blocks
are committed in one batch each, so whatever is missing takes whole blocks with it, and that shows:

- at the end, against the mark beside the database;
- in the middle, as a gap in the heights; the newest ``GAP_WINDOW`` are looked at, more than all
  logs and freshly written tables together can hold;
- in the state, against the root the newest header names.

:mod:`aliad.store.verification` looks at everything else.
"""

from typing import Final

from aliad.errors import ConfigError, RemoteProtocolError, StoreCorrupt
from aliad.ledger.state_root import RootTree
from aliad.store import audit, keys
from aliad.store.blocks import BlockRows, Tip
from aliad.store.format import BlockFormat, HeaderView
from aliad.store.kv import Reader
from aliad.store.state_rows import StateRows
from aliad.store.tipmark import Mark
from aliad.types import Hash32, Height

GAP_WINDOW: Final = 1 << 17  # heights
LINK_WINDOW: Final = 1 << 10  # headers whose hashes are computed again


def require_same_chain(reader: Reader, genesis: Hash32) -> None:
    """Raise ConfigError if the database belongs to another chain."""
    found = reader.get(keys.META_GENESIS)
    if found is None:
        raise StoreCorrupt("the database does not say its chain", "the row is gone", keys.RESYNC)
    if found != genesis:
        raise ConfigError(
            "the database belongs to another chain",
            f"it was started from genesis {found.hex()}, the configuration names {genesis.hex()}",
            "use the data directory of this chain, or an empty one",
        )


def check_chain(reader: Reader, block_format: BlockFormat, mark: Mark | None) -> RootTree:
    """Check tip, mark, links and state root; returns the tree of the state. Raises StoreCorrupt."""
    rows = BlockRows(reader)
    tip, base = rows.tip(), rows.base()
    if mark is not None:
        _check_mark(reader, rows, tip, mark)
    _check_gaps(rows, tip, base)
    if tip.height > base.height:
        _check_links(rows, block_format, tip, base)
    tree = StateRows(reader).load_tree()
    if tip.height > 0:
        header = read_header(rows, block_format, tip.height)
        if tree.root != header.state_root:
            raise damaged(
                f"the state does not have the root that block {tip.height} names",
                f"stored {tree.root.hex()}, named {header.state_root.hex()}",
            )
    return tree


def read_header(rows: BlockRows, block_format: BlockFormat, height: Height) -> HeaderView:
    """A stored header with the hash it is stored under. Raises StoreCorrupt."""
    raw, expected = rows.header(height), rows.hash_at(height)
    if raw is None or expected is None:
        raise damaged(f"block {height} is missing", "its header or hash is not stored")
    try:
        header = block_format.decode_header(raw)
    except RemoteProtocolError as error:
        raise damaged(f"the header of block {height} cannot be read", error.what) from error
    if header.hash != expected or header.height != height:
        raise damaged(
            f"the header stored at {height} is another one",
            f"it is block {header.height}, {header.hash.hex()}; expected {expected.hex()}",
        )
    return header


def require_body(rows: BlockRows, block_format: BlockFormat, header: HeaderView) -> bytes:
    """The stored body of a header. Raises StoreCorrupt."""
    body = rows.body(header.height)
    if body is None:
        raise damaged(f"the body of block {header.height} is missing", "")
    try:
        found = block_format.body_hash(body)
    except RemoteProtocolError as error:
        raise damaged(f"the body of block {header.height} cannot be read", error.what) from error
    if found != header.body_hash:
        raise damaged(
            f"the body of block {header.height} is not the one its header names",
            f"stored {found.hex()}, named {header.body_hash.hex()}",
        )
    return body


def damaged(what: str, why: str) -> StoreCorrupt:
    """A fault of the chain database, with the advice that fits all of them."""
    return StoreCorrupt(what, why, keys.RESYNC)


def _check_mark(reader: Reader, rows: BlockRows, tip: Tip, mark: Mark) -> None:
    if tip.height < mark.reached:
        raise damaged(
            f"the newest {mark.reached - tip.height} blocks are gone",
            f"block {mark.reached} was committed, the database ends at {tip.height}",
        )
    if rows.hash_at(Height(mark.reached)) != mark.digest:
        raise damaged(
            f"block {mark.reached} is not the one that was committed",
            "the mark beside the database names another hash",
        )
    log = audit.extent(reader)
    if log.next < mark.audit_next:
        lost = mark.audit_next - log.next
        raise damaged(f"the newest {lost} entries of the audit log are gone", "")
    known = audit.head_at(reader, log, mark.audit_next)
    if (known is None and mark.audit_next >= log.first) or known not in (None, mark.audit_head):
        raise damaged(
            f"entry {mark.audit_next - 1} of the audit log is not the one that was written",
            "the mark beside the database names another digest",
        )


def _check_gaps(rows: BlockRows, tip: Tip, base: Tip) -> None:
    expected = Height(max(base.height, tip.height - GAP_WINDOW))
    last: Hash32 | None = None
    for height, block_hash in rows.hashes(expected):
        if height != expected:
            raise damaged(f"block {expected} is missing", f"the next one stored is {height}")
        last = block_hash
        expected = Height(expected + 1)
    if expected != tip.height + 1 or last != tip.hash:
        raise damaged(
            f"the tip says {tip.height}, the blocks end at {expected - 1}", "rows are missing"
        )


def _check_links(rows: BlockRows, block_format: BlockFormat, tip: Tip, base: Tip) -> None:
    child = read_header(rows, block_format, tip.height)
    require_body(rows, block_format, child)
    first = max(base.height + 1, tip.height - LINK_WINDOW)
    for height in range(tip.height - 1, first - 1, -1):
        header = read_header(rows, block_format, Height(height))
        if child.parent != header.hash:
            raise damaged(f"block {child.height} does not continue block {height}", "")
        child = header
