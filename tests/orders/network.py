"""A network with a trained model, and a customer who has the tokens to order translations.

Node 0 originates the training, 0 to 3 vote, 1 is the customer and translates for nobody. Node 6
looks on: it neither votes nor translates. The others translate; 5 joins late, and lies.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from aliad.compute.model_folder import Model, load_model
from aliad.daemon.devnet import Devnet, DevnetPlan, make_devnet
from aliad.ledger.params import Params
from aliad.types import JobId, Millis, NanoAlia, RewardRate
from tests.orders.wiretap import Wiretap
from tests.work.daemons import ask, prepare_job, submit, wait, wait_closed

CUSTOMER, VICTIM, CHEATER, BYSTANDER = 1, 4, 5, 6
SERVERS = 5
EPOCHS = 4
PATIENCE_SECONDS = 6
# The rate falls quickly, so that what a short training earned pays for many orders.
PARAMS = Params(
    era_blocks=10,
    initial_reward_rate=RewardRate(100_000),
    emission_per_era=NanoAlia(1),
    vesting_rounds=8,
    newcomer_batches=4,
    trace_ms=Millis(60_000),
    ruling_ms=Millis(60_000),
)
NO_ORDERS = "\n[orders]\nenabled = false\n"


@dataclass(frozen=True, slots=True)
class TradingNetwork:
    """The daemons, who listens in, and the model: its job's id and its folder."""

    net: Devnet
    tap: Wiretap
    job: JobId
    folder: Path
    model: Model


@contextmanager
def trading_network(folder: Path) -> Iterator[TradingNetwork]:
    """Everything up to the customer's first order. All processes end with it."""
    net = make_devnet(DevnetPlan(folder / "net", 7, 4, params=PARAMS))
    cheater = replace(net.nodes[CHEATER], cheats=True)
    net = replace(net, nodes=(*net.nodes[:CHEATER], cheater, *net.nodes[CHEATER + 1 :]))
    for number in (CUSTOMER, BYSTANDER):
        with (net.nodes[number].datadir / "aliad.toml").open("a") as file:
            file.write(NO_ORDERS)
    prepared = prepare_job(folder, epochs=EPOCHS)
    with Wiretap(net) as tap, net:
        net.start([number for number in range(7) if number != CHEATER])
        job = submit(net.nodes[0], prepared)
        wait_closed(net.nodes[CUSTOMER], job)
        ask(net.nodes[CUSTOMER], "job.model", job=job.hex(), folder=str(folder / "model"))
        fund(net)
        net.start([CHEATER])
        wait(lambda: count_servers(net, job) == SERVERS, "all workers serve the model")
        yield TradingNetwork(net, tap, job, folder / "model", load_model(folder / "model"))


def fund(net: Devnet) -> None:
    """All who earned by training pay what they have to the customer."""
    customer = net.nodes[CUSTOMER]
    before = balance(net, CUSTOMER)
    fee = int(PARAMS.min_fee)
    payers = [number for number in (0, 2, 3, VICTIM, BYSTANDER) if balance(net, number) > fee]
    amounts = {number: balance(net, number) - fee for number in payers}
    for number, amount in amounts.items():
        ask(net.nodes[number], "wallet.send", to=customer.peer, amount_nano=amount)
    due = before + sum(amounts.values())
    wait(lambda: balance(net, CUSTOMER) == due, "the customer was paid")


def balance(net: Devnet, number: int) -> int:
    """What a node has, by its own daemon."""
    found = ask(net.nodes[number], "wallet.balance")
    assert isinstance(found, dict)
    return int(found["balance_nano"])


def count_servers(net: Devnet, job: JobId) -> int:
    """How many workers serve the model, as the customer sees it."""
    offers = ask(net.nodes[CUSTOMER], "order.models")
    assert isinstance(offers, list)
    return sum(offer["workers"] for offer in offers if offer["job"] == job.hex())


def aliad(net: Devnet, home: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    """What the command prints when the customer gives it. Fails with what it says if it fails."""
    process = start_aliad(net, home, *arguments)
    out, said = process.communicate(stdin, timeout=280)
    assert process.returncode == 0, said.decode()
    return out


def start_aliad(net: Devnet, home: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    """The command, running. ``home`` is where the customer's copies of documents lie."""
    verb, *rest = arguments
    return subprocess.Popen(
        [
            *(sys.executable, "-P", "-m", "aliad.cli.main", verb),
            *("--datadir", str(net.nodes[CUSTOMER].datadir), *rest),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "XDG_STATE_HOME": str(home)},
    )


def orders_of(net: Devnet) -> list[dict[str, object]]:
    """The customer's orders."""
    found = ask(net.nodes[CUSTOMER], "order.list")
    assert isinstance(found, list)
    return [dict(each) for each in found]
