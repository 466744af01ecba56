"""What the daemon costs and how fast it is: `python -m benchmarks.daemon` prints one JSON object.

    ready_s           start of the process to READY, without compute
    rss_mb            memory of an idle daemon of a network of four
    help_ms           `aliad --help`, best of ten
    status_ms         `aliad status` against a running daemon, best of ten
    idle_cpu          share of a core that a daemon of an idle network of four uses
    finality_p50_ms   submit to final for a payment, one after the other; only with --payments
    transfers_per_s   payments made final while four senders keep the pool filled; --payments

Payments need tokens, and tokens come from verified work alone: with --payments a tiny job is
trained first, which takes a minute or two.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil

from aliad.config.presets import DEVNET
from aliad.crypto import SigningKey
from aliad.daemon import devnet_job
from aliad.daemon.devnet import Devnet, DevnetNode, DevnetPlan, make_devnet
from aliad.daemon.home import Home
from aliad.ledger.genesis import compute_genesis_hash
from aliad.ledger.params import Params
from aliad.ledger.transactions import Transfer, encode_transaction, sign_transaction
from aliad.rpc.client import Client, Denied
from aliad.rpc.wire import Json
from aliad.types import Hash32, NanoAlia, RewardRate

IDLE_SECONDS: Final = 20.0
PAYING_SECONDS: Final = 10.0
PAYMENTS: Final = 100
TRIES: Final = 10
WAITING: Final = 48  # of one sender; the pool takes 64
PATIENCE: Final = 600.0
NO_COMPUTE: Final = "\n[work]\ndevices = []\n"


def ask(node: DevnetNode, method: str, /, **params: Json) -> dict[str, Json]:
    with node.connect(120.0) as client:
        found = client.call(method, **params)
    assert isinstance(found, dict)
    return found


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.05)


def best_ms(arguments: list[str]) -> float:
    """The quickest of some runs of the command."""
    times = []
    for _ in range(TRIES):
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "aliad.cli.main", *arguments], check=True, capture_output=True
        )
        times.append(time.perf_counter() - began)
    return round(1000 * min(times), 1)


def idle(folder: Path) -> dict[str, float]:
    """Everything about daemons that have nothing to do."""
    with make_devnet(DevnetPlan(folder, 4, 4, settings=NO_COMPUTE)) as devnet:
        began = time.perf_counter()
        devnet.start([0])
        ready = time.perf_counter() - began
        devnet.start([1, 2, 3])
        wait_until(lambda: all(_height(node) >= 2 for node in devnet.nodes))
        processes = [psutil.Process(each.pid) for each in devnet.processes.values()]
        before = [_cpu(process) for process in processes]
        time.sleep(IDLE_SECONDS)
        used = [_cpu(p) - b for p, b in zip(processes, before, strict=True)]
        memory = max(process.memory_info().rss for process in processes)
        status = best_ms(["status", "--socket", str(devnet.nodes[0].socket)])
    return {
        "ready_s": round(ready, 2),
        "rss_mb": round(memory / 1e6, 1),
        "help_ms": best_ms(["--help"]),
        "status_ms": status,
        "idle_cpu": round(max(used) / IDLE_SECONDS, 4),
    }


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _height(node: DevnetNode) -> int:
    height = ask(node, "chain.tip")["height"]
    assert isinstance(height, int)
    return height


def payments(folder: Path) -> dict[str, float]:
    """Train a little, then pay with what it earned."""
    params = Params(vesting_rounds=1, initial_reward_rate=RewardRate(1_000_000))
    job = devnet_job.sample_job(folder, 3, 600, 2)
    devnet_job.warm_up()
    devnet_job.prepare(job, folder / "prepared", 3)
    with make_devnet(DevnetPlan(folder, 4, 4, params=params)) as devnet:
        devnet.start()
        wait_until(lambda: all(_computes(node) for node in devnet.nodes))
        opened = ask(devnet.nodes[0], "job.submit", folder=str(folder / "prepared"))
        wait_until(lambda: _phase(devnet.nodes[0], str(opened["job"])) == "closed")
        return {
            "finality_p50_ms": round(_finality(devnet), 1),
            "transfers_per_s": round(_throughput(devnet), 1),
        }


def _computes(node: DevnetNode) -> bool:
    devices = ask(node, "work.status")["devices"]
    assert isinstance(devices, list)
    return all(isinstance(each, dict) and each["alive"] is True for each in devices)


def _phase(node: DevnetNode, job: str) -> str:
    found = ask(node, "job.show", job=job)["job"]
    assert isinstance(found, dict)
    return str(found["phase"])


def _finality(devnet: Devnet) -> float:
    """Median of payments that follow each other; a call returns when the payment is final."""
    rich = max(devnet.nodes, key=_balance)
    other = devnet.nodes[0 if rich.number else 1]
    times = []
    with rich.connect(120.0) as client:
        for _ in range(PAYMENTS):
            began = time.perf_counter()
            client.call("wallet.send", to=other.peer, amount_nano=1)
            times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)


def _balance(node: DevnetNode) -> int:
    balance = ask(node, "wallet.balance")["balance_nano"]
    assert isinstance(balance, int)
    return balance


def _throughput(devnet: Devnet) -> float:
    """Four senders, each at its own node, keep the pool filled."""
    stop = time.monotonic() + PAYING_SECONDS
    payers = [node for node in devnet.nodes if _balance(node) > 10**7]
    before = {node.number: _nonce(node) for node in payers}
    began = time.perf_counter()
    threads = [threading.Thread(target=_pay, args=(devnet, node, stop)) for node in payers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = sum(_nonce(node) - before[node.number] for node in payers)
    return done / (time.perf_counter() - began)


def _nonce(node: DevnetNode) -> int:
    nonce = ask(node, "wallet.balance")["nonce"]
    assert isinstance(nonce, int)
    return nonce


def _pay(devnet: Devnet, node: DevnetNode, stop: float) -> None:
    home = Home(node.datadir, DEVNET)
    key, genesis = home.key(None), compute_genesis_hash(home.genesis())
    other = devnet.nodes[(node.number + 1) % len(devnet.nodes)]
    nonce = _nonce(node)
    with node.connect(120.0) as client:
        while time.monotonic() < stop:
            found = client.call("wallet.balance")
            tip = client.call("chain.tip")
            assert isinstance(found, dict)
            assert isinstance(tip, dict)
            settled, height = found["nonce"], tip["height"]
            assert isinstance(settled, int)
            assert isinstance(height, int)
            while nonce - settled < WAITING:
                try:
                    _submit(client, key, genesis, nonce, height + 100, other)
                except Denied:
                    time.sleep(0.01)
                    break
                nonce += 1
            time.sleep(0.005)


def _submit(
    client: Client, key: SigningKey, genesis: Hash32, nonce: int, expiry: int, other: DevnetNode
) -> None:
    tx = sign_transaction(key, genesis, nonce, 1000, expiry, Transfer(other.node, NanoAlia(1)))
    client.call("chain.submit", transaction=encode_transaction(tx).hex())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.daemon", description=__doc__)
    parser.add_argument("--payments", action="store_true", help="also finality and throughput")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        figures = idle(Path(scratch) / "idle")
        if given.payments:
            folder = Path(scratch) / "payments"
            folder.mkdir()
            figures |= payments(folder)
    print(json.dumps({**figures, "cores": os.cpu_count(), "load": os.getloadavg()[0]}))


if __name__ == "__main__":
    main()
