"""Bytes to text and back in the same encoding, with the same byte order mark."""

import codecs
import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from charset_normalizer import from_bytes

from aliad.errors import InputError

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE: Final = 256 * 1024
_ASCII: Final = "<?xml charset='a-z0-9'?>"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{1,40}\Z")
_REFUSED: Final = frozenset({"utf-7", "idna", "punycode", "unicode-escape", "raw-unicode-escape"})


class Fallback(Enum):
    """What becomes of characters that the source's encoding does not have."""

    WIDEN = "the whole text is written as UTF-8"
    REFERENCE = "they are written as &#...; references"


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a text is written: the codec, the byte order mark, the way out.

    `declared` matches the place in the text that names the encoding, for when it changes.
    """

    name: str
    mark: bytes = b""
    fallback: Fallback = Fallback.WIDEN
    declared: re.Pattern[str] | None = None


def decode(
    data: bytes,
    what: str,
    *,
    hint: re.Pattern[bytes] | None = None,
    fallback: Fallback = Fallback.WIDEN,
    declared: re.Pattern[str] | None = None,
) -> tuple[str, Encoding]:
    """The text of `data` and its encoding: by mark, UTF-8, `hint` in its first 4 KiB, or a guess.

    Encoding the text again gives the same bytes. Raises InputError if no encoding does that, or
    the data is no text.
    """
    for mark, name in _MARKS:
        if data.startswith(mark):
            return _strict(data, what, Encoding(name, mark, fallback, declared))
    told = _told(data, hint)
    if told and told not in ("utf-8", "ascii"):
        return _strict(data, what, Encoding(told, b"", fallback, declared))
    if b"\0" in data:
        raise _not_text(what, "It holds zero bytes, as programs, images and archives do.")
    try:
        return data.decode("utf-8"), Encoding("utf-8", b"", fallback, declared)
    except UnicodeDecodeError as error:
        if told:
            raise _unreadable(what, told, error) from error
    best = from_bytes(data[:_SAMPLE]).best()
    if best is None:
        raise _not_text(what, "Its bytes fit no encoding of text.")
    return _strict(data, what, Encoding(best.encoding, b"", fallback, declared))


def encode(text: str, encoding: Encoding) -> tuple[bytes, str]:
    """The bytes of `text`, and the encoding they are in."""
    try:
        return encoding.mark + text.encode(encoding.name), encoding.name
    except UnicodeEncodeError:
        if encoding.fallback is Fallback.REFERENCE:
            return encoding.mark + text.encode(encoding.name, "xmlcharrefreplace"), encoding.name
    if encoding.declared is not None and (found := encoding.declared.search(text)):
        text = text[: found.start(1)] + "UTF-8" + text[found.end(1) :]
    return text.encode("utf-8"), "utf-8"


def _told(data: bytes, hint: re.Pattern[bytes] | None) -> str:
    found = hint.search(data[:4096]) if hint else None
    if found is None:
        return ""
    name = found[found.lastindex or 0].decode("ascii", "replace")
    if not _NAME.match(name):
        return ""
    try:
        info = codecs.lookup(name)
    except LookupError:
        return ""
    if info.name in _REFUSED:
        return ""
    try:
        # It was read as ASCII, so it cannot be true of an encoding that writes ASCII otherwise.
        plain = _ASCII.encode(info.name) == _ASCII.encode("ascii")
    except (LookupError, UnicodeError):
        return ""
    return info.name if plain else ""


def _strict(data: bytes, what: str, encoding: Encoding) -> tuple[str, Encoding]:
    try:
        text = data[len(encoding.mark) :].decode(encoding.name)
    except (UnicodeDecodeError, LookupError) as error:
        raise _unreadable(what, encoding.name, error) from error
    try:
        same = text.encode(encoding.name) == data[len(encoding.mark) :]
    except UnicodeEncodeError:
        same = False
    if not same:
        raise InputError(
            f"{what} cannot be written back as it is.",
            f"Read and written as {encoding.name}, it would not be the same bytes.",
            f"Convert it to UTF-8: iconv -f {encoding.name} -t UTF-8 FILE > NEW",
        )
    return text, encoding


def _unreadable(what: str, name: str, error: Exception) -> InputError:
    where = f" at byte {error.start + 1}" if isinstance(error, UnicodeDecodeError) else ""
    return InputError(
        f"{what} cannot be read as {name}.",
        f"It says that it is in this encoding, but is not{where}.",
        "Save it as UTF-8, or correct what it says about its encoding.",
    )


def _not_text(what: str, why: str) -> InputError:
    return InputError(
        f"{what} is not a text file.", why, "Check the file, or name its kind with --format."
    )
