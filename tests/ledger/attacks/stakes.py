"""Attacks by and on validators."""

from dataclasses import replace

from aliad.crypto import domain, sign
from aliad.ledger.events import (
    NodeConvicted,
)
from aliad.ledger.params import Params
from aliad.ledger.stakes import get_stake
from aliad.ledger.transactions import (
    Bond,
    Evidence,
    RegisterWorker,
    SignedVote,
    Unbond,
)
from aliad.types import (
    ZERO_HASH,
    Hash32,
    NanoAlia,
    View,
)
from tests.ledger.attacks.acting import convicted, refused
from tests.ledger.chain import OWNER, VALIDATORS, Chain, hash_of, key
from tests.ledger.invariants import check_state
from tests.ledger.training import ENGINE, Training


def double_vote(
    chain: Chain, first: int = 1, second: int = 1, network: Hash32 | None = None, height: int = 1
) -> Evidence:
    """Evidence of two votes by validator 3, kinds as given."""
    accused = VALIDATORS[3]
    votes = []
    for kind, block in ((first, hash_of("x")), (second, hash_of("y"))):
        named = ZERO_HASH if kind == 3 else block
        message = (
            hash_of("set")
            + height.to_bytes(8, "big")
            + (0).to_bytes(4, "big")
            + kind.to_bytes(1, "big")
            + named
        )
        signature = sign(accused, domain("vote"), network or chain.hash, message)
        votes.append(SignedVote(kind, named, signature))
    return Evidence(
        accused.node_id, hash_of("set"), chain.context().height.__class__(height), View(0), *votes
    )


def equivocation() -> None:
    """Whoever votes twice loses everything at stake, also what is unbonding."""
    chain = Chain(Params(min_bond=NanoAlia(10**6)))
    accused = VALIDATORS[3]
    chain.give(accused.node_id, 10**9)
    chain.send(accused, Bond(NanoAlia(5 * 10**8)), fee=1_000)
    chain.send(accused, Unbond(NanoAlia(2 * 10**8), False), fee=1_000)
    for first, second in ((1, 1), (2, 2), (2, 3)):
        probe = Chain(Params(min_bond=NanoAlia(10**6)))
        probe.send(key("reporter"), double_vote(probe, first, second))
        assert convicted(probe) == {accused.node_id}
    chain.send(key("reporter"), double_vote(chain))
    assert chain.last(NodeConvicted).burned == 5 * 10**8
    assert get_stake(chain.state, accused.node_id).bonded == 0
    refused(chain, chain.tx(accused, Bond(NanoAlia(1)), fee=1_000))
    check_state(chain.state)


def honest_votes_as_evidence() -> None:
    """NOTARIZE of one block and FINALIZE of another is what an honest validator may do."""
    chain = Chain()
    refused(chain, chain.tx(key("reporter"), double_vote(chain, 1, 2)))
    refused(chain, chain.tx(key("reporter"), double_vote(chain, 1, 3)))


def forged_evidence() -> None:
    chain = Chain()
    made = double_vote(chain)
    bad = replace(made, second=replace(made.second, signature=made.first.signature))
    refused(chain, chain.tx(key("reporter"), bad))


def evidence_from_another_network() -> None:
    chain = Chain()
    refused(chain, chain.tx(key("reporter"), double_vote(chain, network=hash_of("other"))))


def old_evidence() -> None:
    chain = Chain(Params(evidence_blocks=3, unbonding_blocks=4))
    for _ in range(4):
        chain.block()
    refused(chain, chain.tx(key("reporter"), double_vote(chain)))


def same_evidence_twice() -> None:
    chain = Chain()
    chain.send(key("reporter"), double_vote(chain))
    refused(chain, chain.tx(key("reporter"), double_vote(chain, 2, 2)))


def barred_key_returns() -> None:
    """A convicted key registers again."""
    chain = Chain()
    service = Training(chain, workers=0).id
    chain.send(key("reporter"), double_vote(chain))
    body = RegisterWorker(service, 1, 1, ENGINE, OWNER.node_id)
    refused(chain, chain.tx(VALIDATORS[3], body))


def unbond_before_the_verdict() -> None:
    """Stake on its way out does not come back at once."""
    chain = Chain()
    node = key("leaver")
    chain.give(node.node_id, 10**9)
    chain.send(node, Bond(NanoAlia(10**8)), fee=1_000)
    before = chain.balance(node.node_id)
    chain.send(node, Unbond(NanoAlia(10**8), False), fee=1_000)
    for _ in range(3):
        chain.block()
    assert chain.balance(node.node_id) < before
