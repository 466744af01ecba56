"""Attacks on the record of a round, mostly by its originator."""

from dataclasses import replace
from typing import Any

from aliad.ledger.accounts import get_economy
from aliad.ledger.events import (
    BatchDrawn,
    RoundOpened,
)
from aliad.types import (
    MegaMac,
)
from tests.ledger.attacks.acting import OFTEN, refused
from tests.ledger.chain import OWNER, Chain, hash_of, key
from tests.ledger.training import BATCH_WORK, Training


def record_without_signatures() -> None:
    """The originator invents a commitment for a worker."""
    chain = Chain()
    training = Training(chain)
    slots = training.open().slots
    body = training.record_body()
    forged = training.result(slots[0], hash_of("anything"), signer=OWNER)
    refused(chain, chain.tx(OWNER, replace(body, results=(forged, *body.results[1:]))))


def result_of_another_round() -> None:
    """An old signed commitment is used again."""
    chain = Chain()
    training = Training(chain, workers=3, batches=4, epochs=9, overhead=0)
    training.open()
    old = {slot.trainer: result for slot, result in _results(training)}
    training.record()
    for _ in range(6):
        for slot, result in _results_when_open(training):
            used = old[slot.trainer]
            body = training.record_body()
            replayed = tuple(
                replace(entry, commitment=used.commitment, signature=used.signature)
                if entry == result
                else entry
                for entry in body.results
                if entry is not None
            )
            refused(chain, chain.tx(OWNER, replace(body, results=replayed)))
            chain._nonces.clear()
        training.record()


def _results(training: Training) -> list[tuple[Any, Any]]:
    slots = training.chain.last(RoundOpened).slots
    return list(zip(slots, training.record_body().results, strict=True))


def _results_when_open(training: Training) -> list[tuple[Any, Any]]:
    training.open()
    return _results(training)


def work_that_is_not_the_manifests() -> None:
    """The originator claims more work for a batch than it is."""
    chain = Chain()
    training = Training(chain)
    training.open()
    body = training.record_body()
    assert body.results[0] is not None
    dear = replace(body.results[0], work=MegaMac(BATCH_WORK * 1000))
    refused(chain, chain.tx(OWNER, replace(body, results=(dear, *body.results[1:]))))


def record_by_a_stranger() -> None:
    chain = Chain()
    training = Training(chain)
    training.open()
    refused(chain, chain.tx(training.workers[0], training.record_body()))


def the_same_record_twice() -> None:
    """A round is paid once."""
    chain = Chain()
    training = Training(chain)
    training.open()
    body = training.record_body()
    chain.send(OWNER, body)
    minted = get_economy(chain.state).minted
    refused(chain, chain.tx(OWNER, body))
    assert get_economy(chain.state).minted == minted


def early_absence() -> None:
    """The originator keeps workers from their pay by calling them missing at once."""
    chain = Chain()
    training = Training(chain)
    slots = training.open().slots
    refused(chain, chain.tx(OWNER, training.record_body(missing=[slots[0].trainer])))


def chosen_order() -> None:
    """The originator cannot choose who computes what: the beacon orders workers and batches."""
    orders = set()
    for name in ("one", "two", "three"):
        chain = Chain(name=name)
        training = Training(chain, workers=6)
        slots = training.open().slots
        orders.add(tuple(slot.trainer for slot in slots))
        assert sorted(slot.batch for slot in slots) != list(range(6))
    assert len(orders) == 3


def late_checkers() -> None:
    """Who registers after a record cannot become a checker of it."""
    chain = Chain()
    training = Training(chain, overhead=OFTEN)
    training.open()
    training.record()
    late = [key(f"late {number}") for number in range(30)]
    training.register(late)
    chain.block()
    checkers = {node for event in chain.events(BatchDrawn) for node in event.checkers}
    assert checkers, "something was drawn"
    assert not checkers & {worker.node_id for worker in late}
