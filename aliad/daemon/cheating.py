"""A worker that lies, for `aliad devnet --cheaters` and nothing else.

It computes each batch as it should, then turns part of the update around, commits to that, and in a
dispute tells a trace that is wrong from some operation on. Of a translation it changes a word.
Everything else of it is the honest program. The daemon refuses to cheat on any other chain than the
devnet's.
"""

import hashlib
import json
from dataclasses import replace
from typing import Final

import trio

from aliad.compute.process.files import FileDigest
from aliad.compute.process.pool import ComputePool
from aliad.node.compute import NodeCompute
from aliad.spec.order import Passage
from aliad.types import Hash32
from aliad.work.disputes.trace import Row
from aliad.work.ports import Decoded, Decoding, FileId, Task, Trained

LIE_AT: Final = 0.6  # of all operations are told as they were
BYTE: Final = 4 + 46  # a full stop, as a tokenizer's byte
_VALUES: Final = "values/"


class CheatingCompute(NodeCompute):
    """See the module's text."""

    def __init__(self, pool: ComputePool) -> None:
        super().__init__(pool)
        self._pool_of_lies = pool
        self._lies: set[FileId] = set()

    async def train(self, task: Task, *, traced: bool = False) -> Trained:
        """An update that is not the batch's."""
        trained = await super().train(task, traced=traced)
        files = self._pool_of_lies.processes[0].files
        truth = await trio.to_thread.run_sync(files.read, FileDigest(trained.file))
        lie = turn_around(truth)
        name = await trio.to_thread.run_sync(files.write, [lie])
        digest = await self.check_update(task.spec, FileId(name))
        if trained.trace is not None:
            self._lies.add(trained.trace)
        return replace(trained, file=FileId(name), digest=digest)

    async def translate(self, task: Decoding) -> Decoded:
        """Passages of which the first is not what the model says."""
        found = await super().translate(task)
        first, *others = found.passages
        return replace(found, passages=(change_word(first), *others))

    async def rows(self, trace: FileId) -> tuple[Row, ...]:
        """A trace that is wrong from some operation on."""
        rows = await super().rows(trace)
        if trace not in self._lies:
            return rows
        first = int(len(rows) * LIE_AT)
        return (*rows[:first], *(replace(row, digest=_lie(row)) for row in rows[first:]))


def turn_around(update: bytes) -> bytes:
    """The tensor file of an update with the signs of its first values that are not zero changed.

    A safetensors file is the length of a JSON head in eight bytes, the head, and the tensors.
    """
    size = int.from_bytes(update[:8], "little")
    head = json.loads(update[8 : 8 + size])
    for name in sorted(head):
        if not name.startswith(_VALUES):
            continue
        first, last = (8 + size + offset for offset in head[name]["data_offsets"])
        values = update[first:last]
        turned = bytes((256 - value) % 256 for value in values)
        if turned != values:
            return update[:first] + turned + update[last:]
    return update


def change_word(passage: Passage) -> Passage:
    """The passage with another last token: one of the bytes, which every vocabulary has."""
    *kept, last = passage.ids or (BYTE,)
    return Passage((*kept, BYTE if last != BYTE else BYTE + 1), passage.score)


def _lie(row: Row) -> Hash32:
    return Hash32(hashlib.sha256(b"a lie" + row.operation).digest())
