"""Zip packages (docx, odt): bounded reading, and writing with some of the files exchanged."""

import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aliad.errors import InputError

MOST_FILES: Final = 10_000
LARGEST_PART: Final = 32 << 20  # bytes of XML that are read
LARGEST_TOTAL: Final = 512 << 20  # bytes of all files together
_STEP: Final = 1 << 20
_OLD_OFFICE: Final = b"\xd0\xcf\x11\xe0"
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True, slots=True)
class Package:
    """A zip file that has been checked: its names are distinct, its files sound and bounded."""

    data: bytes
    files: dict[str, bytes]

    def with_files(self, files: Mapping[str, bytes]) -> bytes:
        """The package with these files exchanged, all else as it was, in the same order.

        If no file is different the bytes are the same; otherwise they depend on the version of
        zlib, but no file in it does.
        """
        if all(self.files[name] == content for name, content in files.items()):
            return self.data
        out = io.BytesIO()
        with (
            zipfile.ZipFile(io.BytesIO(self.data)) as old,
            zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
        ):
            new.comment = old.comment
            for entry in old.infolist():
                copy = zipfile.ZipInfo(entry.filename, entry.date_time)
                copy.compress_type = entry.compress_type
                copy.external_attr = entry.external_attr
                copy.create_system = entry.create_system
                copy.comment = entry.comment
                new.writestr(copy, files.get(entry.filename, self.files[entry.filename]))
        return out.getvalue()


def open_package(data: bytes, what: str, kind: str) -> Package:
    """Unpack a zip file. Raises InputError if it is damaged, locked, or a bomb."""
    if data.startswith(_OLD_OFFICE):
        raise InputError(
            f"{what} is not a {kind} file.",
            "It is locked with a password, or in the format of Office before 2007.",
            f"Remove the password, or save it as .{kind}.",
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return Package(data, _unpack(archive, what))
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        UnicodeDecodeError,
        ValueError,
        OSError,
    ) as error:
        raise InputError(
            f"{what} is not a sound {kind} file.",
            f"A {kind} file is a zip archive; unpacking this one failed: {error}.",
            "Fetch or save the file again; it may be cut off.",
        ) from error


def _unpack(archive: zipfile.ZipFile, what: str) -> dict[str, bytes]:
    entries = archive.infolist()
    if len(entries) > MOST_FILES:
        raise _bomb(what, f"It holds {len(entries):,} files; {MOST_FILES:,} are allowed.")
    files: dict[str, bytes] = {}
    total = 0
    for entry in entries:
        if entry.flag_bits & 1:
            raise InputError(
                f"{what} is locked with a password.",
                f"The file {entry.filename!r} in it is encrypted.",
                "Save it without a password.",
            )
        if entry.filename in files:
            raise _bomb(what, f"It holds {entry.filename!r} twice.")
        if entry.compress_type not in _METHODS:
            raise _bomb(what, f"{entry.filename!r} is packed in a way that is not usual.")
        content = io.BytesIO()
        with archive.open(entry) as stream:
            # What an entry says about its size is not to be believed.
            while chunk := stream.read(_STEP):
                total += len(chunk)
                if total > LARGEST_TOTAL:
                    raise _bomb(what, f"Unpacked it is larger than {LARGEST_TOTAL >> 20} MiB.")
                content.write(chunk)
        files[entry.filename] = content.getvalue()
    return files


def _bomb(what: str, why: str) -> InputError:
    return InputError(
        f"{what} is refused.", why, "Save it again with the program it comes from, if you trust it."
    )
