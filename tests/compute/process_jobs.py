"""Small jobs for compute processes, and a caller without trio that may also send nonsense."""

import socket
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import count
from pathlib import Path

from aliad.compute.process.files import FileDigest
from aliad.compute.process.frames import FrameReader, frame
from aliad.compute.process.messages import read_reply, write_message
from aliad.compute.process.records import BatchTask, ModelSpec, RecipeSpec
from aliad.compute.process.replies import Reply
from aliad.compute.process.requests import Request
from aliad.compute.process.spawning import Child, ComputeSettings, spawn
from aliad.corpus.batch import Batch, MicroBatch
from aliad.corpus.batch_codec import encode_batch

MODEL = ModelSpec(64, 16, 32, 2, 1, 1, 32, 0.1, 0.1, 1e-6)
WIDE = ModelSpec(2000, 128, 512, 4, 2, 2, 32, 0.1, 0.1, 1e-6)
RECIPE = RecipeSpec(
    peak=Fraction(1, 100),
    warmup=2,
    steps=10,
    floor=Fraction(1, 50),
    clip=Fraction(1),
    beta2=Fraction(19, 20),
    eps=1e-8,
    outer_rate=Fraction(3, 5),
    outer_momentum=Fraction(3, 5),
)
SEED = b"the batch's name"


def batch(steps: int = 3, lines: int = 4, longest: int = 7) -> Batch:
    """Lines of differing lengths with ids 4 to 63."""

    def ids(number: int, length: int) -> tuple[int, ...]:
        return tuple(4 + (7 * number + 3 * i * i) % 60 for i in range(length))

    return Batch(
        tuple(
            MicroBatch(
                tuple((*ids(step + j, longest - j % 3), 3) for j in range(lines)),
                tuple(ids(2 * step + 5 * j, longest - (j + step) % 4) for j in range(lines)),
            )
            for step in range(steps)
        )
    )


def task(state: FileDigest, seed: bytes = SEED) -> BatchTask:
    """The small batch on a state of `MODEL`."""
    return BatchTask(MODEL, RECIPE, state, encode_batch(batch()), seed)


def long_task(state: FileDigest) -> BatchTask:
    """A batch that takes seconds, on a state of `WIDE`."""
    data = encode_batch(batch(steps=48, lines=24, longest=24))
    return BatchTask(WIDE, RECIPE, state, data, SEED)


def settings(directory: Path, device: str = "cpu") -> ComputeSettings:
    """Tests are niced as a whole already."""
    return ComputeSettings(directory, device, niceness=0, first_pause=0.01, longest_pause=0.1)


@dataclass
class Caller:
    """Speaks with one process, in blocking calls."""

    child: Child
    reader: FrameReader = field(default_factory=FrameReader)
    numbers: "count[int]" = field(default_factory=lambda: count(1))
    replies: list[tuple[int, Reply]] = field(default_factory=list)

    @property
    def channel(self) -> socket.socket:
        return self.child.channel

    @property
    def pid(self) -> int:
        return self.child.process.pid

    def send(self, request: Request) -> int:
        number = next(self.numbers)
        self.channel.sendall(frame(write_message(number, request)))
        return number

    def reply(self) -> tuple[int, Reply]:
        """The next reply. Raises EOFError at the end of the stream."""
        while not self.replies:
            data = self.channel.recv(1 << 16)
            if not data:
                raise EOFError
            for message in self.reader.feed(data):
                assert isinstance(message, bytes)
                self.replies.append(read_reply(message))
        return self.replies.pop(0)

    def ask(self, request: Request) -> Reply:
        number = self.send(request)
        answered, reply = self.reply()
        assert answered == number
        return reply

    def close(self) -> int:
        """The exit status after the end of our stream."""
        self.channel.close()
        return self.child.reap(250.0)


def call(directory: Path) -> Caller:
    """Start a process."""
    return Caller(spawn(settings(directory)))
