"""Makes a chain database out of a fetched state.

The chunks go into a database of their own beside the final place. Only when all are there and lead
to the root of the pinned header, it is completed, closed and moved into place in one rename. A
fetch that is cut short leaves a directory that the next one clears.
"""

import shutil
from pathlib import Path
from typing import Final

from aliad.durable import sync
from aliad.errors import ConfigError
from aliad.ledger import keys as ledger_keys
from aliad.ledger.state import Changes
from aliad.ledger.state_root import RootTree, compute_root_update
from aliad.store import keys
from aliad.store.blocks import Tip
from aliad.store.chain import MARK_FILE, GenesisState, put_start, put_validators
from aliad.store.checks import damaged
from aliad.store.format import HeaderView
from aliad.store.kv import StoreFailed, WriteBatch
from aliad.store.leveldb import LevelDb, database_exists
from aliad.store.state_rows import StateRows, put_state
from aliad.store.tipmark import Mark, TipMark

SUFFIX: Final = ".fetching"


class StateBuilder:
    """A state being fetched, next to the directory where its chain will live."""

    def __init__(self, directory: Path, genesis: GenesisState) -> None:
        """Start afresh. Raises ConfigError if ``directory`` already holds a chain."""
        if database_exists(directory):
            raise ConfigError(
                f"{directory} already holds a chain",
                "a fetched state would replace it",
                "start from the pinned block only with an empty data directory",
            )
        self._directory = directory
        self._genesis = genesis
        self._place = directory.with_name(directory.name + SUFFIX)
        if self._place.exists():
            shutil.rmtree(self._place)
        self._store = LevelDb(self._place, create=True)
        self._tree = RootTree()

    def keep(self, entries: tuple[tuple[bytes, bytes], ...]) -> None:
        """Add the proven entries of some buckets, none of which was added before."""
        changes: Changes = dict(sorted(entries))
        batch = WriteBatch()
        update = compute_root_update(self._tree, StateRows(self._store), changes)
        put_state(batch, changes, update)
        self._store.write(batch, sync=True)
        self._tree.adopt(update.tree)

    def complete(self, header: HeaderView) -> None:
        """Make it the chain database, standing at ``header``. Raises StoreCorrupt, StoreFailed."""
        if self._tree.root != header.state_root:
            raise damaged(
                f"the fetched state does not have the root of block {header.height}",
                f"it has {self._tree.root.hex()}, the header names {header.state_root.hex()}",
            )
        batch = WriteBatch()
        put_start(batch, self._genesis, Tip(header.height, header.hash))
        batch.put(keys.at_height(keys.HEADER, header.height), header.raw)
        batch.put(keys.HEIGHT_OF + header.hash, keys.u64(header.height))
        # The set that signs the next block; it signed this one, too, unless an era ends here.
        signing = self._store.get(keys.STATE + ledger_keys.VALIDATORS)
        put_validators(batch, header.height, {ledger_keys.VALIDATORS: signing})
        self._store.write(batch, sync=True)
        self._store.close()
        TipMark(self._place / MARK_FILE, Mark(header.height, header.hash)).close()
        try:
            if self._directory.exists():
                self._directory.rmdir()  # made empty when the data directory was laid out
            self._place.rename(self._directory)
            sync(self._directory.parent)
        except OSError as error:
            raise StoreFailed(
                f"cannot move the fetched state to {self._directory}",
                str(error),
                "remove what is in its way and start again",
            ) from error

    def close(self) -> None:
        """Give up; what was fetched is cleared by the next attempt."""
        self._store.close()
