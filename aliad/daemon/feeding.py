"""What subscribers of the socket hear: blocks, and the events of jobs told in a sentence."""

from collections.abc import Iterable
from typing import Final

from aliad.ledger import check_events as c
from aliad.ledger import events as e
from aliad.ledger.events import Event
from aliad.node.committed import CommittedBlock
from aliad.peer_id import peer_id_of
from aliad.rpc.explain import tell
from aliad.rpc.feed import Feed, Topic
from aliad.rpc.plain import kind_of, plain
from aliad.types import NodeId

ROUNDS: Final = (
    e.JobOpened,
    e.RoundScheduled,
    e.RoundOpened,
    e.RoundRecorded,
    e.RoundAbandoned,
    e.JobRewound,
    e.JobCorrected,
    e.JobFinished,
    e.JobClosed,
)
VERDICTS: Final = (
    c.BatchDrawn,
    c.BatchVerified,
    c.DisputeOpened,
    c.RulingsOpened,
    c.Ruled,
    c.BatchRefuted,
    c.BatchRedrawn,
    c.BatchVoided,
    e.NodeConvicted,
)
WORK: Final = (
    e.WorkerRegistered,
    e.WorkerRemoved,
    e.BatchAccepted,
    e.BatchMissing,
    c.CheckCommitted,
    c.Revealed,
)


def feed_block(feed: Feed, block: CommittedBlock, me: NodeId) -> None:
    """Publish a committed block and what happened in it."""
    if feed.is_heard(Topic.BLOCKS):
        header = block.header
        feed.publish(
            Topic.BLOCKS,
            {
                "height": block.height,
                "hash": block.hash.hex(),
                "time": block.time,
                "proposer": peer_id_of(header.proposer),
                "transactions": sum(isinstance(x, e.TransactionApplied) for x in block.events),
                "events": len(block.events),
            },
        )
    for topic, kinds in ((Topic.ROUNDS, ROUNDS), (Topic.VERDICTS, VERDICTS), (Topic.WORK, WORK)):
        if feed.is_heard(topic):
            _publish(feed, topic, block, (x for x in block.events if isinstance(x, kinds)), me)


def _publish(
    feed: Feed, topic: Topic, block: CommittedBlock, events: Iterable[Event], me: NodeId
) -> None:
    for event in events:
        feed.publish(
            topic,
            {
                "height": block.height,
                "time": block.time,
                "kind": kind_of(event),
                "text": tell(event, me),
                "fields": plain(event),
            },
        )
