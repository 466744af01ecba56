"""A trained model as a folder that can be copied, checked and read without trusting its origin.

    model.safetensors   the parameters, float32, minus zero written as zero
    config.json         shape of the model, languages
    tokenizer.model     the tokenizer's bytes, opaque here
    card.json, card.md  what the model was trained on and how well it did; for programs, for people
    SHA256SUMS          digest of every file above: `sha256sum -c SHA256SUMS` checks a folder

The same model gives the same bytes in every file, so the SHA-256 of SHA256SUMS names the model.
A folder is written under another name, synced, and renamed: it is whole or it is not there.
Reading bounds every file before it is read, checks its digest, then every name, type and shape
against the configuration. Nothing is ever unpickled.
"""

import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from safetensors.torch import save as tensor_bytes

from aliad.compute.model_card import Card, card_bytes, card_from_bytes, card_text
from aliad.compute.model_config import Languages, config_bytes, config_from_bytes
from aliad.compute.model_sums import (
    CARD,
    CARD_TEXT,
    CONFIG,
    FILES,
    HEADER_BYTES,
    PARAMETERS,
    SMALL_FILE_BYTES,
    SUMS,
    TOKENIZER,
    TOKENIZER_BYTES,
    sums_from_bytes,
)
from aliad.compute.transformer import Parameters
from aliad.durable import sync, write_file
from aliad.errors import InputError
from aliad.spec.model import ModelConfig, parameter_shapes


@dataclass(frozen=True, slots=True)
class Model:
    """A model with all that is needed to use it. `tokenizer` is its file's bytes."""

    config: ModelConfig
    languages: Languages
    parameters: Parameters
    tokenizer: bytes
    card: Card


@dataclass(frozen=True, slots=True)
class Stored:
    """A model that lies on the disk; `digest` is the SHA-256 of its SHA256SUMS, 32 bytes."""

    path: Path
    digest: bytes


def canonical_parameters(parameters: Parameters, config: ModelConfig) -> Parameters:
    """The parameters in canonical order and layout, on the CPU, minus zero as zero.

    Raises InputError unless names, types and shapes are the configuration's and all is finite.
    """
    shapes = parameter_shapes(config)
    if odd := sorted(parameters.keys() ^ shapes.keys()):
        held = "misses" if odd[0] in shapes else "has an unknown"
        raise _unusable(f"It {held} parameter {odd[0]!r}; {len(odd)} names differ in all.")
    clean: Parameters = {}
    for name, shape in shapes.items():
        x = parameters[name].detach()
        if x.dtype != torch.float32 or tuple(x.shape) != shape:
            raise _unusable(
                f"Parameter {name!r} is {x.dtype} {tuple(x.shape)}, not torch.float32 {shape}."
            )
        if not bool(torch.isfinite(x).all()):
            raise _unusable(f"Parameter {name!r} holds an infinity or NaN.")
        clean[name] = (x + 0.0).cpu().contiguous()
    return clean


def save_model(model: Model, folder: Path) -> Stored:
    """Write the model's folder; it must not exist yet, or be empty.

    Raises InputError if it does, if the model does not fit its configuration, or if the system
    refuses; nothing is left behind then.
    """
    model.config.check()
    parameters = canonical_parameters(model.parameters, model.config)
    contents = {
        PARAMETERS: tensor_bytes(parameters, metadata={"format": "pt"}),
        CONFIG: config_bytes(model.config, model.languages),
        TOKENIZER: model.tokenizer,
        CARD: card_bytes(model.card),
        CARD_TEXT: card_text(model.card).encode(),
    }
    sums = "".join(f"{_sha256(contents[name])}  {name}\n" for name in FILES).encode()
    contents[SUMS] = sums
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise already_there(folder)
    with _folder_in_the_making(folder) as making:
        for name, content in contents.items():
            write_file(making / name, content, 0o644)
    return Stored(folder, hashlib.sha256(sums).digest())


def publish(making: Path, folder: Path) -> None:
    """Give a saved model its final name, on the same file system.

    Raises InputError if something has the name already.
    """
    try:
        making.rename(folder)
    except OSError as error:
        raise already_there(folder) from error
    sync(folder.parent)


def already_there(folder: Path) -> InputError:
    """The error for an output that has a name in use."""
    return InputError(
        f"{folder} exists already.",
        "A model is never written over another one.",
        "Choose another folder, or remove this one.",
    )


def load_model(folder: Path) -> Model:
    """Read a model's folder. Raises InputError, naming the file, unless all of it is sound."""
    sums = read_sums(folder)
    config, languages = config_from_bytes(_checked(folder, CONFIG, sums, SMALL_FILE_BYTES))
    card = card_from_bytes(_checked(folder, CARD, sums, SMALL_FILE_BYTES))
    _checked(folder, CARD_TEXT, sums, SMALL_FILE_BYTES)
    tokenizer = _checked(folder, TOKENIZER, sums, TOKENIZER_BYTES)
    count = sum(_numbers(shape) for shape in parameter_shapes(config).values())
    raw = _checked(folder, PARAMETERS, sums, 4 * count + HEADER_BYTES)
    try:
        parameters: Parameters = read_tensors(raw)
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise _unusable(f"{folder / PARAMETERS} is not a safetensors file: {error}.") from error
    return Model(config, languages, canonical_parameters(parameters, config), tokenizer, card)


def read_sums(folder: Path) -> dict[str, str]:
    """Hexadecimal digest of every file by name, from SHA256SUMS; InputError if it is not sound."""
    if not folder.is_dir():
        raise InputError(
            f"{folder} is not a model.",
            "There is no such folder.",
            "Give the folder that `aliad model train -o` wrote.",
        )
    raw = _read(folder / SUMS, SMALL_FILE_BYTES)
    return sums_from_bytes(raw, str(folder / SUMS))


def model_digest(folder: Path) -> bytes:
    """The SHA-256 of the folder's SHA256SUMS: the model's name, 32 bytes."""
    return hashlib.sha256(_read(folder / SUMS, SMALL_FILE_BYTES)).digest()


def _checked(folder: Path, name: str, sums: dict[str, str], most: int) -> bytes:
    content = _read(folder / name, most)
    if _sha256(content) != sums[name]:
        raise _unusable(f"{folder / name} does not have the digest that {SUMS} promises.")
    return content


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(most + 1)
    except OSError as error:
        raise _unusable(f"{path} cannot be read: {error.strerror or error}.") from error
    if len(content) > most:
        raise _unusable(f"{path} is larger than the {most} bytes that it may have.")
    return content


def _unusable(why: str) -> InputError:
    return InputError(
        "The model cannot be used.", why, "Copy or fetch the whole folder again, or train it again."
    )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _numbers(shape: tuple[int, ...]) -> int:
    count = 1
    for side in shape:
        count *= side
    return count


@contextlib.contextmanager
def _folder_in_the_making(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` that takes its name when all went well and vanishes otherwise."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            making.chmod(0o755)
            yield making
            sync(making)
            making.rename(folder)
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise
        sync(folder.parent)
    except OSError as error:
        raise InputError(
            f"The model cannot be written to {folder}.",
            f"The system says: {error.strerror or error}.",
            "Check that the folder is writable and the disk is not full.",
        ) from error
