"""Block sync: the right chain in the end, whatever the peers do, and only liars are punished."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aliad.store.sync_core import (
    Answer,
    BlockSync,
    CaughtUp,
    Committed,
    Execute,
    ExecutionFailed,
    Halt,
    PeerClaims,
    PeerGone,
    Tick,
)
from aliad.store.sync_peers import (
    DropPeer,
    Request,
    SyncLimits,
    Want,
    WantBodies,
    WantBuckets,
    WantCertified,
    WantHeaders,
)
from aliad.types import MAX_UINT, Hash32, Height, Millis, PeerId
from tests.store.sync_world import (
    ERA,
    GENESIS,
    Behaviour,
    Chain,
    Peer,
    ToyRules,
    World,
    certify,
    encode_header,
    era_of,
    tell_the_truth,
)

LENGTH = 230
CHAIN = Chain(LENGTH)
FORK = Chain(LENGTH, "fork")


def stay_silent(peer: Peer, want: Want, dice: random.Random) -> tuple[bytes, ...] | None:
    return None


def deny_everything(peer: Peer, want: Want, dice: random.Random) -> tuple[bytes, ...] | None:
    return ()


def send_garbage(peer: Peer, want: Want, dice: random.Random) -> tuple[bytes, ...] | None:
    return tuple(dice.randbytes(dice.randrange(120)) for _ in range(dice.randrange(1, 5)))


def serve_a_fork(peer: Peer, want: Want, dice: random.Random) -> tuple[bytes, ...] | None:
    """The fork's certificates are not signed by the set."""
    match want:
        case WantCertified(height):
            return FORK.headers[height], certify(FORK.hashes[height], 1000)
        case _:
            return FORK.answer(want)


def forge_bodies(peer: Peer, want: Want, dice: random.Random) -> tuple[bytes, ...] | None:
    parts = peer.chain.answer(want)
    if isinstance(want, WantBodies):
        at = dice.randrange(len(parts))
        return (*parts[:at], b"forged", *parts[at + 1 :])
    return parts


def forge_headers(peer: Peer, want: Want, dice: random.Random) -> tuple[bytes, ...] | None:
    parts = peer.chain.answer(want)
    if isinstance(want, WantHeaders):
        at = dice.randrange(len(parts))
        forged = encode_header(want.low + at, b"x" * 32, b"")
        return (*parts[:at], forged, *parts[at + 1 :])
    return parts


def send_too_much(peer: Peer, want: Want, dice: random.Random) -> tuple[bytes, ...] | None:
    return (*peer.chain.answer(want), b"one more")


def send_the_wrong_height(peer: Peer, want: Want, dice: random.Random) -> tuple[bytes, ...] | None:
    match want:
        case WantCertified(height):
            return peer.chain.answer(WantCertified(Height(height - 1)))
        case WantHeaders(low, high):
            return peer.chain.answer(WantHeaders(Height(low - 1), Height(high - 1)))
        case WantBodies(low, high):
            return peer.chain.answer(WantBodies(Height(low - 1), Height(high - 1)))
        case WantBuckets():
            return ()


def send_less(peer: Peer, want: Want, dice: random.Random) -> tuple[bytes, ...] | None:
    """Fewer bodies than asked for are fine: blocks may be large."""
    parts = peer.chain.answer(want)
    return parts[: dice.randrange(1, len(parts) + 1)] if isinstance(want, WantBodies) else parts


def be_slow_at_times(peer: Peer, want: Want, dice: random.Random) -> tuple[bytes, ...] | None:
    return None if dice.random() < 0.2 else peer.chain.answer(want)


LIARS: list[Behaviour] = [
    deny_everything,
    send_garbage,
    serve_a_fork,
    forge_bodies,
    forge_headers,
    send_too_much,
    send_the_wrong_height,
]


def peer(name: str, behave: Behaviour = tell_the_truth, claim: int = LENGTH, **more: int) -> Peer:
    honest = behave in (tell_the_truth, send_less)
    return Peer(PeerId(name), CHAIN, behave, claim, honest=honest, **more)


def assert_only_liars_are_punished(world: World) -> None:
    honest = {one.name for one in world.peers if one.honest}
    assert not [drop for drop in world.dropped if drop.hostile and drop.peer in honest]


def test_several_honest_peers_share_the_work() -> None:
    world = World([peer("a"), peer("b"), peer("c")], LENGTH, 1).run()
    assert world.executed == list(range(1, LENGTH + 1))
    assert world.caught_up == [LENGTH]
    assert not world.dropped
    assert min(world.served.values()) > 10, "every peer was asked"
    # One certificate proves an era; a hedged second answer to the same question is not checked.
    assert world.rules.certificates_checked == LENGTH // ERA + 1


def test_what_is_held_is_bounded() -> None:
    limits = SyncLimits(window=16, bodies_per_request=4, least_peers=1)
    world = World([peer("a"), peer("b", latency=900)], LENGTH, 1, limits).run()
    assert len(world.executed) == LENGTH
    assert world.most_held <= limits.window


@pytest.mark.parametrize("liar", LIARS, ids=lambda behave: behave.__name__)
def test_a_liar_is_dropped_and_the_chain_arrives(liar: Behaviour) -> None:
    punished: set[str] = set()
    for seed in range(8):
        world = World([peer("a"), peer("0 liar", liar), peer("b")], LENGTH, seed).run()
        assert len(world.executed) == LENGTH
        punished |= {drop.peer for drop in world.dropped if drop.hostile}
    assert punished == {"0 liar"}  # in some runs it was never asked what it lies about


def test_a_huge_claim_only_costs_its_deadline() -> None:
    for seed in range(8):
        boaster = peer("boaster", stay_silent, claim=MAX_UINT)
        world = World([peer("a"), boaster, peer("b")], LENGTH, seed).run()
        assert len(world.executed) == LENGTH
        assert_only_liars_are_punished(world)
        assert world.caught_up == [LENGTH]


def test_a_crowd_of_silent_boasters_does_not_stop_it() -> None:
    crowd = [peer(f"{n:02}", stay_silent, claim=10**9 + n) for n in range(30)]
    world = World([peer("zz"), *crowd], LENGTH, 3).run()
    assert len(world.executed) == LENGTH


def test_any_mixture_arrives_as_long_as_one_peer_is_honest() -> None:
    kinds = [*LIARS, stay_silent, be_slow_at_times, send_less]
    for seed in range(60):
        dice = random.Random(seed)
        others = [
            peer(f"p{n}", dice.choice(kinds), claim=dice.choice([LENGTH, LENGTH, 70, 10**6]))
            for n in range(dice.randrange(1, 12))
        ]
        for other in others:
            # An honest one cannot claim more than it has.
            other.honest = other.honest and other.claim <= LENGTH
        world = World([peer("honest"), *others], LENGTH, seed).run()
        assert len(world.executed) == LENGTH, f"seed {seed}"
        assert world.halted is None
        assert_only_liars_are_punished(world)


def test_the_same_seed_gives_the_same_run() -> None:
    def run(seed: int) -> list[str]:
        peers = [peer("a", be_slow_at_times), peer("b", send_less), peer("c", forge_bodies)]
        return World(peers, LENGTH, seed).run().trace

    assert run(5) == run(5)
    assert run(5) != run(6)


# The core alone, input by input.

A, B = PeerId("a"), PeerId("b")
NOW = Millis(1000)


def fresh(limits: SyncLimits | None = None) -> "BlockSync[int]":
    return BlockSync(ToyRules(), Height(0), GENESIS, 0, limits or SyncLimits(least_peers=1))


def claims(name: PeerId, height: int, base: int = 0) -> PeerClaims:
    return PeerClaims(name, Height(base), Height(height))


def test_a_lowered_claim_drops_the_peer_for_good() -> None:
    core = fresh()
    (request,) = core.receive(claims(A, 120), NOW)
    assert isinstance(request, Request)
    first, *rest = core.receive(claims(A, 119), NOW)
    assert isinstance(first, DropPeer)
    assert first.hostile
    assert "lowered" in first.reason
    assert not any(isinstance(effect, Request) for effect in rest)
    assert core.receive(claims(A, 120), Millis(10**9)) == []
    # The others decide how far the chain goes, not what the liar once said.
    assert CaughtUp(Height(0)) in core.receive(claims(B, 0), NOW)


def test_a_growing_claim_and_a_reconnection_are_fine() -> None:
    core = fresh()
    core.receive(claims(A, 100), NOW)
    assert core.receive(claims(A, 101), NOW) == []
    core.receive(PeerGone(A), NOW)
    (request,) = core.receive(claims(A, 40), NOW)
    assert isinstance(request, Request)
    assert request.want == WantCertified(Height(40))


@pytest.mark.parametrize(("base", "height"), [(-1, 5), (6, 5), (0, MAX_UINT + 1), (-2, -1)])
def test_impossible_claims_drop_the_peer(base: int, height: int) -> None:
    (drop,) = fresh().receive(claims(A, height, base), NOW)
    assert isinstance(drop, DropPeer)
    assert drop.hostile


def test_nothing_is_asked_of_a_peer_that_does_not_keep_it() -> None:
    core = fresh()
    core.receive(claims(A, LENGTH, base=200), NOW)
    answered = core.receive(answer_to(core, A, WantCertified(Height(ERA))), NOW)
    assert not any(
        isinstance(effect, Request) and isinstance(effect.want, WantHeaders) for effect in answered
    ), "block 1 is not among what it serves"


def answer_to(core: "BlockSync[int]", name: PeerId, want: Want, number: int = 0) -> Answer:
    return Answer(name, number, CHAIN.answer(want))


def test_an_answer_nobody_asked_for_drops_its_sender() -> None:
    core = fresh()
    core.receive(claims(A, 100), NOW)
    core.receive(claims(B, 100), NOW)
    for number in (99, -1):
        effects = core.receive(Answer(B, number, ()), NOW)
        dropped = [effect for effect in effects if isinstance(effect, DropPeer)]
        assert [drop.peer for drop in dropped] == ([B] if number == 99 else [])
    # A stranger is not known well enough to be dropped.
    assert core.receive(Answer(PeerId("stranger"), 0, ()), NOW) == []
    assert not any(
        isinstance(effect, DropPeer)
        for effect in core.receive(answer_to(core, A, WantCertified(Height(ERA))), NOW)
    )


def test_somebody_elses_answer_does_not_pass() -> None:
    core = fresh()
    core.receive(claims(A, 100), NOW)
    core.receive(claims(B, 100), NOW)
    effects = core.receive(answer_to(core, B, WantCertified(Height(ERA)), number=0), NOW)
    assert [drop.peer for drop in effects if isinstance(drop, DropPeer)] == [B]


def test_a_late_answer_is_no_crime() -> None:
    core = fresh()
    core.receive(claims(A, 100), NOW)
    core.receive(claims(B, 100), NOW)
    late = Millis(NOW + 20_000)
    core.receive(Tick(), late)
    effects = core.receive(Answer(A, 0, (b"garbage",)), late)
    assert not any(isinstance(effect, DropPeer) for effect in effects)


def test_a_slow_peer_loses_its_turn_and_comes_back() -> None:
    core = fresh()
    core.receive(claims(A, 100), NOW)
    now, drops = NOW, []
    for _ in range(4):
        now = Millis(now + 10_000)
        drops += [e for e in core.receive(Tick(), now) if isinstance(e, DropPeer)]
    (drop,) = drops
    assert not drop.hostile
    assert core.receive(claims(A, 100), Millis(now + 1)) == []
    back = core.receive(claims(A, 100), Millis(now + 60_000))
    assert any(isinstance(effect, Request) for effect in back)


def drive(core: "BlockSync[int]", effects: list[object], upto: int) -> list[Execute]:
    """Answer every request truthfully until ``upto`` blocks were handed out."""
    handed: list[Execute] = []
    while effects:
        effect = effects.pop(0)
        if isinstance(effect, Request):
            answer = Answer(effect.peer, effect.number, CHAIN.answer(effect.want))
            effects += core.receive(answer, NOW)
        elif isinstance(effect, Execute):
            handed.append(effect)
            if len(handed) == upto:
                break
            at = effect.header.height
            effects += core.receive(Committed(at, effect.header.hash, era_of(at + 1)), NOW)
    return handed


def test_the_newest_block_of_a_segment_comes_with_its_certificate() -> None:
    core = fresh()
    handed = drive(core, list(core.receive(claims(A, 60), NOW)), 60)
    with_certificate = [one.header.height for one in handed if one.certificate is not None]
    assert with_certificate == [50, 60]
    assert handed[49].certificate == certify(CHAIN.hashes[50], 0)


def test_a_failed_execution_halts() -> None:
    core = fresh()
    drive(core, list(core.receive(claims(A, 60), NOW)), 3)
    (halt,) = core.receive(ExecutionFailed(Height(3), "the state root differs"), NOW)
    assert isinstance(halt, Halt)
    assert core.receive(claims(B, 100), NOW) == []


def test_a_final_chain_that_leaves_ours_halts() -> None:
    core: BlockSync[int] = BlockSync(
        ToyRules(), Height(10), FORK.hashes[10], 0, SyncLimits(least_peers=1)
    )
    effects: list[object] = list(core.receive(claims(A, 60), NOW))
    halts: list[Halt] = []
    while effects:
        effect = effects.pop(0)
        if isinstance(effect, Request):
            answer = Answer(effect.peer, effect.number, CHAIN.answer(effect.want))
            effects += core.receive(answer, NOW)
        elif isinstance(effect, Halt):
            halts.append(effect)
    assert len(halts) == 1
    assert "continue" in halts[0].what


def test_the_vote_may_overtake_headers_that_are_on_their_way() -> None:
    core = fresh()
    waiting = list(core.receive(claims(A, 60), NOW))
    while not isinstance(request := waiting.pop(0), Request) or not isinstance(
        request.want, WantHeaders
    ):
        assert isinstance(request, Request)
        answer = Answer(request.peer, request.number, CHAIN.answer(request.want))
        waiting += core.receive(answer, NOW)
    for height in range(1, 4):
        core.receive(Committed(Height(height), CHAIN.hashes[height], 0), NOW)
    late = Answer(request.peer, request.number, CHAIN.answer(request.want))
    handed = drive(core, list(core.receive(late, NOW)), 57)
    assert [one.header.height for one in handed] == list(range(4, 61))


def test_the_vote_may_overtake_it() -> None:
    core = fresh()
    handed = drive(core, list(core.receive(claims(A, 60), NOW)), 3)
    assert handed[-1].header.height == 3
    for height in range(3, 46):
        core.receive(Committed(Height(height), CHAIN.hashes[height], 0), NOW)
    assert core.height == 45
    core.receive(Committed(Height(4), CHAIN.hashes[4], 0), NOW)
    assert core.height == 45
    (halt,) = core.receive(Committed(Height(46), Hash32(b"x" * 32), 0), NOW)
    assert isinstance(halt, Halt)


def test_caught_up_is_said_once_and_only_with_enough_peers() -> None:
    core = fresh(SyncLimits(least_peers=2))
    assert core.receive(claims(A, 0), NOW) == []
    assert core.receive(claims(B, 0), NOW) == [CaughtUp(Height(0))]
    assert core.receive(Tick(), NOW) == []
    core.receive(Committed(Height(1), CHAIN.hashes[1], 0), NOW)
    assert core.receive(claims(A, 1), NOW) == []


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.builds(
                lambda peer, base, height: PeerClaims(peer, Height(base), Height(height)),
                st.sampled_from([A, B]),
                st.integers(-3, 130),
                st.integers(-3, 130),
            ),
            st.builds(PeerGone, st.sampled_from([A, B])),
            st.builds(
                Answer,
                st.sampled_from([A, B]),
                st.integers(-2, 40),
                st.lists(
                    st.binary(max_size=80) | st.sampled_from(CHAIN.headers[1:60] + CHAIN.bodies),
                    max_size=3,
                ).map(tuple),
            ),
            st.just(Tick()),
        ),
        max_size=40,
    ),
    st.integers(0, 30_000),
)
def test_arbitrary_input_never_hands_out_an_unproven_block(
    events: list[PeerClaims | PeerGone | Answer | Tick], step: int
) -> None:
    core, now = fresh(), 0
    for event in events:
        now += step
        for effect in core.receive(event, Millis(now)):
            assert not isinstance(effect, Halt)
            if isinstance(effect, Execute):
                assert effect.body == CHAIN.bodies[effect.header.height]
