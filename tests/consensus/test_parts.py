"""The small parts: validator sets, leaders, timers, beacon, evidence, culprits, limits, buffers."""

from collections import Counter
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aliad.consensus.answers import MAX_ANSWERS, MAX_PEERS, AnswerLimit
from aliad.consensus.beacon import beacon_input, first_beacon, next_beacon
from aliad.consensus.early import MAX_PROPOSALS, EarlyMessages
from aliad.consensus.effects import Commit, Effect, Penalise, Persist, Send, WakeAt, in_order
from aliad.consensus.evidence import Evidence, contradicts, is_proof
from aliad.consensus.forensics import culprits
from aliad.consensus.messages import Message, Need, Proposal
from aliad.consensus.signing import ED25519, Ed25519Signer
from aliad.consensus.timing import Timing
from aliad.consensus.validators import Validator, ValidatorSet
from aliad.consensus.votes import VOTE, Kind, Vote, certificate_of, vote_message, votes_of
from aliad.crypto import SignatureCheck, key_from_seed
from aliad.errors import LocalProtocolError
from aliad.types import ZERO_HASH, Hash32, Height, Millis, NodeId, Power, Signature, View
from tests.consensus.stage import GENESIS, Stage

X, Y = Hash32(b"x" * 32), Hash32(b"y" * 32)


def a_set(*powers: int) -> ValidatorSet:
    return ValidatorSet.of(
        Validator(NodeId(bytes([place]) * 32), Power(power)) for place, power in enumerate(powers)
    )


@given(st.lists(st.integers(1, 100), min_size=1, max_size=7))
@settings(deadline=None)
def test_two_quorums_share_more_than_a_third(powers: list[int]) -> None:
    validators = a_set(*powers)
    subsets = [
        frozenset(chosen)
        for size in range(len(powers) + 1)
        for chosen in combinations(range(len(powers)), size)
        if validators.is_quorum(sum(powers[each] for each in chosen))
    ]
    assert subsets, "everyone together is a quorum"
    for left, right in combinations(subsets, 2):
        assert 3 * sum(powers[each] for each in left & right) > validators.total


def test_a_set_is_ordered_and_everyone_in_it_has_power() -> None:
    members = a_set(1, 2).members
    with pytest.raises(LocalProtocolError):
        ValidatorSet(members[::-1])
    with pytest.raises(LocalProtocolError):
        ValidatorSet((members[0], members[0]))
    with pytest.raises(LocalProtocolError):
        a_set(1, 0)
    with pytest.raises(LocalProtocolError):
        ValidatorSet(())


def test_a_set_is_named_by_members_and_powers() -> None:
    assert a_set(1, 2).digest == a_set(1, 2).digest
    assert len({a_set(1, 2).digest, a_set(2, 1).digest, a_set(1, 2, 1).digest}) == 3
    assert a_set(1, 2).power_of(NodeId(b"?" * 32)) == 0


def test_leaders_lead_in_proportion_to_their_power() -> None:
    validators = a_set(1, 2, 5)
    picks = Counter(validators.leader(X, Height(9), View(view)) for view in range(8_000))
    for member in validators.members:
        expected = 1_000 * int(member.power)
        assert abs(picks[member.node_id] - expected) < 150
    assert validators.leader(X, Height(9), View(0)) == validators.leader(X, Height(9), View(0))
    orders = {
        tuple(validators.leader(beacon, Height(height), View(v)) for v in range(20))
        for beacon in (X, Y)
        for height in (1, 2)
    }
    assert len(orders) == 4


def test_the_timeout_grows_to_four_times_and_no_further() -> None:
    timing = Timing(Millis(1_000), Millis(5_000), Millis(10_000))
    timeouts = [timing.view_timeout(View(view)) for view in range(7)]
    assert timeouts == [3_000, 4_500, 6_750, 10_125, 12_000, 12_000, 12_000]


def test_the_layout_of_a_vote_is_fixed() -> None:
    message = vote_message(X, Height(258), View(3), Kind.NULLIFY, ZERO_HASH)
    assert message == X + bytes([0] * 6 + [1, 2]) + bytes([0, 0, 0, 3]) + b"\x03" + bytes(32)
    assert VOTE == b"aliad/vote/1"
    key = key_from_seed(bytes(32))
    signature = Ed25519Signer(key).sign(VOTE, GENESIS, message)
    assert ED25519.verify(SignatureCheck(key.node_id, VOTE, GENESIS, message, signature))
    other = Hash32(b"o" * 32)
    assert not ED25519.verify(SignatureCheck(key.node_id, VOTE, other, message, signature))


def test_the_beacon_chains_heights_and_proofs() -> None:
    signer = Ed25519Signer(key_from_seed(bytes(32)))
    beacon = first_beacon(GENESIS)
    seen = {beacon}
    for number in range(1, 5):
        height = Height(number)
        alpha = beacon_input(GENESIS, height, beacon)
        proof, beta = signer.prove(alpha)
        assert ED25519.output(signer.node_id, alpha, proof) == beta
        assert ED25519.output(signer.node_id, alpha + b"!", proof) is None
        beacon = next_beacon(beacon, height, beta)
        seen.add(beacon)
    assert len(seen) == 5


def test_a_certificate_is_its_votes() -> None:
    stage = Stage(7)
    votes = [stage.vote(each, Kind.NOTARIZE, 4, X) for each in stage.others]
    certificate = certificate_of(votes, stage.validators)
    assert set(votes_of(certificate, stage.validators) or ()) == set(votes)
    assert votes_of(replace(certificate, bitmap=1), stage.validators) is None
    assert votes_of(replace(certificate, bitmap=certificate.bitmap << 9), stage.validators) is None


PAIRS = [
    (Kind.NOTARIZE, X, Kind.NOTARIZE, Y, True),
    (Kind.FINALIZE, X, Kind.FINALIZE, Y, True),
    (Kind.NULLIFY, ZERO_HASH, Kind.FINALIZE, X, True),
    (Kind.NOTARIZE, Y, Kind.FINALIZE, X, False),
    (Kind.NOTARIZE, X, Kind.NULLIFY, ZERO_HASH, False),
    (Kind.NOTARIZE, X, Kind.NOTARIZE, X, False),
]


@pytest.mark.parametrize(("kind", "block", "other_kind", "other", "guilty"), PAIRS)
def test_which_votes_contradict(
    kind: Kind, block: Hash32, other_kind: Kind, other: Hash32, guilty: bool
) -> None:
    stage = Stage()
    one, two = stage.others[:2]
    first, second = stage.vote(one, kind, 1, block), stage.vote(one, other_kind, 1, other)
    assert contradicts(first, second) is contradicts(second, first) is guilty
    assert not contradicts(first, stage.vote(two, other_kind, 1, other))
    assert not contradicts(first, stage.vote(one, other_kind, 2, other))
    evidence = Evidence(first, second)
    assert is_proof(evidence, GENESIS, stage.validators, stage.verifier) is guilty
    forged = Evidence(first, replace(second, signature=Signature(bytes(64))))
    assert not is_proof(forged, GENESIS, stage.validators, stage.verifier)
    assert not is_proof(evidence, X, stage.validators, stage.verifier)


def test_a_fork_across_views_names_those_who_nullified_what_they_finalized() -> None:
    """x is final in view 0; view 0 is nullified all the same, and y is final in view 1."""
    stage = Stage(7)
    everyone = [stage.me, *stage.others]
    guilty = everyone[:3]
    left, right = [*guilty, *everyone[3:5]], [*guilty, *everyone[5:]]
    certificates = [
        stage.certificate(Kind.NOTARIZE, 0, X, left),
        stage.certificate(Kind.FINALIZE, 0, X, left),
        stage.certificate(Kind.NULLIFY, 0, signers=right),
        stage.certificate(Kind.NOTARIZE, 1, Y, right),
        stage.certificate(Kind.FINALIZE, 1, Y, right),
    ]
    named = culprits(certificates, GENESIS, stage.validators, stage.verifier)
    assert set(named) == set(guilty)
    for evidence in named.values():
        assert is_proof(evidence, GENESIS, stage.validators, stage.verifier)


def test_invalid_certificates_accuse_nobody() -> None:
    stage = Stage()
    valid = stage.certificate(Kind.FINALIZE, 0, X)
    forged = replace(stage.certificate(Kind.NULLIFY, 0), signatures=valid.signatures)
    few = stage.certificate(Kind.NULLIFY, 0, signers=stage.others[:2])
    assert culprits([valid, forged, few], GENESIS, stage.validators, stage.verifier) == {}


def test_answers_are_rationed_by_peer_and_question() -> None:
    limit = AnswerLimit(Millis(1_000))
    peer, other = NodeId(b"p" * 32), NodeId(b"o" * 32)
    assert limit.allows(peer, Height(1), Millis(0))
    assert not limit.allows(peer, Height(1), Millis(999))
    assert limit.allows(other, Height(1), Millis(999))
    assert limit.allows(peer, Height(1), Millis(1_000))
    given_now = sum(limit.allows(peer, Height(n), Millis(1_001)) for n in range(2, 100))
    assert given_now == MAX_ANSWERS - 1
    for number in range(2 * MAX_PEERS):
        limit.allows(NodeId(number.to_bytes(32, "big")), Height(1), Millis(2_000))
    assert len(limit._given) == MAX_PEERS


def test_early_messages_are_bounded_by_peer_and_in_all() -> None:
    stage = Stage()
    early = EarlyMessages(4)
    for number in range(1_000):
        vote = stage.vote(stage.me, Kind.NULLIFY, number)
        early.keep(stage.others[0], vote)
        early.keep(stage.others[1], Need(Height(2)))
    one_peer = len(early.take())
    assert one_peer == (16 * 4 + 64) // 4
    for peer in range(100):
        for number in range(40):
            early.keep(NodeId(bytes([peer]) * 32), stage.vote(stage.me, Kind.NULLIFY, number))
    assert len(early.take()) == 16 * 4 + 64
    proposal: Message = stage.proposal(0, stage.block(stage.others[0]))
    for peer in range(100):
        early.keep(NodeId(bytes([peer]) * 32), proposal)
    assert sum(isinstance(each, Proposal) for _, each in early.take()) == MAX_PROPOSALS


def test_effects_come_durable_first() -> None:
    stage = Stage()
    block = stage.block(stage.others[0])
    certificate = stage.certificate(Kind.FINALIZE, 0, block.header.digest())
    effects: list[Effect] = [
        Commit(block, certificate, ()),
        WakeAt(Millis(7)),
        Send(Need(Height(1)), None),
        Penalise(stage.me, "why"),
        Persist(Height(1), ()),
        Send(Need(Height(2)), None),
    ]
    kinds = [type(each) for each in in_order(effects)]
    assert kinds == [Persist, Send, Send, WakeAt, Commit, Penalise]
    first = in_order(effects)[1]
    assert isinstance(first, Send)
    assert first.message == Need(Height(1))


def test_votes_of_the_wrong_shape_are_not_signed_votes() -> None:
    stage = Stage()
    good = stage.vote(stage.me, Kind.NULLIFY, 0)
    bad = Vote(Kind.NOTARIZE, good.height, good.view, ZERO_HASH, good.signer, good.signature)
    proof = Evidence(good, bad)
    assert not is_proof(proof, GENESIS, stage.validators, stage.verifier)
