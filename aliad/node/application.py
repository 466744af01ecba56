"""The vote's `Application`: the ledger makes blocks of what waits, judges and keeps them."""

import logging
from collections.abc import Callable, Sequence

import trio

from aliad.consensus.application import Draft, Order
from aliad.consensus.block import Block, Opening
from aliad.consensus.evidence import Evidence
from aliad.consensus.votes import Certificate, Vote
from aliad.ledger import transactions as ledger
from aliad.ledger.state import read_stored
from aliad.ledger.validators import VALIDATOR_SET, compute_validators_hash
from aliad.node.committed import CommittedChain
from aliad.node.pool import TransactionPool
from aliad.types import Height

log = logging.getLogger(__name__)

Report = Callable[[ledger.Evidence], None]


class LedgerApplication:
    """Satisfies `aliad.consensus.application.Application`."""

    def __init__(
        self, chain: CommittedChain, pool: TransactionPool, report: Report, most: int
    ) -> None:
        """``most`` is how many transactions a draft holds at most."""
        self._chain = chain
        self._pool = pool
        self._report = report
        self._most = most

    def opening(self) -> Opening:
        return self._chain.opening()

    async def propose(self, order: Order) -> Draft | None:
        candidates = self._pool.candidates(self._chain.genesis.params.max_block_bytes)
        return await self._chain.draft(order, candidates[: self._most])

    async def validate(self, block: Block) -> bool | None:
        return await self._chain.judge(block)

    async def commit(
        self, block: Block, certificate: Certificate, trail: Sequence[Certificate]
    ) -> Opening:
        await self._chain.commit(block, certificate, trail)
        await self._chain.wait_certified()
        return self._chain.opening()

    async def finalized(self, height: Height) -> tuple[Block, Certificate] | None:
        await trio.lowlevel.checkpoint()
        return self._chain.final(height)

    def report(self, evidence: Evidence) -> None:
        """Convict whoever contradicted itself, by a transaction of this node."""
        first, second = evidence.first, evidence.second
        encoded = self._chain.rows.validators_at(first.height)
        if encoded is None:
            return
        log.warning("validator %s voted twice at height %d", first.signer.hex(), first.height)
        validators = compute_validators_hash(read_stored(encoded, VALIDATOR_SET))
        self._report(
            ledger.Evidence(
                first.signer, validators, first.height, first.view, _signed(first), _signed(second)
            )
        )


def _signed(vote: Vote) -> ledger.SignedVote:
    return ledger.SignedVote(int(vote.kind), vote.block_hash, vote.signature)
