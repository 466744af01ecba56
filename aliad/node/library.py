"""The finished models that this node keeps: `aliad.work.ports.Library`.

::

    models-kept/<job>/list, config.json, …   all but the parameters: what a customer needs
    models-kept/<job>/whole                  the parameters are here, too; its time: last use
    files/<SHA-256>                          the parameters, where the compute processes read them

Every file is a blob as well, pinned, so that others can have it from here; files and blobs are
links to the same bytes. A model is here only when a compute process has taken its parameters.
"""

import hashlib
import logging
import os
import shutil
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import trio

from aliad.compute.model_sums import TOKENIZER
from aliad.durable import write_file
from aliad.ledger.jobs import ClosedJob
from aliad.node.model_files import (
    LIST,
    SMALL_FILES,
    Description,
    fetch_small_files,
    read_description,
)
from aliad.types import BlobId, Hash32, JobId, NodeId
from aliad.work.ports import Blobs, FileId, Interrupted, Refused, ServedModel, WorkFailed

WHOLE: Final = "whole"
REFUSED_SECONDS: Final = 1800.0
_HOLDER: Final = "model-"
_PARAMETERS: Final = ".parameters"
_CHUNK: Final = 1 << 20

log = logging.getLogger(__name__)


class HeldBlobs(Blobs, Protocol):
    """Blobs that can be pinned under a name."""

    async def hold(self, owner: str, blobs_: Collection[BlobId]) -> None:
        """Keep blobs, here or still to come, until `release`, restarts included."""
        ...

    async def release(self, owner: str) -> None:
        """Whoever is called that needs nothing any more."""
        ...

    def holders(self) -> frozenset[str]:
        """Everyone who keeps something."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where models are kept, and how much room they may take, in bytes."""

    folder: Path
    files: Path
    budget: int


@dataclass(slots=True)
class _Kept:
    """A model of which at least the description is here. `used`: seconds since 1970."""

    about: Description
    used: float
    whole: bool = False
    room: int = 0  # what its parameters take, from the moment they are fetched


@dataclass(slots=True)
class ModelLibrary:
    """See the module's text. All methods belong to the event loop.

    `lookup`: what the ledger says of a job; `prove`: whether the compute process takes a model's
    parameters, raises WorkFailed if not; `needed`: models that must not go to make room.
    """

    place: Place
    blobs: HeldBlobs
    lookup: Callable[[JobId], ClosedJob | None]
    prove: Callable[[ServedModel], Awaitable[None]]
    needed: Callable[[], frozenset[JobId]]
    clock: Callable[[], float]
    _kept: dict[JobId, _Kept] = field(default_factory=dict)
    _locks: dict[JobId, trio.Lock] = field(default_factory=dict)
    _refused: dict[JobId, float] = field(default_factory=dict)
    _coming: int = 0  # bytes on their way in that no model counts yet

    async def load(self) -> None:
        """Take up what the last run left, hashed again; what is damaged or unknown goes."""
        self.place.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in sorted(self.place.folder.iterdir()):
            model = _job_of(path)
            closed = None if model is None else self.lookup(model)
            kept = None
            if closed is not None:
                kept = await trio.to_thread.run_sync(self._read, path, closed)
            if model is not None and kept is not None:
                self._kept[model] = kept
            else:
                await trio.to_thread.run_sync(_remove_folder, path)
        names = {
            _holder(model) + part
            for model, kept in self._kept.items()
            for part in ("", *([_PARAMETERS] if kept.room else []))
        }
        for holder in self.blobs.holders():
            if holder.startswith(_HOLDER) and holder not in names:
                await self.blobs.release(holder)

    def _read(self, path: Path, closed: ClosedJob) -> _Kept | None:
        try:
            found = {name: (path / name).read_bytes() for name in (LIST, *SMALL_FILES)}
            about = read_description(found, closed)
            mark = path / WHOLE
            used = (mark if mark.exists() else path).stat().st_mtime
            if not mark.exists():
                return _Kept(about, used)
            if _is_file(self._path(about), about.digest):
                return _Kept(about, used, whole=True, room=about.parameters.size)
            mark.unlink()
        except (OSError, Refused) as error:
            log.warning("a model that was kept is damaged: %s", error)
            return None
        return _Kept(about, used)

    # Library

    def held(self) -> frozenset[JobId]:
        """See `Library`."""
        return frozenset(model for model in self._kept if self.get(model) is not None)

    def get(self, model: JobId) -> ServedModel | None:
        """See `Library`."""
        kept = self._kept.get(model)
        if kept is None or not kept.whole or not self._path(kept.about).exists():
            return None
        return ServedModel(model, kept.about.shape, kept.about.digest)

    async def obtain(
        self, model: JobId, closed: ClosedJob, sources: Collection[NodeId]
    ) -> ServedModel:
        """See `Library`."""
        async with self._locks.setdefault(model, trio.Lock()):
            found = self.get(model)
            if found is None:
                try:
                    await self._describe(model, closed, sources)
                    found = await self._fetch(model, self._kept[model], sources)
                except Refused:
                    self._refused[model] = self.clock()
                    raise
            await self._touch(model)
            return found

    def is_refused(self, model: JobId) -> bool:
        """Whether a model was found to be unsound, or too large, not long ago."""
        return self.clock() - self._refused.get(model, 0.0) < REFUSED_SECONDS

    async def drop(self, model: JobId) -> None:
        """See `Library`. Its description stays while there is room: it is small, and customers
        come back."""
        kept = self._kept.get(model)
        if kept is None or not kept.room:
            return
        kept.whole, kept.room = False, 0
        async with self._locks.setdefault(model, trio.Lock()):
            if not kept.room:
                await self._clear_parameters(model, kept.about)

    # What customers need

    async def describe(
        self, model: JobId, closed: ClosedJob, sources: Collection[NodeId]
    ) -> Description:
        """A model's shape, languages and card; its parameters are not fetched.

        Raises Unavailable, Refused.
        """
        async with self._locks.setdefault(model, trio.Lock()):
            return await self._describe(model, closed, sources)

    def about(self, model: JobId) -> Description | None:
        """A model's description, if it is here."""
        kept = self._kept.get(model)
        return None if kept is None else kept.about

    async def tokenizer(self, model: JobId) -> bytes:
        """The file of a model that is described here. Raises Interrupted if it is not."""
        try:
            return await trio.to_thread.run_sync((self._folder(model) / TOKENIZER).read_bytes)
        except OSError as error:
            kept = self._kept.pop(model, None)
            if kept is not None:
                await self._remove(model, kept)
            raise Interrupted(
                "A model's tokenizer is gone.", f"{error.strerror}.", "Ask again: it is fetched."
            ) from error

    def files(self) -> frozenset[FileId]:
        """Files in the compute processes' directory that must stay."""
        return frozenset(kept.about.digest for kept in self._kept.values() if kept.room)

    @property
    def used(self) -> int:
        """Bytes that models take."""
        small = sum(kept.about.size - kept.about.parameters.size for kept in self._kept.values())
        return small + sum(kept.room for kept in self._kept.values()) + self._coming

    # private

    async def _describe(
        self, model: JobId, closed: ClosedJob, sources: Collection[NodeId]
    ) -> Description:
        kept = self._kept.get(model)
        if kept is not None:
            return kept.about
        try:
            found = await fetch_small_files(self.blobs, closed, sources)
            about = read_description(found, closed)
            with self._coming_in(about.size - about.parameters.size, about) as going:
                await self._remove_all(going)
                small = [blob for blob in about.blobs if blob != about.parameters.blob]
                await self.blobs.hold(_holder(model), small)
                await trio.to_thread.run_sync(_write, self._folder(model), found)
                self._kept[model] = _Kept(about, self.clock())
        except WorkFailed:
            await self.blobs.release(_holder(model))
            raise
        except OSError as error:
            raise Interrupted(
                "A model cannot be kept.", f"The system says: {error.strerror}.", "Make room."
            ) from error
        return about

    async def _fetch(self, model: JobId, kept: _Kept, sources: Collection[NodeId]) -> ServedModel:
        """Bring the parameters in and have them proven."""
        about, size = kept.about, kept.about.parameters.size
        try:
            if not kept.room:
                with self._coming_in(size, about, model) as going:
                    kept.room = size
                await self._remove_all(going)
            await self.blobs.hold(_holder(model) + _PARAMETERS, [about.parameters.blob])
            file = await self.blobs.fetch_file(about.parameters.blob, size, sources)
            if file != about.digest:
                if file not in self.files():
                    (self.place.files / file.hex()).unlink(missing_ok=True)
                raise Refused("A model's parameters are not what its list of digests promises.")
            served = ServedModel(model, about.shape, file)
            await self.prove(served)
        except Refused:
            if self._kept.get(model) is kept and kept.room:
                del self._kept[model]  # counts for nothing, so nothing of it is to stay
                await self._clear(model, kept)
            raise
        if self._kept.get(model) is not kept or not kept.room:
            raise Interrupted("A model was dropped while it was fetched.")
        await trio.to_thread.run_sync((self._folder(model) / WHOLE).touch)
        kept.whole = True
        return served

    @contextmanager
    def _coming_in(
        self, needed: int, about: Description, model: JobId | None = None
    ) -> Iterator[list[tuple[JobId, _Kept]]]:
        """Count so many bytes as taken; gives what was not used for longest and has to go for it.

        Raises Refused if that is not enough.
        """
        missing = self.used + needed - self.place.budget
        fixed = self.needed()
        going: list[tuple[JobId, _Kept]] = []
        for name, kept in sorted(self._kept.items(), key=lambda item: (item[1].used, item[0])):
            if missing > 0 and name not in fixed and name != model and not self._is_busy(name):
                going.append((name, kept))
                missing -= kept.about.size - kept.about.parameters.size + kept.room
        if missing > 0:
            raise Refused(
                "There is no room for the model.",
                f"It has {about.size} bytes; orders.disk allows {self.place.budget} for all, and "
                "what is being served stays.",
                "Raise orders.disk, or name fewer models in orders.models.",
            )
        for name, _ in going:
            del self._kept[name]
        self._coming += needed
        try:
            yield going
        finally:
            self._coming -= needed

    async def _remove_all(self, going: list[tuple[JobId, _Kept]]) -> None:
        for name, kept in going:
            log.info("the model of job %s goes to make room", name.hex()[:8])
            await self._remove(name, kept)

    async def _remove(self, model: JobId, kept: _Kept) -> None:
        """The files of a model that is not kept any more, unless it is again."""
        async with self._locks.setdefault(model, trio.Lock()):
            if model not in self._kept:
                await self._clear(model, kept)

    async def _clear(self, model: JobId, kept: _Kept) -> None:
        await self._clear_parameters(model, kept.about)
        await trio.to_thread.run_sync(_remove_folder, self._folder(model))
        await self.blobs.release(_holder(model))

    async def _clear_parameters(self, model: JobId, about: Description) -> None:
        (self._folder(model) / WHOLE).unlink(missing_ok=True)
        if about.digest not in self.files():
            self._path(about).unlink(missing_ok=True)
        await self.blobs.release(_holder(model) + _PARAMETERS)

    def _is_busy(self, model: JobId) -> bool:
        lock = self._locks.get(model)
        return lock is not None and lock.locked()

    async def _touch(self, model: JobId) -> None:
        kept = self._kept.get(model)
        if kept is not None:
            kept.used = self.clock()
            await trio.to_thread.run_sync(_stamp, self._folder(model) / WHOLE, kept.used)

    def _folder(self, model: JobId) -> Path:
        return self.place.folder / model.hex()

    def _path(self, about: Description) -> Path:
        return self.place.files / about.digest.hex()


def _holder(model: JobId) -> str:
    return _HOLDER + model.hex()


def _job_of(path: Path) -> JobId | None:
    try:
        raw = bytes.fromhex(path.name)
    except ValueError:
        return None
    return JobId(Hash32(raw)) if len(raw) == 32 and path.is_dir() else None


def _is_file(path: Path, name: FileId) -> bool:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_CHUNK):
                digest.update(piece)
    except OSError:
        return False
    return digest.digest() == name


def _remove_folder(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _stamp(mark: Path, when: float) -> None:
    with suppress(FileNotFoundError):
        os.utime(mark, (when, when))


def _write(folder: Path, found: dict[str, bytes]) -> None:
    """The folder with these files: whole, or not there."""
    making = folder.with_name(f".{folder.name}")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(mode=0o700)
    for name, content in found.items():
        write_file(making / name, content, 0o600)
    shutil.rmtree(folder, ignore_errors=True)
    making.rename(folder)
