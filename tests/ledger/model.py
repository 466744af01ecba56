"""The money of a network in a plain dictionary: what the ledger must agree with.

The model knows nothing of rounds or disputes. It follows the events: tokens move between places,
come into being and are burned, and the places' contents must be the ledger's after every block.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from aliad.ledger import events as ev
from aliad.ledger import keys
from aliad.ledger.job_state import get_jobs
from aliad.ledger.jobs import JobKind
from aliad.ledger.records import ACCOUNT, AMOUNT, STAKE
from aliad.ledger.state import StateReader
from aliad.types import BatchIndex, JobId, NodeId


@dataclass(slots=True)
class Model:
    """Amounts by (place, owner): balances, bonds, unbonding, pending per job, escrow."""

    amounts: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    nonces: Counter[NodeId] = field(default_factory=Counter)
    minted: int = 0
    burned: int = 0
    orders: set[JobId] = field(default_factory=set)
    paid: set[tuple[Any, ...]] = field(default_factory=set)
    earners: dict[tuple[JobId, BatchIndex], NodeId] = field(default_factory=dict)
    """Who was paid last for which batch of which order, unless it went back since."""

    def give(self, node: NodeId, amount: int) -> None:
        self.amounts["balance", node] += amount
        self.minted += amount

    def move(self, source: tuple[Any, ...], target: tuple[Any, ...] | None, amount: int) -> None:
        self.amounts[source] -= amount
        assert self.amounts[source] >= 0, f"{source} is overdrawn"
        if target is None:
            self.burned += amount
        else:
            self.amounts[target] += amount

    def follow(self, event: ev.Event) -> None:  # noqa: PLR0912 - one arm per kind
        match event:
            case ev.TransactionApplied(_, sender, _, fee):
                self.nonces[sender] += 1
                self.move(("balance", sender), None, fee)
            case ev.Transferred(sender, recipient, amount):
                self.move(("balance", sender), ("balance", recipient), amount)
            case ev.Bonded(node, amount):
                self.move(("balance", node), ("bond", node), amount)
            case ev.UnbondingStarted(node, amount, _):
                self.move(("bond", node), ("unbonding", node), amount)
            case ev.Unbonded(node, amount):
                self.move(("unbonding", node), ("balance", node), amount)
            case ev.RewardEarned():
                self._earn(event)
            case ev.RewardVested(job, _, node, paid_to, amount):
                self.move(("pending", job, node), ("balance", paid_to), amount)
            case ev.RewardForfeited(job, node, amount, cause):
                back = cause in (ev.Cause.UNCHECKED, ev.Cause.CONVICTED) and job in self.orders
                self.move(("pending", job, node), ("escrow", job) if back else None, amount)
            case ev.NodeConvicted(node):
                for place in ("bond", "unbonding"):
                    self.move((place, node), None, self.amounts[place, node])
            case ev.EscrowReturned(job, owner, amount):
                self.move(("escrow", job), ("balance", owner), amount)
            case ev.ForfeitUndone(job, _, amount):
                self.burned -= amount
                self.amounts["escrow", job] += amount
            case ev.BatchReturned(job, _, batch, trainer):
                assert self.earners.pop((job, batch)) == trainer
            case ev.BatchRedrawn(job, number, batch):
                self.paid.discard((job, number, batch, "trainer"))
            case _:
                pass

    def open_order(self, job: JobId, owner: NodeId, escrow: int) -> None:
        self.orders.add(job)
        self.move(("balance", owner), ("escrow", job), escrow)

    def _earn(self, event: ev.RewardEarned) -> None:
        role = event.node if event.check else "trainer"
        batch = (event.job, event.round, event.batch, role)
        assert batch not in self.paid, "a batch was paid twice"
        self.paid.add(batch)
        place = ("pending", event.job, event.node)
        if event.job in self.orders:
            if not event.check:
                earner = self.earners.setdefault((event.job, event.batch), event.node)
                assert earner == event.node, "two are paid for one batch of an order"
            self.move(("escrow", event.job), place, event.amount)
        else:
            self.minted += event.amount
            self.amounts[place] += event.amount

    def compare(self, state: StateReader) -> None:
        """Raises AssertionError where the ledger disagrees."""
        held = Counter({place: amount for place, amount in self.amounts.items() if amount})
        assert held == read_amounts(state)
        assert sum(held.values()) == self.minted - self.burned
        nonces = {
            NodeId(key[1:]): ACCOUNT.decode(value).nonce for key, value in state.items(keys.ACCOUNT)
        }
        assert {node: nonce for node, nonce in nonces.items() if nonce} == dict(self.nonces)


def read_amounts(state: StateReader) -> Counter[tuple[Any, ...]]:
    """All tokens of a state, by place and owner."""
    found: Counter[tuple[Any, ...]] = Counter()
    for key, value in state.items(keys.ACCOUNT):
        found["balance", key[1:]] += ACCOUNT.decode(value).balance
    for key, value in state.items(keys.STAKE):
        stake = STAKE.decode(value)
        found["bond", key[1:]] += stake.bonded
        found["unbonding", key[1:]] += sum(entry.amount for entry in stake.unbonding)
    for key, value in state.items(keys.PENDING):
        found["pending", key[1:33], key[41:]] += AMOUNT.decode(value).nano
    for job_id, job in get_jobs(state):
        if job.kind is JobKind.TRANSLATION:
            found["escrow", job_id] += job.escrow
    return Counter({place: amount for place, amount in found.items() if amount})
