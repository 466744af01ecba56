"""Opening what a node keeps of its chain, and refusing what is not this program's or this chain's.

The caller holds the data directory's lock (`aliad.store.datadir.DirectoryLock`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from aliad.errors import ConfigError
from aliad.ledger.genesis import Genesis
from aliad.store.chain import ChainStore, GenesisState, open_chain
from aliad.store.datadir import Layout
from aliad.store.kv import StoreFailed
from aliad.store.ledger_format import LedgerFormat
from aliad.store.replay import make_genesis_state
from aliad.store.signer import SignerStore, open_signer
from aliad.store.tipmark import write_durably

SCHEMA: Final = 1
SCHEMA_FILE: Final = "SCHEMA"


@dataclass(frozen=True, slots=True)
class NodeStores:
    """The two databases of one chain, open. ``genesis`` is what they were checked against."""

    genesis: Genesis
    chain: ChainStore
    signer: SignerStore

    def close(self) -> None:
        """Close both; closing twice is harmless."""
        self.signer.close()
        self.chain.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_node_chain(
    layout: Layout,
    genesis: Genesis,
    *,
    new_key: bool = False,
    start: GenesisState | None = None,
) -> NodeStores:
    """Open both databases under ``layout``, or create them at genesis.

    ``new_key``: the node's key was generated just now, so no other signer log of it can exist and
    a new one may vote at once. ``start`` replaces the state of genesis, for tests that need funds.

    Raises ConfigError (another chain, another layout), StoreCorrupt, StoreBusy, StoreFailed.
    """
    layout.create()
    check_schema(layout.base)
    state = start or make_genesis_state(genesis)
    chain = open_chain(layout.chain, LedgerFormat(), state)
    try:
        signer = open_signer(layout.signer, state.hash, new_key=new_key)
    except BaseException:
        chain.close()
        raise
    return NodeStores(genesis, chain, signer)


def check_schema(base: Path) -> None:
    """Require the layout of this program in a chain's directory; mark a new one.

    Raises ConfigError, StoreFailed.
    """
    path = base / SCHEMA_FILE
    try:
        text = path.read_text(encoding="ascii").strip() if path.exists() else None
        fresh = text is None and not any(base.glob("*/CURRENT"))
    except (OSError, ValueError) as error:
        raise StoreFailed(f"cannot read {path}", str(error), "check its owner and mode") from error
    if fresh:
        write_durably(path, f"{SCHEMA}\n".encode())
    elif text != str(SCHEMA):
        raise ConfigError(
            f"{base} has layout {text or 'unknown'}, this program knows {SCHEMA}",
            "another version of aliad made it, or its file SCHEMA is gone",
            "run that version, or move the directory away and sync again",
        )
