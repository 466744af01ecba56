"""Executes stored blocks with the ledger, for offline verification and for sync."""

from aliad import codec
from aliad.errors import ConfigError, RemoteProtocolError, StoreCorrupt
from aliad.ledger.apply import Applied, apply_payload, check_outcome, get_block_context
from aliad.ledger.apply import make_genesis_state as make_state
from aliad.ledger.block import Header, check_header
from aliad.ledger.eras import get_validators
from aliad.ledger.errors import InvalidBlock
from aliad.ledger.genesis import GENESIS, Genesis, compute_genesis_hash
from aliad.ledger.state import StateReader, read_stored
from aliad.ledger.validators import VALIDATOR_SET, ValidatorSet, compute_validators_hash
from aliad.store import keys
from aliad.store.blocks import BlockRows
from aliad.store.chain import GenesisState
from aliad.store.ledger_format import read_body, read_header
from aliad.store.projection import project
from aliad.store.verification import Execution
from aliad.types import NodeId


def make_genesis_state(genesis: Genesis) -> GenesisState:
    """Where the chain of a genesis starts."""
    values = make_state(genesis).values
    return GenesisState(compute_genesis_hash(genesis), values, GENESIS.encode(genesis))


def read_signers(last_commit: codec.Value, validators: ValidatorSet | None) -> tuple[NodeId, ...]:
    """Who signed the parent: bit i of a certificate's bitmap is the i-th member of its set.

    ``validators`` is None for block 1, whose parent nobody signed. Raises RemoteProtocolError.
    """
    if last_commit is None or validators is None:
        if last_commit is not None or validators is not None:
            raise RemoteProtocolError("a certificate is missing, or there is one for genesis")
        return ()
    fields = codec.Fields(last_commit, "certificate")
    for _ in range(4):  # kind, height, view, block hash
        fields.value()
    bitmap = int.from_bytes(fields.blob(32, 1), "big")
    if bitmap >> len(validators.members):
        raise RemoteProtocolError("a certificate is signed by more than its set")
    return tuple(
        member.node for place, member in enumerate(validators.members) if bitmap >> place & 1
    )


class LedgerExecutor:
    """Executes consecutive blocks. Satisfies Executor."""

    def __init__(self, genesis: Genesis, threads: int = 1) -> None:
        self._genesis = genesis
        self._hash = compute_genesis_hash(genesis)
        self._threads = threads
        self._parent: Header | None = None
        self._parent_set: ValidatorSet | None = None  # who signed the parent

    @staticmethod
    def after_tip(genesis: Genesis, rows: BlockRows, threads: int = 1) -> "LedgerExecutor":
        """Ready for the block behind the tip of a chain database.

        Raises StoreCorrupt if header or set of the tip are missing, ConfigError if the state was
        synced at the last block of an era, whose signers only its parent's state knew.
        """
        executor = LedgerExecutor(genesis, threads)
        tip = rows.tip()
        if tip.height == 0:
            return executor
        raw, encoded = rows.header(tip.height), rows.validators_at(tip.height)
        if raw is None or encoded is None:
            raise StoreCorrupt(f"block {tip.height} or its validators are gone", "", keys.RESYNC)
        parent, _ = read_header(raw)
        signed = read_stored(encoded, VALIDATOR_SET)
        if parent.validators != compute_validators_hash(signed):
            raise ConfigError(
                f"block {tip.height} is the last of an era, and the state was synced there",
                "who signed it is not part of its state",
                "start again from a pinned block that is not the last of an era",
            )
        executor._parent, executor._parent_set = parent, signed
        return executor

    def execute(self, state: StateReader, header: bytes, body: bytes) -> Execution:
        """Execute a block on its parent's state. Raises RemoteProtocolError if it is invalid."""
        applied = self.apply(state, header, body)
        transactions, history = project(applied.events)
        return Execution(applied.changes, transactions, history)

    def apply(self, state: StateReader, header: bytes, body: bytes) -> Applied:
        """`execute`, with all the ledger says about the block. The state root is left to check."""
        decoded, app = read_header(header)
        last_commit, payload = read_body(body)
        validators = get_validators(state)
        if self._parent is not None:
            check_header(self._parent, decoded)
        elif decoded.height != 1 or decoded.parent != self._hash:
            raise InvalidBlock(f"block {decoded.height} does not follow genesis")
        if decoded.validators != compute_validators_hash(validators):
            raise InvalidBlock(f"block {decoded.height} names another set than the state")
        context = get_block_context(self._hash, decoded)
        signers = read_signers(last_commit, self._parent_set)
        applied = apply_payload(
            state, context, payload, self._genesis.params, signers, self._threads
        )
        check_outcome(decoded, app, applied, app.state_root)
        self._parent, self._parent_set = decoded, validators
        return applied
