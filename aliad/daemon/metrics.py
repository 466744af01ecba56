"""Figures for Prometheus, read from the parts when asked for; no peer or job ids as labels."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import trio
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from aliad.errors import ConfigError

MAX_REQUEST: Final = 8192
REQUEST_SECONDS: Final = 10.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Figure:
    """One number at this moment; the labels' names are the same for all figures of a name."""

    name: str
    help: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()
    counter: bool = False


Source = Callable[[], Iterator[Figure]]


@dataclass(slots=True, eq=False)
class Metrics:
    """The registry of one daemon."""

    sources: list[Source] = field(default_factory=list)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    commit_seconds: Histogram = field(init=False)

    def __post_init__(self) -> None:
        self.registry.register(self)
        self.commit_seconds = Histogram(
            "aliad_block_interval_seconds",
            "Time between committed blocks.",
            buckets=(0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60),
            registry=self.registry,
        )

    def collect(self) -> Iterator[Metric]:
        """What prometheus_client asks a collector for."""
        families: dict[str, Metric] = {}
        for source in self.sources:
            for figure in source():
                family = families.get(figure.name)
                if family is None:
                    kind = CounterMetricFamily if figure.counter else GaugeMetricFamily
                    names = [name for name, _ in figure.labels]
                    family = families[figure.name] = kind(figure.name, figure.help, labels=names)
                family.add_metric([value for _, value in figure.labels], figure.value)  # type: ignore[attr-defined]
        yield from families.values()

    def text(self) -> str:
        """All figures, in Prometheus' text format."""
        return generate_latest(self.registry).decode()


async def serve_metrics(
    metrics: Metrics, port: int, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED
) -> None:
    """GET /metrics on the loopback interface. Raises ConfigError if the port is taken."""
    try:
        listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
    except OSError as error:
        raise ConfigError(
            f"port {port} for metrics cannot be used",
            str(error.strerror or error),
            "Set metrics.port to another one, or 0.",
        ) from error
    task_status.started(listeners[0].socket.getsockname()[1])

    async def answer(stream: trio.SocketStream) -> None:
        try:
            with trio.move_on_after(REQUEST_SECONDS):
                await _answer(stream, metrics)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
        except Exception:
            log.exception("a request for metrics failed")

    await trio.serve_listeners(answer, listeners)


async def _answer(stream: trio.SocketStream, metrics: Metrics) -> None:
    async with stream:
        request = b""
        while b"\r\n\r\n" not in request:
            piece = await stream.receive_some(1024)
            request += piece
            if not piece or len(request) > MAX_REQUEST:
                return
        found = request.split(b" ", 2)[:2] == [b"GET", b"/metrics"]
        status = b"200 OK" if found else b"404 Not Found"
        body = metrics.text().encode() if found else b"try /metrics\n"
        head = b"HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n" % status
        await stream.send_all(
            head + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body
        )
