"""Using what was signed once more."""

from aliad.ledger.transactions import (
    Transfer,
)
from aliad.types import (
    NanoAlia,
)
from tests.ledger.attacks.acting import refused
from tests.ledger.chain import OWNER, Chain, key


def replay_on_another_network() -> None:
    """A transaction signed for one network is tried on another."""
    chain, other = Chain(name="here"), Chain(name="there")
    sender = key("rich")
    for each in (chain, other):
        each.give(sender.node_id, 10**9)
    tx = chain.tx(sender, Transfer(OWNER.node_id, NanoAlia(7)), fee=1_000)
    refused(other, tx)
    chain.block(tx)


def replay_on_the_same_network() -> None:
    chain = Chain()
    sender = key("rich")
    chain.give(sender.node_id, 10**9)
    tx = chain.tx(sender, Transfer(OWNER.node_id, NanoAlia(7)), fee=1_000)
    chain.block(tx)
    refused(chain, tx)


def replay_after_expiry() -> None:
    chain = Chain()
    sender = key("rich")
    chain.give(sender.node_id, 10**9)
    tx = chain.tx(sender, Transfer(OWNER.node_id, NanoAlia(7)), fee=1_000)
    for _ in range(51):
        chain.block()
    refused(chain, tx)
