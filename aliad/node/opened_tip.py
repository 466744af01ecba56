"""What a chain database stands at when it is opened."""

from aliad.consensus import wire
from aliad.consensus.beacon import first_beacon
from aliad.errors import ConfigError, StoreCorrupt
from aliad.ledger.block import Header
from aliad.ledger.eras import get_validators
from aliad.ledger.genesis import Genesis, compute_genesis_hash
from aliad.ledger.state import read_stored
from aliad.ledger.validators import VALIDATOR_SET, ValidatorSet, compute_validators_hash
from aliad.node.execution import ChainTip
from aliad.store import keys
from aliad.store.blocks import BlockRows
from aliad.store.ledger_format import read_header
from aliad.store.state_rows import StateRows


def read_tip(rows: BlockRows, state: StateRows, genesis: Genesis) -> ChainTip:
    """The newest block, and who signs the next. Raises StoreCorrupt, ConfigError."""
    tip, genesis_hash = rows.tip(), compute_genesis_hash(genesis)
    validators = get_validators(state)
    if tip.height == 0:
        beacon, time = first_beacon(genesis_hash), genesis.time
        return ChainTip(tip.height, tip.hash, time, beacon, None, state, validators, None, None)
    raw, certificate = rows.header(tip.height), rows.certificate(tip.height)
    if raw is None:
        raise StoreCorrupt(f"block {tip.height} is missing", "", keys.RESYNC)
    header, _ = read_header(raw)
    return ChainTip(
        tip.height,
        tip.hash,
        header.time,
        header.beacon,
        header,
        state,
        validators,
        _read_last_validators(rows, header),
        None if certificate is None else wire.decode_certificate(certificate),
    )


def _read_last_validators(rows: BlockRows, header: Header) -> ValidatorSet:
    encoded = rows.validators_at(header.height)
    if encoded is None:
        raise StoreCorrupt(f"the validators of block {header.height} are gone", "", keys.RESYNC)
    validators = read_stored(encoded, VALIDATOR_SET)
    if compute_validators_hash(validators) != header.validators:
        raise ConfigError(
            f"block {header.height} is the last of an era, and the state was fetched there",
            "who signed it is not part of its state",
            "start again from a pinned block that is not the last of an era",
        )
    return validators
