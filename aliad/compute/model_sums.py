"""The names of a model folder's files, how large they may be, and its list of digests. No torch."""

import re
from typing import Final

from aliad.errors import InputError

PARAMETERS: Final = "model.safetensors"
CONFIG: Final = "config.json"
TOKENIZER: Final = "tokenizer.model"
CARD: Final = "card.json"
CARD_TEXT: Final = "card.md"
SUMS: Final = "SHA256SUMS"
FILES: Final = (CARD, CARD_TEXT, CONFIG, PARAMETERS, TOKENIZER)
"""Those that SUMS names, sorted."""

SMALL_FILE_BYTES: Final = 256 << 10
TOKENIZER_BYTES: Final = 64 << 20
HEADER_BYTES: Final = 1 << 20
_SUM_LINE: Final = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9._-]{1,64})")


def sums_from_bytes(raw: bytes, place: str) -> dict[str, str]:
    """Hexadecimal digest of every file by name; `place` is where the list was found.

    Raises InputError unless it names the files of a model once each, in order.
    """
    lines = raw.decode("ascii", "replace").split("\n")
    found = [_SUM_LINE.fullmatch(line) for line in lines[:-1]]
    sums = {match[2]: match[1] for match in found if match}
    if lines[-1] or len(sums) != len(found) or tuple(sums) != FILES:
        raise InputError(
            "The model cannot be used.",
            f"{place} does not name the files of a model once each.",
            "Copy or fetch the whole folder again, or train it again.",
        )
    return sums
