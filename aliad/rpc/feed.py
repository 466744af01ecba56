"""Things that happen, for whoever listens: topics with synchronous subscribers.

A subscriber must be quick and never raise: the server's puts the event into the bounded queue of a
client, or drops the client. Publishing costs nothing when nobody listens.
"""

from collections.abc import Callable
from enum import Enum
from typing import TypeAlias

from aliad.rpc.wire import Json


class Topic(Enum):
    """What a client can subscribe to."""

    BLOCKS = "blocks"
    """Every committed block."""
    ROUNDS = "rounds"
    """Rounds of all jobs: scheduled, opened, recorded, rewound."""
    VERDICTS = "verdicts"
    """Draws, disputes, rulings, convictions."""
    WORK = "work"
    """What this node's worker does, and what work reports it hears."""
    PROGRESS = "progress"
    """Synchronisation, and the progress of jobs this node originates."""


Subscriber: TypeAlias = Callable[[Topic, Json], None]


class Feed:
    """The daemon publishes, the server subscribes."""

    def __init__(self) -> None:
        self._subscribers: dict[Topic, list[Subscriber]] = {topic: [] for topic in Topic}

    def publish(self, topic: Topic, event: Json) -> None:
        """Tell everybody who listens now."""
        for subscriber in tuple(self._subscribers[topic]):
            subscriber(topic, event)

    def is_heard(self, topic: Topic) -> bool:
        """Whether making an event is worth it."""
        return bool(self._subscribers[topic])

    def subscribe(self, topic: Topic, subscriber: Subscriber) -> Callable[[], None]:
        """Listen until the returned function is called."""
        listening = self._subscribers[topic]
        listening.append(subscriber)

        def leave() -> None:
            if subscriber in listening:
                listening.remove(subscriber)

        return leave
