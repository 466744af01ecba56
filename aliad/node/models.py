"""Making models, fetching models: `aliad.work.ports.Models` with a process of its own.

What is in a model's folder travels as one blob a file, and a list of them.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import trio

from aliad.compute.process.spawning import environment
from aliad.errors import InputError, RemoteProtocolError
from aliad.ledger.jobs import ClosedJob, Outcome
from aliad.spec.dataset import MAX_HELD_OUT_BYTES, MAX_TOKENIZER_BYTES
from aliad.spec.job import encode_job_spec
from aliad.spec.model_list import (
    MAX_LIST_BYTES,
    ModelFile,
    ModelList,
    decode_model_list,
    encode_model_list,
)
from aliad.types import BlobId, NodeId
from aliad.work.ports import Blobs, Interrupted, ModelMade, ModelOrder

MAX_MANIFEST_BYTES: Final = 4 << 20
CARD: Final = "card.json"


class NodeModels:
    """Makes models under ``scratch``; the files of states lie in ``files``."""

    def __init__(self, blobs: Blobs, files: Path, scratch: Path) -> None:
        self._blobs = blobs
        self._files = files
        self._scratch = scratch

    async def make(self, order: ModelOrder) -> ModelMade:
        """See `Models`."""
        folder = self._scratch / order.job.hex()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            await self._gather(order, folder)
            await self._run(order, folder)
            return await self._offer(folder / "model")
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    async def _gather(self, order: ModelOrder, folder: Path) -> None:
        """Everything the process reads, as files."""
        data, blobs = order.spec.data, self._blobs
        (folder / "spec").write_bytes(encode_job_spec(order.spec))
        tokenizer = await blobs.fetch_bytes(data.tokenizer_blob, MAX_TOKENIZER_BYTES, ())
        manifest = await blobs.fetch_bytes(data.manifest_blob, MAX_MANIFEST_BYTES, ())
        (folder / "tokenizer").write_bytes(tokenizer)
        (folder / "manifest").write_bytes(manifest)
        if data.held_out is not None:
            held_out = await blobs.fetch_bytes(data.held_out, MAX_HELD_OUT_BYTES, ())
            (folder / "held-out").write_bytes(held_out)

    async def _run(self, order: ModelOrder, folder: Path) -> None:
        held_out = "-" if order.spec.data.held_out is None else str(folder / "held-out")
        command = [
            *(sys.executable, "-P", "-m", "aliad.local.network_model"),
            *(str(folder / "spec"), str(self._files), order.state.file.hex()),
            *(str(folder / "tokenizer"), str(folder / "manifest"), held_out),
            *(str(order.loss), str(order.rounds), str(folder / "model")),
        ]
        done = await trio.run_process(
            command,
            stdin=subprocess.DEVNULL,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env=environment(1),
        )
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()[-1000:]
            raise Interrupted("The model cannot be made.", said, "It is tried again.")

    async def _offer(self, folder: Path) -> ModelMade:
        files = []
        card = None
        for path in await trio.to_thread.run_sync(lambda: sorted(folder.iterdir())):
            content = await trio.to_thread.run_sync(path.read_bytes)
            blob = await self._blobs.keep_bytes(content)
            files.append(ModelFile(path.name, len(content), blob))
            card = blob if path.name == CARD else card
        listed = await self._blobs.keep_bytes(encode_model_list(ModelList(tuple(files))))
        if card is None:
            raise Interrupted("The model that was made has no card.")
        return ModelMade(listed, card)


async def fetch_model(
    blobs: Blobs, closed: ClosedJob, sources: tuple[NodeId, ...], folder: Path
) -> None:
    """Put a finished job's model into a folder that does not exist yet; whole or not at all.

    Raises InputError if the job made none or the folder cannot be written, Unavailable.
    """
    if closed.outcome is not Outcome.CLOSED:
        raise InputError(
            "This job has made no model.",
            f"It ended as {closed.outcome.name.lower()}.",
            "`aliad job list` shows the jobs that have one.",
        )
    making = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        making.mkdir(parents=True)
        listed = await blobs.fetch_bytes(BlobId(closed.model), MAX_LIST_BYTES, sources)
        for file in decode_model_list(listed).files:
            content = await blobs.fetch_bytes(file.blob, file.size, sources)
            await trio.to_thread.run_sync((making / file.name).write_bytes, content)
        making.rename(folder)
    except RemoteProtocolError as error:
        raise InputError(
            "The job's originator published something that is no model.",
            error.what,
            "Ask the originator.",
        ) from error
    except OSError as error:
        raise InputError(
            f"The model cannot be written to {folder}.",
            f"The system says: {error.strerror or error}.",
            "Give the name of a folder that does not exist yet, on a disk with room.",
        ) from error
    finally:
        shutil.rmtree(making, ignore_errors=True)
