"""What the state holds about accounts, stakes and workers, one frozen record per key."""

from dataclasses import dataclass
from typing import Annotated, Final

from aliad.ledger.schema import AtMost, Schema
from aliad.types import Hash32, Height, JobId, MegaMac, NanoAlia, NodeId, Nonce, Power, RewardRate

MAX_UNBONDING: Final = 16
MAX_SERVICES: Final = 32


@dataclass(frozen=True, slots=True)
class Account:
    """Tokens a key may spend, and how often it has."""

    nonce: Nonce
    balance: NanoAlia


@dataclass(frozen=True, slots=True)
class Economy:
    """Supply is ``minted - burned``; ``era_work`` is the paid work of the running era."""

    minted: NanoAlia
    burned: NanoAlia
    reward_rate: RewardRate
    era_work: MegaMac


@dataclass(frozen=True, slots=True)
class Unbonding:
    """Tokens on their way out, free at ``height``, until then at stake."""

    height: Height
    amount: NanoAlia


@dataclass(frozen=True, slots=True)
class Stake:
    """What a validator has at stake. ``granted`` is power given at genesis without tokens."""

    granted: Power
    bonded: NanoAlia
    unbonding: Annotated[tuple[Unbonding, ...], AtMost(MAX_UNBONDING)]


@dataclass(frozen=True, slots=True)
class Standing:
    """A worker's history over all jobs. Rewards go to ``reward_to``.

    ``verified`` batches are of training jobs, ``translated`` ones of orders: anybody can open an
    order and check itself, so the second number vouches for nothing but orders.
    """

    verified: int
    barred: bool
    reward_to: NodeId
    services: Annotated[tuple[JobId, ...], AtMost(MAX_SERVICES)]
    translated: int


@dataclass(frozen=True, slots=True)
class Worker:
    """A registration: memory in MiB, batches per round, and deadlines missed in a row."""

    memory: int
    capacity: int
    engine: Hash32
    strikes: int


@dataclass(frozen=True, slots=True)
class Absence:
    """How often in a row a worker was missing in an order; ``out``: it gets no more of it."""

    missed: int
    out: bool


@dataclass(frozen=True, slots=True)
class Amount:
    """Tokens under a key of their own."""

    nano: NanoAlia


@dataclass(frozen=True, slots=True)
class Nodes:
    """Some nodes, in the order that matters to their key."""

    nodes: Annotated[tuple[NodeId, ...], AtMost(4096)]


@dataclass(frozen=True, slots=True)
class Ballot:
    """Who voted to admit a node as originator, and who to remove it."""

    admit: Annotated[tuple[NodeId, ...], AtMost(256)]
    remove: Annotated[tuple[NodeId, ...], AtMost(256)]


ACCOUNT: Final = Schema(Account, 0x12)
ECONOMY: Final = Schema(Economy, 0x13)
STAKE: Final = Schema(Stake, 0x14)
STANDING: Final = Schema(Standing, 0x15)
WORKER: Final = Schema(Worker, 0x16)
AMOUNT: Final = Schema(Amount, 0x17)
NODES: Final = Schema(Nodes, 0x18)
BALLOT: Final = Schema(Ballot, 0x19)
ABSENCE: Final = Schema(Absence, 0x1E)
