"""The unfinished training beside its output: `DIR.part`, until DIR is there.

    LOCK                   held by the process that trains
    tokenizer.model        so that resuming need not train it again
    state-000012.safetensors
    progress.json          names the state file that counts, with its digest; replaced atomically

A state file is synced before progress.json names it, so a kill at any moment leaves either the
last checkpoint or the one before. What is read is checked: digests, names, shapes, types.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from aliad.compute.rounds import JobState, initial_job_state
from aliad.compute.transformer import Parameters
from aliad.corpus.writing import write_whole
from aliad.errors import InputError
from aliad.spec.model import ModelConfig

LOCK: Final = "LOCK"
TOKENIZER: Final = "tokenizer.model"
PROGRESS: Final = "progress.json"
MODEL: Final = "model"
_VERSION: Final = 1
# Files of this module and of `write_whole`, and the model in the making.
_OURS: Final = re.compile(
    r"LOCK|model|\.model\.\w+|\.?(tokenizer\.model|progress\.json|state-\d{6}\.safetensors)(\.\w+)?"
)
_PROGRESS_BYTES: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training is. Digests in hexadecimal: of the spec, of spec and data together, of
    the state file and of the tokenizer. `loss` is the last round's."""

    version: int
    spec: str
    job: str
    rounds: int
    loss: float
    state: str
    tokenizer: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """A state to go on from, and what was left over by the last aggregation."""

    state: JobState
    residual: Parameters
    loss: float


def part_folder(output: Path) -> Path:
    """Where the training that will end in `output` keeps its state.

    Raises InputError for a path without a name, such as the root.
    """
    if output.name in ("", ".."):
        raise InputError(
            f"{output} cannot be a model's folder.",
            "It has no name of its own.",
            "Give the name of a folder that does not exist yet.",
        )
    return output.with_name(output.name + ".part")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock. Raises InputError if another process does."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written.",
            f"The system says: {error.strerror or error}.",
            "Choose another output folder.",
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise in_use(folder) from error
        yield
    finally:
        os.close(handle)


def in_use(folder: Path) -> InputError:
    """The error for a folder in which another process trains, or has just trained."""
    return InputError(
        f"Another process is training in {folder}.",
        "Two would overwrite each other's state.",
        "Wait for it, or choose another output folder.",
    )


def read_progress(folder: Path) -> Progress | None:
    """What progress.json says, None where there is none. Raises InputError if it is damaged."""
    try:
        with (folder / PROGRESS).open("rb") as stream:
            raw = stream.read(_PROGRESS_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _damaged(folder, f"{PROGRESS} cannot be read: {error.strerror}.") from error
    body, _, check = raw.partition(b"\n")
    if check != _sha256(body).encode() + b"\n":
        raise _damaged(folder, f"{PROGRESS} does not have the digest in its last line.")
    values = json.loads(body)
    names = {field.name for field in fields(Progress)}
    if values.keys() != names or values["version"] != _VERSION:
        raise _damaged(folder, f"{PROGRESS} was written by another version of aliad.")
    return Progress(**values)


def read_tokenizer(folder: Path, progress: Progress) -> bytes:
    """The tokenizer of a training in progress. Raises InputError if it is damaged."""
    return _checked(folder, TOKENIZER, progress.tokenizer)


def write_checkpoint(
    folder: Path, progress: Progress, state: JobState, residual: Parameters, tokenizer: bytes
) -> None:
    """Write the state, then say in progress.json that it counts, then remove the older ones.

    `progress.state` and `progress.tokenizer` are filled in here. Raises InputError if the system
    refuses; the checkpoint before still counts then.
    """
    name = _state_name(state.rounds)
    content = save(_tensors(state, residual))
    if not (folder / TOKENIZER).exists():
        write_whole(folder / TOKENIZER, tokenizer)
    write_whole(folder / name, content)
    values = {**asdict(progress), "state": _sha256(content), "tokenizer": _sha256(tokenizer)}
    body = json.dumps(values).encode()
    write_whole(folder / PROGRESS, body + b"\n" + _sha256(body).encode() + b"\n")
    for old in folder.glob("state-*.safetensors"):
        if old.name != name:
            old.unlink(missing_ok=True)


def read_checkpoint(folder: Path, progress: Progress, config: ModelConfig) -> Resumed:
    """The state that counts. Raises InputError if it is damaged or of another model."""
    raw = _checked(folder, _state_name(progress.rounds), progress.state)
    expected = initial_job_state(config, 0)
    shapes = {k: (x.dtype, x.shape) for k, x in _tensors(expected, expected.momentum).items()}
    try:
        tensors: dict[str, Tensor] = load(raw)
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise _damaged(folder, f"The state is not a safetensors file: {error}.") from error
    if {k: (x.dtype, x.shape) for k, x in tensors.items()} != shapes:
        raise _damaged(folder, "The state has other tensors than the spec's model.")
    names = expected.parameters
    state = JobState(
        progress.rounds,
        {name: tensors[f"parameters.{name}"] for name in names},
        {name: tensors[f"momentum.{name}"] for name in names},
        {name: (tensors[f"rows.{name}"], tensors[f"columns.{name}"]) for name in names},
    )
    return Resumed(state, {name: tensors[f"residual.{name}"] for name in names}, progress.loss)


def remove(folder: Path) -> None:
    """Remove what this program writes there, and the folder if it is empty then."""
    for path in folder.iterdir():
        if _OURS.fullmatch(path.name) is None:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


def remove_if_empty(folder: Path) -> None:
    """Remove the folder if it holds no checkpoint."""
    if not (folder / PROGRESS).exists():
        remove(folder)


def _tensors(state: JobState, residual: Parameters) -> dict[str, Tensor]:
    groups = {
        "parameters": state.parameters,
        "momentum": state.momentum,
        "rows": {name: parts[0] for name, parts in state.squares.items()},
        "columns": {name: parts[1] for name, parts in state.squares.items()},
        "residual": residual,
    }
    return {
        f"{group}.{name}": x.detach().cpu().contiguous()
        for group, tensors in groups.items()
        for name, x in tensors.items()
    }


def _state_name(rounds: int) -> str:
    return f"state-{rounds:06d}.safetensors"


def _checked(folder: Path, name: str, digest: str) -> bytes:
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise _damaged(folder, f"{name} cannot be read: {error.strerror}.") from error
    if _sha256(content) != digest:
        raise _damaged(folder, f"{name} does not have the digest that {PROGRESS} promises.")
    return content


def _damaged(folder: Path, why: str) -> InputError:
    return InputError(
        f"The training in {folder} cannot go on.",
        why,
        f"Remove {folder} to start again from the beginning.",
    )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
