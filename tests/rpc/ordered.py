"""A stored chain on which a customer has ordered a translation."""

from aliad.types import JobId
from tests.ledger.chain import key
from tests.ledger.ordering import CUSTOMER, FUNDS, make_model, make_order, place, serve
from tests.ledger.training import Training
from tests.rpc.world import StoredChain

WORKERS = [key(f"worker {number}") for number in range(5)]


def make_ordered(overhead: int) -> tuple[StoredChain, JobId, Training]:
    """The chain, whose model translates, and the order of six batches."""
    chain = StoredChain()
    model = make_model(chain)
    chain.give(CUSTOMER.node_id, FUNDS)
    chain.sync()
    serve(chain, model, WORKERS)
    body, manifest = make_order(chain, model, 6, overhead=overhead)
    return chain, model, place(chain, body, manifest)
