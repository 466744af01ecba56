"""Chains of the real ledger: signed transfers between funded accounts, executed and committed."""

from collections.abc import Sequence

from aliad.codec import Value
from aliad.crypto import SigningKey, key_from_seed
from aliad.ledger import keys
from aliad.ledger.accounts import get_account
from aliad.ledger.apply import apply_payload, get_app_header, get_block_context
from aliad.ledger.block import APP_HEADER, Header, Payload, encode_payload
from aliad.ledger.eras import get_validators
from aliad.ledger.genesis import Genesis, compute_genesis_hash
from aliad.ledger.params import Params
from aliad.ledger.records import ACCOUNT, Account
from aliad.ledger.transactions import (
    Transaction,
    TransactionBody,
    Transfer,
    encode_transaction,
    sign_transaction,
)
from aliad.ledger.validators import (
    VALIDATOR_SET,
    ValidatorSet,
    compute_validators_hash,
    make_validator_set,
)
from aliad.store.chain import BlockCommit, ChainStore, GenesisState
from aliad.store.ledger_format import LedgerFormat, encode_body, encode_header
from aliad.store.projection import get_audit_entries, project
from aliad.store.replay import make_genesis_state, read_signers
from aliad.types import ZERO_HASH, Hash32, Height, Millis, NanoAlia, Nonce, Power
from tests.store.chains import seeded

START = Millis(1_700_000_000_000)
USERS = [key_from_seed(seeded("user", number)) for number in range(20)]
VALIDATORS = [key_from_seed(seeded("validator", number)) for number in range(4)]
FEE = 1_000


def make_genesis() -> Genesis:
    powers = {validator.node_id: Power(10) for validator in VALIDATORS}
    return Genesis("test", START, make_validator_set(powers), (), Params(era_blocks=10))


def fund(start: GenesisState) -> GenesisState:
    """Give every user tokens, which only a test can."""
    funds = ACCOUNT.encode(Account(Nonce(0), NanoAlia(10**15)))
    given = {keys.account(user.node_id): funds for user in USERS}
    return GenesisState(start.hash, {**start.values, **given}, start.record)


GENESIS = make_genesis()
START_STATE = make_genesis_state(GENESIS)
FUNDED = fund(START_STATE)


class LedgerChain:
    """Makes the next block of a chain database out of transactions, and commits it."""

    def __init__(self, chain: ChainStore) -> None:
        self.chain = chain
        self.hash = compute_genesis_hash(GENESIS)
        self.nonces = [get_account(chain.state, user.node_id).nonce for user in USERS]
        signed = chain.blocks.validators_at(chain.tip.height)
        self.parent_set: ValidatorSet | None = VALIDATOR_SET.decode(signed) if signed else None

    def sign(
        self, sender: SigningKey, nonce: int, body: TransactionBody, fee: int = FEE
    ) -> Transaction:
        return sign_transaction(sender, self.hash, nonce, fee, self.chain.tip.height + 100, body)

    def transfers(self, count: int) -> list[Transaction]:
        """Signed transfers, round the users."""
        made = []
        for number in range(count):
            sender = number % len(USERS)
            recipient = USERS[(sender + 1 + number // len(USERS)) % len(USERS)].node_id
            body = Transfer(recipient, NanoAlia(1 + number))
            made.append(self.sign(USERS[sender], self.nonces[sender], body))
            self.nonces[sender] = Nonce(self.nonces[sender] + 1)
        return made

    def last_commit(self) -> Value:
        tip = self.chain.tip
        if tip.height == 0:
            return None
        signatures = tuple(seeded("signature", tip.height, n) * 2 for n in range(3))
        return (2, tip.height, 0, tip.hash, b"\x07", signatures)

    def propose(self, transactions: Sequence[Transaction]) -> BlockCommit:
        """A block that holds them, executed."""
        raw = tuple(encode_transaction(transaction) for transaction in transactions)
        payload = encode_payload(Payload(raw))
        last_commit = self.last_commit()
        body = encode_body(last_commit, payload)
        current = get_validators(self.chain.state)
        height = Height(self.chain.tip.height + 1)
        header = Header(
            height,
            self.chain.tip.hash,
            Millis(START + 1000 * height),
            compute_validators_hash(current),
            ZERO_HASH,
            VALIDATORS[height % 4].node_id,
            b"p" * 80,
            Hash32(seeded("beacon", height)),
            LedgerFormat().body_hash(body),
            b"",
        )
        applied = apply_payload(
            self.chain.state,
            get_block_context(self.hash, header),
            payload,
            GENESIS.params,
            read_signers(last_commit, self.parent_set),
        )
        update = self.chain.preview(applied.changes)
        app = get_app_header(applied, update.tree.root)
        final = Header(
            header.height,
            header.parent,
            header.time,
            header.validators,
            compute_validators_hash(applied.validators),
            header.proposer,
            header.proof,
            header.beacon,
            header.body,
            APP_HEADER.encode(app),
        )
        self.parent_set = current
        ids, history = project(applied.events)
        return BlockCommit(
            encode_header(final),
            body,
            b"certificate",
            applied.changes,
            update,
            ids,
            history,
            log=get_audit_entries(header.time, applied.events),
        )

    def block(self, transactions: Sequence[Transaction]) -> None:
        self.chain.commit(self.propose(transactions))
