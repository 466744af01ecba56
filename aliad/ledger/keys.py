"""Keys of the state: one byte says what it is, integers are big-endian so that they sort."""

from typing import Final

from aliad.types import BatchIndex, Height, JobId, NodeId, Round

ECONOMY: Final = b"e"
VALIDATORS: Final = b"v"
LAST_SIGNERS: Final = b"l"

ACCOUNT: Final = b"a"
STAKE: Final = b"s"
STANDING: Final = b"n"
WORKER: Final = b"w"
RELEASE: Final = b"u"
ORIGINATOR: Final = b"o"
BALLOT: Final = b"b"
JOB: Final = b"j"
CLOSED_JOB: Final = b"c"
POOL: Final = b"f"
ROUND: Final = b"r"
DRAW: Final = b"d"
PENDING: Final = b"p"
ABSENCE: Final = b"m"


def _number(value: int) -> bytes:
    return value.to_bytes(8, "big")


def account(node: NodeId) -> bytes:
    """Balance and nonce."""
    return ACCOUNT + node


def stake(node: NodeId) -> bytes:
    """Bonded and unbonding tokens, granted power."""
    return STAKE + node


def standing(node: NodeId) -> bytes:
    """A node's history as a worker."""
    return STANDING + node


def worker(service: JobId, node: NodeId) -> bytes:
    """A registration: to train in a job, or to translate with its model once it is closed."""
    return WORKER + service + node


def workers(service: JobId) -> bytes:
    """Prefix of all registrations for a service."""
    return WORKER + service


def release(height: Height, node: NodeId) -> bytes:
    """Tokens that stop unbonding at a height."""
    return RELEASE + _number(height) + node


def releases(height: Height) -> bytes:
    """Prefix of what stops unbonding at a height."""
    return RELEASE + _number(height)


def originator(node: NodeId) -> bytes:
    """Present if the node may open training jobs."""
    return ORIGINATOR + node


def ballot(subject: NodeId) -> bytes:
    """Validators' votes on whether a node may open training jobs."""
    return BALLOT + subject


def job(job_id: JobId) -> bytes:
    """A job or order that is not over."""
    return JOB + job_id


def closed_job(job_id: JobId) -> bytes:
    """A job or order that is over."""
    return CLOSED_JOB + job_id


def pool(job_id: JobId) -> bytes:
    """The frozen workers for a job's next draws and round."""
    return POOL + job_id


def round_record(job_id: JobId, number: Round) -> bytes:
    """A round that has not vested."""
    return ROUND + job_id + _number(number)


def draw(job_id: JobId, number: Round, batch: BatchIndex) -> bytes:
    """An open draw."""
    return DRAW + job_id + _number(number) + _number(batch)


def draws(job_id: JobId) -> bytes:
    """Prefix of a job's open draws."""
    return DRAW + job_id


def pending(job_id: JobId, number: Round, node: NodeId) -> bytes:
    """What a node earned in a round and may still lose."""
    return PENDING + job_id + _number(number) + node


def absence(job_id: JobId, node: NodeId) -> bytes:
    """How often a worker was missing in an order."""
    return ABSENCE + job_id + node


def absences(job_id: JobId) -> bytes:
    """Prefix of who was missing in an order."""
    return ABSENCE + job_id


def all_pendings(job_id: JobId) -> bytes:
    """Prefix of what all nodes earned in a job and may still lose."""
    return PENDING + job_id


def pendings(job_id: JobId, number: Round) -> bytes:
    """Prefix of what all nodes earned in a round."""
    return PENDING + job_id + _number(number)
