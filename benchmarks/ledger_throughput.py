"""Transactions per second on one core, through the ledger and the LevelDB store.

``transfers_per_s``: decode, verify signatures, execute, update the state root, commit synced.
``replay_per_s``: verify a stored chain offline, from genesis to its tip, every root and every row.

``python -m benchmarks.ledger_throughput`` prints one flat JSON object as its last line. A rate is
per second of processor time of this process (one thread), so that a busy machine does not change
it; the ``_wall`` figures are by the clock on the wall and contain waiting for the disk and for
other programs.
"""

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from aliad import codec
from aliad.crypto import SigningKey, key_from_seed
from aliad.ledger import keys
from aliad.ledger.accounts import get_economy
from aliad.ledger.apply import apply_payload, get_app_header, get_block_context
from aliad.ledger.block import (
    APP_HEADER,
    Header,
    Payload,
    compute_block_hash,
    compute_body_hash,
    encode_payload,
)
from aliad.ledger.genesis import Genesis, compute_genesis_hash
from aliad.ledger.params import Params
from aliad.ledger.records import ACCOUNT, ECONOMY, Account
from aliad.ledger.state import DictState
from aliad.ledger.state_root import MemoryBuckets
from aliad.ledger.transactions import Transfer, encode_transaction, sign_transaction
from aliad.ledger.validators import compute_validators_hash, make_validator_set
from aliad.store.chain import BlockCommit, ChainStore, GenesisState, open_chain
from aliad.store.ledger_format import LedgerFormat, encode_body, encode_header
from aliad.store.projection import project
from aliad.store.replay import LedgerExecutor, make_genesis_state
from aliad.store.verification import verify_chain
from aliad.types import Hash32, Height, Millis, NanoAlia, NodeId, Nonce, Power

SENDERS: Final = 4_000
PER_BLOCK: Final = 2_000
BLOCKS: Final = 5
FUNDS: Final = NanoAlia(10**12)
START: Final = Millis(1_767_225_600_000)


class Rate(NamedTuple):
    """Transactions per second of processor time, and by the clock on the wall."""

    cpu: float
    wall: float


class Work(NamedTuple):
    """A chain to execute: where it starts, and its blocks as they travel."""

    genesis: Genesis
    start: GenesisState
    blocks: tuple[tuple[bytes, bytes], ...]

    @property
    def transactions(self) -> int:
        return PER_BLOCK * len(self.blocks)


def _key(number: int) -> SigningKey:
    return key_from_seed(hashlib.sha256(b"benchmark %d" % number).digest())


def make_work(blocks: int = BLOCKS) -> Work:
    """Blocks of transfers between funded accounts, signed and executed once to fill the headers."""
    validators = make_validator_set({_key(0).node_id: Power(1)})
    genesis = Genesis("benchmark", START, validators, (), Params())
    senders = [_key(number) for number in range(SENDERS)]
    start = _fund(genesis, [sender.node_id for sender in senders])
    state = DictState(dict(start.values))
    buckets = MemoryBuckets(state.values)
    parent, made = _make_parent(genesis), []
    for height in range(1, blocks + 1):
        payload = _make_payload(genesis, senders, height)
        commit = _make_commit(parent)
        header = _make_header(genesis, parent, commit, payload)
        context = get_block_context(compute_genesis_hash(genesis), header)
        signers = () if commit is None else (_key(0).node_id,)
        applied = apply_payload(state, context, payload, genesis.params, signers)
        update = buckets.preview(applied.changes)
        app = APP_HEADER.encode(get_app_header(applied, update.tree.root))
        header = replace(header, app=app)
        buckets.adopt(update)
        state.adopt(applied.changes)
        made.append((encode_header(header), encode_body(commit, payload)))
        parent = header
    return Work(genesis, start, tuple(made))


def _fund(genesis: Genesis, nodes: Sequence[NodeId]) -> GenesisState:
    start = make_genesis_state(genesis)
    values = dict(start.values)
    account = ACCOUNT.encode(Account(Nonce(0), FUNDS))
    values.update({keys.account(node): account for node in nodes})
    economy = get_economy(DictState(values))
    minted = NanoAlia(FUNDS * len(nodes))
    values[keys.ECONOMY] = ECONOMY.encode(replace(economy, minted=minted))
    return GenesisState(start.hash, values, start.record)


def _make_parent(genesis: Genesis) -> Header:
    digest = compute_validators_hash(genesis.validators)
    zero = Hash32(bytes(32))
    proposer = genesis.validators.members[0].node
    return Header(Height(0), zero, START, digest, digest, proposer, bytes(80), zero, zero, b"")


def _make_payload(genesis: Genesis, senders: Sequence[SigningKey], height: int) -> bytes:
    name = compute_genesis_hash(genesis)
    first = (height - 1) * PER_BLOCK
    made = []
    for number in range(first, first + PER_BLOCK):
        turn, place = divmod(number, SENDERS)
        recipient = senders[(number * 7 + 1) % SENDERS].node_id
        body = Transfer(recipient, NanoAlia(1_000))
        fee = genesis.params.min_fee
        tx = sign_transaction(senders[place], name, turn, fee, 1_000, body)
        made.append(encode_transaction(tx))
    return encode_payload(Payload(tuple(made)))


def _make_commit(parent: Header) -> codec.Value:
    """Who finalized the parent; its signatures are the vote's business and left out."""
    if parent.height == 0:
        return None
    return (2, parent.height, 0, compute_block_hash(parent), b"\x01", ())


def _make_header(genesis: Genesis, parent: Header, commit: codec.Value, payload: bytes) -> Header:
    first = parent.height == 0
    return replace(
        parent,
        height=Height(parent.height + 1),
        parent=compute_genesis_hash(genesis) if first else compute_block_hash(parent),
        time=Millis(parent.time + 1_000),
        body=compute_body_hash(commit, payload),
    )


def commit_all(work: Work, directory: Path) -> Rate:
    """Execute and store every block, as a validator does."""
    with open_chain(directory, LedgerFormat(), work.start) as chain:
        executor = LedgerExecutor(work.genesis)
        began, busy = time.perf_counter(), time.process_time()
        for header, body in work.blocks:
            _commit(chain, executor, header, body)
        return _rate(work, began, busy)


def _commit(chain: ChainStore, executor: LedgerExecutor, header: bytes, body: bytes) -> None:
    applied = executor.apply(chain.state, header, body)
    transactions, history = project(applied.events)
    update = chain.preview(applied.changes)
    chain.commit(BlockCommit(header, body, None, applied.changes, update, transactions, history))


def replay_all(work: Work, directory: Path) -> Rate:
    """Verify the stored chain from genesis."""
    with open_chain(directory, LedgerFormat(), work.start) as chain:
        began, busy = time.perf_counter(), time.process_time()
        report = verify_chain(
            chain.reader(), LedgerFormat(), work.start, LedgerExecutor(work.genesis)
        )
        assert report.transactions == work.transactions
        return _rate(work, began, busy)


def _rate(work: Work, began: float, busy: float) -> Rate:
    wall, cpu = time.perf_counter() - began, time.process_time() - busy
    return Rate(work.transactions / cpu, work.transactions / wall)


def measure(blocks: int = BLOCKS) -> tuple[Rate, Rate]:
    """Commit and replay of the same chain."""
    work = make_work(blocks)
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place) / "chain"
        return commit_all(work, directory), replay_all(work, directory)


def transfers_per_s() -> float:
    """Transfers validated, executed and committed per second on one core."""
    return round(measure()[0].cpu, 1)


def replay_per_s() -> float:
    """Transactions replayed and verified per second on one core."""
    return round(measure()[1].cpu, 1)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ledger_throughput", description=__doc__
    )
    parser.add_argument("--blocks", type=int, default=BLOCKS, help="blocks of 2,000 transfers")
    committed, replayed = measure(parser.parse_args().blocks)
    result = {
        "transfers_per_s": round(committed.cpu, 1),
        "replay_per_s": round(replayed.cpu, 1),
        "transfers_per_s_wall": round(committed.wall, 1),
        "replay_per_s_wall": round(replayed.wall, 1),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
