"""The live screen of a devnet: on a terminal redrawn in place, elsewhere a line when it changes."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aliad.cli.output import Output
from aliad.cli.show import bar, curve, emit, fields, number, objects, real, table
from aliad.daemon.devnet import Devnet, DevnetNode
from aliad.errors import InputError
from aliad.rpc.client import Client, Denied, TimedOut, Unreachable
from aliad.rpc.wire import Json

OVER = frozenset({"closed", "failed", "cancelled"})
NEWS = 8  # verdicts that stay on the screen
LINE_SECONDS = 5.0
Object = Mapping[str, Json]


@dataclass
class View:
    """What the nodes say, asked again and again over their sockets."""

    devnet: Devnet
    output: Output
    job: str = ""
    news: list[str] = field(default_factory=list)
    _status: dict[int, Object] = field(default_factory=dict)
    _work: dict[int, Object] = field(default_factory=dict)
    _detail: Object | None = None
    _seen: int = -1
    _said: str = ""
    _next_line: float = 0.0

    def __enter__(self) -> "View":
        """Begin to show."""
        return self

    def __exit__(self, *_: object) -> None:
        """End."""

    def update(self) -> None:
        """Ask everybody, and show it."""
        for node in self.devnet.nodes:
            self._ask(node)
        if self.job:
            self._detail = self._call(0, "job.show", job=self.job)
            self._take_news()
        self._draw()

    def _ask(self, node: DevnetNode) -> None:
        status = self._call(node.number, "node.status")
        work = self._call(node.number, "work.status")
        if status is not None and work is not None:
            self._status[node.number], self._work[node.number] = status, work
        elif not self.devnet.alive(node.number):
            raise InputError(
                f"node {node.number} ended",
                f"exit code {self.devnet.processes[node.number].returncode}",
                f"Its log is {node.log}",
            )

    def ask(self, place: int, method: str, /, **params: Json) -> Json:
        """What a node answers; None if it does not."""
        try:
            with self.devnet.nodes[place].connect() as client:
                return client.call(method, **params)
        except (Unreachable, TimedOut):
            return None

    def _call(self, place: int, method: str, /, **params: Json) -> Object | None:
        found = self.ask(place, method, **params)
        return found if isinstance(found, Mapping) else None

    def _take_news(self) -> None:
        """Verdicts come out of the audit log, so that none is missed between two looks."""
        found = self._call(0, "audit.job", job=self.job, first=self._seen + 1, limit=5000)
        for entry in objects(found["entries"]) if found else []:
            self._seen = max(self._seen, number(entry["serial"]))
            if entry["kind"] in _VERDICTS:
                self.news.append(self.named(str(entry["text"])))
                self._show_news(entry, self.news[-1])

    def named(self, text: str) -> str:
        """Nodes by their numbers."""
        for node in self.devnet.nodes:
            text = text.replace(f"…{node.peer[-8:]}", f"node {node.number}")
        return text.replace("this node", "node 0")

    # -- what the job needs -----------------------------------------------------------------------

    def all_compute(self) -> bool:
        """Whether every node can train."""
        if len(self._work) < len(self.devnet.nodes):
            return False
        for place, work in self._work.items():
            if "failed" in str(work["summary"]):
                raise InputError(f"node {place} cannot compute", str(work["summary"]), "")
        return all(
            device["alive"] is True
            for work in self._work.values()
            for device in objects(work["devices"])
        )

    def why_no_compute(self) -> str:
        """What the first node without says."""
        return next((str(w["summary"]) for w in self._work.values() if w["summary"]), "")

    def submit(self, folder: Path) -> None:
        """Have node 0 originate the prepared job. Raises InputError."""
        try:
            with Client(self.devnet.nodes[0].socket, 120.0) as client:
                found = client.call("job.submit", folder=str(folder))
        except Denied as denied:
            raise InputError(denied.what, denied.why, denied.fix) from denied
        assert isinstance(found, Mapping)  # noqa: S101 - the method's schema says so
        self.job = str(found["job"])
        self.say(f"Job {self.job[:12]} is on the chain")

    @property
    def is_over(self) -> bool:
        """Whether the job ended, one way or the other."""
        return self.phase in OVER

    @property
    def phase(self) -> str:
        """Of the job."""
        return str(self._view().get("phase", ""))

    def _view(self) -> Object:
        found = self._detail["job"] if self._detail else None
        return found if isinstance(found, Mapping) else {}

    # -- showing ----------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """A message."""
        self.output.say(text)

    def headline(self) -> str:
        """The job in a line."""
        if not self._detail:
            heights = [number(s["height"]) for s in self._status.values()]
            return f"heights {min(heights, default=0)} to {max(heights, default=0)}"
        view, losses = self._view(), self._losses()
        loss = f"loss {losses[-1]:.3f}" if losses else "no loss yet"
        return (
            f"{view['phase']}, epoch {view['epoch']}/{view['epochs']}, round {view['round']}, "
            f"{100 * real(view['progress']):.0f}%, {loss}, "
            f"{real(self._detail['tokens_per_second']):,.0f} tokens/s"
        )

    def _losses(self) -> list[float]:
        found = self._detail["losses"] if self._detail else []
        return [real(value) for value in found] if isinstance(found, list) else []

    def _show_news(self, entry: Object, text: str) -> None:
        if self.output.json:
            emit(self.output, "verdict", entry, "")
        else:
            self.say(f"  {text}")

    def _draw(self) -> None:
        """Elsewhere than on a terminal: a line now and then, if something changed."""
        line = self.headline()
        if line != self._said and time.monotonic() >= self._next_line:
            self._said, self._next_line = line, time.monotonic() + LINE_SECONDS
            if self.output.json:
                emit(self.output, "devnet", {"job": self._detail, "nodes": self._rows_json()}, "")
            else:
                self.say(line)

    def _rows_json(self) -> list[Json]:
        return [self._status[place] for place in sorted(self._status)]

    def screen(self) -> str:
        """Everything, for a terminal."""
        rows: list[tuple[object, ...]] = []
        for node in self.devnet.nodes:
            s, w = self._status.get(node.number), self._work.get(node.number)
            if s is None or w is None:
                rows.append((node.number, "", "", "", "starting", "", ""))
                continue
            role = "originator" if node.number == 0 else "cheater" if node.cheats else ""
            rows.append(
                (
                    node.number,
                    role,
                    s["height"],
                    s["peers"],
                    self._doing(w),
                    f"{number(s['balance_nano']) / 1e9:,.3f}",
                    f"{number(s['pending_nano']) / 1e9:,.3f}",
                )
            )
        head = ("node", "role", "block", "peers", "does", "ALIA", "pending")
        parts = [table(head, rows)]
        if self._detail:
            view, losses = self._view(), self._losses()
            parts.append(
                fields(
                    [
                        ("job", f"{view['name']} {str(view['id'])[:12]}, {view['phase']}"),
                        (
                            "progress",
                            f"{bar(real(view['progress']))} epoch {view['epoch']} of "
                            f"{view['epochs']}, round {view['round']}",
                        ),
                        ("loss", f"{losses[-1]:.3f} {curve(losses, 60)}" if losses else ""),
                        ("speed", f"{real(self._detail['tokens_per_second']):,.0f} tokens/s"),
                    ]
                )
            )
        if self.news:
            parts.append("\n".join(self.news[-NEWS:]))
        return "\n\n".join(parts)

    def _doing(self, work: Object) -> str:
        jobs = [str(job["reason"]) for job in objects(work["jobs"]) if job["working"]]
        text = jobs[0] if jobs else str(work["summary"])
        if work["barred"]:
            text = "convicted"
        return self.named(text).split(" of job")[0][:34]


_VERDICTS = frozenset(
    {
        "batch_drawn",
        "batch_verified",
        "dispute_opened",
        "rulings_opened",
        "batch_refuted",
        "node_convicted",
        "batch_redrawn",
        "batch_voided",
        "job_rewound",
        "job_corrected",
        "job_finished",
        "job_closed",
    }
)


class LiveView(View):
    """Redrawn in place."""

    def __init__(self, devnet: Devnet, output: Output) -> None:
        from rich.console import Console
        from rich.live import Live

        super().__init__(devnet, output)
        self._live = Live(console=Console(), refresh_per_second=4)

    def __enter__(self) -> "LiveView":
        """Begin to draw."""
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last screen."""
        self._live.stop()

    def _draw(self) -> None:
        from rich.text import Text

        self._live.update(Text(self.screen()))

    def _show_news(self, entry: Object, text: str) -> None:
        """They are part of the screen."""

    def say(self, text: str) -> None:
        """Above the screen."""
        self._live.console.print(text, highlight=False)


def make_view(devnet: Devnet, output: Output) -> View:
    """What fits stdout."""
    if sys.stdout.isatty() and not output.json and not output.quiet:
        return LiveView(devnet, output)
    return View(devnet, output)
