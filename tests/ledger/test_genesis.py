"""The genesis file: what it says, what it refuses, what it hashes to."""

import json

import pytest

from aliad.errors import ConfigError
from aliad.ledger.apply import make_genesis_state
from aliad.ledger.ballots import is_originator
from aliad.ledger.eras import get_validators
from aliad.ledger.genesis import compute_genesis_hash, format_genesis, parse_genesis
from aliad.ledger.params import Params, is_valid_params
from tests.ledger.chain import OWNER, make_genesis
from tests.ledger.invariants import count_tokens


def record() -> dict[str, object]:
    made: dict[str, object] = json.loads(format_genesis(make_genesis()))
    return made


def test_format_and_parse_are_inverse() -> None:
    genesis = make_genesis()
    assert parse_genesis(format_genesis(genesis).encode()) == genesis


def test_the_hash_is_over_the_content_and_not_the_text() -> None:
    genesis = make_genesis()
    compact = json.dumps({**record(), "params": {}}, separators=(",", ":"))
    assert compute_genesis_hash(parse_genesis(compact.encode())) == compute_genesis_hash(genesis)
    renamed = make_genesis(name="other")
    assert compute_genesis_hash(renamed) != compute_genesis_hash(genesis)


def test_the_first_state_has_validators_originators_and_no_tokens() -> None:
    genesis = make_genesis()
    state = make_genesis_state(genesis)
    assert get_validators(state) == genesis.validators
    assert is_originator(state, OWNER.node_id)
    assert count_tokens(state) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"validators": []},
        {"validators": [{"node": "00", "power": 1}]},
        {"validators": [{"node": "zz" * 32, "power": 1}]},
        {"validators": [{"node": "00" * 32, "power": 0}]},
        {"validators": [{"node": "00" * 32, "power": 1.5}]},
        {"validators": [{"node": "00" * 32, "power": True}]},
        {"validators": [{"node": "00" * 32, "power": 1}] * 2},
        {"validators": [{"node": "00" * 32}]},
        {"validators": {"00" * 32: 1}},
        {"originators": ["11" * 32, "11" * 32]},
        {"originators": "11" * 32},
        {"name": 5},
        {"name": "x" * 65},
        {"time_ms": -1},
        {"time_ms": "now"},
        {"params": {"unknown": 1}},
        {"params": {"era_blocks": 0}},
        {"params": {"min_fee": 1.0}},
        {"params": {"unbonding_blocks": 5, "evidence_blocks": 5}},
        {"params": {"max_reward_rate": 2**52}},
        {"params": {"rate_step": 1_000_000}},
        {"params": []},
        {"surprise": 1},
    ],
)
def test_a_genesis_that_makes_no_sense_is_refused(change: dict[str, object]) -> None:
    text = json.dumps({**record(), **change}).encode()
    with pytest.raises(ConfigError):
        parse_genesis(text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{",
        b"null",
        b"\xff",
        b'{"name": 1, "name": 1}',
        b"[" * 100_000,
        b" " * (1 << 21),
    ],
)
def test_a_file_that_is_no_genesis_is_refused(text: bytes) -> None:
    with pytest.raises(ConfigError):
        parse_genesis(text)


def test_the_default_params_are_valid_and_keep_cheating_unprofitable() -> None:
    params = Params()
    assert is_valid_params(params)
    # 50 workers, overhead 0.04: two check and 48 train, so a batch is drawn once in 48.
    drawn = 48
    assert params.vesting_rounds >= drawn - 1
    assert 100 * (drawn - 1) ** 142 < 6 * drawn**142  # 95 % of fakers are found after 142 fakes
