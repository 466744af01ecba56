"""A finished model as blobs: the list of its files, whose blob id `CloseJob` names."""

import re
from dataclasses import dataclass
from typing import Final

from aliad.codec import Fields, Value, encode, open_record
from aliad.errors import RemoteProtocolError
from aliad.types import BlobId

VERSION: Final = 1
MODEL_LIST_KIND: Final = 21
MAX_LIST_BYTES: Final = 64 << 10
MAX_FILES: Final = 64
MAX_FILE_BYTES: Final = 1 << 36
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of the model's folder. A name holds no separator, and does not begin with a dot."""

    name: str
    size: int
    blob: BlobId


@dataclass(frozen=True, slots=True)
class ModelList:
    """All files, sorted by name."""

    files: tuple[ModelFile, ...]


def encode_model_list(listed: ModelList) -> bytes:
    """The canonical bytes."""
    rows = tuple((file.name, file.size, file.blob) for file in listed.files)
    return encode((VERSION, MODEL_LIST_KIND, rows))


def decode_model_list(data: bytes) -> ModelList:
    """Read a list. Raises RemoteProtocolError, and nothing else, for any other bytes."""
    fields = open_record(data, VERSION, MODEL_LIST_KIND, "model list", max_bytes=MAX_LIST_BYTES)
    files = fields.items(_file, MAX_FILES, 1)
    fields.end()
    names = [file.name for file in files]
    if names != sorted(set(names)):
        raise RemoteProtocolError("model list: names are not sorted, or one appears twice")
    return ModelList(files)


def _file(value: Value) -> ModelFile:
    fields = Fields(value, "model file")
    file = ModelFile(fields.text(64), fields.uint(MAX_FILE_BYTES), BlobId(fields.hash32()))
    fields.end()
    if _NAME.fullmatch(file.name) is None:
        raise RemoteProtocolError("model file: not the name of a file")
    return file
