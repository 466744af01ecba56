"""All that a role works with: the node's key, its notes, and the ports."""

from dataclasses import dataclass

from aliad.crypto import SigningKey
from aliad.errors import LocalProtocolError
from aliad.ledger.jobs import Job
from aliad.spec.job import JobSpec
from aliad.types import JobId, NodeId
from aliad.work.judging import find_job
from aliad.work.notebook import Notebook
from aliad.work.ports import (
    Blobs,
    Chain,
    Clock,
    Compute,
    Library,
    Messages,
    Translator,
    WorkFailed,
)
from aliad.work.situation import Situation


@dataclass(frozen=True, slots=True)
class Desk:
    """One node's."""

    key: SigningKey
    book: Notebook
    chain: Chain
    compute: Compute
    blobs: Blobs
    messages: Messages
    clock: Clock
    library: Library
    translator: Translator

    @property
    def me(self) -> NodeId:
        """This node."""
        return self.key.node_id

    def look(self) -> Situation:
        """The tip as it is now."""
        chain = self.chain
        return Situation(
            self.me, chain.genesis, chain.params, self.compute.engine(), chain.tip(), self.clock()
        )

    def job(self, job_id: JobId) -> Job:
        """A job that is not over. Raises WorkFailed: then the want is gone with the next look."""
        job = find_job(self.chain.tip().state, job_id)
        if job is None:
            raise WorkFailed("The job is over.")
        return job

    def spec(self, job_id: JobId) -> JobSpec:
        """The spec of a job that is being worked on."""
        spec = self.book.spec(job_id)
        if spec is None:
            raise LocalProtocolError("a job is worked on before its spec is known")
        return spec

    def sources(self, job_id: JobId) -> tuple[NodeId, ...]:
        """Who may have a job's files."""
        job = find_job(self.chain.tip().state, job_id)
        return () if job is None else self.look().sources(job_id, job)
