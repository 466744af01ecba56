"""What a role decides from: the committed state, who we are, and the time. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from aliad.ledger.job_state import get_draws, get_jobs
from aliad.ledger.jobs import Job, JobKind, JobTerms
from aliad.ledger.params import Params
from aliad.ledger.workers import get_eligible, get_worker
from aliad.spec.job import JobSpec
from aliad.types import Hash32, JobId, Millis, NodeId
from aliad.work.notebook import Notebook
from aliad.work.ports import Engine, Tip


@dataclass(frozen=True, slots=True)
class Situation:
    """The tip, seen by one node at one moment. ``now`` is its clock's, not a block's."""

    me: NodeId
    genesis: Hash32
    params: Params
    engine: Engine
    tip: Tip
    now: Millis

    def training_jobs(self) -> Iterator[tuple[JobId, Job]]:
        """Every training job that is not over."""
        for job_id, job in get_jobs(self.tip.state):
            if job.kind is JobKind.TRAINING:
                yield job_id, job

    def orders(self) -> Iterator[tuple[JobId, Job]]:
        """Every translation order that is not over."""
        for job_id, job in get_jobs(self.tip.state):
            if job.kind is JobKind.TRANSLATION:
                yield job_id, job

    def is_involved(self, book: Notebook, job_id: JobId, job: Job) -> bool:
        """Whether we own the job, work for it or offer to, or check it."""
        return (
            job.owner == self.me
            or book.offer(job_id) is not None
            or get_worker(self.tip.state, job_id, self.me) is not None
            or any(
                party.node == self.me
                for draw in get_draws(self.tip.state, job_id)
                for party in draw.parties
            )
        )

    def sources(self, job_id: JobId, job: Job) -> tuple[NodeId, ...]:
        """Who may have a job's files: its originator first, then its workers; not us."""
        workers = get_eligible(self.tip.state, job_id, job)
        nodes = dict.fromkeys((job.owner, *workers))
        return tuple([node for node in nodes if node != self.me])


def find_contradiction(spec: JobSpec, terms: JobTerms) -> str | None:
    """In what a job's spec and its terms differ, or None."""
    plan, training = spec.plan, spec.training
    for name, said, ruled in (
        ("epochs", training.epochs, terms.epochs),
        ("min_workers", plan.min_workers, terms.min_workers),
        ("memory", plan.memory, terms.memory),
        ("overhead", plan.overhead, terms.overhead),
        ("round_ms", plan.round_ms, terms.round_ms),
        ("record_ms", plan.record_ms, terms.record_ms),
        ("check_ms", plan.check_ms, terms.check_ms),
        ("reveal_ms", plan.reveal_ms, terms.reveal_ms),
    ):
        if said != ruled:
            return f"its spec says {name} = {said}, its terms say {ruled}"
    return None
