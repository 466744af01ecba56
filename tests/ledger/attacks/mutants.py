"""Every attack next to the countermeasure that defeats it, and a way to take that away.

With the countermeasure gone the attack's own assertions must fail, so none of them holds by
accident.
"""

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from aliad.ledger import (
    absences,
    apply,
    checks,
    clock,
    convictions,
    disputes,
    draws,
    evidence,
    openings,
    phases,
    process,
    returns,
    rewards,
    rounds,
    stakes,
    verdicts,
    workers,
)
from aliad.ledger.accounts import burn, credit, mint
from aliad.ledger.context import Context
from aliad.ledger.convictions import convict
from aliad.ledger.draws import compute_draw_count, redraw
from aliad.ledger.eras import get_validators
from aliad.ledger.events import (
    Cause,
)
from aliad.ledger.job_state import get_job, put_job
from aliad.ledger.jobs import Draw, Job, JobKind, RoundState, RulingVote, Slot
from aliad.ledger.rewinds import process_refutation
from aliad.ledger.shuffle import Randomness
from aliad.ledger.stakes import get_stake
from aliad.ledger.state import StateReader
from aliad.ledger.transactions import (
    Unbond,
)
from aliad.ledger.validators import is_quorum
from aliad.types import (
    ZERO_HASH,
    Hash32,
    JobId,
    MegaMac,
    Millis,
    NanoAlia,
    NodeId,
    RewardRate,
    Round,
)
from tests.ledger.attacks import checks as on_checks
from tests.ledger.attacks import disputes as on_disputes
from tests.ledger.attacks import luck as on_luck
from tests.ledger.attacks import money as on_money
from tests.ledger.attacks import orders as on_orders
from tests.ledger.attacks import records as on_records
from tests.ledger.attacks import replays as on_replays
from tests.ledger.attacks import silence as on_silence
from tests.ledger.attacks import stakes as on_stakes
from tests.ledger.chain import hash_of


class Mutant(NamedTuple):
    """An attack, and a patch that takes away what defeats it."""

    attack: Callable[[], None]
    patch: Callable[[pytest.MonkeyPatch], None]


def without(module: ModuleType, *texts: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Drop the requirements of a module whose messages contain one of these texts."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        original = module.require
        hit: list[str] = []

        def lenient(condition: bool, what: str) -> None:
            if any(text in what for text in texts):
                hit.append(what)
                return
            original(condition, what)

        monkeypatch.setattr(module, "require", lenient)

    return patch


def swap(module: ModuleType, name: str, new: object) -> Callable[[pytest.MonkeyPatch], None]:
    """Put something else in a function's place."""
    assert hasattr(module, name)
    return lambda monkeypatch: monkeypatch.setattr(module, name, new)


def several(*patches: Callable[[pytest.MonkeyPatch], None]) -> Callable[[pytest.MonkeyPatch], None]:
    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        for each in patches:
            each(monkeypatch)

    return patch


def ignore(*_: object, **__: object) -> None:
    """Instead of a check."""


def majority_convicts(ctx: Context, draw: Draw) -> None:
    """Odd one out: the party that differs from the other two is convicted."""
    said = [party.revealed for party in draw.parties]
    for party in draw.parties:
        if said.count(party.revealed) == 1:
            convict(ctx, party.node, Cause.WRONG_RESULT, draw.job, ZERO_HASH)


def commitment_without_node(
    genesis: Hash32, job: JobId, number: int, batch: int, node: NodeId, update: Hash32
) -> Hash32:
    return hash_of("unsalted", job, number, batch, update)


def abstentions_count(ctx: Context, draw: Draw, vote: RulingVote) -> bool:
    validators = get_validators(ctx.state)
    power = sum(validators.power_of(other.validator) for other in draw.rulings)
    return is_quorum(power, validators.total)


def pool_of_now(ctx: Context, job_id: JobId) -> tuple[NodeId, ...]:
    return workers.get_eligible(ctx.state, job_id, get_job(ctx.state, job_id))


def silent_is_agreed(ctx: Context, draw: Draw, party: Any, digest: Hash32) -> bool:  # noqa: ANN401
    return party.revealed is None or party.revealed == digest


def convict_the_silent(ctx: Context, job: JobId, node: NodeId, cause: Cause) -> NanoAlia:
    convict(ctx, node, cause, job, ZERO_HASH)
    return NanoAlia(0)


def convict_the_untraced(ctx: Context, draw: Draw) -> None:
    for party in draw.parties:
        if party.trace is None:
            convict(ctx, party.node, Cause.SILENCE, draw.job, ZERO_HASH)
    disputes.open_rulings(ctx, draw)


def keep_unbonding(ctx: Context, node: NodeId) -> NanoAlia:
    stake = get_stake(ctx.state, node)
    stakes.put_stake(ctx, node, replace(stake, bonded=NanoAlia(0)))
    return stake.bonded


def release_at_once(ctx: Context, sender: NodeId, tx: Unbond) -> None:
    stake = get_stake(ctx.state, sender)
    stakes.put_stake(ctx, sender, replace(stake, bonded=NanoAlia(stake.bonded - tx.amount)))
    credit(ctx, sender, tx.amount)


def not_forced(ctx: Context, draw: Draw, *, forced: bool) -> None:
    process_refutation(ctx, draw, forced=False)


def pay_at_once(ctx: Context, job_id: JobId) -> None:
    for number in range(get_job(ctx.state, job_id).round - 2):
        rewards.pay_round(ctx, job_id, Round(number))


def mint_only(
    ctx: Context, job_id: JobId, work: MegaMac, rate: RewardRate, *, check: bool
) -> NanoAlia:
    return mint(ctx, work * rate)


def debit_nothing(ctx: Context, node: NodeId, amount: int) -> None:
    """Take nothing from anybody."""


def unpaid_is_kept(ctx: Context, draw: Draw) -> None:
    """The reward stays although no check came about."""


def for_ever(ctx: Context, draw: Draw, kept: tuple[Any, ...] = ()) -> None:
    redraw(ctx, replace(draw, attempt=0), kept)


def first_come(
    ctx: Context, job_id: JobId, work: MegaMac, rate: RewardRate, *, check: bool
) -> NanoAlia:
    """Checkers are paid from what others still have to be paid from."""
    job = get_job(ctx.state, job_id)
    paid = NanoAlia(min(work * rate, job.escrow))
    unpaid = MegaMac(job.unpaid - (0 if check else min(work, job.unpaid)))
    put_job(ctx, job_id, replace(job, unpaid=unpaid, escrow=NanoAlia(job.escrow - paid)))
    return paid


def counted_in_totals(
    ctx: Context, job_id: JobId, work: MegaMac, rate: RewardRate, *, check: bool
) -> NanoAlia:
    rewards._count_work(ctx, work)
    burn(ctx, work * rate)
    return mint(ctx, PAY_FROM_ESCROW(ctx, job_id, work, rate, check=check))


def refund_what_is_left(
    ctx: Context, job_id: JobId, slot: Slot, missing: NanoAlia, reward: int
) -> None:
    """What the trainer's silence burned is the customer's loss."""
    job = get_job(ctx.state, job_id)
    unpaid, escrow = MegaMac(job.unpaid + slot.work), NanoAlia(job.escrow + reward - missing)
    put_job(ctx, job_id, replace(job, unpaid=unpaid, escrow=escrow))


def return_at_once(ctx: Context, job_id: JobId, number: Round, place: int) -> None:
    """The batch goes back although its check is open."""
    rewards.withhold(ctx, job_id, number, place, Cause.CONVICTED)
    returns.return_batch(ctx, job_id, number, place)


def strike_at_once(ctx: Context, job_id: JobId, job: Job, node: NodeId) -> int:
    return absences._strike(ctx, workers.get_service(job_id, job), node)


def trained(ctx: Context, kind: JobKind, node: NodeId) -> None:
    workers.count_verified(ctx, JobKind.TRAINING, node)


def as_training(state: StateReader, job_id: JobId) -> Job:
    return replace(get_job(state, job_id), kind=JobKind.TRAINING)


def paid_at_once(ctx: Context, job: Job) -> Millis:
    return ctx.time if job.kind is JobKind.TRANSLATION else Millis(ctx.time + ctx.params.close_ms)


PAY_FROM_ESCROW = rewards._pay_from_escrow
UNSALTED = several(
    swap(checks, "compute_commitment", commitment_without_node),
    swap(disputes, "compute_commitment", commitment_without_node),
    lambda monkeypatch: monkeypatch.setattr(
        "tests.ledger.training.compute_commitment", commitment_without_node
    ),
)


def weight_of_one(ctx: Context, kind: JobKind, node: NodeId) -> int:
    return 1


def weight_by_merit(ctx: Context, kind: JobKind, node: NodeId) -> int:
    return 8 if workers.get_standing(ctx.state, node).verified < 20 else 0


def fixed_number(random: Randomness, overhead: int, found: RoundState, weight: int) -> int:
    """As many draws whoever trains: newcomers would take them from the others."""
    return compute_draw_count(random, overhead, found, len(found.slots))


MUTANTS: list[Mutant] = [
    Mutant(on_luck.nothing_to_lose, swap(clock, "process_vesting", pay_at_once)),
    Mutant(on_luck.fresh_keys, swap(workers, "get_draw_weight", weight_of_one)),
    Mutant(on_luck.long_record, swap(workers, "get_draw_weight", weight_by_merit)),
    Mutant(on_luck.crowding_out, swap(draws, "compute_draw_count", fixed_number)),
    Mutant(on_records.record_without_signatures, swap(rounds, "check_signatures", ignore)),
    Mutant(on_records.result_of_another_round, swap(rounds, "check_signatures", ignore)),
    Mutant(on_records.work_that_is_not_the_manifests, without(rounds, "not the manifest's")),
    Mutant(on_records.record_by_a_stranger, without(rounds, "only the originator")),
    Mutant(on_records.the_same_record_twice, without(rounds, "this round is not open")),
    Mutant(on_records.early_absence, without(rounds, "too early")),
    Mutant(
        on_records.chosen_order,
        swap(rounds, "compute_order", lambda seed, nodes: tuple(sorted(nodes))),
    ),
    Mutant(on_records.late_checkers, swap(rounds, "_get_pool", pool_of_now)),
    Mutant(on_checks.copied_commitment, UNSALTED),
    Mutant(on_checks.reveal_before_all_are_bound, without(checks, "takes no reveals")),
    Mutant(on_checks.changed_mind, without(checks, "not the one committed to")),
    Mutant(on_checks.second_commitment, without(checks, "has committed already")),
    Mutant(
        on_checks.duty_of_another, swap(checks, "get_party", lambda draw, node: draw.parties[1])
    ),
    Mutant(on_checks.odd_one_out, swap(checks, "open_dispute", majority_convicts)),
    Mutant(on_checks.framing_by_checkers, swap(checks, "open_dispute", majority_convicts)),
    Mutant(on_checks.lie_that_is_drawn, swap(convictions, "forfeit", lambda *_: 0)),
    Mutant(on_silence.silent_checker, swap(checks, "forfeit", ignore)),
    Mutant(on_silence.silent_checker, swap(checks, "forfeit", convict_the_silent)),
    Mutant(on_silence.silent_honest_trainer, swap(checks, "forfeit", ignore)),
    Mutant(on_silence.silent_honest_trainer, swap(checks, "forfeit", convict_the_silent)),
    Mutant(on_silence.silent_liar, swap(checks, "opens_to", silent_is_agreed)),
    Mutant(on_silence.silence_about_the_trace, swap(clock, "open_rulings", convict_the_untraced)),
    Mutant(on_silence.silence_of_all, swap(checks, "forfeit", convict_the_silent)),
    Mutant(on_disputes.operation_convicts, swap(disputes, "convict_liars", ignore)),
    Mutant(
        on_disputes.minority_ruling,
        swap(disputes, "is_quorum", lambda power, total: 2 * power >= total),
    ),
    Mutant(on_disputes.abstention_is_not_a_vote, swap(disputes, "is_settled", abstentions_count)),
    Mutant(on_disputes.invented_claim, without(disputes, "not in the party's trace")),
    Mutant(on_disputes.ruling_by_a_stranger, without(disputes, "only validators rule")),
    Mutant(on_disputes.ruling_twice, without(disputes, "has ruled already")),
    Mutant(on_disputes.honest_trace_for_a_lie, without(disputes, "does not end in")),
    Mutant(on_disputes.all_three_wrong, swap(verdicts, "process_refutation", not_forced)),
    Mutant(on_disputes.no_quorum_in_time, swap(disputes, "hold", unpaid_is_kept)),
    Mutant(on_disputes.endless_redraws, several(swap(checks, "redraw", for_ever))),
    Mutant(on_money.early_vesting, swap(clock, "process_vesting", pay_at_once)),
    Mutant(on_money.vesting_past_an_open_check, swap(rewards, "_is_settled", lambda *_: True)),
    Mutant(on_money.training_without_leave, without(openings, "may not open")),
    Mutant(on_money.order_from_oneself, swap(rewards, "_pay_from_escrow", mint_only)),
    Mutant(on_money.free_flood, without(process, "no room")),
    Mutant(on_money.free_transfer, without(process, "the fee")),
    Mutant(on_money.overdraft, swap(process, "debit", debit_nothing)),
    Mutant(on_money.order_from_oneself, swap(rewards, "_pay_from_escrow", counted_in_totals)),
    Mutant(on_orders.text_of_a_convict, swap(convictions, "return_batches", ignore)),
    Mutant(on_orders.convict_with_an_open_check, swap(returns, "_return_or_hold", return_at_once)),
    Mutant(on_orders.pay_for_a_convict, swap(verdicts, "is_barred", lambda *_: False)),
    Mutant(on_orders.silent_liar, swap(rewards, "_refund_batch", refund_what_is_left)),
    Mutant(on_orders.small_orders, swap(phases, "_get_deadline", paid_at_once)),
    Mutant(on_orders.nobody_checks_a_convict, swap(draws, "return_batch", ignore)),
    Mutant(on_orders.checks_that_eat_the_escrow, swap(rewards, "_pay_from_escrow", first_come)),
    Mutant(on_orders.laundered_history, swap(verdicts, "count_verified", trained)),
    Mutant(on_orders.one_operation_of_an_order, swap(disputes, "get_job", as_training)),
    Mutant(
        on_orders.little_work,
        several(without(rounds, "more work than"), swap(rewards, "_pay_from_escrow", first_come)),
    ),
    Mutant(on_orders.no_work, without(openings, "an order is work")),
    Mutant(on_orders.little_escrow, without(openings, "does not cover")),
    Mutant(on_orders.sum_of_texts, without(rounds, "no aggregate")),
    Mutant(on_orders.slow_order, without(openings, "at most an hour")),
    Mutant(on_orders.slander, swap(rounds, "process_miss", strike_at_once)),
    Mutant(on_orders.dead_worker, swap(absences, "_strike", lambda *_: 0)),
    Mutant(on_orders.endless_order, without(openings, "at most 4,096")),
    Mutant(on_replays.replay_on_another_network, swap(apply, "verify_signatures", ignore)),
    Mutant(on_replays.replay_on_the_same_network, without(process, "the nonce")),
    Mutant(on_replays.replay_after_expiry, without(process, "expired")),
    Mutant(on_stakes.equivocation, swap(convictions, "seize_stake", keep_unbonding)),
    Mutant(on_stakes.honest_votes_as_evidence, without(evidence, "may cast both")),
    Mutant(on_stakes.forged_evidence, without(evidence, "did not sign")),
    Mutant(on_stakes.evidence_from_another_network, without(evidence, "did not sign")),
    Mutant(on_stakes.old_evidence, without(evidence, "too old")),
    Mutant(on_stakes.same_evidence_twice, without(evidence, "convicted already")),
    Mutant(on_stakes.barred_key_returns, without(process, "is barred")),
    Mutant(on_stakes.unbond_before_the_verdict, swap(process, "process_unbond", release_at_once)),
]

ATTACKS: list[Callable[[], None]] = list(dict.fromkeys(mutant.attack for mutant in MUTANTS))
