"""Commit and reveal, against the ledger's own rules: every step it asks for applies."""

from aliad.crypto import SigningKey
from aliad.ledger.events import BatchVerified, DisputeOpened
from aliad.ledger.jobs import Draw, DrawPhase
from aliad.ledger.params import Params
from aliad.types import Hash32, NodeId
from aliad.work.checker import check_step
from aliad.work.draws import find_part, get_open_draws
from aliad.work.reveals import Compute, Say, Stand
from tests.ledger.chain import BY_NODE, Chain
from tests.ledger.training import Training


def start(**terms: int) -> tuple[Chain, Training, Draw]:
    chain = Chain(Params(newcomer_factor=1))
    training = Training(chain, overhead=1_000_000, **terms)
    return chain, training, training.draw_some()


def act(chain: Chain, draw: Draw, node: NodeId, known: Hash32 | None) -> object:
    return check_step(draw, node, chain.hash, known)


def say(chain: Chain, draw: Draw, node: NodeId, known: Hash32) -> None:
    step = act(chain, draw, node, known)
    assert isinstance(step, Say)
    key: SigningKey = BY_NODE[node]
    chain.send(key, step.statement)


def test_checkers_commit_then_all_reveal_and_the_batch_is_verified() -> None:
    chain, training, draw = start()
    truth = training.truth(draw.round, draw.batch)
    trainer, first, second = (party.node for party in draw.parties)
    assert act(chain, draw, trainer, truth) == Stand()
    assert act(chain, draw, first, None) == Compute()
    say(chain, draw, first, truth)
    draw = training.current(draw)
    assert draw.phase is DrawPhase.COMMIT
    assert act(chain, draw, first, truth) == Stand()
    assert act(chain, draw, trainer, truth) == Stand()
    say(chain, draw, second, truth)
    for node in (trainer, first, second):
        draw = training.current(draw)
        assert act(chain, draw, node, None) == Compute()
        say(chain, draw, node, truth)
    assert chain.last(BatchVerified).batch == draw.batch
    assert not chain.events(DisputeOpened)


def test_what_does_not_open_the_commitment_is_not_sent() -> None:
    chain, training, draw = start()
    truth, lie = training.truth(draw.round, draw.batch), training.lie(draw.round, draw.batch)
    for party in draw.parties[1:]:
        say(chain, training.current(draw), party.node, truth)
    step = act(chain, training.current(draw), draw.parties[1].node, lie)
    assert isinstance(step, Stand)
    assert step.trouble


def test_who_has_revealed_or_has_no_part_stands_still() -> None:
    chain, training, draw = start()
    truth = training.truth(draw.round, draw.batch)
    for party in draw.parties[1:]:
        say(chain, training.current(draw), party.node, truth)
    trainer = draw.parties[0].node
    say(chain, training.current(draw), trainer, truth)
    assert act(chain, training.current(draw), trainer, truth) == Stand()
    stranger = next(
        worker.node_id for worker in training.workers if find_part(draw, worker.node_id) is None
    )
    assert act(chain, training.current(draw), stranger, truth) == Stand()


def test_open_draws_are_found_in_the_state() -> None:
    chain, _, draw = start()
    assert draw in list(get_open_draws(chain.state))
    assert not list(get_open_draws(Chain().state))
