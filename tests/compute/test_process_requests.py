"""What a compute process answers: the same bytes as the functions it calls."""

from collections.abc import Iterator

import pytest
import torch

from aliad.compute import rounds
from aliad.compute.graph import tensor_digest, trace
from aliad.compute.microbatch import MicroShape
from aliad.compute.process.child.specs import model_config, round_recipe
from aliad.compute.process.failures import Family
from aliad.compute.process.frames import frame
from aliad.compute.process.messages import write_message
from aliad.compute.process.replies import (
    BatchTrained,
    CancelHeard,
    Decoded,
    Devices,
    Failed,
    OperationRun,
    ParametersMade,
    SelfTested,
    StateMade,
    Status,
    UpdateChecked,
)
from aliad.compute.process.requests import (
    Cancel,
    CheckState,
    CheckUpdate,
    Decode,
    ExportParameters,
    ExtractOperation,
    GetStatus,
    ListDevices,
    MakeState,
    RunBatchOperation,
    RunOperation,
    RunSelfTest,
    TraceBatch,
    TrainBatch,
)
from aliad.compute.process.traces import read_trace
from tests.compute.process_jobs import (
    MODEL,
    RECIPE,
    SEED,
    WIDE,
    batch,
    long_task,
    task,
)
from tests.compute.process_world import World, expect, live_world

CONFIG, HOW = model_config(MODEL), round_recipe(RECIPE)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield from live_world(tmp_path_factory.mktemp("tensors"))


@pytest.fixture(scope="module")
def here() -> tuple[rounds.JobState, rounds.Update, list[float]]:
    """(state after round one, update of round two, its losses), computed in this process."""
    state = rounds.initial_job_state(CONFIG, 7)
    update, _ = rounds.train_batch(state, CONFIG, HOW, batch().micro, SEED)
    mean, _ = rounds.aggregate(
        [update] * 3, {k: torch.zeros_like(x) for k, x in state.parameters.items()}
    )
    state = rounds.apply_update(state, HOW, mean)
    return state, *rounds.train_batch(state, CONFIG, HOW, batch().micro, SEED)


def test_a_round_gives_the_same_bytes_as_in_this_process(
    world: World, here: tuple[rounds.JobState, rounds.Update, list[float]]
) -> None:
    state, update, losses = here
    assert (world.state.digest, world.state.rounds) == (state.digest(), 1)
    trained = expect(world.caller, TrainBatch(task(world.state.state)), BatchTrained)
    assert trained.digest == rounds.update_digest(update)
    assert trained.losses == tuple(losses)
    assert trained.tokens == batch().target_tokens
    assert trained.macs > 0
    stored = world.tensors(trained.update)
    for name, part in update.items():
        for key, x in (
            (f"values/{name}", part.values),
            (f"exponents/{name}", part.exponents),
            (f"squares.0/{name}", part.squares[0]),
            (f"squares.1/{name}", part.squares[1]),
        ):
            assert stored[key].dtype == x.dtype
            assert stored[key].numpy().tobytes() == (x + 0).numpy().tobytes()
    checked = expect(world.caller, CheckUpdate(MODEL, trained.update), UpdateChecked)
    assert checked == UpdateChecked(trained.digest)


def test_a_state_is_known_by_its_digest(world: World) -> None:
    assert expect(world.caller, CheckState(MODEL, world.state.state), StateMade) == world.state


def test_a_trace_holds_every_operation_of_the_batch(
    world: World, here: tuple[rounds.JobState, rounds.Update, list[float]]
) -> None:
    traced = expect(world.caller, TraceBatch(task(world.state.state)), BatchTrained)
    assert traced.digest == rounds.update_digest(here[1])
    assert traced.trace is not None
    rows = read_trace(world.files.read(traced.trace))
    micro = batch().micro
    graph = rounds.batch_graph(CONFIG, HOW, tuple(MicroShape.of(x) for x in micro), False)
    _, expected = trace(graph, rounds.batch_leaves(here[0], CONFIG, HOW, micro, SEED))
    assert len(rows) == len(graph.operations)
    for mine, theirs in zip(rows, expected, strict=True):
        assert (mine.index, mine.id, mine.kind) == (theirs.index, theirs.id, theirs.kind)
        assert (mine.shape, mine.macs, mine.digest) == (theirs.shape, theirs.macs, theirs.digest)
    assert sum(row.macs for row in rows) == traced.macs


def test_any_operation_of_a_batch_can_be_repeated_alone(world: World) -> None:
    at = task(world.state.state)
    traced = expect(world.caller, TraceBatch(at), BatchTrained)
    assert traced.trace is not None
    rows = read_trace(world.files.read(traced.trace))
    seen: set[str] = set()
    for row in rows:
        if row.kind in seen:
            continue
        seen.add(row.kind)
        kept = expect(world.caller, ExtractOperation(at, row.index), OperationRun)
        assert (kept.kind, kept.digest) == (row.kind, row.digest)
        between = tuple(x.tensor.file for x in kept.inputs if x.leaf is None)
        again = expect(world.caller, RunBatchOperation(at, row.index, between), OperationRun)
        assert again == kept
    assert len(seen) > 20


def test_an_operation_is_run_by_name(world: World) -> None:
    a = torch.tensor([[1.0, 2.0], [-3.0, 0.5]])
    b = torch.tensor([[0.5, -2.0], [8.0, -0.25]])
    one, two = world.store({"value": a}), world.store({"value": b})
    done = expect(world.caller, RunOperation("add", (), (one, two)), OperationRun)
    (out,) = done.outputs
    assert world.tensors(out.file)["value"].equal(a + b)
    assert out.digest == tensor_digest(a + b)
    attributes = (("along", "rows"), ("terms", 2))
    done = expect(world.caller, RunOperation("quantise", attributes, (one,)), OperationRun)
    values, scale = (world.tensors(x.file)["value"] for x in done.outputs)
    assert (values * scale).equal(a)


def test_parameters_are_exported_and_translate(world: World) -> None:
    made = expect(world.caller, ExportParameters(MODEL, world.state.state), ParametersMade)
    sources = ((5, 6, 7, 3), (3,), *((4 + i % 60, 9, 3) for i in range(40)))
    decoded = expect(world.caller, Decode(MODEL, made.parameters, sources, 4), Decoded)
    alone = expect(world.caller, Decode(MODEL, made.parameters, sources[20:21], 4), Decoded)
    assert len(decoded.translations) == len(sources)
    assert alone.translations == decoded.translations[20:21]
    assert all(0 < len(x.ids) < MODEL.length and x.score < 0 for x in decoded.translations)


def test_status_and_devices_and_self_test(world: World) -> None:
    tested = expect(world.caller, RunSelfTest(), SelfTested)
    assert (tested.ok, tested.first_difference) == (True, None)
    status = expect(world.caller, GetStatus(), Status)
    assert status.engine_digest == tested.engine_digest
    assert (status.pid, status.threads, status.running, status.waiting) == (
        world.caller.pid,
        1,
        None,
        0,
    )
    assert status.torch_version == torch.__version__
    assert status.tokens >= batch().target_tokens
    assert status.tokens_per_second > 0
    assert 10 << 20 < status.memory_used < status.device.memory
    devices = expect(world.caller, ListDevices(), Devices)
    assert devices.devices[0] == status.device
    assert status.device.name == "cpu"


def test_a_request_is_cancelled_between_two_operations_or_in_the_queue(world: World) -> None:
    caller = world.caller
    wide = expect(caller, MakeState(WIDE, 1), StateMade)
    before = expect(caller, GetStatus(), Status)
    running = caller.send(TrainBatch(long_task(wide.state)))
    queued = caller.send(TrainBatch(task(world.state.state)))
    status = before
    while not status.done:
        reply = expect(caller, GetStatus(), Status)
        status = reply
    assert (status.running, status.waiting) == (running, 1)
    assert status.done < status.total
    caller.channel.sendall(frame(write_message(running, TrainBatch(task(world.state.state)))))
    _, refused = caller.reply()
    assert isinstance(refused, Failed)
    assert "in use" in refused.why
    caller.send(Cancel(queued))
    caller.send(Cancel(running))
    replies = dict(caller.reply() for _ in range(4))
    for number in (running, queued):
        failed = replies[number]
        assert isinstance(failed, Failed)
        assert failed.family is Family.CANCELLED
    after = expect(caller, GetStatus(), Status)
    assert (after.running, after.waiting, after.tokens) == (None, 0, before.tokens)
    assert caller.ask(Cancel(running)) == CancelHeard(False)
    expect(caller, TrainBatch(task(world.state.state)), BatchTrained)
