"""The genesis file: one JSON object that every node of a network holds, and its hash.

    {"name": "alia-test", "time_ms": 1767225600000,
     "validators": [{"node": "<64 hex digits>", "power": 10}, ...],
     "originators": ["<64 hex digits>", ...],
     "params": {"era_blocks": 100, ...}}

``params`` may leave out what it does not change. Nobody owns tokens at the start. The hash is over
the canonical record, not over the text, and every signature of the network contains it.
"""

import json
from dataclasses import dataclass, fields
from typing import Annotated, Final

from aliad.crypto import digest, domain
from aliad.errors import ConfigError
from aliad.ledger.params import Params, is_valid_params
from aliad.ledger.schema import AtMost, Schema
from aliad.ledger.validators import (
    MAX_VALIDATORS,
    ValidatorSet,
    is_valid_validator_set,
    make_validator_set,
)
from aliad.types import Hash32, Millis, NodeId, Power

MAX_ORIGINATORS: Final = 256
MAX_GENESIS_BYTES: Final = 1 << 20
_GENESIS_DOMAIN: Final = domain("genesis")
_FIX: Final = "Take the genesis file from the network's operators, unchanged."


@dataclass(frozen=True, slots=True)
class Genesis:
    """What a network starts from."""

    name: Annotated[str, AtMost(64)]
    time: Millis
    validators: ValidatorSet
    originators: Annotated[tuple[NodeId, ...], AtMost(MAX_ORIGINATORS)]
    params: Params


GENESIS: Final = Schema(Genesis, 0x03)


def compute_genesis_hash(genesis: Genesis) -> Hash32:
    """The name of the network in every signature."""
    return digest(_GENESIS_DOMAIN, GENESIS.encode(genesis))


def parse_genesis(text: bytes) -> Genesis:
    """The genesis in a file's content. Raises ConfigError."""
    if len(text) > MAX_GENESIS_BYTES:
        raise ConfigError("the genesis file is too long", f"{len(text)} bytes", _FIX)
    try:
        return _parse(json.loads(text, object_pairs_hook=_without_repetition))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError("the genesis file cannot be used", str(error)[:200], _FIX) from error


def format_genesis(genesis: Genesis) -> str:
    """The file's content for a genesis; ``parse_genesis`` is its inverse."""
    record = {
        "name": genesis.name,
        "time_ms": genesis.time,
        "validators": [
            {"node": member.node.hex(), "power": member.power}
            for member in genesis.validators.members
        ],
        "originators": [node.hex() for node in genesis.originators],
        "params": {
            field.name: getattr(genesis.params, field.name) for field in fields(genesis.params)
        },
    }
    return json.dumps(record, indent=2) + "\n"


def _without_repetition(pairs: list[tuple[str, object]]) -> dict[str, object]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise ValueError("a key appears twice")
    return record


def _parse(record: object) -> Genesis:
    if not isinstance(record, dict):
        raise ValueError("not an object")
    unknown = sorted(set(record) - {"name", "time_ms", "validators", "originators", "params"})
    if unknown:
        raise ValueError(f"unknown keys {unknown}")
    originators = tuple(sorted(_node(entry) for entry in record["originators"]))
    genesis = Genesis(
        _text(record["name"]),
        Millis(_integer(record["time_ms"])),
        _validators(record["validators"]),
        originators,
        Params(**record.get("params", {})),
    )
    _check(genesis)
    return genesis


def _check(genesis: Genesis) -> None:
    if not genesis.validators.members or not is_valid_validator_set(genesis.validators):
        raise ValueError("there must be validators, each with power")
    if len(set(genesis.originators)) != len(genesis.originators):
        raise ValueError("an originator appears twice")
    if len(genesis.originators) > MAX_ORIGINATORS:
        raise ValueError(f"more than {MAX_ORIGINATORS} originators")
    if not is_valid_params(genesis.params):
        raise ValueError("the params contradict each other or are out of range")


def _validators(entries: object) -> ValidatorSet:
    if not isinstance(entries, list) or len(entries) > MAX_VALIDATORS:
        raise ValueError("validators is not a list of acceptable length")
    powers = {_node(entry["node"]): Power(_integer(entry["power"])) for entry in entries}
    if len(powers) != len(entries) or sum(powers.values()) >= 2**53:
        raise ValueError("a validator appears twice, or the power is absurd")
    return make_validator_set(powers)


def _node(value: object) -> NodeId:
    if not isinstance(value, str) or len(value) != 64:
        raise ValueError("a node is not 64 hex digits")
    return NodeId(bytes.fromhex(value))


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value.encode("utf-8")) > 64:
        raise ValueError("the name is not text of at most 64 bytes")
    return value


def _integer(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**53:
        raise ValueError(f"{value!r} is not an integer in range")
    return value
