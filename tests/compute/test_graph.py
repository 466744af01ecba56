"""The operation graph: identities, operations alone, interruption, work, errors."""

import hashlib
import io
from functools import cache

import pytest
import torch
from torch import Tensor

from aliad.compute import rounds
from aliad.compute.graph import (
    Builder,
    Graph,
    TraceRow,
    Value,
    execute,
    operation_ids,
    place,
    run,
    run_operation,
    tensor_digest,
    trace,
)
from aliad.compute.microbatch import MicroShape
from aliad.errors import AliadError
from aliad.spec.model import ModelConfig
from tests.compute.exactness import RECIPE, SEED, lines

CONFIG = ModelConfig(
    vocabulary=40, width=16, hidden=24, heads=2, encoder_layers=1, decoder_layers=1, length=12
)
MICRO = [lines(61, 4, 6, CONFIG.vocabulary), lines(62, 3, 5, CONFIG.vocabulary)]


@cache
def step() -> tuple[Graph, list[Tensor], list[Tensor], list[TraceRow]]:
    """(graph, leaves, results, trace) of a second round's batch of two micro-batches."""
    state = rounds.initial_job_state(CONFIG, 1)
    update, _ = rounds.train_batch(state, CONFIG, RECIPE, MICRO, SEED)
    state = rounds.apply_update(state, RECIPE, rounds.aggregate([update], state.momentum)[0])
    graph = rounds.batch_graph(CONFIG, RECIPE, tuple(map(MicroShape.of, MICRO)), False)
    leaves = rounds.batch_leaves(state, CONFIG, RECIPE, MICRO, SEED)
    return graph, leaves, *trace(graph, leaves)


def digest_of(outputs: tuple[Tensor, ...]) -> bytes:
    return hashlib.sha256(b"".join(map(tensor_digest, outputs))).digest()


def tiny(*, kind: str = "add", scale: float = 0.5, swapped: bool = False) -> Graph:
    """`kind` of two leaves [2, 4], and embeddings of the sum."""
    b = Builder()
    x, y, ids = b.leaf("x", (2, 4)), b.leaf("y", (2, 4)), b.leaf("ids", (3,))
    z = b.add(kind, [y, x] if swapped else [x, y], [(2, 4)])[0]
    e = b.add("embed", [z, ids, x], [(3, 4)], scale=scale, length=1)[0]
    return b.finish([z, e])


LEAVES = [b"x" * 32, b"y" * 32, b"i" * 32]


def test_identities_are_pinned() -> None:
    """Recorded work names its operations by these: they may never change."""
    assert [x.hex() for x in operation_ids(tiny(), LEAVES)] == [
        "0c6280c9a4c693f98cf996a11ed0dd22c0d6c5dd188dded97ac0191ab2f6ed5b",
        "143dabc9074132ebb081530ae3822e56667d3e546afea7d51e46b0b7ab3fd139",
    ]


def test_identities_tell_kind_attributes_inputs_and_leaves_apart() -> None:
    original = operation_ids(tiny(), LEAVES)
    for graph in (tiny(kind="multiply"), tiny(swapped=True)):
        changed = operation_ids(graph, LEAVES)
        assert not set(changed) & set(original)  # the second one through its input
    other_attribute = operation_ids(tiny(scale=0.25), LEAVES)
    assert other_attribute[0] == original[0]
    assert other_attribute[1] != original[1]
    assert operation_ids(tiny(), [*LEAVES[:2], b"j" * 32])[1] != original[1]
    assert not set(operation_ids(tiny(), [b"z" * 32, *LEAVES[1:]])) & set(original)


def test_outputs_of_one_operation_are_told_apart() -> None:
    ids = []
    for slot in (0, 1):
        b = Builder()
        x, gain = b.leaf("x", (4, 4)), b.leaf("gain", (4,))
        pair = b.add("row_column_means", [x], [(4,), (4,)])
        ids.append(operation_ids(b.finish(b.add("add", [pair[slot], gain], [(4,)])), LEAVES[:2]))
    assert ids[0][0] == ids[1][0]
    assert ids[0][1] != ids[1][1]


def test_an_operation_is_its_kind_attributes_and_inputs() -> None:
    b = Builder()
    x, y = b.leaf("x", (2,)), b.leaf("y", (2,))
    assert b.add("add", [x, y], [(2,)]) == b.add("add", [x, y], [(2,)])
    assert b.add("add", [x, y], [(2,)]) != b.add("add", [y, x], [(2,)])
    assert len(b.operations) == 2


def test_operations_no_result_needs_are_left_out() -> None:
    b = Builder()
    x, y = b.leaf("x", (2,)), b.leaf("y", (2,))
    wanted = b.add("relu", b.add("add", [x, y], [(2,)]), [(2,)])
    b.add("relu", b.add("multiply", [x, y], [(2,)]), [(2,)])
    graph = b.finish(wanted)
    assert [operation.kind for operation in graph.operations] == ["add", "relu"]
    found = run(graph, [torch.tensor([1.0, -5.0]), torch.tensor([2.0, 3.0])])
    assert found[0].tolist() == [3.0, 0.0]


def test_leaves_come_first() -> None:
    b = Builder()
    b.add("relu", [b.leaf("x", (2,))], [(2,)])
    with pytest.raises(ValueError, match="before operations"):
        b.leaf("late", (2,))


def test_each_operation_alone_gives_the_recorded_digest_and_spares_its_inputs() -> None:
    graph, leaves, _, rows = step()
    known = dict(place(graph, leaves))
    kinds = set()
    for row, operation in zip(rows, graph.operations, strict=True):
        inputs = [known[value] for value in operation.inputs]
        before = [tensor_digest(x) for x in inputs]
        outputs = run_operation(operation, inputs)
        assert digest_of(outputs) == row.digest, row
        assert [tensor_digest(x) for x in inputs] == before, row
        assert [tuple(x.shape) for x in outputs] == [graph.shapes[v] for v in operation.outputs]
        known.update(zip(operation.outputs, outputs, strict=True))
        kinds.add(operation.kind)
    assert len(kinds) >= 25
    changed = known[graph.operations[-1].inputs[0]] + 1.0
    assert digest_of(run_operation(graph.operations[-1], [changed])) != rows[-1].digest


def test_a_step_may_be_interrupted_after_any_operation() -> None:
    """What is alive, through a file, is all that is needed to end in the same bits."""
    graph, leaves, results, rows = step()
    expected = list(map(tensor_digest, results))
    alive = place(graph, leaves)
    for number, (_, outputs) in enumerate(execute(graph, alive)):
        assert digest_of(outputs) == rows[number].digest
        if number % 70 != 7:
            continue
        file = io.BytesIO()
        torch.save(alive, file)
        file.seek(0)
        saved = torch.load(file, weights_only=True)
        for _ in execute(graph, saved, number + 1):
            pass
        assert [tensor_digest(saved[value]) for value in graph.results] == expected, number
    assert [tensor_digest(alive[value]) for value in graph.results] == expected


def test_what_is_saved_after_any_operation_is_what_the_rest_needs() -> None:
    """Nothing less, and nothing more than leaves that no operation reads."""
    graph, leaves, _, _ = step()
    used = {value for operation in graph.operations for value in operation.inputs}
    unused = {Value(i) for i in range(len(leaves))} - used
    alive = place(graph, leaves)
    for number, _ in enumerate(execute(graph, alive)):
        needed = set(graph.results) | unused
        made: set[Value] = set()
        for operation in graph.operations[number + 1 :]:
            needed |= set(operation.inputs) - made
            made |= set(operation.outputs)
        assert set(alive) == needed - (made - set(alive)), number


def test_work_follows_from_the_shapes_alone() -> None:
    """Every linear layer multiplies thrice, the vocabulary once and with four slices."""
    graph, _, _, rows = step()
    d, f, linear, attention, vocabulary = CONFIG.width, CONFIG.hidden, 0, 0, 0
    for batch, source, target in map(MicroShape.of, MICRO):
        encoder = 3 * d * d + d * d + 2 * d * f
        decoder = 3 * d * d + d * d + d * d + d * d + 2 * d * f
        linear += batch * (source * (encoder + 2 * d * d) + target * decoder)
        attention += batch * (source * source + target * target + target * source) * d
        vocabulary += batch * target * CONFIG.vocabulary * d
    expected = {
        "product": 3 * linear + vocabulary,
        "product_slices": 4 * vocabulary,
        "attention_weights": attention,
        "mix_values": attention,
        "attention_scores_gradient": attention,
        "folded_product": 3 * attention,
    }
    assert graph.total_macs() == sum(row.macs for row in rows)
    for kind, macs in expected.items():
        assert sum(row.macs for row in rows if row.kind == kind) == macs, kind
    assert {row.kind for row in rows if row.macs} == set(expected)


def test_other_tensors_than_the_graph_takes_are_refused() -> None:
    graph, leaves, _, _ = step()
    with pytest.raises(AliadError, match=f"takes {len(leaves)} tensors, {len(leaves) - 1} were"):
        run(graph, leaves[:-1])
    wrong = [torch.zeros(3, 3), *leaves[1:]]
    with pytest.raises(AliadError) as caught:
        run(graph, wrong)
    assert graph.leaves[0] in str(caught.value)
    assert "(3, 3)" in str(caught.value)
    assert str((CONFIG.vocabulary, CONFIG.width)) in str(caught.value)


def test_digests_of_tensors() -> None:
    x = torch.tensor([[0.0, 1.5], [-2.0, 3.0]])
    pinned = "4a92c1af0ae6ec01e18b6fe3fa50ee7a9951727e37ef103b9a614919c41f689a"
    assert tensor_digest(x).hex() == pinned
    assert tensor_digest(x) == tensor_digest(x.T.contiguous().T)
    minus = x.clone()
    minus[0, 0] = -0.0
    assert tensor_digest(x) == tensor_digest(minus)
    others = [x.double(), x.view(1, 4), x.T, x + 2.0**-22, x.int(), x.bool(), torch.zeros(0)]
    assert len({tensor_digest(other) for other in (x, *others)}) == 1 + len(others)
