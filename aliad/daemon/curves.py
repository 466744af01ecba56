"""How a job goes, from the work reports that this node logged: loss and speed by round."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from aliad.errors import RemoteProtocolError
from aliad.store import audit
from aliad.store.kv import Reader
from aliad.types import JobId, Round
from aliad.work.messages import ResultMessage, decode_gossip

MAX_ROUNDS: Final = 100_000


@dataclass(slots=True)
class RoundFigures:
    """Sums over the reports of one round; ``loss`` weighted by tokens."""

    tokens: int = 0
    weighted: float = 0.0
    speed: float = 0.0
    first: int = 0
    last: int = 0

    @property
    def loss(self) -> float:
        """Nats a token, as the trainers reported."""
        return self.weighted / self.tokens if self.tokens else 0.0


@dataclass(slots=True)
class Curve:
    """One job's rounds; `read` takes in what was logged since the last time."""

    job: JobId
    rounds: dict[Round, RoundFigures] = field(default_factory=dict)
    _next: int = 0

    def read(self, reader: Reader) -> None:
        """Take in new reports."""
        for serial, entry in self._new(reader):
            self._next = serial + 1
            if entry.kind != "result":
                continue
            try:
                message = decode_gossip(entry.payload)
            except RemoteProtocolError:
                continue
            if isinstance(message, ResultMessage) and len(self.rounds) < MAX_ROUNDS:
                self._add(message, entry.time)

    def _new(self, reader: Reader) -> Iterator[tuple[int, audit.AuditEntry]]:
        for serial, entry in audit.about(reader, self.job):
            if serial >= self._next:
                yield serial, entry

    def _add(self, message: ResultMessage, time: int) -> None:
        found = self.rounds.setdefault(message.round, RoundFigures(first=time))
        report = message.report
        found.tokens += report.tokens
        found.weighted += report.tokens * report.loss / 1000
        found.speed += report.tokens_per_second
        found.last = max(found.last, time)

    def losses(self) -> tuple[float, ...]:
        """By round, oldest first."""
        return tuple(round(self.rounds[number].loss, 4) for number in sorted(self.rounds))

    def tokens_per_second(self) -> float:
        """All trainers together, in the last round that has reports."""
        return self.rounds[max(self.rounds)].speed if self.rounds else 0.0

    def seconds_left(self, rounds: int) -> float | None:
        """Until ``rounds`` are done, at the pace so far; None before two rounds are known."""
        if len(self.rounds) < 2:
            return None
        first, last = min(self.rounds), max(self.rounds)
        passed = (self.rounds[last].last - self.rounds[first].first) / 1000
        return max(0.0, rounds - last - 1) * passed / max(1, last - first + 1)
