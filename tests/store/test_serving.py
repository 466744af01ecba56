"""A node that serves and a node that fetches, over the encoded messages between them."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aliad.errors import RemoteProtocolError
from aliad.ledger.apply import Applied
from aliad.ledger.validators import ValidatorSet
from aliad.store.chain import BlockCommit, ChainStore, start_chain
from aliad.store.format import HeaderView
from aliad.store.ledger_format import LedgerFormat
from aliad.store.memory import MemoryStore
from aliad.store.projection import project
from aliad.store.replay import LedgerExecutor
from aliad.store.serving import answer, find_certificate
from aliad.store.state_chunks import StateShelf
from aliad.store.sync_core import Answer, BlockSync, CaughtUp, Committed, Execute, PeerClaims
from aliad.store.sync_peers import (
    Request,
    SyncLimits,
    Want,
    WantBodies,
    WantBuckets,
    WantCertified,
    WantHeaders,
)
from aliad.store.sync_wire import decode_answer, decode_want, encode_answer, encode_want
from aliad.types import MAX_UINT, Height, Millis, PeerId
from tests.store.ledger_chain import FUNDED, GENESIS, LedgerChain

BLOCKS = 25


class SameSet(LedgerFormat):
    """The rules of the real chain, with certificates that are taken for good if they name it."""

    def check_certificate(self, raw: bytes, header: HeaderView, validators: ValidatorSet) -> None:
        if raw != b"certificate" and raw.find(header.hash) < 0:
            raise RemoteProtocolError("a certificate of another block")

    def era_end(self, height: Height) -> Height:
        era = GENESIS.params.era_blocks
        return Height(-(-height // era) * era)


def empty_chain() -> ChainStore:
    store = MemoryStore()
    start_chain(store, FUNDED)
    return ChainStore(store, LedgerFormat(), FUNDED.hash)


@pytest.fixture(scope="module")
def served() -> ChainStore:
    chain = empty_chain()
    maker = LedgerChain(chain)
    for _ in range(BLOCKS):
        maker.block(maker.transfers(3))
    return chain


def replayed(chain: ChainStore, executor: LedgerExecutor, block: Execute) -> Applied:
    applied = executor.apply(chain.state, block.header.raw, block.body)
    ids, history = project(applied.events)
    update = chain.preview(applied.changes)
    chain.commit(
        BlockCommit(
            block.header.raw,
            block.body,
            block.certificate,
            applied.changes,
            update,
            ids,
            history,
        )
    )
    return applied


def test_a_node_catches_up_with_another(served: ChainStore) -> None:
    chain, executor, shelf = empty_chain(), LedgerExecutor(GENESIS), StateShelf()
    core: BlockSync[ValidatorSet] = BlockSync(
        SameSet(), Height(0), FUNDED.hash, GENESIS.validators, SyncLimits(least_peers=1)
    )
    now, name = Millis(0), PeerId("a")
    effects = list(core.receive(PeerClaims(name, Height(0), served.tip.height), now))
    caught_up = False
    while effects:
        effect = effects.pop(0)
        match effect:
            case Request(peer, number, want):
                asked = decode_want(encode_want(want))
                assert asked == want
                parts = decode_answer(encode_answer(answer(served.blocks, shelf, asked)))
                effects += core.receive(Answer(peer, number, parts), now)
            case Execute():
                applied = replayed(chain, executor, effect)
                done = Committed(effect.header.height, effect.header.hash, applied.validators)
                effects += core.receive(done, now)
            case CaughtUp():
                caught_up = True
            case _:
                raise AssertionError(effect)
    assert caught_up
    assert chain.tip == served.tip
    assert dict(chain.state.items(b"")) == dict(served.state.items(b""))
    # What it fetched it can serve: the certificates come from the children.
    assert find_certificate(chain.blocks, Height(10)) == b"certificate"
    inherited = find_certificate(chain.blocks, Height(7))
    own_hash = chain.blocks.hash_at(Height(7))
    assert inherited is not None
    assert own_hash is not None
    assert inherited.find(own_hash) > 0


def test_what_is_not_there_is_not_sent(served: ChainStore) -> None:
    rows, shelf = served.blocks, StateShelf()
    beyond = Height(BLOCKS + 1)
    assert answer(rows, shelf, WantCertified(beyond)) == ()
    assert answer(rows, shelf, WantHeaders(Height(20), beyond)) == ()
    assert len(answer(rows, shelf, WantBodies(Height(20), beyond))) == BLOCKS - 19
    assert answer(rows, shelf, WantBuckets(Height(5), 0, 256)) == ()


WANTS: list[Want] = [
    WantCertified(Height(1)),
    WantHeaders(Height(1), Height(1024)),
    WantBodies(Height(MAX_UINT), Height(MAX_UINT)),
    WantBuckets(Height(7), 65_535, 1),
]


@pytest.mark.parametrize("want", WANTS, ids=repr)
def test_requests_survive_the_wire(want: Want) -> None:
    assert decode_want(encode_want(want)) == want


BAD: list[Want] = [
    WantCertified(Height(0)),
    WantHeaders(Height(2), Height(1)),
    WantHeaders(Height(1), Height(1025)),
    WantBodies(Height(0), Height(4)),
    WantBuckets(Height(7), 65_536, 1),
]


@pytest.mark.parametrize("want", BAD, ids=repr)
def test_absurd_requests_are_refused(want: Want) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_want(encode_want(want))


@given(st.binary(max_size=80), st.sampled_from([decode_want, decode_answer]))
def test_arbitrary_messages(raw: bytes, decoder: Callable[[bytes], object]) -> None:
    try:
        decoder(raw)
    except RemoteProtocolError as error:
        assert error.what  # noqa: PT017 - a success is fine, too
