"""What must be true of every state, recomputed from its raw keys."""

from aliad.ledger import keys
from aliad.ledger.accounts import get_economy
from aliad.ledger.job_state import get_draws, get_jobs, get_round
from aliad.ledger.jobs import Job, JobKind, SlotStatus
from aliad.ledger.records import ACCOUNT, AMOUNT, STAKE
from aliad.ledger.shuffle import compute_epoch_seed, get_shuffled_index
from aliad.ledger.state import StateReader
from aliad.types import ZERO_HASH, BatchIndex, Epoch, JobId, Round

# An order's batches that somebody has, and those that somebody is paid for.
PAID = (SlotStatus.ACCEPTED, SlotStatus.VERIFIED)
HELD = (*PAID, SlotStatus.ASSIGNED, SlotStatus.UNPAID)


def count_tokens(state: StateReader) -> int:
    """All tokens anywhere."""
    accounts = [ACCOUNT.decode(value).balance for _, value in state.items(keys.ACCOUNT)]
    stakes = [STAKE.decode(value) for _, value in state.items(keys.STAKE)]
    bonded = [stake.bonded + sum(entry.amount for entry in stake.unbonding) for stake in stakes]
    pending = [AMOUNT.decode(value).nano for _, value in state.items(keys.PENDING)]
    escrows = [job.escrow for _, job in get_jobs(state)]
    assert min([0, *accounts, *bonded, *pending, *escrows]) >= 0
    return sum(accounts) + sum(bonded) + sum(pending) + sum(escrows)


def check_state(state: StateReader) -> None:
    """Raises AssertionError if an invariant is broken."""
    economy = get_economy(state)
    assert count_tokens(state) == economy.minted - economy.burned
    for job_id, job in get_jobs(state):
        draws = get_draws(state, job_id)
        assert job.open_draws == len(draws)
        assert job.vested <= job.round
        for number in range(job.vested, job.round):
            found = get_round(state, job_id, Round(number))
            here = sum(draw.round == number for draw in draws)
            assert (found.open_draws if found else 0) == here
            batches = [slot.batch for slot in found.slots] if found else []
            assert len(set(batches)) == len(batches)
        if job.kind is JobKind.TRANSLATION:
            check_order(state, job_id, job)


def check_order(state: StateReader, job_id: JobId, job: Job) -> None:
    """Each batch is in one place, and the escrow covers those that nobody is paid for."""
    rounds = [
        get_round(state, job_id, Round(number)) for number in range(job.vested, job.round + 1)
    ]
    slots = [slot for found in rounds if found is not None for slot in found.slots]
    placed = [slot.batch for slot in slots if slot.status in HELD]
    queued = list(job.queue.returned)
    if job.shuffle != ZERO_HASH:
        seed = compute_epoch_seed(job_id, Epoch(0), job.shuffle)
        queued += [
            BatchIndex(get_shuffled_index(seed, place, job.terms.batches))
            for place in range(job.queue.cursor, job.terms.batches)
        ]
        if job.vested == 0:
            assert sorted(placed + queued) == list(range(job.terms.batches))
    assert len(set(placed + queued)) == len(placed + queued), "a batch is in two places"
    assert job.escrow >= job.unpaid * job.rate
    assert job.unpaid <= job.work
    if job.vested == 0:
        paid = [slot.work for slot in slots if slot.status in PAID]
        assert job.unpaid == job.work - sum(paid)
    assert all(found.aggregate == ZERO_HASH for found in rounds if found is not None)
