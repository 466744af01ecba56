"""Whatever is asked of a compute process, it explains what is wrong and lives on."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from aliad.codec import Value, encode
from aliad.compute.process.child.lines import read_lines
from aliad.compute.process.child.specs import model_config
from aliad.compute.process.failures import Family
from aliad.compute.process.files import FileDigest
from aliad.compute.process.frames import MARK, MAX_FRAME, frame
from aliad.compute.process.messages import write_message
from aliad.compute.process.replies import (
    Failed,
    Status,
)
from aliad.compute.process.requests import (
    Aggregate,
    ApplyUpdate,
    Cancel,
    CheckState,
    CheckUpdate,
    Decode,
    ExtractOperation,
    GetStatus,
    ListDevices,
    MakeState,
    Request,
    RunBatchOperation,
    RunOperation,
    TrainBatch,
)
from aliad.corpus.batch_codec import decode_batch, encode_batch
from aliad.errors import InputError, RemoteProtocolError
from tests.compute.process_jobs import (
    MODEL,
    RECIPE,
    WIDE,
    batch,
    call,
    task,
)
from tests.compute.process_world import World, expect, live_world

CONFIG = model_config(MODEL)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield from live_world(tmp_path_factory.mktemp("tensors"))


# --- bad requests ---------------------------------------------------------------------------

NAN = float("nan")


def _state(world: World, name: str, change: Callable[[Tensor], Tensor]) -> Request:
    spoilt = world.with_tensor(world.state.state, name, change)
    return TrainBatch(task(spoilt))


def _update(world: World, name: str, change: Callable[[Tensor], Tensor]) -> Request:
    spoilt = world.with_tensor(world.first.update, name, change)
    return Aggregate(MODEL, (world.first.update, spoilt), None)


def _batch(world: World, data: bytes) -> Request:
    return TrainBatch(replace(task(world.state.state), batch=data))


def _one_line(source: tuple[int, ...], target: tuple[int, ...]) -> bytes:
    return encode((1, 1, (((source,), (target,)),)))


def _damaged(world: World) -> Request:
    digest = world.files.write([b"soon damaged"])
    world.files.path_of(digest).write_bytes(b"not the same")
    return CheckUpdate(MODEL, digest)


def _first(x: Tensor, value: float) -> Tensor:
    x.view(-1)[0] = value
    return x


def _operation(world: World, kind: str, tensors: list[Tensor], **attributes: int) -> Request:
    inputs = tuple(world.store({"value": x}) for x in tensors)
    return RunOperation(kind, tuple(sorted(attributes.items())), inputs)


REFUSED: dict[str, Callable[[World], Request]] = {
    "missing file": lambda w: TrainBatch(task(FileDigest(bytes(32)))),
    "short digest": lambda w: TrainBatch(task(FileDigest(b"../secret"))),
    "damaged file": _damaged,
    "no safetensors": lambda w: CheckUpdate(MODEL, w.files.write([b"\x80\x04."])),
    "cut off": lambda w: TrainBatch(task(w.files.write([w.files.read(w.state.state)[:-9]]))),
    "an update is not a state either": lambda w: CheckState(MODEL, w.first.update),
    "a state is no update": lambda w: CheckUpdate(MODEL, w.state.state),
    "an update is no state": lambda w: TrainBatch(task(w.first.update)),
    "another model's state": lambda w: TrainBatch(replace(task(w.state.state), model=WIDE)),
    "another type": lambda w: _state(w, "parameters/encoder.norm", Tensor.double),
    "rounds below zero": lambda w: _state(w, "rounds", lambda x: x - 5),
    "negative squares": lambda w: _state(w, "squares.0/embedding", lambda x: _first(x, -1.0)),
    "value of -128": lambda w: _update(w, "values/embedding", lambda x: _first(x, -128)),
    "exponent too high": lambda w: _update(w, "exponents/embedding", lambda x: _first(x, 63)),
    "exponent too low": lambda w: _update(w, "exponents/embedding", lambda x: _first(x, -45)),
    "negative statistics": lambda w: _update(w, "squares.1/embedding", lambda x: _first(x, -0.5)),
    "nothing to aggregate": lambda w: Aggregate(MODEL, (), None),
    "impossible model": lambda w: MakeState(replace(MODEL, heads=3), 1),
    "model with eps 0": lambda w: MakeState(replace(MODEL, eps=0.0), 1),
    "model with NaN": lambda w: MakeState(replace(MODEL, dropout=NAN), 1),
    "recipe without decay": lambda w: ApplyUpdate(
        MODEL, replace(RECIPE, steps=2), w.state.state, w.mean.update
    ),
    "recipe with NaN": lambda w: ApplyUpdate(
        MODEL, replace(RECIPE, eps=NAN), w.state.state, w.mean.update
    ),
    "batch of noise": lambda w: _batch(w, b"\xffnoise"),
    "empty batch": lambda w: _batch(w, encode((1, 1, ()))),
    "no end mark": lambda w: _batch(w, _one_line((5, 6), (7,))),
    "unequal sides": lambda w: _batch(w, encode((1, 1, ((((5, 3),), ((4,), (4,))),)))),
    "id beyond": lambda w: _batch(w, _one_line((5, 64, 3), (7,))),
    "id of padding": lambda w: _batch(w, _one_line((5, 3), (0, 7))),
    "line too long": lambda w: _batch(w, _one_line((5,) * 32 + (3,), (7,))),
    "beam of none": lambda w: Decode(MODEL, w.mean.residual, ((5, 3),), 0),
    "source beyond": lambda w: Decode(MODEL, w.mean.residual, ((64, 3),), 1),
    "empty source": lambda w: Decode(MODEL, w.mean.residual, ((),), 1),
    "unknown operation": lambda w: RunOperation("format_disk", (), ()),
    "no operands": lambda w: RunOperation("add", (), ()),
    "unknown attribute": lambda w: _operation(w, "relu", [torch.ones(2)], speed=3),
    "shapes that do not go together": lambda w: _operation(
        w, "add", [torch.ones(2, 3), torch.ones(5)]
    ),
    "id outside the table": lambda w: RunOperation(
        "embed_gradient",
        (("scale", 1.0), ("vocabulary", 4)),
        tuple(w.store({"value": x}) for x in (torch.ones(1, 8), torch.tensor([1 << 30]))),
    ),
    "negative operation": lambda w: ExtractOperation(task(w.state.state), -1),
    "operation beyond": lambda w: RunBatchOperation(task(w.state.state), 1 << 20, ()),
    "inputs too many": lambda w: RunBatchOperation(task(w.state.state), 0, (w.mean.update,) * 9),
}
DIVERGED: dict[str, Callable[[World], Request]] = {
    "NaN in a state": lambda w: _state(w, "parameters/embedding", lambda x: _first(x, NAN)),
    "infinity in momentum": lambda w: _state(w, "momentum/embedding", lambda x: x + float("inf")),
    "2^62 in squares": lambda w: _state(w, "squares.0/embedding", lambda x: _first(x, 2.0**62)),
    "NaN in an update": lambda w: _update(w, "squares.0/embedding", lambda x: _first(x, NAN)),
    "NaN in a residual": lambda w: Aggregate(
        MODEL,
        (w.first.update,),
        w.with_tensor(w.mean.residual, "encoder.norm", lambda x: _first(x, NAN)),
    ),
    "NaN in an operand": lambda w: _operation(w, "relu", [torch.tensor([NAN])]),
    "an overflowing result": lambda w: _operation(
        w, "multiply", [torch.tensor([2.0**61]), torch.tensor([2.0**61])]
    ),
}
BAD = [
    pytest.param(family, make, id=name)
    for family, table in ((Family.REFUSED, REFUSED), (Family.DIVERGED, DIVERGED))
    for name, make in table.items()
]


@pytest.mark.parametrize(("family", "make"), BAD)
def test_a_bad_request_is_explained_and_the_next_is_served(
    world: World, family: Family, make: Callable[[World], Request]
) -> None:
    failed = expect(world.caller, make(world), Failed)
    assert failed.family is family, failed
    assert all((failed.what, failed.why, failed.fix))
    status = expect(world.caller, GetStatus(), Status)
    assert status.pid == world.caller.pid


@pytest.mark.parametrize(
    ("message", "number"),
    [
        (b"", 0),
        (b"\xc1\xc1", 0),
        (encode((1, 1)), 0),
        (encode((2, 1, 41, ())), 41),
        (encode((1, 99, 42, ())), 42),
        (encode((1, 5, 43, ("no task",))), 43),
        (write_message(44, Cancel(1)) + b"\0", 0),
    ],
    ids=["empty", "no msgpack", "short", "version", "unknown method", "wrong types", "left over"],
)
def test_a_message_that_cannot_be_read_is_answered(
    world: World, message: bytes, number: int
) -> None:
    world.caller.channel.sendall(frame(message))
    answered, failed = world.caller.reply()
    assert answered == number
    assert isinstance(failed, Failed)
    assert all((failed.what, failed.why, failed.fix))
    expect(world.caller, GetStatus(), Status)


def test_an_oversized_message_is_passed_over(world: World) -> None:
    size = MAX_FRAME + 3
    world.caller.channel.sendall(MARK + size.to_bytes(4, "big") + bytes(size))
    answered, failed = world.caller.reply()
    assert answered == 0
    assert isinstance(failed, Failed)
    assert str(size) in failed.what
    expect(world.caller, GetStatus(), Status)


def test_nothing_half_written_is_left(world: World) -> None:
    """Runs after the requests above: whatever failed, every file is whole."""
    for path in world.files.path.iterdir():
        assert len(path.name) == 64, path


def test_random_bytes_end_the_stream_cleanly(tmp_path: Path) -> None:
    caller = call(tmp_path)
    number = caller.send(ListDevices())
    assert caller.reply()[0] == number
    caller.channel.sendall(bytes(range(7, 256)) * 40)
    answered, failed = caller.reply()
    assert answered == 0
    assert isinstance(failed, Failed)
    assert "broken" in failed.what
    with pytest.raises(EOFError):
        caller.reply()
    assert caller.child.process.wait() == 76
    caller.channel.close()


def test_batches_are_read_as_the_corpus_writes_them() -> None:
    data = encode_batch(batch())
    mine, theirs = read_lines(data, CONFIG), decode_batch(data).micro
    assert len(mine) == len(theirs)
    for a, b in zip(mine, theirs, strict=True):
        assert (a.source, a.decoder_input, a.labels) == (b.source, b.decoder_input, b.labels)


Ids = st.lists(st.sampled_from([0, 1, 2, 3, 4, 63, 64]), max_size=3).map(tuple)
Sources = st.lists(Ids.map(lambda ids: (*ids, 3)) | Ids, max_size=2).map(tuple)
Micro = st.tuples(Sources, st.lists(Ids, max_size=2).map(tuple))


@given(st.lists(Micro, max_size=2).map(tuple))
def test_batches_are_refused_as_the_corpus_refuses_them(
    micro: Value,
) -> None:
    data = encode((1, 1, micro))
    try:
        read_lines(data, CONFIG)
    except InputError:
        with pytest.raises(RemoteProtocolError):
            decode_batch(data, MODEL.vocabulary)
    else:
        decode_batch(data, MODEL.vocabulary)
