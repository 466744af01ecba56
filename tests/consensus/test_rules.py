"""The rules one by one, on a core whose peers are puppets."""

from dataclasses import replace

import pytest

from aliad.consensus.application import Draft
from aliad.consensus.block import Block, Opening
from aliad.consensus.effects import Commit, Penalise, Persist, Propose, Report, Send, Serve, WakeAt
from aliad.consensus.journal import vote_record
from aliad.consensus.messages import Body, Final, Message, Need, Proposal, Want, WantCert
from aliad.consensus.votes import Certificate, Kind, Vote
from aliad.errors import LocalProtocolError
from aliad.types import Hash32, Height, Millis, NodeId, Signature, View
from tests.consensus.stage import TIMING, Stage, only, votes

X = Hash32(b"x" * 32)


def nullified_below(stage: Stage, view: int) -> tuple[Certificate, ...]:
    return tuple(stage.certificate(Kind.NULLIFY, each) for each in reversed(range(view)))


def at_view_of_another(stage: Stage) -> int:
    """Bring the core to a view that someone else leads."""
    view = stage.view_led_by_another()
    for certificate in reversed(nullified_below(stage, view)):
        stage.hear(stage.others[0], certificate)
    return view


def test_r1_a_quorum_of_votes_is_a_certificate_persisted_and_relayed_once() -> None:
    stage = Stage()
    for voter in stage.others[:2]:
        assert only(stage.hear(voter, stage.vote(voter, Kind.NULLIFY, 0)), Send) == []
    third = stage.others[2]
    effects = stage.hear(third, stage.vote(third, Kind.NULLIFY, 0))
    sent = [each.message for each in only(effects, Send) if isinstance(each.message, Certificate)]
    assert [(each.kind, each.view) for each in sent] == [(Kind.NULLIFY, 0)]
    assert any(key[:1] == b"c" for each in only(effects, Persist) for key, _ in each.records)
    again = stage.hear(stage.others[0], sent[0])
    assert only(again, Send) == []


def test_r2_a_finalize_certificate_commits_a_known_block_and_asks_for_an_unknown_one() -> None:
    stage = Stage()
    block = stage.block(stage.others[0])
    certificate = stage.certificate(Kind.FINALIZE, 0, block.header.digest())
    effects = stage.hear(stage.others[0], certificate)
    assert only(effects, Commit) == []
    wants = [each.message for each in only(effects, Send) if isinstance(each.message, Want)]
    assert wants[0].block_hash == block.header.digest()
    effects = stage.hear(stage.others[1], Body(Height(1), block))
    assert [each.block for each in only(effects, Commit)] == [block]
    assert certificate in only(effects, Commit)[0].trail


def test_r2_takes_no_block_under_the_header_of_another() -> None:
    stage = Stage()
    block = stage.block(stage.others[0])
    stage.hear(stage.others[0], stage.certificate(Kind.FINALIZE, 0, block.header.digest()))
    effects = stage.hear(stage.others[1], Body(Height(1), replace(block, payload=b"another")))
    assert only(effects, Commit) == []
    assert [each.peer for each in only(effects, Penalise)] == [stage.others[1]]


def test_r3_a_notarize_certificate_is_answered_with_finalize() -> None:
    stage = Stage()
    effects = stage.hear(stage.others[0], stage.certificate(Kind.NOTARIZE, 0, X))
    assert (Kind.FINALIZE, 0) in votes(effects)


def test_r3_no_finalize_after_nullify() -> None:
    stage = Stage()
    effects = stage.wait(6_000)
    assert (Kind.NULLIFY, 0) in votes(effects)
    effects = stage.hear(stage.others[0], stage.certificate(Kind.NOTARIZE, 0, X))
    assert (Kind.FINALIZE, 0) not in votes(effects)


def test_r3_no_nullify_after_finalize() -> None:
    stage = Stage()
    stage.hear(stage.others[0], stage.certificate(Kind.NOTARIZE, 0, X))
    assert (Kind.NULLIFY, 0) not in votes(stage.wait(20_000))


@pytest.mark.parametrize("kind", [Kind.NOTARIZE, Kind.NULLIFY])
def test_r4_certificates_advance_the_view(kind: Kind) -> None:
    stage = Stage()
    block_hash = X if kind is Kind.NOTARIZE else Hash32(bytes(32))
    stage.hear(stage.others[0], stage.certificate(kind, 6, block_hash))
    assert (Kind.NULLIFY, 7) in votes(stage.wait(6_000))


def test_r5_the_leader_makes_a_new_block_and_writes_before_it_sends() -> None:
    stage = Stage()
    view = stage.view_led_by(stage.me)
    for certificate in reversed(nullified_below(stage, view)):
        stage.hear(stage.others[0], certificate)
    stage.wait(2_100)
    proposals = [
        each.message for each in only(stage.effects, Send) if isinstance(each.message, Proposal)
    ]
    proposal = proposals[0]
    assert proposal.view == view
    assert len(proposal.justification) == min(view, 32)
    wrote = next(
        place
        for place, each in enumerate(stage.effects)
        if isinstance(each, Persist) and any(key[:1] == b"b" for key, _ in each.records)
    )
    spoke = next(
        place
        for place, each in enumerate(stage.effects)
        if isinstance(each, Send) and each.message == proposal
    )
    assert wrote < spoke


def test_r5_the_leader_repeats_a_notarized_block_unchanged() -> None:
    stage = Stage()
    view = stage.view_led_by(stage.me, start=2)
    block = stage.block(stage.others[0])
    block_hash = block.header.digest()
    for below in range(1, view):
        stage.hear(stage.others[0], stage.certificate(Kind.NULLIFY, below))
    assert only(stage.effects, Propose) == []
    stage.hear(stage.others[0], stage.certificate(Kind.NOTARIZE, 0, block_hash))
    effects = stage.hear(stage.others[0], Body(Height(1), block))
    effects += stage.wait(1_000)
    sent = [each.message for each in only(effects, Send) if isinstance(each.message, Proposal)]
    assert (sent[0].view, sent[0].block) == (view, block)
    assert sent[0].justification[-1].kind is Kind.NOTARIZE


def test_r5_the_leader_asks_for_certificates_it_lacks() -> None:
    stage = Stage()
    view = stage.view_led_by(stage.me, start=2)
    effects = stage.hear(stage.others[0], stage.certificate(Kind.NULLIFY, view - 1))
    wants = [each.message for each in only(effects, Send) if isinstance(each.message, WantCert)]
    assert {each.view for each in wants} == {view - 2}
    assert only(effects, Propose) == []


def test_r6_a_valid_proposal_is_notarized_once() -> None:
    stage = Stage()
    view = at_view_of_another(stage)
    leader = stage.leader(view)
    effects = stage.hear(leader, stage.proposal(view, stage.block(leader)))
    assert votes(effects) == [(Kind.NOTARIZE, view)]
    other = stage.proposal(view, stage.block(leader, b"valid: second"))
    assert (Kind.NOTARIZE, view) not in votes(stage.hear(leader, other))


def invalid_blocks(stage: Stage, leader: NodeId) -> dict[str, Block]:
    block = stage.block(leader)
    header = block.header
    stranger = next(each for each in stage.others if each != leader)
    changed = {
        "parent": replace(header, parent=X),
        "time": replace(header, time=stage.opening.parent_time),
        "future": replace(header, time=Millis(stage.now + 60_000)),
        "validators": replace(header, validators=X),
        "beacon": replace(header, beacon=X),
        "proof": replace(header, proof=bytes(80)),
        "proposer": replace(header, proposer=stranger),
    }
    blocks = {name: replace(block, header=each) for name, each in changed.items()}
    return {**blocks, "payload": stage.block(leader, b"nonsense")}


@pytest.mark.parametrize(
    "name",
    ["parent", "time", "future", "validators", "beacon", "proof", "proposer", "payload"],
)
def test_r6_an_invalid_block_is_nullified_but_not_at_once(name: str) -> None:
    stage = Stage()
    view = at_view_of_another(stage)
    leader = stage.leader(view)
    block = invalid_blocks(stage, leader)[name]
    effects = stage.hear(leader, stage.proposal(view, block))
    assert votes(effects) == []
    effects = stage.wait(TIMING.delta + 10)
    assert votes(effects) == [(Kind.NULLIFY, view)]


def test_r6_an_unjustified_proposal_gets_no_vote() -> None:
    """View v was notarized; its successor's leader ignores that."""
    stage = Stage()
    view = stage.view_led_by_another(start=1)
    leader = stage.leader(view)
    stage.hear(stage.others[0], stage.certificate(Kind.NOTARIZE, view - 1, X))
    stage.effects.clear()
    effects = stage.hear(leader, stage.proposal(view, stage.block(leader)))
    assert (Kind.NOTARIZE, view) not in votes(effects)
    assert any(isinstance(each.message, WantCert) for each in only(effects, Send))


def test_r6_a_repeated_block_is_judged_without_the_clock() -> None:
    stage = Stage()
    view = stage.view_led_by_another(start=1)
    block = stage.block(stage.others[0], time=stage.now + 3_600_000)
    stage.hear(stage.others[0], stage.certificate(Kind.NOTARIZE, view - 1, block.header.digest()))
    effects = stage.hear(stage.leader(view), stage.proposal(view, block))
    assert (Kind.NOTARIZE, view) in votes(effects)


def test_a_proposal_far_ahead_is_checked_although_its_certificates_bring_us_there() -> None:
    """Once the signature went unchecked when the view was out of the window at first."""
    stage = Stage()
    view = stage.view_led_by_another(start=20)
    leader = stage.leader(view)
    chain = nullified_below(stage, view)[:32]
    forged = replace(
        stage.proposal(view, stage.block(leader), *chain), signature=Signature(bytes(64))
    )
    effects = stage.hear(stage.others[0], forged)
    assert [each.peer for each in only(effects, Penalise)] == [stage.others[0]]
    assert votes(effects) == []
    for certificate in nullified_below(stage, view):
        stage.hear(stage.others[0], certificate)
    effects = stage.hear(stage.others[0], stage.proposal(view, stage.block(leader), *chain))
    assert (Kind.NOTARIZE, view) in votes(effects)


def test_the_votes_of_a_former_life_are_kept() -> None:
    """The same node, started again from its log, votes for nothing else in that view."""
    stage = Stage()
    view = at_view_of_another(stage)
    leader = stage.leader(view)
    stage.hear(leader, stage.proposal(view, stage.block(leader)))
    stage.effects.clear()
    stage.boot()
    other = stage.proposal(view, stage.block(leader, b"valid: second"))
    stage.hear(leader, other)
    stage.wait(1_000)
    repeated = [
        each.message.block_hash
        for each in only(stage.effects, Send)
        if isinstance(each.message, Vote) and each.message.kind is Kind.NOTARIZE
    ]
    assert set(repeated) == {stage.block(leader, time=1_000_000).header.digest()}


def test_below_the_first_height_of_the_log_nothing_is_voted() -> None:
    stage = Stage(vote_from=2)
    leader = stage.leader(0)
    if leader != stage.me:
        stage.hear(leader, stage.proposal(0, stage.block(leader)))
    stage.hear(stage.others[0], stage.certificate(Kind.NOTARIZE, 0, X))
    stage.wait(20_000)
    assert votes(stage.effects) == []
    assert any(isinstance(each.message, Need) for each in only(stage.effects, Send))


def test_retransmission_repeats_votes_and_certificates() -> None:
    stage = Stage()
    stage.hear(stage.others[0], stage.certificate(Kind.NOTARIZE, 0, X))
    effects = stage.wait(2 * TIMING.delta + 20)
    assert (Kind.FINALIZE, 0) in votes(effects)
    kinds = {
        each.message.kind for each in only(effects, Send) if isinstance(each.message, Certificate)
    }
    assert Kind.NOTARIZE in kinds


def test_equivocation_is_reported_once_with_proof() -> None:
    stage = Stage()
    villain = stage.others[0]
    stage.hear(villain, stage.vote(villain, Kind.NOTARIZE, 3, X))
    effects = stage.hear(villain, stage.vote(villain, Kind.NOTARIZE, 3, Hash32(b"y" * 32)))
    assert [each.evidence.culprit for each in only(effects, Report)] == [villain]
    effects = stage.hear(villain, stage.vote(villain, Kind.NOTARIZE, 3, Hash32(b"z" * 32)))
    assert only(effects, Report) == []


def test_nullify_with_finalize_is_evidence_and_notarize_with_finalize_is_not() -> None:
    stage = Stage()
    first, second = stage.others[:2]
    stage.hear(first, stage.vote(first, Kind.NOTARIZE, 2, X))
    effects = stage.hear(first, stage.vote(first, Kind.FINALIZE, 2, Hash32(b"y" * 32)))
    assert only(effects, Report) == []
    stage.hear(second, stage.vote(second, Kind.NULLIFY, 2))
    effects = stage.hear(second, stage.vote(second, Kind.FINALIZE, 2, X))
    assert [each.evidence.culprit for each in only(effects, Report)] == [second]


@pytest.mark.parametrize("what", ["stranger", "forged", "few", "bitmap", "leader"])
def test_what_no_honest_node_sends_is_penalised(what: str) -> None:
    stage = Stage()
    peer = stage.others[0]
    vote = stage.vote(peer, Kind.NOTARIZE, 0, X)
    certificate = stage.certificate(Kind.NOTARIZE, 0, X)
    wrong = stage.view_led_by_another()
    messages: dict[str, Message] = {
        "stranger": replace(vote, signer=NodeId(b"?" * 32)),
        "forged": replace(vote, block_hash=Hash32(b"y" * 32)),
        "few": stage.certificate(Kind.NOTARIZE, 0, X, stage.others[:2]),
        "bitmap": replace(certificate, bitmap=certificate.bitmap << 8),
        "leader": replace(
            stage.proposal(wrong, stage.block(peer)), leader=stage.me, block_hash=X, block=None
        ),
    }
    effects = stage.hear(peer, messages[what])
    assert [each.peer for each in only(effects, Penalise)] == [peer]
    assert votes(stage.effects) == []


def test_duplicates_are_dropped_before_their_signature_is_looked_at() -> None:
    stage = Stage()
    peer = stage.others[0]
    vote = stage.vote(peer, Kind.NULLIFY, 0)
    stage.hear(peer, vote)
    assert stage.hear(peer, replace(vote, signature=Signature(bytes(64)))) == ()


def test_what_a_peer_lacks_is_answered_once_a_while() -> None:
    stage = Stage()
    view = at_view_of_another(stage)
    leader = stage.leader(view)
    block = stage.block(leader)
    stage.hear(leader, stage.proposal(view, block))
    certificate = stage.certificate(Kind.NULLIFY, view + 3)
    stage.hear(leader, certificate)
    peer = stage.others[2]
    questions: dict[Message, Message] = {
        Want(Height(1), block.header.digest()): Body(Height(1), block),
        WantCert(Height(1), View(view + 3)): certificate,
    }
    for question, answer in questions.items():
        effects = stage.hear(peer, question)
        assert [(each.message, each.to) for each in only(effects, Send)] == [(answer, peer)]
        assert only(stage.hear(peer, question), Send) == []
    assert only(stage.hear(peer, Want(Height(1), X)), Send) == []
    assert only(stage.hear(peer, WantCert(Height(1), View(view + 9))), Send) == []


def test_blocks_of_hostile_leaders_do_not_pile_up() -> None:
    stage = Stage()
    for view in range(60):
        leader = stage.leader(view)
        if leader != stage.me:
            stage.hear(leader, stage.proposal(view, stage.block(leader, b"nonsense")))
        stage.hear(stage.others[0], stage.certificate(Kind.NULLIFY, view))
    assert len(stage.core._height.facts.blocks) <= 3
    assert len(stage.core._height.facts.proposals) <= 3


def test_who_is_behind_is_served_once_a_while() -> None:
    stage = Stage(height=5)
    peer = stage.others[0]
    old = replace(stage.vote(peer, Kind.NULLIFY, 0), height=Height(3))
    assert [each.height for each in only(stage.hear(peer, old), Serve)] == [3]
    assert only(stage.hear(peer, old), Serve) == []
    stage.wait(TIMING.delta)
    assert len(only(stage.hear(peer, Need(Height(3))), Serve)) == 1


def test_who_is_ahead_is_asked_one_question_at_a_time() -> None:
    stage = Stage()
    effects: list[object] = []
    for claimed in (50, 60, 70):
        effects += stage.hear(stage.others[0], Need(Height(claimed)))
    needs = [e for e in effects if isinstance(e, Send) and isinstance(e.message, Need)]
    assert [each.to for each in needs] == [stage.others[0]]


def test_a_commit_opens_the_next_height_and_replays_what_came_early() -> None:
    stage = Stage()
    block = stage.block(stage.others[0])
    block_hash = block.header.digest()
    certificate = stage.certificate(Kind.FINALIZE, 0, block_hash)
    early = replace(stage.vote(stage.others[1], Kind.NULLIFY, 0), height=Height(2))
    stage.hear(stage.others[1], early)  # its signature is for height 1: penalised when replayed
    stage.hear(stage.others[0], Final(Height(1), block, certificate))
    opening = Opening(
        Height(2),
        stage.opening.genesis,
        block_hash,
        block.header.time,
        block.header.beacon,
        stage.validators,
        stage.validators,
        certificate,
    )
    effects = stage.core.committed(opening, stage.now)
    assert stage.core.height == 2
    assert [each.peer for each in only(effects, Penalise)] == [stage.others[1]]


def test_a_commit_that_opens_its_height_to_other_validators_is_a_bug() -> None:
    stage = Stage()
    with pytest.raises(LocalProtocolError):
        stage.core.committed(replace(stage.opening, height=Height(2)), stage.now)


def test_a_chain_extended_by_other_means_takes_the_vote_along() -> None:
    """Sync passes the open height, what was known of it is dropped; going back is ignored."""
    stage = Stage()
    stage.hear(stage.others[0], stage.vote(stage.others[0], Kind.NULLIFY, 0))
    effects = stage.core.advanced(replace(stage.opening, height=Height(7)), stage.now)
    assert stage.core.height == 7
    assert only(effects, Persist) == []
    stage.core.advanced(replace(stage.opening, height=Height(4)), stage.now)
    stage.core.committed(replace(stage.opening, height=Height(7)), stage.now)
    assert stage.core.height == 7


def test_votes_in_a_log_that_is_ahead_of_the_chain_are_not_contradicted() -> None:
    """The chain was lost and fetched again; the log still holds the open height's vote."""
    stage = Stage()
    nullified = replace(stage.vote(stage.me, Kind.NULLIFY, 0), height=Height(7))
    opening = replace(stage.opening, height=Height(7))
    stage.core.advanced(opening, stage.now, [vote_record(nullified)])
    assert not stage.core._height.may_notarize()


def test_a_late_draft_is_ignored() -> None:
    stage = Stage()
    draft = Draft(b"valid", b"", stage.validators.digest)
    effects = stage.core.drafted(Height(1), View(9), draft, stage.now)
    assert only(effects, Send) == []


def test_a_wake_time_is_announced() -> None:
    stage = Stage()
    assert [int(each.at) for each in only(stage.effects, WakeAt)] == [
        stage.now + TIMING.max_block_interval
    ]
