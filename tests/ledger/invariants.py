"""What must be true of every state, recomputed from its raw keys."""

from aliad.ledger import keys
from aliad.ledger.accounts import get_economy
from aliad.ledger.job_state import get_draws, get_jobs, get_round
from aliad.ledger.records import ACCOUNT, AMOUNT, STAKE
from aliad.ledger.state import StateReader
from aliad.types import Round


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
