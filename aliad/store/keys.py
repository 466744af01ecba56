"""Keys of the chain database: one byte says what a row is, integers follow big-endian.

Big-endian fixed-width integers sort like the numbers they are, so a range of heights is a range of
keys. A prefix is never reused for another meaning; one that goes out of use stays listed here.
"""

import struct
from typing import Final

from aliad.errors import StoreCorrupt

META: Final = b"\x00"  # name -> value, see META_*
HEADER: Final = b"\x01"  # height -> header, the bytes its hash is taken of
BODY: Final = b"\x02"  # height -> body, the bytes its header's body hash is taken of
CERTIFICATE: Final = b"\x03"  # height -> FINALIZE certificate
TRAIL: Final = b"\x04"  # height -> every certificate seen at that height
HASH_AT: Final = b"\x05"  # height -> block hash; narrow, so that gaps are found fast
HEIGHT_OF: Final = b"\x06"  # block hash -> height
STATE: Final = b"\x07"  # the ledger's key -> value
BUCKET: Final = b"\x08"  # bucket u16 -> the bucket's record, from which the state root follows
TRANSACTION: Final = b"\x09"  # transaction id -> height u64 | place u32
HISTORY: Final = b"\x0a"  # account 32 | height u64 | place u32 -> what happened
AUDIT: Final = b"\x0b"  # serial u64 -> digest of the log so far | entry
AUDIT_SUBJECT: Final = b"\x0c"  # length u8 | subject | serial u64 -> nothing
VALIDATORS: Final = b"\x0d"  # first height a validator set signs -> the encoded set

META_SCHEMA: Final = META + b"schema"
META_GENESIS: Final = META + b"genesis"
META_RECORD: Final = META + b"genesis-record"
META_TIP: Final = META + b"tip"
META_BASE: Final = META + b"base"
META_AUDIT: Final = META + b"audit"

_U64 = struct.Struct(">Q")
_U16 = struct.Struct(">H")
_PLACE = struct.Struct(">QI")


def u64(number: int) -> bytes:
    """Eight bytes that sort like the number."""
    return _U64.pack(number)


def at_height(prefix: bytes, height: int) -> bytes:
    """The key of ``height`` in a table keyed by height."""
    return prefix + _U64.pack(height)


def bucket(index: int) -> bytes:
    """The key of a bucket's record."""
    return BUCKET + _U16.pack(index)


def place(height: int, position: int) -> bytes:
    """Where something happened: height and position in the block, sorting in that order."""
    return _PLACE.pack(height, position)


def read_u64(raw: bytes, what: str) -> int:
    """A stored integer. Raises StoreCorrupt unless it has eight bytes."""
    if len(raw) != _U64.size:
        raise StoreCorrupt(f"{what} has {len(raw)} bytes instead of 8", "", RESYNC)
    number: int = _U64.unpack(raw)[0]
    return number


def read_bucket(key: bytes) -> int:
    """The index in a bucket's key. Raises StoreCorrupt unless the key has its length."""
    if len(key) != 1 + _U16.size:
        raise StoreCorrupt(f"a bucket's key has {len(key)} bytes instead of 3", "", RESYNC)
    index: int = _U16.unpack(key[1:])[0]
    return index


def read_place(raw: bytes, what: str) -> tuple[int, int]:
    """A stored place as (height, position). Raises StoreCorrupt unless it has twelve bytes."""
    if len(raw) != _PLACE.size:
        raise StoreCorrupt(f"{what} has {len(raw)} bytes instead of 12", "", RESYNC)
    height, position = _PLACE.unpack(raw)
    return height, position


RESYNC: Final = "move the chain directory away and sync again; nothing was repaired"
