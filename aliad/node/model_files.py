"""A finished model as its originator published it: every file held against the ledger and the list.

The ledger names the blob of a list, the list the blob of each file, SHA256SUMS the digest of each.
All of it comes from somebody else, so everything is bounded before it is fetched.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from aliad.blob import blob_id_of
from aliad.compute.model_card import Card, card_from_bytes
from aliad.compute.model_config import Languages, config_from_bytes
from aliad.compute.model_sums import (
    CARD,
    CONFIG,
    FILES,
    PARAMETERS,
    SMALL_FILE_BYTES,
    SUMS,
    TOKENIZER,
    TOKENIZER_BYTES,
    sums_from_bytes,
)
from aliad.errors import InputError, RemoteProtocolError
from aliad.ledger.jobs import ClosedJob
from aliad.ledger.workers import is_model
from aliad.spec.model import ModelConfig, count_parameters
from aliad.spec.model_list import MAX_LIST_BYTES, ModelFile, decode_model_list
from aliad.spec.sizes import most_parameter_bytes
from aliad.types import BlobId, NodeId
from aliad.work.ports import Blobs, FileId, Refused

LIST: Final = "list"
"""The list's name among the small files; no file of a model can have it."""
SMALL_FILES: Final = (*(name for name in FILES if name != PARAMETERS), SUMS)


LONGEST_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Description:
    """A model without its parameters: their `digest` names them; `size` is of all files, in bytes.

    `blobs`: the list's, and every file's.
    """

    shape: ModelConfig
    languages: Languages
    card: Card
    parameters: ModelFile
    digest: FileId
    blobs: tuple[BlobId, ...]
    size: int


async def fetch_small_files(
    blobs: Blobs, closed: ClosedJob, sources: Collection[NodeId]
) -> dict[str, bytes]:
    """All files but the parameters, and the list. Raises Refused, Unavailable."""
    if not is_model(closed):
        raise Refused("This job has made no model.", f"It ended as {closed.outcome.name.lower()}.")
    raw = await blobs.fetch_bytes(BlobId(closed.model), MAX_LIST_BYTES, sources)
    listed = read_list(raw, closed)
    found = {LIST: raw}
    for name in SMALL_FILES:
        file = listed[name]
        found[name] = await blobs.fetch_bytes(file.blob, file.size, sources)
    return found


def read_list(raw: bytes, closed: ClosedJob) -> dict[str, ModelFile]:
    """The files by name. Raises Refused unless they are a model's, none larger than it may be."""
    if blob_id_of(raw) != closed.model:
        raise _refused("Its list of files is not the one that the ledger names.")
    try:
        files = {file.name: file for file in decode_model_list(raw).files}
    except RemoteProtocolError as error:
        raise _refused(error.what) from error
    if files.keys() != {*FILES, SUMS}:
        raise _refused(f"Its files are {', '.join(files)[:200]}.")
    for name in SMALL_FILES:
        most = TOKENIZER_BYTES if name == TOKENIZER else SMALL_FILE_BYTES
        if files[name].size > most:
            raise _refused(f"{name} has {files[name].size} bytes; {most} are the most.")
    if files[CARD].blob != closed.card:
        raise _refused("Its card is not the one that the ledger names.")
    return files


def read_description(found: Mapping[str, bytes], closed: ClosedJob) -> Description:
    """What the small files say of a model. Raises Refused unless they are sound, and agree."""
    files = read_list(found[LIST], closed)
    try:
        sums = sums_from_bytes(found[SUMS], SUMS)
        for name in SMALL_FILES:
            content = found[name]
            wrong = name != SUMS and hashlib.sha256(content).hexdigest() != sums[name]
            if wrong or len(content) != files[name].size:
                raise _refused(f"{name} is not what {SUMS} and the list promise.")
        shape, languages = config_from_bytes(found[CONFIG])
        card = card_from_bytes(found[CARD])
    except InputError as error:
        raise _refused(f"{error.what} {error.why}") from error
    _check_shown(languages, card)
    size = files[PARAMETERS].size
    least, most = 4 * count_parameters(shape), most_parameter_bytes(shape)
    if not least <= size <= most:
        raise _refused(f"{PARAMETERS} has {size} bytes; a model of its shape has {least} and more.")
    return Description(
        shape,
        languages,
        card,
        files[PARAMETERS],
        FileId(bytes.fromhex(sums[PARAMETERS])),
        (BlobId(closed.model), *(file.blob for file in files.values())),
        len(found[LIST]) + sum(file.size for file in files.values()),
    )


def _check_shown(languages: Languages, card: Card) -> None:
    """What people and programs are shown of a model is text, and numbers that are numbers."""
    texts = (languages.source, languages.target, card.name, card.languages)
    if not all(text.isprintable() and 0 < len(text) <= LONGEST_SHOWN for text in texts):
        raise _refused("Its name or its languages cannot be shown.")
    if card.bleu is not None and not 0.0 <= card.bleu <= 100.0:
        raise _refused(f"Its card tells a BLEU of {card.bleu}.")


def _refused(why: str) -> Refused:
    return Refused(
        "What was published as a model is none that can be used.", why, "Use another model."
    )
