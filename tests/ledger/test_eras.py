"""Eras: the reward rate follows the schedule in small steps, the validator set changes slowly."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aliad.ledger.accounts import get_economy
from aliad.ledger.apply import (
    Applied,
    check_outcome,
    get_app_header,
)
from aliad.ledger.block import AppHeader, Header
from aliad.ledger.eras import (
    compute_next_validators,
    compute_reward_rate,
    get_emission,
    get_validators,
)
from aliad.ledger.errors import InvalidBlock
from aliad.ledger.events import OriginatorAdmitted, OriginatorRemoved, RateChanged, Unbonded
from aliad.ledger.params import Params
from aliad.ledger.stakes import get_stake
from aliad.ledger.transactions import Bond, OpenJob, Unbond, VoteOriginator
from aliad.ledger.validators import (
    ValidatorSet,
    compute_validators_hash,
    is_valid_validator_set,
    make_validator_set,
)
from aliad.types import ZERO_HASH, Era, Height, MegaMac, Millis, NanoAlia, NodeId, Power, RewardRate
from tests.ledger.chain import OWNER, VALIDATORS, Chain, hash_of, key
from tests.ledger.training import Manifest, Training, make_terms

NODES = [NodeId(hash_of("node", number)) for number in range(8)]
POWERS = st.dictionaries(st.sampled_from(NODES), st.integers(1, 50).map(Power), max_size=8)


@given(POWERS.filter(bool), POWERS)
def test_at_most_a_third_of_the_power_changes_and_the_set_is_never_empty(
    powers: dict[NodeId, Power], target: dict[NodeId, Power]
) -> None:
    current = make_validator_set(powers)
    following = compute_next_validators(current, target)
    assert following.members
    assert is_valid_validator_set(following)
    moved = sum(
        abs(following.power_of(node) - current.power_of(node)) for node in {*powers, *target}
    )
    assert moved <= max(1, current.total // 3)


@given(POWERS.filter(bool), POWERS.filter(bool))
@settings(max_examples=30, deadline=None)
def test_the_target_is_reached_in_the_end(
    powers: dict[NodeId, Power], target: dict[NodeId, Power]
) -> None:
    current = make_validator_set(powers)
    for _ in range(300):
        following = compute_next_validators(current, target)
        if following == current:
            break
        current = following
    assert current == make_validator_set(target)


@given(st.integers(1, 10**8), st.integers(0, 10**12), st.integers(0, 10**15))
def test_the_rate_moves_towards_the_schedule_by_a_bounded_step(
    rate: int, work: int, emission: int
) -> None:
    params = Params()
    after = compute_reward_rate(params, RewardRate(rate), MegaMac(work), NanoAlia(emission))
    assert 1 <= after <= params.max_reward_rate
    assert abs(after - rate) <= max(1, rate // 4)
    if work:
        wanted = min(max(1, emission // work), params.max_reward_rate)
        assert abs(after - wanted) <= abs(rate - wanted)
    else:
        assert after == rate


def test_the_schedule_halves() -> None:
    params = Params(emission_per_era=NanoAlia(1_000), halving_eras=10)
    assert [get_emission(params, Era(era)) for era in (0, 9, 10, 20, 10**9)] == [
        1_000,
        1_000,
        500,
        250,
        0,
    ]


def test_more_work_than_planned_lowers_the_rate_of_later_rounds_only() -> None:
    chain = Chain(Params(era_blocks=10, emission_per_era=NanoAlia(1)))
    training = Training(chain, workers=3, overhead=0)
    opened = training.open()
    assert opened.rate == 1_000
    training.record()
    while not chain.events(RateChanged):
        chain.block()
    assert chain.height % 10 == 0
    assert chain.last(RateChanged).rate == 750
    assert get_economy(chain.state).reward_rate == 750
    second = training.open()
    before_or_after = 1_000 if training.job.round == 1 and second.rate == 1_000 else 750
    assert second.rate == before_or_after


def test_a_bond_counts_from_the_next_era_and_an_unbond_waits() -> None:
    chain = Chain(
        Params(era_blocks=10, unbonding_blocks=15, evidence_blocks=10, min_bond=NanoAlia(5 * 10**9))
    )
    joiner = key("joiner")
    chain.give(joiner.node_id, 20 * 10**9)
    chain.send(joiner, Bond(NanoAlia(8 * 10**9)), fee=1_000)
    assert get_validators(chain.state).power_of(joiner.node_id) == 0
    while chain.height % 10:
        chain.block()
    assert get_validators(chain.state).power_of(joiner.node_id) == 8
    chain.send(joiner, Unbond(NanoAlia(8 * 10**9), False), fee=1_000)
    asked = chain.height
    assert get_validators(chain.state).power_of(joiner.node_id) == 8
    while not chain.events(Unbonded):
        chain.block()
    assert chain.height == asked + 15
    assert get_validators(chain.state).power_of(joiner.node_id) == 0
    assert chain.balance(joiner.node_id) == 20 * 10**9 - 2_000
    assert get_stake(chain.state, joiner.node_id).unbonding == ()


def test_less_than_the_minimum_bond_is_no_power() -> None:
    chain = Chain(Params(era_blocks=2))
    joiner = key("joiner")
    chain.give(joiner.node_id, 10**12)
    chain.send(joiner, Bond(NanoAlia(10**11 - 1)), fee=1_000)
    chain.block()
    chain.block()
    assert get_validators(chain.state).power_of(joiner.node_id) == 0


def test_granted_power_can_be_given_up() -> None:
    chain = Chain(Params(era_blocks=2))
    chain.give(VALIDATORS[0].node_id, 10_000)
    chain.send(VALIDATORS[0], Unbond(NanoAlia(0), True), fee=1_000)
    for _ in range(4):
        chain.block()
    assert VALIDATORS[0].node_id not in [m.node for m in get_validators(chain.state).members]


def test_three_of_four_validators_admit_and_remove_an_originator() -> None:
    chain = Chain()
    subject = key("new originator")
    job = OpenJob(make_terms(Manifest(4)), b"")
    for admit in (True, False):
        vote = VoteOriginator(subject.node_id, admit)
        for validator in VALIDATORS[:2]:
            chain.send(validator, vote)
        with pytest.raises(InvalidBlock):
            chain.send(VALIDATORS[0], vote)
        opened = chain.tx(subject, job)
        if admit:
            with pytest.raises(InvalidBlock):
                chain.block(opened)
        chain.send(VALIDATORS[2], vote)
        if admit:
            chain.send(subject, job)
        else:
            with pytest.raises(InvalidBlock):
                chain.send(subject, job)
    assert chain.last(OriginatorAdmitted).subject == subject.node_id
    assert chain.last(OriginatorRemoved).subject == subject.node_id
    with pytest.raises(InvalidBlock):
        chain.send(OWNER, VoteOriginator(subject.node_id, True))


def test_a_header_must_say_what_executing_gave() -> None:
    validators = make_validator_set({NODES[0]: Power(1)})
    applied = Applied({}, (), validators, RewardRate(5))
    root = hash_of("root")
    header = Header(
        Height(1),
        ZERO_HASH,
        Millis(1),
        ZERO_HASH,
        compute_validators_hash(validators),
        NODES[0],
        b"",
        ZERO_HASH,
        ZERO_HASH,
        b"",
    )
    check_outcome(header, get_app_header(applied, root), applied, root)
    with pytest.raises(InvalidBlock):
        check_outcome(header, AppHeader(root, RewardRate(6)), applied, root)
    with pytest.raises(InvalidBlock):
        check_outcome(header, AppHeader(hash_of("other"), RewardRate(5)), applied, root)
    other = applied._replace(validators=ValidatorSet(()))
    with pytest.raises(InvalidBlock):
        check_outcome(header, get_app_header(applied, root), other, root)
