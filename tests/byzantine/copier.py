"""A copier: computes nothing, and says what others have said."""

from collections.abc import Iterable
from dataclasses import replace

from aliad.crypto import sign
from aliad.ledger.commitments import get_result_message
from aliad.ledger.job_state import get_job, get_round
from aliad.ledger.jobs import DrawPhase, JobPhase
from aliad.ledger.transactions import RESULT_DOMAIN, CheckCommit
from aliad.types import NodeId
from aliad.work.disputes.ports import Place
from aliad.work.draws import find_part, get_open_draws
from aliad.work.messages import ResultMessage, decode_gossip, encode_message
from aliad.work.ports import Interrupted, Refused, Task, Trained
from aliad.work.reconciler import Want
from aliad.work.reports import sign_report
from aliad.work.situation import Situation
from aliad.work.trainer import Post
from tests.work.world import World, WorldNode


class _Idle:
    """The compute port of somebody who does not compute."""

    def __init__(self, inner: object) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    async def train(self, task: Task, *, traced: bool = False) -> Trained:
        raise Interrupted("it would rather not")


class _Copying:
    """Copies commitments: another trainer's under its own name, another checker's as it is."""

    def __init__(self, node: "Copier") -> None:
        self._node = node

    def decide(self, situation: Situation) -> Iterable[Want]:
        for job_id, job in situation.training_jobs():
            found = get_round(situation.tip.state, job_id, job.round)
            if job.phase is JobPhase.OPEN and found is not None:
                for slot in found.slots:
                    if slot.trainer == situation.me:
                        yield Place(job_id, job.round, slot.batch)
        for draw in get_open_draws(situation.tip.state):
            part = find_part(draw, situation.me)
            if draw.phase is not DrawPhase.COMMIT or part is None or part.commitment is not None:
                continue
            seen = [party.commitment for party in draw.parties[1:] if party.commitment is not None]
            if seen:
                body = CheckCommit(draw.job, draw.round, draw.batch, seen[0])
                yield Post(b"copy" + Place(draw.job, draw.round, draw.batch).key, body)

    async def perform(self, want: Want) -> None:
        match want:
            case Place():
                await self._copy(want)
            case Post(purpose, body):
                self._node.chain.post(purpose, body)

    async def _copy(self, place: Place) -> None:
        """Also tries to fetch what the other has computed: only the originator may."""
        node = self._node
        stolen = node.heard.get((place.job, place.round))
        if stolen is None:
            raise Refused("there is nothing to copy yet")
        for other in node.world.nodes.values():
            for blob, (data, readers) in list(other.blobs.held.items()):
                if other is not node and data.startswith(b"update") and readers is not None:
                    assert other.blobs.give(blob, node.id) is None
                    node.refused += 1
        await node.messages.gossip(encode_message(self._sign(stolen, place)))

    def _sign(self, stolen: ResultMessage, place: Place) -> ResultMessage:
        node, state = self._node, self._node.chain.state
        job, found = get_job(state, place.job), get_round(state, place.job, place.round)
        assert found is not None
        where = (place.job, place.round, place.batch, node.id)
        message = get_result_message(*where, stolen.commitment, found.parameters, job.terms.engine)
        signature = sign(node.key, RESULT_DOMAIN, node.world.ledger.hash, message)
        report = replace(stolen.report, batch=place.batch, node=node.id)
        signed = sign_report(report, node.key, node.world.ledger.hash)
        return ResultMessage(*where, stolen.commitment, signature, signed)


class Copier(WorldNode):
    """See the module's text. ``refused``: how many updates it was not given."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.compute = _Idle(self.compute)
        self.roles.append(_Copying(self))
        self.heard: dict[tuple[bytes, int], ResultMessage] = {}
        self.refused = 0

    def start(self) -> None:
        super().start()
        hear = self.service.hear

        def listen(author: NodeId, data: bytes) -> None:
            message = decode_gossip(data)
            if isinstance(message, ResultMessage):
                self.heard.setdefault((message.job, message.round), message)
            hear(author, data)

        self.service.hear = listen  # type: ignore[method-assign]
