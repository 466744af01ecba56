"""A customer has documents of every format translated by real daemons. One worker is killed, one
lies, and the customer's own daemon is killed and started again. The translation is what the model
gives on one machine, byte for byte."""

import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import pytest

from aliad.codec import encode
from aliad.compute.model_folder import Model
from aliad.daemon.devnet import DevnetNode
from aliad.documents.document import Document
from aliad.documents.opening import Format, open_document
from aliad.ledger.events import (
    BatchAccepted,
    BatchReturned,
    Cause,
    EscrowReturned,
    JobClosed,
    JobOpened,
    NodeConvicted,
    RewardEarned,
    RewardForfeited,
    TransactionApplied,
    Transferred,
)
from aliad.ledger.jobs import JobKind, Outcome
from aliad.local.translate import open_tokenizer, translate_document
from aliad.spec.order import EOS
from aliad.types import JobId
from tests.documents.samples import SAMPLES, SENTENCES
from tests.orders.network import (
    BYSTANDER,
    CHEATER,
    CUSTOMER,
    PATIENCE_SECONDS,
    VICTIM,
    TradingNetwork,
    aliad,
    balance,
    orders_of,
    start_aliad,
    trading_network,
)
from tests.orders.searching import contents, find_any
from tests.work.daemons import Past, read_past, wait, works

pytestmark = pytest.mark.timeout(900)
KINDS = list(SAMPLES)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What is left when all daemons have ended."""

    folder: Path
    sources: Mapping[Format, bytes]
    nodes: tuple[DevnetNode, ...]
    model: Model
    piped: str
    orders: list[dict[str, object]]
    balances: tuple[int, int]  # of the customer, before the first order and after the last
    heard: bytes
    connections: int
    past: Past


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """Orders a document of each format, all at a time, and a line through a pipe."""
    folder = tmp_path_factory.mktemp("orders")
    home = folder / "home"
    with trading_network(folder) as network:
        before = balance(network.net, CUSTOMER)
        sources = {kind: make() for kind, make in SAMPLES.items()}
        for kind, source in sources.items():
            (folder / f"letter.{kind}").write_bytes(source)
        running = [order(network, home, folder / f"letter.{kind}") for kind in KINDS]
        kill_two(network)
        piped = aliad(network.net, home, "translate", *OPTIONS, "-", stdin=b"The dog sleeps.\n")
        for each in running:
            _, said = each.communicate(timeout=280)
            assert each.returncode == 0, said.decode()
        settle(network)
        orders = orders_of(network.net)
        balances = before, balance(network.net, CUSTOMER)
        heard, connections = network.tap.heard(), network.tap.connections
    nodes = network.net.nodes
    past = read_past(nodes[CUSTOMER])
    return Outcomes(
        folder,
        sources,
        nodes,
        network.model,
        piped.decode(),
        orders,
        balances,
        heard,
        connections,
        past,
    )


OPTIONS = (
    *("--to", "de", "--beam", "1", "--checks", "20"),
    *("--patience", str(PATIENCE_SECONDS), "--yes"),
)


def order(network: TradingNetwork, home: Path, file: Path) -> "subprocess.Popen[bytes]":
    """`aliad translate FILE`, running."""
    return start_aliad(network.net, home, "translate", *OPTIONS, str(file))


def kill_two(network: TradingNetwork) -> None:
    """A worker once an order is being translated, for good; the customer when all are placed."""

    def begun() -> bool:
        return any(each["phase"] == "translating" for each in orders_of(network.net))

    def placed() -> bool:
        found = [each for each in orders_of(network.net) if each["job"] is not None]
        return len(found) == len(KINDS)

    wait(begun, "an order is being translated")
    kill(network, VICTIM)
    wait(placed, "all orders are placed")
    kill(network, CUSTOMER)
    network.net.start([CUSTOMER])
    wait(lambda: works(network.net.nodes[CUSTOMER]), "the customer's node computes again")


def kill(network: TradingNetwork, number: int) -> None:
    """As with kill -9."""
    network.net.processes[number].kill()
    network.net.processes[number].wait()


def settle(network: TradingNetwork) -> None:
    """Until the customer has everything back that was set aside."""
    wait(
        lambda: all(each["phase"] == "done" for each in orders_of(network.net)),
        "all orders are settled",
    )


def translated(model: Model, document: Document) -> bytes:
    """The document as one machine translates it."""
    return document.render([each.target for each in translate_document(model, document, 1)])


@pytest.mark.parametrize("kind", KINDS)
def test_a_document_comes_back_as_one_machine_translates_it(
    outcomes: Outcomes, kind: Format
) -> None:
    source = outcomes.sources[kind]
    assert (outcomes.folder / f"letter.{kind}").read_bytes() == source
    document = open_document(source, kind, source="en", target="de")
    got = (outcomes.folder / f"letter.de.{kind}").read_bytes()
    assert got == translated(outcomes.model, document)
    again = open_document(got, kind, source="de", target="de")
    assert len(document.segments) == SENTENCES
    assert again.format == document.format


def test_a_pipe_gives_text(outcomes: Outcomes) -> None:
    document = open_document(b"The dog sleeps.\n", Format.TEXT, source="en", target="de")
    assert outcomes.piped.encode() == translated(outcomes.model, document)


def test_the_cheater_is_convicted_and_nobody_else(outcomes: Outcomes) -> None:
    convicted = [each for each in outcomes.past.events if isinstance(each, NodeConvicted)]
    assert [each.node for each in convicted] == [outcomes.nodes[CHEATER].node]
    assert convicted[0].cause is Cause.WRONG_RESULT


def test_every_batch_is_paid_once_and_the_rest_comes_back(outcomes: Outcomes) -> None:
    events = outcomes.past.events
    customer = outcomes.nodes[CUSTOMER].node
    opened = [e for e in events if isinstance(e, JobOpened) and e.kind is JobKind.TRANSLATION]
    assert len(opened) == len(SAMPLES) + 1 == len(outcomes.orders)
    spent = 0
    for job in (each.job for each in opened):
        batches = count_batches(events, job)
        assert set(batches.values()) == {1}, batches
        assert [e.outcome for e in events if isinstance(e, JobClosed) and e.job == job] == [
            Outcome.CLOSED
        ]
        paid = sum(e.amount for e in events if isinstance(e, RewardEarned) and e.job == job)
        refunds = [e for e in events if isinstance(e, EscrowReturned) and e.job == job]
        assert {e.owner for e in refunds} <= {customer}
        returned = sum(e.amount for e in events if is_taken_back(e, job))
        (told,) = [each for each in outcomes.orders if each["job"] == job.hex()]
        assert told["paid_nano"] == paid - returned
        spent += paid - returned
    # Whatever else the customer's node has sent was free.
    fees = sum(e.fee for e in events if isinstance(e, TransactionApplied) and e.sender == customer)
    received = sum(e.amount for e in events if isinstance(e, Transferred))
    before, after = outcomes.balances
    assert received > 0
    assert before - after == spent + fees


def is_taken_back(event: object, job: JobId) -> TypeGuard[RewardForfeited]:
    """Whether it gives a convict's pay back to the order."""
    if not isinstance(event, RewardForfeited):
        return False
    return event.job == job and event.cause is Cause.CONVICTED


def count_batches(events: tuple[object, ...], job: JobId) -> Counter[int]:
    """How often each batch was accepted and kept."""
    kept: Counter[int] = Counter()
    for event in events:
        if isinstance(event, BatchAccepted) and event.job == job:
            kept[event.batch] += 1
        if isinstance(event, BatchReturned) and event.job == job:
            kept[event.batch] -= 1
    return kept


def test_only_the_customer_has_the_text(outcomes: Outcomes) -> None:
    """Neither the wire nor another daemon's disk shows a sentence, as text or as token ids."""
    tokenizer = open_tokenizer(outcomes.model)
    text = SAMPLES[Format.TEXT]()
    document = open_document(text, Format.TEXT, source="en", target="de")
    results = [each.target for each in translate_document(outcomes.model, document, 1)]
    sentences = [segment.text for segment in document.segments]
    needles = [each.encode() for each in (*sentences, *results) if len(each) > 12]
    needles += [encode(((*tokenizer.encode(each), EOS),))[1:] for each in sentences]
    assert outcomes.connections > 0
    assert len(outcomes.heard) > 1 << 20
    assert not find_any(needles, outcomes.heard)
    found: dict[int, bool] = {}
    for node in outcomes.nodes:
        found[node.number] = False
        for path, data in contents(node.datadir):
            hits = find_any(needles, data)
            found[node.number] |= bool(hits)
            assert node.number == CUSTOMER or not hits, path
    assert found[CUSTOMER], "the search finds what is there"
    assert not found[BYSTANDER]
