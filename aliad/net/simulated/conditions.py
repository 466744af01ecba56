"""How good or bad a simulated network is. Times are in seconds, shares from 0 to 1."""

import math
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Conditions:
    """What happens to messages on their way from one endpoint to another.

    ``loss`` holds for each hop of gossip, each direct message, each request and each answer.
    ``reordering`` is the share of gossip that is held back for up to ``held_back``; direct messages
    keep their order while a connection lasts. ``bandwidth`` is what one endpoint can send, to all
    others together, in bytes a second; gossip and direct messages that would leave later than
    ``backlog`` are dropped. A broken connection is noticed after ``detection``, a wanted one is
    made again within ``reconnect``.
    """

    latency: float = 0.05
    jitter: float = 0.05  # added to the latency, evenly distributed
    bandwidth: float = 12_500_000.0
    backlog: float = 10.0
    loss: float = 0.02
    duplication: float = 0.02
    reordering: float = 0.05
    held_back: float = 0.5
    detection: float = 4.0
    reconnect: float = 2.0


DEFAULT: Final = Conditions()
"""Distant homes: some loss, some repeats, some disorder."""

CALM: Final = Conditions(loss=0.0, duplication=0.0, reordering=0.0)
"""Nothing is lost, repeated or overtaken."""

ROUGH: Final = Conditions(
    latency=0.2, jitter=1.0, loss=0.3, duplication=0.2, reordering=0.3, held_back=3.0
)
"""Worse than anything one would keep using."""

INSTANT: Final = Conditions(
    latency=0.0, jitter=0.0, bandwidth=math.inf, loss=0.0, duplication=0.0, reordering=0.0,
    detection=0.0, reconnect=0.0,
)  # fmt: skip
"""No time passes at all."""
