"""What travels between node and compute process, without a process: frames, records, files."""

import hashlib
import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aliad.codec import encode
from aliad.compute.process.failures import Family
from aliad.compute.process.files import ContentDirectory, FileDigest
from aliad.compute.process.frames import (
    MARK,
    MAX_FRAME,
    BrokenStream,
    FrameReader,
    Oversized,
    frame,
)
from aliad.compute.process.messages import Unreadable, read_reply, read_request, write_message
from aliad.compute.process.records import Device, Operand, TensorRef, TraceRow, Translation
from aliad.compute.process.replies import (
    BatchTrained,
    CancelHeard,
    Decoded,
    Devices,
    Failed,
    MeanMade,
    OperationRun,
    ParametersMade,
    Reply,
    SelfTested,
    StateMade,
    Status,
    UpdateChecked,
)
from aliad.compute.process.requests import (
    Aggregate,
    ApplyUpdate,
    Cancel,
    CheckState,
    CheckUpdate,
    Decode,
    ExportParameters,
    ExtractOperation,
    GetStatus,
    ListDevices,
    MakeState,
    Request,
    RunBatchOperation,
    RunOperation,
    RunSelfTest,
    TraceBatch,
    TrainBatch,
)
from aliad.compute.process.traces import read_trace, trace_bytes
from aliad.errors import InputError, LocalProtocolError, RemoteProtocolError
from tests.compute.process_jobs import MODEL, RECIPE, task

FILE = FileDigest(bytes(range(32)))
DEVICE = Device("cuda:1", "a card", 80 << 30)
TENSOR = TensorRef(FILE, b"d" * 32)
REQUESTS: list[Request] = [
    GetStatus(),
    ListDevices(),
    Cancel(7),
    MakeState(MODEL, 3),
    TrainBatch(task(FILE)),
    TraceBatch(task(FILE)),
    CheckState(MODEL, FILE),
    CheckUpdate(MODEL, FILE),
    Aggregate(MODEL, (FILE, FILE), None),
    Aggregate(MODEL, (), FILE),
    ApplyUpdate(MODEL, RECIPE, FILE, FILE),
    ExportParameters(MODEL, FILE),
    Decode(MODEL, FILE, ((5, 3), (3,)), 4),
    RunOperation("product", (("ta", False), ("n", 3), ("x", -0.5), ("along", "rows")), (FILE,)),
    RunBatchOperation(task(FILE), 9, (FILE,)),
    ExtractOperation(task(FILE), 0),
    RunSelfTest(),
]
REPLIES: list[Reply] = [
    Status(DEVICE, 1, 2, 3, "2.13", None, 4, 0.25, None, 0, 0, 1),
    Status(DEVICE, 1, 2, 3, "2.13", b"e" * 32, 4, 0.25, 6, 5, 9, 1),
    Devices((DEVICE,)),
    CancelHeard(True),
    StateMade(FILE, b"d", 2),
    BatchTrained(FILE, b"d", (1.5, -2.0), 3, 0.1, 1 << 40, FILE),
    UpdateChecked(b"d"),
    MeanMade(FILE, b"d", FILE),
    ParametersMade(FILE),
    Decoded((Translation((4, 5), -0.75), Translation((), 0.0)), 1.0),
    OperationRun("add", (Operand("rate", 0, 0, TENSOR), Operand(None, 4, 1, TENSOR)), (), b"d"),
    SelfTested(b"e" * 32, False, "operation 7", False),
    Failed(Family.DIVERGED, "what", "why", "fix"),
]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda r: type(r).__name__)
def test_a_request_arrives_as_it_was_sent(request_: Request) -> None:
    assert read_request(write_message(12, request_)) == (12, request_)


@pytest.mark.parametrize("reply", REPLIES, ids=lambda r: type(r).__name__)
def test_a_reply_arrives_as_it_was_sent(reply: Reply) -> None:
    assert read_reply(write_message(12, reply)) == (12, reply)


def test_every_kind_of_message_is_tried() -> None:
    assert {type(x) for x in REQUESTS} == set(Request.__args__)
    assert {type(x) for x in REPLIES} == set(Reply.__args__)


def test_speed_is_tokens_by_seconds() -> None:
    status = Status(DEVICE, 1, 2, 3, "2.13", None, 4, 0.25, None, 0, 0, 1)
    assert status.tokens_per_second == 16.0
    assert replace(status, seconds=0.0).tokens_per_second == 0.0


def outcome(message: bytes) -> tuple[int, Request] | Unreadable:
    """What reading a message comes to; any other exception is the test's failure."""
    try:
        return read_request(message)
    except Unreadable as error:
        return error


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_unreadable(data: bytes) -> None:
    found = outcome(data)
    if isinstance(found, Unreadable):
        assert all((found.what, found.why, found.fix))
    else:
        assert write_message(*found) == data


Plain = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2**64 - 1) | st.binary(max_size=9) | st.text(),
    lambda inner: st.lists(inner, max_size=11).map(tuple),
    max_leaves=30,
)


@given(st.integers(0, 20), Plain)
def test_any_record_is_a_request_or_unreadable_by_its_number(kind: int, value: object) -> None:
    message = encode((1, kind, 77, value))  # type: ignore[arg-type]
    found = outcome(message)
    if isinstance(found, Unreadable):
        assert found.request == 77
    else:
        assert write_message(*found) == message


@pytest.mark.parametrize(
    "value",
    [(2, 4), (1, 0), (-1, -2), (1,), 1, (1, True)],
    ids=["not lowest", "zero", "negative below", "short", "no pair", "a truth"],
)
def test_a_fraction_is_in_lowest_terms(value: object) -> None:
    sound = write_message(1, ApplyUpdate(MODEL, replace(RECIPE, peak=Fraction(1, 3)), FILE, FILE))
    spoilt = sound.replace(encode((1, 3)), encode(value), 1)  # type: ignore[arg-type]
    assert spoilt != sound
    with pytest.raises(Unreadable):
        read_request(spoilt)


@given(st.lists(st.binary(max_size=40), max_size=5), st.integers(1, 50))
def test_frames_are_cut_wherever_the_stream_is(messages: list[bytes], portion: int) -> None:
    stream = b"".join(frame(message) for message in messages)
    reader, found = FrameReader(), []
    for start in range(0, len(stream), portion):
        found += reader.feed(stream[start : start + portion])
    assert found == messages


@given(st.binary(min_size=4, max_size=60))
def test_random_bytes_are_no_frames(data: bytes) -> None:
    if data.startswith(MARK):
        return
    with pytest.raises(BrokenStream):
        FrameReader().feed(data)


def test_an_oversized_frame_is_passed_over() -> None:
    size = MAX_FRAME + 1
    reader = FrameReader()
    stream = MARK + size.to_bytes(4, "big") + bytes(size) + frame(b"next")
    found = []
    for start in range(0, len(stream), 1 << 20):
        found += reader.feed(stream[start : start + (1 << 20)])
    assert found == [Oversized(size), b"next"]
    with pytest.raises(LocalProtocolError):
        frame(bytes(size))


def test_a_trace_is_read_as_it_was_written() -> None:
    rows = (TraceRow(0, b"i" * 32, "add", (2, 3), 0, 0.5, b"d" * 32),) * 3
    data = trace_bytes(rows)
    assert read_trace(data) == rows
    for spoilt in (data[:-1], data + b"\0", b"", data.replace(b"add", b"a\xffd")):
        with pytest.raises(RemoteProtocolError):
            read_trace(spoilt)


def test_files_are_named_by_content_and_read_whole_or_not_at_all(tmp_path: Path) -> None:
    directory = ContentDirectory(tmp_path)
    digest = directory.write([b"one ", b"file"])
    assert digest == hashlib.sha256(b"one file").digest()
    assert [path.name for path in tmp_path.iterdir()] == [digest.hex()]
    assert directory.read(digest) == b"one file"
    directory.path_of(digest).write_bytes(b"one pile")
    with pytest.raises(InputError, match="damaged"):
        directory.read(digest)
    with pytest.raises(InputError, match="cannot be read"):
        directory.read(FILE)
    with pytest.raises(InputError, match="32"):
        directory.read(FileDigest(b"../../etc/passwd"))


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def parts() -> "list[bytes]":
        raise OSError(28, "No space left on device")

    directory = ContentDirectory(tmp_path)
    with pytest.raises(InputError, match="No space left"):
        directory.write(part for _ in range(2) for part in parts())
    with pytest.raises(InputError, match="cannot be stored"):
        ContentDirectory(tmp_path / "missing").write([b"x"])
    with pytest.raises(InputError, match="cannot be read"):
        directory.adopt(tmp_path / "missing")
    assert list(tmp_path.iterdir()) == []


def test_what_the_dead_left_half_written_is_swept_away(tmp_path: Path) -> None:
    own = tmp_path / f".{os.getpid()}.00.partial"
    dead = tmp_path / f".{2**22 + 1}.00.partial"  # beyond the highest process id of Linux
    other = tmp_path / ".someone's.partial"
    for path in (own, dead, other):
        path.touch()
    assert ContentDirectory(tmp_path).sweep() == 1
    assert sorted(tmp_path.iterdir()) == sorted([own, other])
