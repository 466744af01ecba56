"""Work's messages on the network: gossip on the topic `work`, questions on `/aliad/work/1`."""

from typing import Final, Protocol

from aliad.net.network import GossipMessage, Network, RequestFailed, Verdict
from aliad.node.topics import WORK, get_topic
from aliad.peer_id import node_id_of, peer_id_of
from aliad.types import Hash32, NodeId, PeerId
from aliad.work.ports import Judgement, Unavailable

PROTOCOL: Final = "/aliad/work/1"
ANSWER_SECONDS: Final = 20.0
MAX_QUESTION: Final = 64 << 10

_VERDICTS: Final = {
    Judgement.ACCEPT: Verdict.ACCEPT,
    Judgement.IGNORE: Verdict.IGNORE,
    Judgement.REJECT: Verdict.REJECT,
}


class Listener(Protocol):
    """Who judges, hears and answers: `WorkService`."""

    def judge(self, author: NodeId, data: bytes) -> Judgement:
        """Whether a message is to be heard and passed on."""
        ...

    def hear(self, author: NodeId, data: bytes) -> None:
        """Take in a message that was accepted."""
        ...

    async def answer(self, asker: NodeId, data: bytes) -> bytes:
        """The answer to a question. Raises RemoteProtocolError."""
        ...


class NetworkMessages:
    """`aliad.work.ports.Messages` on a `Network`."""

    def __init__(self, network: Network, genesis: Hash32) -> None:
        self._network = network
        self._topic = get_topic(genesis, WORK)

    async def gossip(self, data: bytes) -> None:
        """See `Messages`."""
        await self._network.publish(self._topic, data)

    async def ask(self, node: NodeId, question: bytes, most: int) -> bytes:
        """See `Messages`."""
        try:
            return await self._network.request(
                peer_id_of(node),
                PROTOCOL,
                question,
                timeout=ANSWER_SECONDS,
                max_answer=most,
            )
        except RequestFailed as error:
            raise Unavailable(
                "A node does not answer.", error.what, "It is asked again."
            ) from error

    def serve(self, listener: Listener) -> None:
        """Answer questions from now on."""

        async def handle(peer: PeerId, data: bytes) -> bytes:
            return await listener.answer(node_id_of(peer), data)

        self._network.serve(PROTOCOL, handle, max_request=MAX_QUESTION)

    async def listen(self, listener: Listener) -> None:
        """Hear gossip until cancelled."""

        def validate(message: GossipMessage) -> Verdict:
            return _VERDICTS[listener.judge(node_id_of(message.author), message.data)]

        async for message in self._network.subscribe(self._topic, validate):
            listener.hear(node_id_of(message.author), message.data)
