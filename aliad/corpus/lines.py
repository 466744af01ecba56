"""Files of text read as a stream: plain or gzip, strict UTF-8, bounded lines.

Only "\n" and "\r\n" end a line. Python's text mode would also split at a lone "\r", and
``str.splitlines`` at U+2028, so that the two sides of a corpus could fall out of step.
"""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import Final

from aliad.errors import InputError

LONGEST_LINE_BYTES: Final = 64 * 1024
CHUNK_BYTES: Final = 64 * 1024

_GZIP_MAGIC: Final = b"\x1f\x8b"
_UTF8_MARK: Final = b"\xef\xbb\xbf"
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Turn what the system and gzip say about ``path`` into an InputError."""
    try:
        yield
    except EOFError as error:
        raise InputError(
            f"{path} is cut off.",
            "The gzip data ends before its end mark: the download or copy was not finished.",
            "Fetch the file again; `gzip -t FILE` checks it.",
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(
            f"{path} is not sound gzip data.",
            f"Decompression failed: {error}.",
            "Fetch the file again, or remove .gz from its name if it is not compressed.",
        ) from error
    except OSError as error:
        raise InputError(
            f"{path} cannot be read.",
            f"The system says: {error.strerror or error}.",
            "Check the path and that you may read the file.",
        ) from error


def read_chunks(path: Path) -> Iterator[bytes]:
    """Give the content of ``path`` in pieces, decompressed where its name ends in .gz."""
    with file_errors(path), _open(path) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk


def read_lines(path: Path) -> Iterator[str]:
    """Give the lines of ``path`` without their ends.

    Raises InputError, with the number of the line, for bad UTF-8 and lines over 64 KiB.
    """
    with file_errors(path), _open(path) as stream:
        number = 0
        while raw := stream.readline(LONGEST_LINE_BYTES + 2):
            number += 1
            if number == 1:
                _check_start(path, raw)
                raw = raw.removeprefix(_UTF8_MARK)
            line = raw.removesuffix(b"\n").removesuffix(b"\r")
            if len(line) > LONGEST_LINE_BYTES:
                raise _too_long(path, number)
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise _not_utf8(path, number, error) from error
            yield text


def _open(path: Path) -> BufferedIOBase:
    return gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb")


def _check_start(path: Path, raw: bytes) -> None:
    if raw.startswith(_GZIP_MAGIC):
        raise InputError(
            f"{path} is compressed.",
            "It begins with the mark of gzip, but its name does not end in .gz.",
            f"Rename it to {path.name}.gz.",
        )
    if raw.startswith(_UTF16_MARKS):
        raise InputError(
            f"{path}, line 1, is not UTF-8.",
            "The file begins with the mark of UTF-16.",
            f"Convert it: iconv -f UTF-16 -t UTF-8 {path.name} > NEW",
        )


def _too_long(path: Path, number: int) -> InputError:
    return InputError(
        f"{path}, line {number}, is longer than {LONGEST_LINE_BYTES // 1024} KiB.",
        "A line must be one sentence; this looks like a whole document or another kind of file.",
        "Split the text into one sentence a line, in the same order in both files.",
    )


def _not_utf8(path: Path, number: int, error: UnicodeDecodeError) -> InputError:
    return InputError(
        f"{path}, line {number}, is not UTF-8.",
        f"Byte {error.start + 1} of the line (0x{error.object[error.start]:02x}): {error.reason}.",
        f"Convert the file if it is in an old encoding: iconv -f WINDOWS-1252 -t UTF-8 {path.name}",
    )
