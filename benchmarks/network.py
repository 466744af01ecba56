"""What the network costs: gossip, streams, blobs, an idle host. Real processes on loopback.

``python -m benchmarks.network`` prints what it measures as it goes, and one flat JSON object as
its last line. All nodes share this machine's cores, so wall times are those of a machine that is
busy with all of them; CPU times are better to plan with.

- ``gossip_cpu_ms``: CPU per message and node, 8 processes, each connected to four others, 20
  messages of 300 bytes a second in all; everything that the processes do meanwhile is counted.
- ``gossip_p50_ms``, ``gossip_p99_ms``: from publishing to hearing, at all nodes but the publisher.
- ``stream_ratio``: speed of a blob from one peer, verified and written to the disk, against the
  best plain stream of this run, whichever host and size of writes it is. ``stream_ratio_stock``
  leaves out the node's own host, whose multiplexer is replaced: libp2p as it comes.
- ``fanout_upload_ratio``: what one source uploads to six peers, in sizes of the blob.
- ``idle_rss_mb``: memory of a node that is connected to nobody.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import Any

MESSAGES_PER_SECOND = 20
MEGABYTE = 1 << 20
WRITES = [256 << 10, 1 << 20]
STRIDE = 3  # node i dials i + 1 and i + 3: four neighbours each


class Child:
    """A node in a process of its own."""

    def __init__(self, number: int, directory: Path) -> None:
        command = [sys.executable, "-m", "benchmarks.network_node"]
        self._process = subprocess.Popen(
            [*command, str(number), str(directory / str(number))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def tell(self, command: str, *arguments: object) -> None:
        """Begin something."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([command, *arguments]) + "\n")
        self._process.stdin.flush()

    def hear(self) -> Any:  # noqa: ANN401
        """The answer to the oldest command not yet answered."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("a node of the benchmark ended")
        return json.loads(line)

    def ask(self, command: str, *arguments: object) -> Any:  # noqa: ANN401
        """Do something and say what came of it."""
        self.tell(command, *arguments)
        return self.hear()

    def end(self) -> None:
        """Let the process end, or make it."""
        with contextlib.suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextlib.contextmanager
def nodes(count: int) -> Iterator[list[Child]]:
    """Nodes that know nothing of each other."""
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        children = []
        for number in range(count):
            children.append(Child(number, Path(directory)))
            stack.callback(children[-1].end)
        ask_all(children, "addresses")  # all are up
        yield children


def ask_all(children: list[Child], command: str, *arguments: object) -> list[Any]:
    """The same of all of them at the same time."""
    for child in children:
        child.tell(command, *arguments)
    return [child.hear() for child in children]


def address(child: Child) -> str:
    return str(child.ask("addresses")[1])


def name(child: Child) -> str:
    return str(child.ask("addresses")[0])


def connect(children: list[Child], links: set[tuple[int, int]]) -> None:
    """Connect pairs, and wait until both sides know."""
    for a, b in sorted(links):
        children[a].ask("dial", address(children[b]))
    degree = [sum(n in link for link in links) for n in range(len(children))]
    while ask_all(children, "peers") != degree:
        time.sleep(0.2)


def gossip(count: int, seconds: int) -> dict[str, float]:
    """All nodes publish in turn, ``MESSAGES_PER_SECOND`` together."""
    strides = [1] if count <= 4 else [1, STRIDE]
    pairs = {(n, (n + stride) % count) for n in range(count) for stride in strides}
    links = {(min(pair), max(pair)) for pair in pairs}
    with nodes(count) as children:
        connect(children, links)
        time.sleep(3)  # meshes form in some heartbeats
        while min(len(heard) for heard in _warm_up(children)) < 1:
            time.sleep(0.5)
        idle = ask_all(children, "cpu")
        time.sleep(5)
        before = ask_all(children, "cpu")
        each = MESSAGES_PER_SECOND * seconds // count
        interval = count / MESSAGES_PER_SECOND
        for number, child in enumerate(children):
            child.tell("publish", each, interval, number / MESSAGES_PER_SECOND)
        for child in children:
            child.hear()
        time.sleep(3)  # the last ones arrive
        used = [now - then for now, then in zip(ask_all(children, "cpu"), before, strict=True)]
        heard = ask_all(children, "heard")
    messages = each * count
    latencies = sorted(latency for one in heard for latency in one)
    cuts = quantiles(latencies, n=100)
    expected = messages * (count - 1)
    idling = sum(now - then for now, then in zip(before, idle, strict=True)) / count / 5
    result = {
        "cpu_ms": sum(used) / (count * messages) * 1000,
        "p50_ms": cuts[49],
        "p99_ms": cuts[98],
        "worst_ms": latencies[-1],
        "lost": expected - len(latencies),
        "messages": messages,
    }
    print(
        f"gossip, {count} processes, {len(links)} links, {messages} messages: "
        f"{result['cpu_ms']:.2f} ms CPU per message and node "
        f"(and {idling * 100:.1f} % of a core when idle), p50 {result['p50_ms']:.1f} ms, "
        f"p99 {result['p99_ms']:.1f} ms, worst {result['worst_ms']:.1f} ms, "
        f"{len(latencies)} of {expected} arrived",
        flush=True,
    )
    return result


def _warm_up(children: list[Child]) -> list[list[float]]:
    """One message from everybody; what is heard of it in a while."""
    ask_all(children, "publish", 1, 1.0, 0.0)
    time.sleep(1)
    return ask_all(children, "heard")


def streams(megabytes: int, rounds: int) -> dict[str, float]:
    """Plain streams and blobs in turn, between the same two processes."""
    size = megabytes * MEGABYTE
    plain: dict[str, list[float]] = {}
    blobs: list[float] = []
    cpu: dict[str, list[float]] = {"plain": [], "blob": []}
    with nodes(2) as (source, sink):
        stock = source.ask("serve_plain")
        sink.ask("serve_plain")
        connect([source, sink], {(0, 1)})
        sink.ask("dial_stock", stock)
        for turn in range(rounds):
            for kind, peer in [("lean", name(source)), ("stock", stock)]:
                for write in WRITES:
                    before = source.ask("cpu")
                    seconds, used = sink.ask("pull", kind, peer, write, size)
                    key = f"{kind} {write >> 10} KiB"
                    plain.setdefault(key, []).append(megabytes / seconds)
                    cpu["plain"].append((used + source.ask("cpu") - before) / megabytes / 2)
            blob = source.ask("add", size, turn)
            before = source.ask("cpu")
            seconds, used = sink.ask("fetch", blob, [name(source)], size)
            blobs.append(megabytes / seconds)
            cpu["blob"].append((used + source.ask("cpu") - before) / megabytes / 2)
    for key, speeds in plain.items():
        print(f"plain stream, {key} writes: {_speeds(speeds)}", flush=True)
    best = max(median(speeds) for speeds in plain.values())
    stock_best = max(median(plain[key]) for key in plain if key.startswith("stock"))
    result = {
        "plain_mb_s": best,
        "blob_mb_s": median(blobs),
        "ratio": median(blobs) / best,
        "ratio_stock": median(blobs) / stock_best,
        "plain_cpu_ms_per_mb": min(cpu["plain"]) * 1000,
        "blob_cpu_ms_per_mb": median(cpu["blob"]) * 1000,
    }
    print(
        f"blob of {megabytes} MiB: {_speeds(blobs)}, {result['ratio']:.2f} of the best plain "
        f"stream, {result['ratio_stock']:.2f} of stock libp2p's; CPU per MiB and side "
        f"{result['blob_cpu_ms_per_mb']:.1f} ms, plain at best "
        f"{result['plain_cpu_ms_per_mb']:.1f} ms",
        flush=True,
    )
    return result


def _speeds(speeds: list[float]) -> str:
    return f"{median(speeds):.1f} MiB/s ({min(speeds):.1f} to {max(speeds):.1f})"


def fan_out(megabytes: int, peers: int) -> dict[str, float]:
    """One source, and peers that all fetch at once and are all connected with each other."""
    size = megabytes * MEGABYTE
    with nodes(peers + 1) as children:
        source, *sinks = children
        connect(children, {(a, b) for b in range(peers + 1) for a in range(b)})
        blob = source.ask("add", size, 99)
        results = ask_all(sinks, "fetch", blob, [name(source)], size)
        sent = ask_all(children, "sent")
    result = {"upload_ratio": sent[0] / size, "seconds": max(seconds for seconds, _ in results)}
    others = " ".join(f"{one / size:.2f}" for one in sent[1:])
    print(
        f"fan-out of {megabytes} MiB to {peers}: the source uploads {result['upload_ratio']:.2f} "
        f"sizes in {result['seconds']:.1f} s, the others {others}",
        flush=True,
    )
    return result


def idle() -> float:
    """MB of memory."""
    with nodes(1) as (child,):
        time.sleep(5)
        rss = float(child.ask("rss"))
    print(f"idle host: {rss:.1f} MB", flush=True)
    return rss


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.network", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="of gossip (default 60)")
    parser.add_argument("--megabytes", type=int, default=64, help="of blobs (default 64)")
    parser.add_argument("--rounds", type=int, default=5, help="of stream and blob (default 5)")
    args = parser.parse_args()
    rss = idle()
    speed = streams(args.megabytes, args.rounds)
    fan = fan_out(args.megabytes, 6)
    few = gossip(4, args.seconds)
    many = gossip(8, args.seconds)
    result = {
        "gossip_cpu_ms": many["cpu_ms"],
        "gossip_p50_ms": many["p50_ms"],
        "gossip_p99_ms": many["p99_ms"],
        "gossip_lost": many["lost"] + few["lost"],
        "gossip_cpu_ms_4": few["cpu_ms"],
        "gossip_p50_ms_4": few["p50_ms"],
        "gossip_p99_ms_4": few["p99_ms"],
        "stream_ratio": speed["ratio"],
        "stream_ratio_stock": speed["ratio_stock"],
        "stream_mb_s": speed["plain_mb_s"],
        "stream_cpu_ms_per_mb": speed["plain_cpu_ms_per_mb"],
        "blob_mb_s": speed["blob_mb_s"],
        "blob_cpu_ms_per_mb": speed["blob_cpu_ms_per_mb"],
        "fanout_upload_ratio": fan["upload_ratio"],
        "fanout_seconds": fan["seconds"],
        "idle_rss_mb": rss,
    }
    print(json.dumps({key: round(value, 3) for key, value in result.items()}))


if __name__ == "__main__":
    main()
